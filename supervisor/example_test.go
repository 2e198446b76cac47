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

	"github.com/coppice-go/coppice/actor"
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
	// start root/b: already started
	// b stops because of: shutdown
	// <nil>
	// <nil>
	// delete root/b: running
	// b stops because of: shutdown
	// a stops because of: shutdown
	// <nil> <nil>
}

func ExampleSupervisor_Snapshot() {
	root := supervisor.New("root", supervisor.Policy{Tracing: silent},
		worker("a"), supervisor.New("sub", supervisor.Policy{}, worker("b")))
	ctx := context.Background()
	wait, err := root.Start(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = root.TerminateChild(ctx, "a")
	fmt.Print(root.Snapshot())
	for path, s := range root.Snapshot().All() {
		fmt.Println(path, s.State)
	}
	fmt.Println(root.Stop(ctx), wait())
	// Output:
	// a stops because of: shutdown
	// root running
	//   a stopped, ended: normal
	//   sub running
	//     b running
	// root running
	// root/a stopped
	// root/sub running
	// root/sub/b running
	// b stops because of: shutdown
	// <nil> <nil>
}

func ExampleSnapshot_Count() {
	root := supervisor.New("root", supervisor.Policy{Tracing: silent},
		worker("a"), worker("b"), supervisor.New("sub", supervisor.Policy{}, worker("c"), worker("d")))
	ctx := context.Background()
	wait, err := root.Start(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = root.TerminateChild(ctx, "a")
	fmt.Printf("%+v\n", root.Snapshot().Count())
	fmt.Println(root.Stop(ctx), wait())
	// Output:
	// a stops because of: shutdown
	// {Specs:3 Active:2 Supervisors:1 Workers:2}
	// d stops because of: shutdown
	// c stops because of: shutdown
	// b stops because of: shutdown
	// <nil> <nil>
}

func ExampleSupervisor_ChildSpec() {
	root := supervisor.New("root", supervisor.Policy{Tracing: silent}, supervisor.Spec{Child: worker("a"), Restart: strategy.Transient})
	ctx := context.Background()
	wait, err := root.Start(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	spec, err := root.ChildSpec("a")
	fmt.Println(spec.Name(), spec.Restart, spec.Shutdown, err)
	_, err = root.ChildSpec("b")
	fmt.Println(err)
	fmt.Println(root.Stop(ctx), wait())
	// Output:
	// a transient 5s <nil>
	// find root/b: no such child
	// a stops because of: shutdown
	// <nil> <nil>
}

// What has crashed, with all that is known of it: as an event and a log line when
// it happens, and later from the tree.
func ExampleSupervisor_Crashes() {
	attempts := 0
	connected := make(chan struct{})
	feed := supervisor.Factory("feed", func(context.Context) (*connection, error) {
		if attempts++; attempts == 2 {
			return nil, errors.New("connection refused")
		}
		return &connection{broken: attempts == 1, connected: connected}, nil
	})
	root := supervisor.New("root", supervisor.Policy{Tracing: silent}, feed)
	if _, err := root.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	<-connected
	fmt.Println("stop:", root.Stop(context.Background()))
	for _, crash := range root.Crashes() {
		fmt.Printf("%s#%d: %v, decision: %s, attempt %d\n", crash.Path, crash.Incarnation, crash.Reason, crash.Decision, crash.Attempt)
	}
	// Output:
	// stop: <nil>
	// root/feed#1: panic: broken pipe, decision: restart, attempt 1
	// root/feed#2: connection refused, decision: restart, attempt 2
}

type connection struct {
	broken    bool
	connected chan struct{}
}

func (c *connection) Serve(ctx context.Context) error {
	if c.broken {
		panic("broken pipe")
	}
	close(c.connected)
	<-ctx.Done()
	return nil
}

// A child that takes too long for something is told of, and nothing else happens
// to it.
func ExampleWatch() {
	told := make(chan tracing.Event, 2)
	events := tracing.New(tracing.Options{
		Logger: slog.New(slog.DiscardHandler),
		Sinks: []tracing.Sink{func(e tracing.Event) {
			switch e.(type) {
			case tracing.Stuck, tracing.Unstuck:
				told <- e
			}
		}},
	})
	slow := make(chan struct{})
	printer := actor.New("printer", func(context.Context) (actor.Behavior[string], error) {
		return actor.Behavior[string]{Receive: func(context.Context, string) error { <-slow; return nil }}, nil
	})
	root := supervisor.New("root", supervisor.Policy{Tracing: events},
		supervisor.Spec{Child: printer, Watch: &supervisor.Watch{Message: 20 * time.Millisecond, Start: time.Minute}},
	)
	ctx := context.Background()
	if _, err := root.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if err := printer.Send(ctx, "report.pdf"); err != nil {
		fmt.Println(err)
	}

	stuck := (<-told).(tracing.Stuck)
	fmt.Println(stuck.Path, "is stuck", stuck.Doing)
	fmt.Println("for at least 20ms:", stuck.For >= 20*time.Millisecond)
	fmt.Println("its stack is there:", stuck.Stack != "")
	close(slow)
	over := (<-told).(tracing.Unstuck)
	fmt.Println(over.Path, "is no longer stuck", over.Doing)
	fmt.Println("stop:", root.Stop(ctx))
	// Output:
	// root/printer is stuck with a message in hand
	// for at least 20ms: true
	// its stack is there: true
	// root/printer is no longer stuck with a message in hand
	// stop: <nil>
}
