package stopwatch_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/benchmarks/stopwatch"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func TestOptionsThatMakeNoSenseAreRefusedAllAtOnce(t *testing.T) {
	bad := stopwatch.Options{Crashes: -2, Trees: -1, Burst: -1, Waiting: -1, Load: -1, Pause: -1, For: -1, Patience: -1}
	r, err := stopwatch.Measure(t.Context(), pair(0), bad)
	if r != nil || err == nil {
		t.Fatalf("got %v, %v, want no report and an error", r, err)
	}
	for _, field := range []string{"Crashes", "Trees", "Burst", "Waiting", "Load", "Pause", "For", "Patience"} {
		if !strings.Contains(err.Error(), field+": ") {
			t.Errorf("got %v, want it to name %s", err, field)
		}
	}
	if _, err := stopwatch.Measure(t.Context(), nil, stopwatch.Options{}); err == nil || !strings.Contains(err.Error(), "make") {
		t.Errorf("got %v, want an error that names make", err)
	}
}

var errBoom = errors.New("boom")

// openOnce opens a server, but not a second time.
func openOnce(then error) func(context.Context) (*counter, error) {
	var opened bool
	return func(context.Context) (*counter, error) {
		if opened {
			return nil, then
		}
		opened = true
		return new(counter), nil
	}
}

// tree is a tree of one child, which is the victim.
func tree(child supervisor.Child, victim stopwatch.Victim, events *tracing.Tracing) stopwatch.Tree {
	return stopwatch.Tree{Root: supervisor.New("tree", policy(events, 0), child), Victims: []stopwatch.Victim{victim}}
}

