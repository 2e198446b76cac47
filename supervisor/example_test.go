package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// silent keeps the examples free of log lines.
var silent = tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})

// worker is a child that tells what it does.
func worker(name string) supervisor.Child {
	return supervisor.Func(name, func(ctx context.Context) error {
		<-ctx.Done()
		fmt.Println(name, "stops because of:", context.Cause(ctx))
		return nil
	})
}

func ExampleNew() {
	ready := make(chan struct{})
	root := supervisor.New("root", supervisor.Policy{Tracing: silent},
		worker("database"),
		supervisor.New("services", supervisor.Policy{Strategy: strategy.OneForAll}, worker("mail"), worker("search")),
		supervisor.Func("job", func(ctx context.Context) error { close(ready); <-ctx.Done(); return nil }),
	)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-ready; cancel() }()

	err := root.Run(ctx) // everything has started when the last child has, and stops the other way round
	fmt.Println("run:", err)
	// Output:
	// search stops because of: shutdown
	// mail stops because of: shutdown
	// database stops because of: shutdown
	// run: <nil>
}

func ExampleNewDynamic() {
	users := supervisor.NewDynamic("users", supervisor.Policy{MaxChildren: 2, Tracing: silent})
	ctx := context.Background()
	wait, err := users.Start(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		name, err := users.StartChild(ctx, worker("user"))
		fmt.Printf("%q %v\n", name, err)
	}
	fmt.Println(users.TerminateChild(ctx, "user#1"))
	fmt.Println(users.Children())
	fmt.Println(users.Stop(ctx), wait())
	// Output:
	// "user#1" <nil>
	// "user#2" <nil>
	// "" start users/user: the supervisor has MaxChildren children
	// user stops because of: shutdown
	// <nil>
	// [user#2]
	// user stops because of: shutdown
	// <nil> <nil>
}

