package supervisor_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// place is where an incarnation may be stuck. All end when released is closed.
type place struct {
	name       string
	in         supervisor.Phase
	message    string // type of the message in hand
	waiting    int
	number     int    // of the incarnation, if not the first
	goroutines int    // if not one
	function   string // in the stack, and in that of no other place
	real       bool   // a bubble cannot see that it waits

	// plant makes the child. It is stuck, at the latest at its stop, when stick
	// has been called; nil if that is not needed.
	plant func(t *testing.T, name string, released chan struct{}) (child supervisor.Child, stick func())
}

// What is in the stacks: one function for each place.

func stuckInReceive(released chan struct{})    { <-released }
func stuckInCall(released chan struct{})       { <-released }
func stuckInLoop(released chan struct{})       { <-released }
func stuckInLoopsWork(released chan struct{})  { <-released }
func stuckInOpen(released chan struct{})       { <-released }
func stuckInStart(released chan struct{})      { <-released }
func stuckInContinue(released chan struct{})   { <-released }
func stuckInRest(released chan struct{})       { <-released }
func stuckInClose(released chan struct{})      { <-released }
func stuckAfterCrash(released chan struct{})   { <-released }
func stuckInFunc(released chan struct{})       { <-released }
func stuckInGo(released chan struct{})         { <-released }
func stuckInHandlersGo(released chan struct{}) { <-released }
func stuckInShutdown(released chan struct{})   { <-released }
func stuckInReader(released chan struct{})     { <-released }

func stuckInSend(to *actor.Actor[int]) error { return to.Send(context.Background(), 3) }

func stuckInChannelSend(c chan<- int) { c <- 1 }

func stuckWithMutex(mu *sync.Mutex, locked, released chan struct{}) {
	mu.Lock()
	close(locked)
	<-released
	mu.Unlock()
}

func stuckForMutex(mu *sync.Mutex) {
	mu.Lock()
	defer mu.Unlock()
}

// receiving is an actor of ints that does this with each message.
func receiving(name string, receive func(ctx context.Context, n int) error) *actor.Actor[int] {
	return actor.New(name, func(context.Context) (actor.Behavior[int], error) {
		return actor.Behavior[int]{Receive: receive}, nil
	}, actor.Options{Mailbox: mailbox.Options{Drain: mailbox.FinishInHand}})
}

// doing is an actor of ints with this behavior.
func doing(name string, b actor.Behavior[int]) *actor.Actor[int] {
	return actor.New(name, func(context.Context) (actor.Behavior[int], error) { return b, nil })
}

func ignores(context.Context, int) error { return nil }

// sent sends an int to the actor when it is called.
func sent(t *testing.T, a *actor.Actor[int], numbers ...int) func() {
	return func() {
		for _, n := range numbers {
			checkError(t, "send", a.Send(context.Background(), n), "")
		}
	}
}

// waits is a message whose handler waits for the channel.
type waits struct {
	released chan struct{}
	rest     bool // after its answer
}

func (w waits) Handle(context.Context, *struct{}) (int, error) {
	if w.rest {
		return 0, actor.Continue(func(context.Context) error { stuckInRest(w.released); return nil })
	}
	stuckInCall(w.released)
	return 1, nil
}

// lingering is a network server that does not shut down.
type lingering struct {
	released chan struct{}
	shut     chan struct{}
}

func (l lingering) Serve(net.Listener) error { <-l.shut; return nil }
func (l lingering) Shutdown(context.Context) error {
	defer close(l.shut)
	stuckInShutdown(l.released)
	return nil
}

type noListener struct{ net.Listener }

func (noListener) Close() error { return nil }