func TestTreesThatCannotBeMeasured(t *testing.T) {
	server := func() *actor.Server[counter] { return actor.NewServer("a", open) }
	for _, test := range []struct {
		name string
		make func(events *tracing.Tracing) stopwatch.Tree
		want string
	}{
		{"no root, no functions", func(*tracing.Tracing) stopwatch.Tree {
			return stopwatch.Tree{Victims: []stopwatch.Victim{{}}}
		}, "Tree.Root: nil\nTree.Victims[0].Path: nil\nTree.Victims[0].Crash: nil\nOptions.Burst: 2 is more than the victims that there are (1)"},
		{"it does not start", func(events *tracing.Tracing) stopwatch.Tree {
			a := actor.NewServer("a", func(context.Context) (*counter, error) { return nil, errBoom })
			tr := tree(a, stopwatch.Server(a), events)
			tr.Victims = nil
			return tr
		}, "the tree did not start: start tree/a: boom"},
		{"it hangs in its start", func(events *tracing.Tracing) stopwatch.Tree {
			a := actor.NewServer("a", func(ctx context.Context) (*counter, error) { <-ctx.Done(); return nil, ctx.Err() })
			tr := tree(a, stopwatch.Server(a), events)
			tr.Victims = nil
			return tr
		}, "the tree did not start: it took longer than 10s"},
		{"its events go elsewhere", func(*tracing.Tracing) stopwatch.Tree {
			a, b := server(), actor.NewServer("b", open)
			return stopwatch.Tree{
				Root:    supervisor.New("tree", supervisor.Policy{}, a, b),
				Victims: []stopwatch.Victim{stopwatch.Server(a), stopwatch.Server(b)},
			}
		}, "no event of the tree was seen"},
		{"it cannot be filled", func(events *tracing.Tracing) stopwatch.Tree {
			return stopwatch.Tree{Root: supervisor.NewDynamic("tree", policy(events, 0)), Fill: func(context.Context) error { return errBoom }}
		}, "Tree.Fill: boom"},
		{"two victims are one", func(events *tracing.Tracing) stopwatch.Tree {
			a := server()
			tr := tree(a, stopwatch.Server(a), events)
			tr.Victims = append(tr.Victims, tr.Victims[0])
			return tr
		}, "two victims are at tree/a"},
		{"a victim stays down", func(events *tracing.Tracing) stopwatch.Tree {
			a, b := server(), actor.NewServer("b", open)
			return stopwatch.Tree{
				Root: supervisor.New("tree", policy(events, 0),
					supervisor.Spec{Child: a, Restart: strategy.Temporary}, supervisor.Spec{Child: b, Restart: strategy.Temporary}),
				Victims: []stopwatch.Victim{stopwatch.Server(a), stopwatch.Server(b)},
			}
		}, "stays down after its crash: a temporary child is no victim"},
		{"a victim tries again", func(events *tracing.Tracing) stopwatch.Tree {
			type message struct{ f func() error }
			receive := func(_ context.Context, m message) error { panic(m.f()) }
			var children []supervisor.Child
			var victims []stopwatch.Victim
			for _, name := range []string{"a", "b"} {
				a := actor.New(name, func(context.Context) (actor.Behavior[message], error) {
					return actor.Behavior[message]{Receive: receive}, nil
				}, actor.Options{Retries: 2})
				children = append(children, a)
				victims = append(victims, stopwatch.Actor(a, func(now func() error) message { return message{now} }, nil))
			}
			return stopwatch.Tree{Root: supervisor.New("tree", policy(events, time.Second), children...), Victims: victims}
		}, "was handed the message that it had crashed with"},
		{"a victim cannot be asked", func(events *tracing.Tracing) stopwatch.Tree {
			a, b := server(), actor.NewServer("b", open)
			v := stopwatch.Server(a)
			v.Crash = func(context.Context, func() error) error { return errBoom }
			return stopwatch.Tree{Root: supervisor.New("tree", policy(events, 0), a, b), Victims: []stopwatch.Victim{v, stopwatch.Server(b)}}
		}, "tree/a cannot be made to crash: boom"},
		{"a victim does not crash", func(events *tracing.Tracing) stopwatch.Tree {
			a, b := server(), actor.NewServer("b", open)
			v := stopwatch.Server(a)
			v.Crash = func(context.Context, func() error) error { return nil }
			return stopwatch.Tree{Root: supervisor.New("tree", policy(events, 0), a, b), Victims: []stopwatch.Victim{v, stopwatch.Server(b)}}
		}, "tree/a has not begun its crash after 10s"},
		{"a victim does not come back in time", func(events *tracing.Tracing) stopwatch.Tree {
			a, b := server(), actor.NewServer("b", open)
			return stopwatch.Tree{
				Root:    supervisor.New("tree", policy(events, time.Minute), a, b),
				Victims: []stopwatch.Victim{stopwatch.Server(a), stopwatch.Server(b)},
			}
		}, "is not up again after 10s"},
		{"a victim cannot be started again", func(events *tracing.Tracing) stopwatch.Tree {
			a, b := actor.NewServer("a", openOnce(errBoom)), actor.NewServer("b", open)
			return stopwatch.Tree{
				Root:    supervisor.New("tree", policy(events, time.Second), a, b),
				Victims: []stopwatch.Victim{stopwatch.Server(a), stopwatch.Server(b)},
			}
		}, "tree/a is not up again after 10s; the last start that failed, of tree/a: boom"},
		{"a sibling is in the way", func(events *tracing.Tracing) stopwatch.Tree {
			p := policy(events, time.Second)
			p.Strategy = strategy.OneForAll
			a, b, c := actor.NewServer("a", openOnce(errBoom)), actor.NewServer("b", open), actor.NewServer("c", open)
			return stopwatch.Tree{
				Root:    supervisor.New("tree", p, a, b, c),
				Victims: []stopwatch.Victim{stopwatch.Server(b), stopwatch.Server(c)},
			}
		}, " is not up again after 10s; the last start that failed, of tree/a: boom"},
		{"a victim handles nothing", func(events *tracing.Tracing) stopwatch.Tree {
			a, b := server(), actor.NewServer("b", open)
			v, w := stopwatch.Server(a), stopwatch.Server(b)
			v.Ping = func(context.Context, func()) error { return nil }
			w.Ping = v.Ping
			return stopwatch.Tree{Root: supervisor.New("tree", policy(events, 0), a, b), Victims: []stopwatch.Victim{v, w}}
		}, "has handled no message since its crash after 10s"},
		{"a victim takes no message", func(events *tracing.Tracing) stopwatch.Tree {
			a, b := server(), actor.NewServer("b", open)
			v, w := stopwatch.Server(a), stopwatch.Server(b)
			v.Ping = func(context.Context, func()) error { return errBoom }
			w.Ping = v.Ping
			return stopwatch.Tree{Root: supervisor.New("tree", policy(events, 0), a, b), Victims: []stopwatch.Victim{v, w}}
		}, "does not take a message: boom"},
		{"its functions do not return", func(events *tracing.Tracing) stopwatch.Tree {
			a, b := server(), actor.NewServer("b", open)
			v, w := stopwatch.Server(a), stopwatch.Server(b)
			v.Ping = func(context.Context, func()) error { time.Sleep(time.Hour); return nil }
			w.Ping = v.Ping
			return stopwatch.Tree{Root: supervisor.New("tree", policy(events, 0), a, b), Victims: []stopwatch.Victim{v, w}}
		}, "functions of victims have not returned 10s after the stop of the tree"},
		{"its stop takes too long", func(events *tracing.Tracing) stopwatch.Tree {
			released := make(chan struct{})
			a := stubborn("a", time.Hour, released)
			return stopwatch.Tree{
				Root:    supervisor.New("tree", policy(events, 0), supervisor.Spec{Child: a, Shutdown: supervisor.Infinity}),
				Release: func() { close(released) },
			}
		}, "the stop took longer than 10s"},
		{"it ends by itself", func(events *tracing.Tracing) stopwatch.Tree {
			p := policy(events, 0)
			p.AutoShutdown = strategy.AnySignificant
			a, b := server(), actor.NewServer("b", open)
			brief := supervisor.Func("brief", func(ctx context.Context) error {
				select {
				case <-time.After(5 * time.Second):
				case <-ctx.Done():
				}
				return nil
			})
			v, w := stopwatch.Server(a), stopwatch.Server(b)
			v.Crash = func(ctx context.Context, _ func() error) error { <-ctx.Done(); return nil }
			w.Crash = v.Crash
			return stopwatch.Tree{
				Root:    supervisor.New("tree", p, a, b, supervisor.Spec{Child: brief, Restart: strategy.Transient, Significant: true}),
				Victims: []stopwatch.Victim{v, w},
			}
		}, "the tree has ended by itself"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer time.Sleep(time.Hour) // until even the last has returned
				r, err := stopwatch.Measure(t.Context(), test.make, stopwatch.Options{Crashes: 5, Trees: 2, Burst: 2, Patience: 10 * time.Second})
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("got %v, want %q", err, test.want)
				}
				if r == nil || r.Failure != err.Error() || int64(r.Counts.Trees) != r.Stopped.N || r.Stopped.Max > 10*time.Second {
					t.Errorf("got %v, want a report that says the same", r)
				}
			})
		})
	}
}

