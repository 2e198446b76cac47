package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

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
