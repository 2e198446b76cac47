package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// enclosing is a type of the user's around a supervisor.
type enclosing struct {
	*supervisor.Supervisor
	start func(inner func() error) (func() error, error) // after the inner one has started
}

func (e enclosing) Start(ctx context.Context) (func() error, error) {
	inner, err := e.Supervisor.Start(ctx)
	if err != nil {
		return nil, err
	}
	return e.start(inner)
}

// Whatever becomes of the type around it, a supervisor that was started is
// stopped in order, and whoever asks it hears that it is no more.
func TestS15S17S111_SupervisorInsideOfATypeThatEndsWithoutIt(t *testing.T) {
	for _, test := range []struct {
		name  string
		start func(inner func() error) (func() error, error)
		want  string // of the start of the tree
	}{
		{"its start fails", func(func() error) (func() error, error) { return nil, errBoom }, "start root/sub: boom"},
		{"it declines", func(func() error) (func() error, error) { return nil, nil }, ""},
		{"it runs something else", func(func() error) (func() error, error) { return returns(nil), nil }, ""},
		{"it crashes", func(func() error) (func() error, error) { return panics("boom"), nil }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c := named("a"), named("c")
				c.onStop = takes(time.Second)
				sub := supervisor.New("sub", supervisor.Policy{}, a, c)
				b := newBed(t, supervisor.Policy{}, supervisor.Spec{Child: enclosing{sub, test.start}, Restart: strategy.Temporary})
				wait, err := b.root.Start(context.Background())
				checkError(t, "start", err, test.want)
				if b.wait = wait; err == nil {
					time.Sleep(time.Minute)
				}
				var stops []string
				for _, l := range b.take() {
					if l.text == "stop sub/a" || l.text == "stop sub/c" {
						stops = append(stops, l.at.String()+" "+l.text)
					}
				}
				checkList(t, "stops", stops, []string{"1s stop sub/c", "1s stop sub/a"})
				wantNotRunning(t, "request", sub.StartChild(t.Context(), named("x")))
				checkError(t, "stop", b.root.Stop(t.Context()), "")
			})
		})
	}
}

// A child added by hand does not come back with its supervisor (S63), so its stop
// is its end: what waits is handled by its drain policy.
func TestS63_AddedChildIsDrainedWhenItsSupervisorRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled, dead := 0, 0
		slow := actor.New("slow", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(context.Context, int) error { time.Sleep(time.Second); handled++; return nil }}, nil
		})
		a := named("a")
		sub := supervisor.New("sub", supervisor.Policy{})
		root := supervisor.New("root", supervisor.Policy{Strategy: strategy.OneForAll, Tracing: quiet(func(e tracing.Event) {
			if _, ok := e.(tracing.DeadLetter); ok {
				dead++
			}
		})}, a, sub)
		if _, err := root.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		checkError(t, "start", sub.StartChild(t.Context(), slow), "")
		for range 3 {
			checkError(t, "send", slow.Send(t.Context(), 1), "")
		}
		synctest.Wait()
		a.crash()
		time.Sleep(time.Minute)
		synctest.Wait()
		check(t, "handled", handled, 3)
		check(t, "dead letters", dead, 0)
		checkError(t, "stop", root.Stop(t.Context()), "")
	})
}

// Siblings that waited with their group for a restart that was called off have no
// restart to come: they are gone like a child that was stopped by hand.
func TestS73_LaterSiblingsAreGoneAfterTerminate(t *testing.T) {
	for _, backoff := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			a := named("a")
			s := actor.NewServer("s", func(context.Context) (*struct{}, error) { return new(struct{}), nil })
			policy := supervisor.Policy{Strategy: strategy.RestForOne}
			terminated := make(chan error, 1)
			var b *bed
			if backoff > 0 {
				policy.Backoff = strategy.Constant(backoff)
			} else { // the request comes between the failed attempt and the next
				a.onStart = func(ctx context.Context, n int) error {
					if n != 2 {
						return nil
					}
					go func() { terminated <- b.root.TerminateChild(t.Context(), "a") }()
					time.Sleep(time.Second)
					return errBoom
				}
			}
			b = start(t, policy, a, s)
			a.crash()
			if backoff > 0 {
				terminated <- b.root.TerminateChild(t.Context(), "a")
			}
			checkError(t, "terminate", <-terminated, "")
			check(t, "states", b.states(), "a:stopped s:stopped")
			if _, err := actor.Call(t.Context(), s, nothing{}); !errors.Is(err, actor.ErrNoProc) {
				t.Errorf("call: got %v, want no such process", err)
			}
			checkError(t, "restart", b.root.RestartChild(t.Context(), "s"), "")
			if _, err := actor.Call(t.Context(), s, nothing{}); err != nil {
				t.Errorf("call: got %v, want nil", err)
			}
			b.stopInOrder()
		})
	}
}

