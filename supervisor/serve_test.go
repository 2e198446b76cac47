package supervisor_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// pipes is a listener whose connections are pipes.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return new(net.UnixAddr) }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

// echo is a server that echoes one byte of each connection.
type echo struct {
	log       *recorder
	listener  net.Listener
	conns     sync.WaitGroup
	serve     func() error // instead of serving; nil means serve
	shutdowns func() error // what Shutdown does after that; nil means nothing
	shut      chan struct{}
}

func (e *echo) Serve(l net.Listener) error {
	if e.serve != nil {
		return e.serve()
	}
	e.listener = l
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		e.conns.Go(func() {
			defer conn.Close()
			b := make([]byte, 1)
			if _, err := conn.Read(b); err == nil {
				_, _ = conn.Write(b)
			}
		})
	}
}

func (e *echo) Shutdown(ctx context.Context) error {
	e.log.add("Shutdown")
	if e.serve == nil {
		e.listener.Close()
	}
	if e.shut != nil {
		close(e.shut)
	}
	if e.shutdowns != nil {
		return e.shutdowns()
	}
	done := make(chan struct{})
	go func() { e.conns.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		e.log.add("Shutdown overdue: " + context.Cause(ctx).Error())
		return ctx.Err()
	}
}

// closingEcho can be closed.
type closingEcho struct {
	echo
	closing error
}

func (c *closingEcho) Close() error { c.log.add("Close"); return c.closing }

func TestServeInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log recorder
		log.began = time.Now()
		listener := newPipes()
		child := supervisor.Serve("echo",
			func(context.Context) (net.Listener, error) { return listener, nil },
			func() *echo { return &echo{log: &log} })
		b := start(t, supervisor.Policy{}, child)
		conn := listener.dial()
		time.AfterFunc(3*time.Second, func() { _, _ = conn.Write([]byte("x")) })
		read := make(chan string)
		go func() {
			text, _ := io.ReadAll(conn)
			read <- string(text)
		}()
		synctest.Wait()
		go func() { time.Sleep(time.Second); b.stopInOrder() }()
		check(t, "echo", <-read, "x") // the request in progress is finished
		time.Sleep(time.Second)
		b.wantAt(t, "3s stop echo", "3s stop root")
		log.wantAt(t, "1s Shutdown")
		<-listener.closed
	})
}

func TestServeShutdownIsOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log recorder
		log.began = time.Now()
		listener := newPipes()
		server := &closingEcho{echo: echo{log: &log}}
		b := start(t, supervisor.Policy{}, supervisor.Serve("echo",
			func(context.Context) (net.Listener, error) { return listener, nil },
			func() *closingEcho { return server }))
		conn := listener.dial() // and says nothing
		synctest.Wait()
		b.stopInOrder()
		b.wantAt(t, "4.5s stop echo, overdue", "4.5s stop root")
		log.wantAt(t, "0s Shutdown", "4.5s Shutdown overdue: killed", "4.5s Close")
		conn.Close()
	})
}

func TestServeThatEndsByItself(t *testing.T) {
	for _, test := range []struct {
		name    string
		serve   func() error
		closing error
		want    string
		log     []string
	}{
		{"an error", returns(errBoom), nil, "boom", []string{"Close"}},
		{"an error, and one of Close", returns(errBoom), errors.New("no close"), "boom\nno close", []string{"Close"}},
		{"a reason", returns(exit.Shutdown), nil, "shutdown", []string{"Close"}},
		{"nil", returns(nil), nil, "the server stopped serving without being asked", []string{"Close"}},
		{"a panic", panics("oops"), nil, "panic: oops", nil},
		{"Goexit", goexits, nil, "goroutine left by runtime.Goexit", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log recorder
				listener, servers := newPipes(), 0
				child := supervisor.Serve("echo",
					func(context.Context) (net.Listener, error) { return listener, nil },
					func() *closingEcho {
						if servers++; servers > 1 {
							return &closingEcho{echo: echo{log: &log}}
						}
						return &closingEcho{echo{log: &log, serve: test.serve}, test.closing}
					})
				b := newBed(t, supervisor.Policy{Restarts: 1}, child)
				b.wait, _ = b.root.Start(context.Background())
				synctest.Wait()
				<-listener.closed // so it ends again, and there is only one restart
				lines := b.take()
				check(t, "event", lines[2].text, "exit echo: "+test.want)
				check(t, "event", lines[3].text, "restarting echo")
				if err := b.wait(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("wait: got %v, want closed", err)
				}
				log.want(t, append(test.log, "Close")...) // no Shutdown: nobody asked
			})
		})
	}
}