var places = []place{
	{name: "receive", in: supervisor.InMessage, message: "int", waiting: 2, function: "stuckInReceive",
		plant: func(t *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			a := receiving(name, func(context.Context, int) error { stuckInReceive(released); return nil })
			return a, sent(t, a, 1, 2, 3)
		}},
	{name: "call", in: supervisor.InMessage, message: "supervisor_test.waits", function: "stuckInCall",
		plant: func(_ *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			s := actor.NewServer(name, idle)
			return s, func() { go func() { _, _ = actor.Call(context.Background(), s, waits{released: released}) }() }
		}},
	{name: "rest", in: supervisor.InMessage, message: "supervisor_test.waits", function: "stuckInRest",
		plant: func(t *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			s := actor.NewServer(name, idle)
			return s, func() {
				_, err := actor.Call(t.Context(), s, waits{released: released, rest: true})
				checkError(t, "call", err, "")
			}
		}},
	{name: "loop", in: supervisor.InRun, function: "stuckInLoop",
		plant: func(_ *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			return doing(name, actor.Behavior[int]{Loop: func(context.Context, *mailbox.Inbox[int]) error { stuckInLoop(released); return nil }}), nil
		}},
	{name: "loop with a message", in: supervisor.InMessage, message: "int", function: "stuckInLoopsWork",
		plant: func(t *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			a := doing(name, actor.Behavior[int]{Loop: func(_ context.Context, in *mailbox.Inbox[int]) error {
				if _, ok := in.Open(<-in.C); ok {
					stuckInLoopsWork(released)
				}
				return nil
			}})
			return a, sent(t, a, 1)
		}},
	{name: "open", in: supervisor.InStart, number: 2, function: "stuckInOpen",
		plant: func(t *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			opened := 0
			a := actor.New(name, func(context.Context) (actor.Behavior[int], error) {
				if opened++; opened == 2 {
					stuckInOpen(released)
				}
				return actor.Behavior[int]{Receive: func(context.Context, int) error { return errBoom }}, nil
			})
			return a, sent(t, a, 1)
		}},
	{name: "start", in: supervisor.InStart, number: 2, function: "stuckInStart",
		plant: func(_ *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			c := named(name)
			c.onStart = func(_ context.Context, n int) error {
				if n == 2 {
					stuckInStart(released)
				}
				return nil
			}
			return c, func() { c.ends <- returns(errBoom) }
		}},
	{name: "continue", in: supervisor.InContinue, function: "stuckInContinue",
		plant: func(_ *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			return doing(name, actor.Behavior[int]{Receive: ignores, Continue: func(context.Context) error { stuckInContinue(released); return nil }}), nil
		}},
	{name: "close", in: supervisor.InClose, function: "stuckInClose",
		plant: func(_ *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			return doing(name, actor.Behavior[int]{Receive: ignores, Close: func(context.Context, exit.Reason) error { stuckInClose(released); return nil }}), nil
		}},
	{name: "close after a crash", in: supervisor.InClose, function: "stuckAfterCrash",
		plant: func(t *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			a := doing(name, actor.Behavior[int]{
				Receive: func(context.Context, int) error { panic("boom") },
				Close:   func(context.Context, exit.Reason) error { stuckAfterCrash(released); return nil },
			})
			return a, sent(t, a, 1)
		}},
	{name: "func", in: supervisor.InRun, function: "stuckInFunc",
		plant: func(_ *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			return supervisor.Func(name, func(context.Context) error { stuckInFunc(released); return nil }), nil
		}},
	{name: "send", in: supervisor.InMessage, message: "int", waiting: 1, function: "stuckInSend",
		plant: func(t *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			full := actor.New("full", func(context.Context) (actor.Behavior[int], error) {
				return actor.Behavior[int]{Receive: func(context.Context, int) error { stuckInReader(released); return nil }}, nil
			}, actor.Options{Mailbox: mailbox.Options{Capacity: 1}})
			elsewhere(t, released, full)
			sent(t, full, 1)()
			a := receiving(name, func(context.Context, int) error { return stuckInSend(full) })
			return a, func() { sent(t, full, 2)(); sent(t, a, 1, 2)() }
		}},
	{name: "channel send", in: supervisor.InRun, function: "stuckInChannelSend",
		plant: func(_ *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			c := make(chan int)
			return supervisor.Func(name, func(context.Context) error { stuckInChannelSend(c); return nil }), func() {
				go func() { <-released; <-c }()
			}
		}},
	{name: "mutex", in: supervisor.InRun, function: "stuckForMutex", real: true,
		plant: func(_ *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			var mu sync.Mutex
			locked := make(chan struct{})
			return supervisor.Func(name, func(context.Context) error { <-locked; stuckForMutex(&mu); return nil }), func() {
				go stuckWithMutex(&mu, locked, released)
				<-locked
			}
		}},
	{name: "go", in: supervisor.InGo, goroutines: 2, function: "stuckInGo",
		plant: func(_ *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			hangs := func(context.Context) error { stuckInGo(released); return nil }
			return with(named(name), hangs, hangs), nil
		}},
	{name: "go of a handler", in: supervisor.InGo, function: "stuckInHandlersGo",
		plant: func(t *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			a := receiving(name, func(ctx context.Context, _ int) error {
				return supervisor.Go(ctx, func(context.Context) error { stuckInHandlersGo(released); return nil })
			})
			return a, sent(t, a, 1)
		}},
	{name: "shutdown", in: supervisor.InRun, function: "stuckInShutdown",
		plant: func(_ *testing.T, name string, released chan struct{}) (supervisor.Child, func()) {
			listen := func(context.Context) (net.Listener, error) { return noListener{}, nil }
			return supervisor.Serve(name, listen, func() lingering { return lingering{released, make(chan struct{})} }), nil
		}},
}

// elsewhere starts a child in a tree of its own, which is stopped when the test
// is over.
func elsewhere(t *testing.T, released chan struct{}, child supervisor.Child) {
	root := supervisor.New("elsewhere", supervisor.Policy{Tracing: quiet()}, child)
	if _, err := root.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-released
		if err := root.Stop(context.Background()); err != nil {
			t.Errorf("stop elsewhere: got %v, want nil", err)
		}
	}()
}

// renamed is a child whose name changes, against the rule.
type renamed struct {
	*child
	other atomic.Bool
}

func (f *renamed) Name() string {
	if f.other.Load() {
		return "another"
	}
	return f.child.Name()
}

// A child is known by its place when its supervisor restarts: its life goes on
// whatever it is called by then.
func TestNameThatChangesChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, f := named("a"), &renamed{child: named("f")}
		sub := supervisor.New("sub", supervisor.Policy{Restarts: strategy.NoRestarts}, a, f)
		b := start(t, supervisor.Policy{}, sub)
		f.other.Store(true)
		a.end(func() error { return errBoom })
		last := sub.Snapshot().Children[1]
		check(t, "child", fmt.Sprint(last.Path, " ", last.State, " ", last.Incarnation), "root/sub/f running 2")
		b.stopInOrder()
	})
}
