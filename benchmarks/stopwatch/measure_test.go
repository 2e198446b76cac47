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
	"github.com/coppice-go/coppice/exit"
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
		if n := strings.Count(err.Error(), "more often than its policy allows"); n != 1 {
			t.Errorf("it is told %d times, want once: %v", n, err)
		}
		if r.Counts.Crashes != 3 || r.Failure != err.Error() {
			t.Errorf("got %d crashes and failure %q, want the 3 that were allowed, and %q", r.Counts.Crashes, r.Failure, err)
		}
	})
}

func TestChildrenThatCrashAtTheSameMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := stopwatch.Measure(t.Context(), pair(100*time.Millisecond), stopwatch.Options{Crashes: 7, Trees: 1, Burst: 2})
		if err != nil {
			t.Fatal(err)
		}
		exactly(t, "ready", r.Ready, 7, 100*time.Millisecond)
		if r.Took != 400*time.Millisecond {
			t.Errorf("it took %v, want 400ms: three times two at once, and one", r.Took)
		}
	})
}

func TestMessagesThatWaitAreHandledAfterTheCrash(t *testing.T) {
	for _, test := range []struct {
		waiting, full int
		took          time.Duration
	}{
		{5, 0, time.Second},
		{6, 1, time.Second + 10*time.Millisecond}, // for one there is no room while the victim waits
	} {
		synctest.Test(t, func(t *testing.T) {
			var handled int
			r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
				var options actor.ServerOptions[counter]
				options.Mailbox.Capacity = 5
				a := actor.NewServer("a", open, options)
				v := stopwatch.Server(a)
				ping := v.Ping
				v.Ping = func(ctx context.Context, done func()) error {
					return ping(ctx, func() { handled++; done() }) // only on the goroutine of the server
				}
				return stopwatch.Tree{Root: supervisor.New("tree", policy(events, time.Second), a), Victims: []stopwatch.Victim{v}}
			}, stopwatch.Options{Crashes: 1, Trees: 1, Waiting: test.waiting})
			if err != nil {
				t.Fatal(err)
			}
			exactly(t, "handled", r.Handled, 1, time.Second)
			if handled < 5 || r.Counts.Full != test.full || r.Took != test.took {
				t.Errorf("%d waiting: got %d handled, %d full, took %v, want at least 5, %d, %v", test.waiting, handled, r.Counts.Full, r.Took, test.full, test.took)
			}
		})
	}
}

// While the only actor is down for a second, one message is due in each tenth of it,
// and there is room for two. A sender that has to wait must not make those look fast that it could not
// send in time.
func TestALoadIsMeasuredFromWhenItWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
			var options actor.ServerOptions[counter]
			options.Mailbox.Capacity = 2
			a := actor.NewServer("a", open, options)
			return stopwatch.Tree{Root: supervisor.New("tree", policy(events, time.Second), a), Victims: []stopwatch.Victim{stopwatch.Server(a)}}
		}, stopwatch.Options{Crashes: 2, Trees: 1, Load: 10, Pause: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		var sum time.Duration
		for i, slot := range r.Message.Line.Slots {
			if at := time.Duration(i) * r.Message.Line.Width; at > 50*time.Millisecond && at < 950*time.Millisecond {
				n, sum = n+slot.N, sum+slot.Sum
			}
		}
		if n != 9 || sum != 4500*time.Millisecond { // 0.9 + 0.8 + … + 0.1
			t.Errorf("got %d messages that took %v together, want 9 and 4.5s", n, sum)
		}
		if c := r.Counts; c.Sent < 110 || c.Sent != c.Handled+c.Refused || r.Message.N != c.Handled {
			t.Errorf("got %+v and %d latencies, want each message handled or refused", c, r.Message.N)
		}
	})
}

// What is handled before the crash is not the first message after it.
func TestOnlyWhatIsHandledAfterTheCrashCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
			tree := pair(time.Second)(events)
			for i, v := range tree.Victims {
				tree.Victims[i].Crash = func(ctx context.Context, now func() error) error {
					time.Sleep(time.Second) // the load goes on
					return v.Crash(ctx, now)
				}
			}
			return tree
		}, stopwatch.Options{Crashes: 4, Trees: 1, Load: 20})
		if err != nil {
			t.Fatal(err)
		}
		exactly(t, "handled", r.Handled, 4, time.Second)
	})
}

func TestCrashesThatNobodyAskedForAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
			tree := pair(time.Second)(events)
			ill := supervisor.Func("ill", func(ctx context.Context) error {
				select {
				case <-time.After(1500 * time.Millisecond):
					return errBoom
				case <-ctx.Done():
					return nil
				}
			})
			tree.Root = supervisor.New("around", policy(events, time.Second), tree.Root.(supervisor.Child), ill)
			return tree
		}, stopwatch.Options{Crashes: 4, Trees: 1})
		if err != nil {
			t.Fatal(err)
		}
		if r.Counts.Unasked != 2 || r.Ready.N != 4 { // at 1.5 s and 4 s, but for the moment of the stop
			t.Errorf("got %d crashes unasked and %d asked for, want 2 and 4", r.Counts.Unasked, r.Ready.N)
		}
	})
}

func TestActorsAndFuncsAreVictimsToo(t *testing.T) {
	type message struct {
		now     func() error
		handled func()
	}
	receive := func(_ context.Context, m message) error {
		if m.now != nil {
			return m.now()
		}
		m.handled()
		return nil
	}
	asked := make(chan func() error)
	f := func(ctx context.Context) error {
		select {
		case now := <-asked:
			return now()
		case <-ctx.Done():
			return nil
		}
	}
	r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
		a := actor.New("a", func(context.Context) (actor.Behavior[message], error) {
			return actor.Behavior[message]{Receive: receive}, nil
		})
		root := supervisor.NewDynamic("tree", policy(events, 0))
		path := ""
		return stopwatch.Tree{
			Root: root,
			Fill: func(ctx context.Context) error {
				name, err := root.StartChild(ctx, supervisor.Func("f", f))
				path = "tree/" + name
				_, err2 := root.StartChild(ctx, a)
				return errors.Join(err, err2)
			},
			Victims: []stopwatch.Victim{
				stopwatch.Actor(a, func(now func() error) message { return message{now: now} }, func(handled func()) message { return message{handled: handled} }),
				{Path: func() string { return path }, Crash: func(ctx context.Context, now func() error) error {
					select {
					case asked <- now:
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}},
			},
		}
	}, stopwatch.Options{Crashes: 60, Trees: 3, Load: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if r.Ready.N != 60 || r.Handled.N == 0 || r.Handled.N == 60 || r.Stopped.N != 3 {
		t.Errorf("got %v, want 60 crashes, of which some handle messages, and 3 stops", r)
	}
}

func TestAMeasuringEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last stopwatch.Progress
		calls := 0
		r, err := stopwatch.Measure(t.Context(), pair(time.Second), stopwatch.Options{
			Crashes: 100, Trees: 10, For: 14500 * time.Millisecond,
			Progress: func(p stopwatch.Progress) { last, calls = p, calls+1 },
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Counts != (stopwatch.Counts{Trees: 2, Crashes: 15}) {
			t.Errorf("got %+v, want 15 crashes in 2 trees, since none was begun after 14.5s", r.Counts)
		}
		if want := (stopwatch.Progress{Crashes: 15, OfCrashes: 100, Stops: 2, OfStops: 10}); last != want || calls != 17 {
			t.Errorf("got %+v after %d calls, want %+v after 17", last, calls, want)
		}
	})
}

func TestTheSinksOfTheUserSeeTheTree(t *testing.T) {
	restarts := 0
	r, err := stopwatch.Measure(t.Context(), pair(0), stopwatch.Options{
		Crashes: 3, Trees: 1, Parameters: map[string]string{"tree": "pair"},
		Tracing: tracing.Options{Sinks: []tracing.Sink{func(e tracing.Event) {
			if _, ok := e.(tracing.Restarted); ok {
				restarts++ // one supervisor, one goroutine
			}
		}}},
	})
	if err != nil || restarts != 3 {
		t.Errorf("got %d restarts and %v, want 3", restarts, err)
	}
	if r.Parameters["tree"] != "pair" || r.Parameters["waiting"] != "1" {
		t.Errorf("got %v, want mine and those of the options", r.Parameters)
	}
}
