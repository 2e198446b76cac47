package stopwatch_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/benchmarks/stopwatch"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// group is a supervisor that restarts all together.
func group(events *tracing.Tracing, backoff time.Duration, children ...supervisor.Child) *supervisor.Supervisor {
	p := policy(events, backoff)
	p.Strategy = strategy.OneForAll
	return supervisor.New("tree", p, children...)
}

func TestAGroupThatRestartsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
			a, b := actor.NewServer("a", open), stubborn("b", 3*time.Second, released)
			// The victim is the last to start: the stop finds all of them up.
			return stopwatch.Tree{Root: group(events, time.Second, b, a), Victims: []stopwatch.Victim{stopwatch.Server(a)}}
		}, stopwatch.Options{Crashes: 5, Trees: 1})
		if err != nil {
			t.Fatal(err)
		}
		// The sibling is stopped first, then comes the delay.
		exactly(t, "ready", r.Ready, 5, 4*time.Second)
		exactly(t, "stopped", r.Stopped, 1, 3*time.Second)
	})
}

func TestTheNextCrashComesWhenTheGroupIsUp(t *testing.T) {
	for name, linger := range map[string]time.Duration{"stopped": 0, "abandoned": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer time.Sleep(linger) // until the last that was abandoned has returned
				starting := false        // all in one supervisor's children, which start one after the other
				r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
					a := actor.NewServer("a", open)
					b := actor.NewServer("b", func(ctx context.Context) (*counter, error) {
						starting = true
						time.Sleep(time.Second)
						starting = false
						return open(ctx)
					}, actor.ServerOptions[counter]{Close: func(context.Context, *counter, exit.Reason) error {
						time.Sleep(linger)
						return nil
					}})
					victims := []stopwatch.Victim{stopwatch.Server(a), stopwatch.Server(b)}
					for i, v := range victims {
						victims[i].Crash = func(ctx context.Context, now func() error) error {
							if starting {
								t.Error("a crash was asked for while b was starting")
							}
							return v.Crash(ctx, now)
						}
					}
					root := group(events, 0, a, supervisor.Spec{Child: b, Shutdown: supervisor.Timeout(2 * time.Second)})
					return stopwatch.Tree{Root: root, Victims: victims}
				}, stopwatch.Options{Crashes: 20, Trees: 1})
				if err != nil || linger == 0 && r.Took != 21*time.Second {
					t.Errorf("got %v after %v, want no error, and 21 starts of b, a second each", err, r.Took)
				}
			})
		})
	}
}

// A sink that is slow tells of a restart only when the child has crashed again. That
// news must not count as the end of the new crash.
func TestNewsOfAnEarlierRestartIsNotTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(e tracing.Event) {
			if e, ok := e.(tracing.Restarted); ok && e.Path == "tree/a" && e.Incarnation == 3 {
				time.Sleep(time.Second)
			}
		}
		r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
			ill := supervisor.Func("ill", func(ctx context.Context) error {
				select {
				case <-time.After(2500 * time.Millisecond):
					return errBoom
				case <-ctx.Done():
					return nil
				}
			})
			a := actor.NewServer("a", open)
			return stopwatch.Tree{Root: group(events, 0, ill, a), Victims: []stopwatch.Victim{stopwatch.Server(a)}}
		}, stopwatch.Options{Crashes: 2, Trees: 1, Pause: 3 * time.Second, Tracing: tracing.Options{Sinks: []tracing.Sink{slow}}})
		if err != nil {
			t.Fatal(err)
		}
		// The first crash is at 0 s; ill fails at 2.5 s and takes a along, of which the
		// supervisor hears nothing before 3.5 s; the second crash is at 3 s.
		if r.Ready.Min != 0 || r.Ready.Max != 500*time.Millisecond || r.Counts.Unasked != 1 {
			t.Errorf("got %v to %v and %d other crashes, want 0s to 500ms and 1", r.Ready.Min, r.Ready.Max, r.Counts.Unasked)
		}
	})
}