// c's Continue asks the root, which waits for the start of sub, which, as c2 fails,
// waits for the end of c.
func TestS110_RequestDuringTheRollbackOfAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var root *supervisor.Supervisor
		result := make(chan error, 1)
		c := actor.New("c", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{
				Receive: func(context.Context, int) error { return nil },
				Continue: func(ctx context.Context) error {
					result <- root.StartChild(ctx, named("new"))
					return nil
				},
			}, nil
		})
		failing := named("failing")
		failing.onStart = func(context.Context, int) error { time.Sleep(time.Second); return errBoom }
		root = supervisor.New("root", supervisor.Policy{Tracing: quiet()},
			supervisor.New("sub", supervisor.Policy{}, supervisor.Spec{Child: c, Shutdown: supervisor.Infinity}, failing))
		_, err := root.Start(context.Background())
		checkError(t, "start", err, "start root/sub: start root/sub/failing: boom")
		checkReentrant(t, "request", <-result, "start root/new: "+givenUp+"the request would wait for itself: context canceled: shutdown")
		check(t, "took", time.Since(began), time.Second)
	})
}

func TestS111_RequestToASupervisorThatFailsToStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing := named("failing")
		result := make(chan error, 1)
		var root *supervisor.Supervisor
		failing.onStart = func(context.Context, int) error {
			go func() { result <- root.StartChild(t.Context(), named("x")) }()
			time.Sleep(time.Second)
			return errBoom
		}
		root = supervisor.New("root", supervisor.Policy{Tracing: quiet()}, failing)
		_, err := root.Start(context.Background())
		checkError(t, "start", err, "start root/failing: boom")
		wantEnded(t, "request", <-result, "shutdown: start root/failing: boom")
	})
}

func TestS111S119_RequestDuringWhichASinkLeaves(t *testing.T) {
	for _, endless := range []bool{false, true} { // its ctx
		synctest.Test(t, func(t *testing.T) {
			root := supervisor.New("root", supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
				if _, ok := e.(tracing.Started); ok && e.Where().Path == "root/x" {
					_ = goexits()
				}
			})}, named("a"))
			wait, err := root.Start(context.Background())
			checkError(t, "start", err, "")
			ctx := t.Context()
			if endless {
				ctx = context.Background()
			}
			wantEnded(t, "request", root.StartChild(ctx, named("x")), "goroutine left by runtime.Goexit")
			checkError(t, "wait", wait(), "goroutine left by runtime.Goexit")
		})
	}
}

// What was added to a supervisor goes with it, also when it is abandoned and its
// loop does not come back to see to that: nobody waits for an actor that is gone.
func TestS63S194_AddedChildOfAnAbandonedSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		stuck := quiet(func(e tracing.Event) { // in the loop of sub
			if _, ok := e.(tracing.Terminated); ok && e.Where().Path == "root/sub/last" {
				<-released
			}
		})
		added := actor.New("added", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(context.Context, int) error { return nil }}, nil
		})
		sub := supervisor.New("sub", supervisor.Policy{Tracing: stuck})
		b := start(t, supervisor.Policy{}, supervisor.Spec{Child: sub, Shutdown: supervisor.Timeout(time.Second)})
		checkError(t, "start", sub.StartChild(t.Context(), added), "")
		checkError(t, "start", sub.StartChild(t.Context(), named("last")), "")
		var report *supervisor.StopError
		if err := b.stop(); !errors.As(err, &report) {
			t.Errorf("stop: got %v, want a StopError", err)
		}
		synctest.Wait()
		if err := added.Send(t.Context(), 1); !errors.Is(err, actor.ErrNoProc) {
			t.Errorf("send: got %v, want %v", err, actor.ErrNoProc)
		}
		close(released)
		synctest.Wait()
	})
}

// A tree may be abandoned while a supervisor in it is just being abandoned, by
// one who is held up on the way down. The report has all that is there.
func TestS193_AbandonedWhileBeingAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		stuck := func(name string) *actor.Actor[string] {
			return actor.New(name, func(context.Context) (actor.Behavior[string], error) {
				return actor.Behavior[string]{Receive: func(context.Context, string) error { <-released; return nil }}, nil
			})
		}
		first, second := stuck("first"), stuck("second")
		policy := supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
			letter, _ := e.(tracing.DeadLetter)
			_, stopped := e.(tracing.Terminated)
			if letter.Message == "first" || stopped { // root, which abandons sub; and the loop of sub itself
				<-released
			}
		})}
		forEver := func(c supervisor.Child) supervisor.Child {
			return supervisor.Spec{Child: c, Shutdown: supervisor.Infinity}
		}
		b := start(t, supervisor.Policy{}, supervisor.Spec{
			Child:    supervisor.New("sub", policy, forEver(first), forEver(second), named("third")),
			Shutdown: supervisor.Timeout(time.Second),
		})
		for _, a := range []*actor.Actor[string]{first, second} {
			checkError(t, "send", a.Send(t.Context(), a.Name()), "")
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var report *supervisor.StopError
		if err := b.root.Stop(ctx); !errors.As(err, &report) {
			t.Fatalf("stop: got %v, want a StopError", err)
		}
		var paths []string
		for _, s := range report.Stuck {
			paths = append(paths, s.Path)
		}
		checkList(t, "stuck", paths, []string{"root", "root/sub", "root/sub/first", "root/sub/second"})
		close(released)
		synctest.Wait()
	})
}