// A Dynamic begins empty again when it is restarted. A Func after it fills it: under
// RestForOne it is restarted with it, and so fills it anew each time.
func ExampleNewDynamic_refilled() {
	crash, filled := make(chan struct{}), make(chan struct{})
	users := supervisor.NewDynamic("users", supervisor.Policy{Restarts: strategy.NoRestarts})
	fill := supervisor.Func("fill", func(ctx context.Context) error {
		for _, name := range []string{"ada", "bob"} {
			_, err := users.StartChild(ctx, supervisor.Func(name, func(ctx context.Context) error {
				select {
				case <-crash:
					return errors.New("crash")
				case <-ctx.Done():
					return nil
				}
			}))
			if err != nil {
				return err
			}
		}
		filled <- struct{}{}
		<-ctx.Done()
		return nil
	})
	root := supervisor.New("root", supervisor.Policy{Strategy: strategy.RestForOne, Tracing: silent}, users, fill)
	ctx := context.Background()
	wait, err := root.Start(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	<-filled
	fmt.Println(users.Children())
	crash <- struct{}{} // which is one too many: users gives up, and root restarts both
	<-filled
	fmt.Println(users.Children())
	fmt.Println(root.Stop(ctx), wait())
	// Output:
	// [ada#1 bob#2]
	// [ada#3 bob#4]
	// <nil> <nil>
}

func ExampleFunc() {
	attempt := 0
	root := supervisor.New("root", supervisor.Policy{Restarts: 2, Tracing: silent},
		supervisor.Func("flaky", func(context.Context) error {
			attempt++
			fmt.Println("attempt", attempt)
			return errors.New("no luck")
		}),
	)
	err := root.Run(context.Background())
	fmt.Println(err)

	var gaveUp *exit.GaveUp
	if errors.As(err, &gaveUp) {
		fmt.Printf("%s gave up on %s: %v\n", gaveUp.Supervisor, gaveUp.Child, gaveUp.Cause)
	}
	// Output:
	// attempt 1
	// attempt 2
	// attempt 3
	// root gave up: too many restarts, the last one wanted by "flaky": no luck
	// root gave up on flaky: no luck
}

func ExampleGo() {
	root := supervisor.New("root", supervisor.Policy{Restarts: 1, Tracing: silent},
		supervisor.Func("feed", func(ctx context.Context) error {
			lines := make(chan string)
			err := supervisor.Go(ctx, func(ctx context.Context) error { // reads while feed works
				lines <- "good"
				panic("cannot read the next line")
			})
			if err != nil {
				return err
			}
			for {
				select {
				case line := <-lines:
					fmt.Println("line:", line)
				case <-ctx.Done(): // a stop, or the reader has failed
					fmt.Println("feed stops because of:", context.Cause(ctx))
					return nil
				}
			}
		}))
	fmt.Println(root.Run(context.Background()))
	// Output:
	// line: good
	// feed stops because of: panic: cannot read the next line
	// line: good
	// feed stops because of: panic: cannot read the next line
	// root gave up: too many restarts, the last one wanted by "feed": panic: cannot read the next line
}

// counter is a service with state, which a crash may have spoilt.
type counter struct{ n int }

func (c *counter) Serve(ctx context.Context) error {
	for {
		c.n++
		fmt.Println("count", c.n)
		if c.n == 2 {
			return errors.New("crash")
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

func ExampleFactory() {
	root := supervisor.New("root", supervisor.Policy{Restarts: 1, Tracing: silent},
		supervisor.Factory("counter", func(context.Context) (*counter, error) { return new(counter), nil }))
	fmt.Println(root.Run(context.Background()))
	// Output:
	// count 1
	// count 2
	// count 1
	// count 2
	// root gave up: too many restarts, the last one wanted by "counter": crash
}

func ExampleServe() {
	listening := make(chan net.Addr, 1)
	listen := func(ctx context.Context) (net.Listener, error) {
		l, err := supervisor.Listen("tcp", "127.0.0.1:0")(ctx)
		if err == nil {
			listening <- l.Addr()
		}
		return l, err
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello\n") })
	root := supervisor.New("root", supervisor.Policy{Tracing: silent},
		supervisor.Serve("web", listen, func() *http.Server { return &http.Server{Handler: hello} }))

	ctx := context.Background()
	wait, err := root.Start(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	response, err := http.Get(fmt.Sprintf("http://%v/", <-listening))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = io.Copy(os.Stdout, response.Body)
	response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(root.Stop(ctx), wait())
	// Output:
	// hello
	// <nil> <nil>
}

func ExampleListen() {
	listener, err := supervisor.Listen("tcp", "127.0.0.1:0")(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close()
	fmt.Println(listener.Addr().Network())
	// Output: tcp
}

func ExampleTimeout() {
	released := make(chan struct{})
	defer close(released)
	stubborn := supervisor.Func("stubborn", func(context.Context) error { // it does not look at its ctx
		<-released
		return nil
	})
	root := supervisor.New("root", supervisor.Policy{Tracing: silent},
		worker("polite"),
		supervisor.Spec{Child: stubborn, Shutdown: supervisor.Timeout(20 * time.Millisecond)})
	ctx := context.Background()
	if _, err := root.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	err := root.Stop(ctx)

	var report *supervisor.StopError
	if errors.As(err, &report) {
		for _, s := range report.Stuck {
			fmt.Println("stuck:", s.Path, "with a stack:", s.Stack != "")
		}
	}
	// Output:
	// polite stops because of: shutdown
	// stuck: root/stubborn with a stack: true
}

func ExampleSpec() {
	migrate := supervisor.Func("migrate", func(context.Context) error {
		fmt.Println("migrated")
		return nil
	})
	root := supervisor.New("root", supervisor.Policy{Tracing: silent},
		supervisor.Spec{Child: migrate, Restart: strategy.Temporary}, // once
		supervisor.Spec{
			Child:    worker("queue"),
			Shutdown: supervisor.Timeout(time.Minute), // it may have much to finish
			Backoff:  strategy.Exponential(10*time.Millisecond, time.Second),
		},
	)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	fmt.Println(root.Run(ctx))
	// Output:
	// migrated
	// queue stops because of: shutdown
	// <nil>
}

// A tree that ends when its work is done: the two jobs are significant, the log
// that they need is not.
func ExamplePolicy_autoShutdown() {
	job := func(name string) supervisor.Child {
		return supervisor.Spec{
			Restart:     strategy.Transient, // tried again until it succeeds
			Significant: true,
			Child:       supervisor.Func(name, func(context.Context) error { return nil }),
		}
	}
	root := supervisor.New("root", supervisor.Policy{AutoShutdown: strategy.AllSignificant, Tracing: silent},
		worker("log"), job("import"), job("export"))
	fmt.Println(root.Run(context.Background()))
	// Output:
	// log stops because of: shutdown
	// <nil>
}

func ExampleSupervisor_Check() {
	root := supervisor.New("root", supervisor.Policy{Within: -time.Second},
		worker("a"),
		supervisor.New("sub", supervisor.Policy{}, worker("b"), worker("b"), supervisor.Func("c/d", nil)))
	fmt.Println(root.Check())
	// Output:
	// supervisor "root": Policy.Within: -1s is negative
	// supervisor "root/sub": child 2 "b": Name: a sibling has it already
	// supervisor "root/sub": child 3 "c/d": Name: "c/d" has a slash, which separates the parts of a path
	// supervisor "root/sub": child 3 "c/d": Func: nil
}

func ExampleSupervisor_StartChild() {
	root := supervisor.New("root", supervisor.Policy{Tracing: silent}, worker("a"))
	ctx := context.Background()
	fmt.Println(root.StartChild(ctx, worker("b")))
	wait, err := root.Start(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(root.StartChild(ctx, worker("b")))
	fmt.Println(root.StartChild(ctx, worker("b")))
	fmt.Println(root.TerminateChild(ctx, "b"))
	fmt.Println(root.RestartChild(ctx, "b"))
	fmt.Println(root.DeleteChild(ctx, "b"))
	fmt.Println(root.Stop(ctx), wait())
	// Output:
	// start root/b: the supervisor is not running
	// <nil>
	// start root/b: Name: a sibling has it: already started
	// b stops because of: shutdown
	// <nil>
	// <nil>
	// delete root/b: running
	// b stops because of: shutdown
	// a stops because of: shutdown
	// <nil> <nil>
}
