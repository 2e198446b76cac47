package stopwatch_test

import (
	"errors"
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

// exactly checks that all latencies are the same.
func exactly(t *testing.T, name string, l stopwatch.Latency, n int64, want time.Duration) {
	t.Helper()
	if l.N != n || l.Min != want || l.Mean != want || l.Max != want || l.At(.5) != want || l.At(.9999) != want {
		t.Errorf("%s: got n %d, min %v, mean %v, p50 %v, p99.99 %v, max %v, want %d times %v", name, l.N, l.Min, l.Mean, l.At(.5), l.At(.9999), l.Max, n, want)
	}
}

func TestABackoffIsTheTimeFromCrashToReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := stopwatch.Measure(t.Context(), pair(100*time.Millisecond), stopwatch.Options{Crashes: 25, Trees: 4})
		if err != nil {
			t.Fatal(err)
		}
		exactly(t, "ready", r.Ready, 25, 100*time.Millisecond)
		exactly(t, "handled", r.Handled, 25, 100*time.Millisecond)
		exactly(t, "stopped", r.Stopped, 4, 0)
		if r.Message.N != 0 || r.Counts != (stopwatch.Counts{Trees: 4, Crashes: 25}) || r.Took != 2500*time.Millisecond {
			t.Errorf("got %d messages, %+v in %v, want 4 trees and 25 crashes in 2.5s", r.Message.N, r.Counts, r.Took)
		}
	})
}

func TestStubbornChildrenCountAsLongAsTheyMay(t *testing.T) {
	for _, test := range []struct {
		name            string
		linger          time.Duration
		stopped         time.Duration
		stuck, returned int
	}{
		{"they return in time", 700 * time.Millisecond, 1400 * time.Millisecond, 0, 0},
		{"they are abandoned", time.Hour, 6 * time.Second, 2, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
					released := make(chan struct{})
					a, b := stubborn("a", test.linger, released), stubborn("b", test.linger, released)
					return stopwatch.Tree{
						Root: supervisor.New("tree", policy(events, 0),
							supervisor.Spec{Child: a, Shutdown: supervisor.Timeout(2 * time.Second)},
							supervisor.Spec{Child: b, Shutdown: supervisor.Timeout(4 * time.Second)},
						),
						Release: func() { close(released) },
					}
				}, stopwatch.Options{Trees: 3})
				if err != nil {
					t.Fatal(err)
				}
				exactly(t, "stopped", r.Stopped, 3, test.stopped)
				want := stopwatch.Counts{Trees: 3, Stuck: 3 * test.stuck, Abandoned: 3 * test.stuck, Returned: 3 * test.returned}
				if r.Counts != want {
					t.Errorf("got %+v, want %+v", r.Counts, want)
				}
			})
		})
	}
}

func TestMoreCrashesThanTheTreeMayHaveAreAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
			a := actor.NewServer("a", open)
			return stopwatch.Tree{
				Root:    supervisor.New("tree", supervisor.Policy{Tracing: events, Restarts: 3, Within: time.Minute}, a),
				Victims: []stopwatch.Victim{stopwatch.Server(a)},
			}
		}, stopwatch.Options{Crashes: 100, Trees: 1, Pause: time.Second})
		gaveUp, ok := errors.AsType[*exit.GaveUp](err)
		if !ok || gaveUp.Supervisor != "tree" || gaveUp.Child != "a" {
			t.Fatalf("got %v, want a *exit.GaveUp of tree because of a", err)
		}
		if r.Counts.Crashes != 3 || r.Failure != err.Error() {
			t.Errorf("got %d crashes and failure %q, want the 3 that were allowed, and %q", r.Counts.Crashes, r.Failure, err)
		}
	})
}

func TestAGroupThatRestartsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
			a, b := actor.NewServer("a", open), stubborn("b", 3*time.Second, released)
			p := policy(events, time.Second)
			p.Strategy = strategy.OneForAll
			return stopwatch.Tree{Root: supervisor.New("tree", p, a, b), Victims: []stopwatch.Victim{stopwatch.Server(a)}}
		}, stopwatch.Options{Crashes: 5, Trees: 1})
		if err != nil {
			t.Fatal(err)
		}
		// The sibling is stopped first, then comes the delay.
		exactly(t, "ready", r.Ready, 5, 4*time.Second)
		exactly(t, "stopped", r.Stopped, 1, 3*time.Second)
	})
}