func TestTheUserEndsIt(t *testing.T) {
	for _, after := range []time.Duration{0, 50 * time.Millisecond, 650 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), after, errBoom)
			defer cancel()
			r, err := stopwatch.Measure(ctx, pair(100*time.Millisecond), stopwatch.Options{Crashes: 100, Trees: 2, Load: 20, Pause: time.Millisecond})
			if !errors.Is(err, errBoom) || r.Failure == "" {
				t.Fatalf("after %v: got %v, want the cause of ctx", after, err)
			}
			if want := int(after / (101 * time.Millisecond)); r.Counts.Crashes != want || r.Ready.N != int64(want) {
				t.Errorf("after %v: got %d crashes, want %d", after, r.Counts.Crashes, want)
			}
			if after > 0 && r.Stopped.N != 1 {
				t.Errorf("after %v: got %d stops, want that of the tree that ran", after, r.Stopped.N)
			}
		})
	}
}

// What hangs for an hour in a stop is cut short soon when the user wants to see the
// end.
func TestTheUserDoesNotWaitForTheStubborn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		r, err := stopwatch.Measure(ctx, func(events *tracing.Tracing) stopwatch.Tree {
			released := make(chan struct{})
			a := stubborn("a", time.Hour, released)
			return stopwatch.Tree{
				Root:    supervisor.New("tree", policy(events, 0), supervisor.Spec{Child: a, Shutdown: supervisor.Infinity}),
				Release: func() { close(released) },
			}
		}, stopwatch.Options{Trees: 1, Patience: 2 * time.Hour})
		if !errors.Is(err, context.DeadlineExceeded) || r.Stopped.N != 0 || r.Counts.Stuck != 1 {
			t.Errorf("got %v, %d stops, %d stuck, want ctx's error, none that counts, and one", err, r.Stopped.N, r.Counts.Stuck)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("it took %v, want a few seconds", took)
		}
	})
}