func TestServeThatCannotStart(t *testing.T) {
	listens := func(context.Context) (net.Listener, error) { return newPipes(), nil }
	made := func() *echo { return new(echo) }
	for _, test := range []struct {
		name   string
		listen func(context.Context) (net.Listener, error)
		server func() *echo
		want   string
	}{
		{"listen fails", func(context.Context) (net.Listener, error) { return nil, errBoom }, made, "start root/echo: boom"},
		{"no listener", func(context.Context) (net.Listener, error) { return nil, nil }, made,
			"start root/echo: listen: neither a listener nor an error"},
		{"no server", listens, func() *echo { return nil }, "start root/echo: server: nil"},
		{"server panics", listens, func() *echo { panic("oops") }, "start root/echo: panic: oops"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, supervisor.Policy{}, supervisor.Serve("echo", test.listen, test.server))
				checkError(t, "run", b.root.Run(t.Context()), test.want)
			})
		})
	}
	_, err := supervisor.Serve("echo", listens, made).Start(t.Context())
	checkError(t, "start without a supervisor", err, "echo: a server is started by a supervisor")
}

func TestServeClosesItsListenerWhateverHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := newPipes()
		b := newBed(t, supervisor.Policy{Restarts: strategy.NoRestarts}, supervisor.Serve("echo",
			func(context.Context) (net.Listener, error) { return listener, nil },
			func() *echo { return &echo{serve: func() error { panic("cannot serve") }} }))
		b.wait, _ = b.root.Start(context.Background())
		<-listener.closed
		if b.wait() == nil {
			t.Error("wait: got nil, want that it gave up")
		}
	})
}

func TestServeShutdownMisbehaves(t *testing.T) {
	for _, test := range []struct {
		name      string
		shutdowns func() error
		want      string
	}{
		{"an error", returns(errBoom), "stop echo: boom"},
		{"a panic", panics("oops"), "stop echo: panic: oops"}, // it is on another goroutine, and must not end the program
		{"Goexit", goexits, "stop echo: goroutine left by runtime.Goexit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shut := make(chan struct{})
				b := start(t, supervisor.Policy{}, supervisor.Serve("echo",
					func(context.Context) (net.Listener, error) { return newPipes(), nil },
					func() *echo {
						return &echo{log: new(recorder), shut: shut, shutdowns: test.shutdowns,
							serve: func() error { <-shut; return http.ErrServerClosed }}
					}))
				b.stopInOrder()
				b.want(t, test.want, "stop root")
			})
		})
	}
}

func TestServeHTTP(t *testing.T) {
	// The real thing, so outside of a bubble.
	var address string
	hang, hanging := make(chan struct{}), make(chan struct{})
	listen := func(ctx context.Context) (net.Listener, error) {
		l, err := supervisor.Listen("tcp", "127.0.0.1:0")(ctx)
		if err == nil {
			address = l.Addr().String()
		}
		return l, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		close(hanging)
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "done")
	})
	var client http.Client
	defer client.CloseIdleConnections()
	get := func(path string) (string, error) {
		response, err := client.Get("http://" + address + path)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	type result struct {
		body string
		err  error
	}
	for _, test := range []struct {
		name     string
		shutdown supervisor.Shutdown
		finishes bool
	}{
		{"the request in progress is finished", supervisor.Infinity, true},
		{"the one that does not end is cut", supervisor.Timeout(100 * time.Millisecond), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			hang, hanging = make(chan struct{}), make(chan struct{})
			b := start(t, supervisor.Policy{}, supervisor.Spec{
				Shutdown: test.shutdown,
				Child:    supervisor.Serve("web", listen, func() *http.Server { return &http.Server{Handler: mux} }),
			})
			body, err := get("/hello")
			checkError(t, "get", err, "")
			check(t, "body", body, "hello")

			slow := make(chan result)
			go func() {
				body, err := get("/slow")
				slow <- result{body, err}
			}()
			<-hanging
			stopped := make(chan struct{})
			go func() { b.stopInOrder(); close(stopped) }()
			if test.finishes {
				close(hang)
			}
			got := <-slow
			if test.finishes && (got.err != nil || got.body != "done") || !test.finishes && got.err == nil {
				t.Errorf("slow request: got %q and %v, want finished %v", got.body, got.err, test.finishes)
			}
			<-stopped
			if _, err := get("/hello"); err == nil {
				t.Error("get afterwards: got nil, want an error")
			}
		})
	}
}
