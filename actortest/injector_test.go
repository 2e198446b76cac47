package actortest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/actortest"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// journal is a sink that keeps lines.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) sink(e tracing.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch e := e.(type) {
	case tracing.Exited:
		j.lines = append(j.lines, fmt.Sprintf("%s: %v", e.Path, e.Reason))
	case tracing.StartFailed:
		j.lines = append(j.lines, fmt.Sprintf("%s does not start: %v", e.Path, e.Reason))
	case tracing.DeadLetter:
		j.lines = append(j.lines, fmt.Sprintf("dead letter %v: %s", e.Message, e.Why))
	case tracing.Abandoned:
		j.lines = append(j.lines, fmt.Sprintf("%s abandoned", e.Path))
	case tracing.Returned:
		j.lines = append(j.lines, fmt.Sprintf("%s returned", e.Path))
	}
}

// take gives the lines since the last take.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := strings.Join(j.lines, "\n")
	j.lines = nil
	return text
}

// silent is a Tracing that nobody sees.
var silent = tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})

// plant starts a tree in a bubble, which restarts its children without limit, and
// stops it at the bubble's end.
func plant(t *testing.T, children ...supervisor.Child) (*supervisor.Supervisor, *journal) {
	t.Helper()
	kept := new(journal)
	tree := supervisor.New("tree", supervisor.Policy{
		Restarts: strategy.Unlimited,
		Tracing:  tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler), Sinks: []tracing.Sink{kept.sink}}),
	}, children...)
	if _, err := tree.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Stop(context.Background()) })
	return tree, kept
}

func check[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func TestFaultsStrikeBeforeTheHandler(t *testing.T) {
	for kind, want := range map[actortest.Kind]string{
		actortest.Panic:  "tree/counter: panic: injected panic at message 2 of tree/counter (actortest_test.add)",
		actortest.Error:  "tree/counter: injected error at message 2 of tree/counter (actortest_test.add)",
		actortest.Goexit: "tree/counter: goroutine left by runtime.Goexit",
	} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := actortest.NewInjector(t, 0, actortest.Fault{Kind: kind, At: 2})
				counter := actor.NewServer("counter", openCounter)
				_, kept := plant(t, in.Child(counter))

				var outcomes []string
				for range 3 {
					n, err := actor.Call(t.Context(), counter, add(5))
					var failed *actor.SendError
					if errors.As(err, &failed) && failed.Err == actor.ErrEnded {
						outcomes = append(outcomes, "ended")
						continue
					}
					outcomes = append(outcomes, fmt.Sprint(n, err))
				}
				// The state of the second incarnation has not seen the second message.
				check(t, "outcomes", strings.Join(outcomes, ", "), "5 <nil>, ended, 5 <nil>")
				check(t, "events", kept.take(), "dead letter 5: in hand at a crash\n"+want)
				check(t, "Count", in.Count(), 1)
			})
		})
	}
}

func TestFaultInAnActorAndInALoop(t *testing.T) {
	for name, test := range map[string]struct {
		make func() *actor.Actor[int] // in the bubble
		want string
	}{
		"receive": {func() *actor.Actor[int] { return newNumbers(actor.Options{}) }, "tree/numbers: injected error at message 1 of tree/numbers (int)"},
		"loop":    {newLoop, "tree/numbers: panic: injected error at message 1 of tree/numbers (int)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := test.make()
				_, kept := plant(t, actortest.NewInjector(t, 0, actortest.Fault{Kind: actortest.Error, At: 1}).Child(a))
				for n := range 3 {
					if err := a.Send(t.Context(), n); err != nil {
						t.Error(err)
					}
				}
				synctest.Wait()
				check(t, "events", kept.take(), "dead letter 0: in hand at a crash\n"+test.want)
				if stats := a.Stats(); stats.Handled+stats.InHand != 2 { // a loop has the last in hand
					t.Errorf("got %+v, want the other two handled", stats)
				}
			})
		})
	}
}

func TestRetriedMessageIsAnotherOccasion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newNumbers(actor.Options{Retries: 1})
		_, kept := plant(t, actortest.NewInjector(t, 0, actortest.Fault{Kind: actortest.Panic, At: 1}).Child(a))
		if err := a.Send(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		check(t, "events", kept.take(), "tree/numbers: panic: injected panic at message 1 of tree/numbers (int)")
		check(t, "handled", a.Stats().Handled, 1)
	})
}

func TestHangIsAbandonedAndReturnsWhenItIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := actortest.NewInjector(t, 0, actortest.Fault{Kind: actortest.Hang, At: 1})
		counter := actor.NewServer("counter", openCounter)
		tree, kept := plant(t, in.Child(counter))
		hangs := make(chan error, 1)
		go func() {
			_, err := actor.Call(context.Background(), counter, add(1))
			hangs <- err
		}()
		synctest.Wait()
		if err := tree.TerminateChild(t.Context(), "counter"); err != nil {
			t.Error(err)
		}
		if err := <-hangs; !errors.Is(err, actor.ErrEnded) {
			t.Errorf("the call: got %v, want %v", err, actor.ErrEnded)
		}
		if err := tree.RestartChild(t.Context(), "counter"); err != nil {
			t.Error(err)
		}
		n, err := actor.Call(t.Context(), counter, add(1))
		check(t, "the call of the successor", fmt.Sprint(n, err), "1 <nil>")
		check(t, "events", kept.take(), "dead letter 1: in hand of an abandoned incarnation\ntree/counter abandoned")

		var stuck *supervisor.StopError
		if err := tree.Stop(t.Context()); !errors.As(err, &stuck) || len(stuck.Stuck) != 1 {
			t.Errorf("Stop: got %v, want one that is stuck", err)
		}
		if leaks := actortest.Leaks(tree); len(leaks) != 1 || leaks[0].Path != "tree/counter" || leaks[0].Incarnation != 1 {
			t.Errorf("got %v, want the hanging incarnation", leaks)
		}
		in.Release()
		synctest.Wait()
		check(t, "events", kept.take(), "tree/counter returned")
		actortest.NoLeaks(t, tree)
	})
}

func TestStartsAndStopsThatAreSlowOrFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := actortest.NewInjector(t, 0,
			actortest.Fault{Kind: actortest.SlowStart, At: 1, For: 3 * time.Second},
			actortest.Fault{Kind: actortest.FailStart, At: 2},
			actortest.Fault{Kind: actortest.SlowStop, At: 1, For: time.Minute},
			actortest.Fault{Kind: actortest.SlowStop, At: 2})
		took := stopwatch()
		tree, kept := plant(t, in.Child(supervisor.Spec{
			Child:    supervisor.Func("f", waits),
			Shutdown: supervisor.Timeout(10 * time.Second),
		}))
		check(t, "slow start", took(), 3*time.Second)
		_ = tree.TerminateChild(t.Context(), "f")
		check(t, "a stop that is too slow", took(), 10*time.Second)
		if err := tree.RestartChild(t.Context(), "f"); !errors.Is(err, actortest.ErrInjected) {
			t.Errorf("failing start: got %v, want %v", err, actortest.ErrInjected)
		}
		if err := tree.RestartChild(t.Context(), "f"); err != nil {
			t.Errorf("third start: got %v, want nil", err)
		}
		took()
		_ = tree.TerminateChild(t.Context(), "f")
		check(t, "slow stop", took(), time.Second)
		check(t, "events", kept.take(), "tree/f abandoned\ntree/f does not start: injected failing start at start 2 of tree/f")
		check(t, "Count", in.Count(), 4)
		time.Sleep(time.Minute)
	})
}

// A slow stop is the child's, also if it has no goroutine when it is asked: its
// supervisor abandons it, and does not wait in its place.
func TestSlowStopOfAnActorThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := actortest.NewInjector(t, 0, actortest.Fault{Kind: actortest.SlowStop, At: 1, For: time.Minute})
		tree, kept := plant(t, in.Child(supervisor.Spec{
			Child:    actor.NewServer("counter", openCounter),
			Shutdown: supervisor.Timeout(10 * time.Second),
		}))
		synctest.Wait()
		took := stopwatch()
		_ = tree.TerminateChild(t.Context(), "counter")
		check(t, "a stop that is too slow", took(), 10*time.Second)
		check(t, "events", kept.take(), "tree/counter abandoned")
		time.Sleep(time.Minute)
	})
}

// stopwatch gives the time since it was looked at last.
func stopwatch() func() time.Duration {
	last := time.Now()
	return func() time.Duration {
		took := time.Since(last)
		last = last.Add(took)
		return took
	}
}

func TestFaultsReachEveryActorBelowASupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := actortest.NewInjector(t, 0, actortest.Fault{Kind: actortest.Panic, At: 1})
		first, second, later := actor.NewServer("first", openCounter), actor.NewServer("second", openCounter), actor.NewServer("later", openCounter)
		outside := actor.NewServer("outside", openCounter)
		pool := supervisor.NewDynamic("pool", supervisor.Policy{})
		tree, _ := plant(t,
			in.Child(supervisor.New("inner", supervisor.Policy{}, first, supervisor.New("deeper", supervisor.Policy{}, second, pool))),
			outside)
		if _, err := pool.StartChild(t.Context(), later); err != nil {
			t.Fatal(err)
		}
		for _, server := range []*actor.Server[counter]{first, second, later} {
			if _, err := actor.Call(t.Context(), server, add(1)); !errors.Is(err, actor.ErrEnded) {
				t.Errorf("%v: got %v, want %v", server, err, actor.ErrEnded)
			}
			if n, err := actor.Call(t.Context(), server, add(1)); n != 1 || err != nil {
				t.Errorf("%v, second message: got %d, %v", server, n, err)
			}
		}
		if n, err := actor.Call(t.Context(), outside, add(1)); n != 1 || err != nil {
			t.Errorf("%v: got %d, %v, want no fault", outside, n, err)
		}
		check(t, "Count", in.Count(), 3)
		if err := tree.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTwoInjectorsAroundOneChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer := actortest.NewInjector(t, 0, actortest.Fault{Kind: actortest.Error, At: 1})
		inner := actortest.NewInjector(t, 0, actortest.Fault{Kind: actortest.Error, At: 1})
		counter := actor.NewServer("counter", openCounter)
		plant(t, outer.Child(supervisor.New("inner", supervisor.Policy{}, inner.Child(counter))))
		for range 3 {
			_, _ = actor.Call(t.Context(), counter, add(1))
		}
		check(t, "Count", fmt.Sprint(outer.Count(), inner.Count()), "1 1")
	})
}

func TestRatesFollowFromTheSeedAlone(t *testing.T) {
	// struck are the numbers of the messages that crash, of two actors that are
	// sent to in turn or one after the other.
	struck := func(t *testing.T, seed uint64, inTurn bool) (lines string) {
		synctest.Test(t, func(t *testing.T) {
			in := actortest.NewInjector(t, seed, actortest.Fault{Kind: actortest.Error, Rate: 0.1})
			actors := []*actor.Actor[int]{named("one"), named("two")}
			plant(t, in.Child(supervisor.New("inner", supervisor.Policy{Restarts: strategy.Unlimited,
				Tracing: tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler), Sinks: []tracing.Sink{func(e tracing.Event) {
					if e, ok := e.(tracing.DeadLetter); ok {
						lines += fmt.Sprintf("%s:%v ", e.Path, e.Message)
					}
				}}})}, actors[0], actors[1])))
			for i := range 400 {
				n, which := i/2, i%2
				if !inTurn {
					n, which = i%200, i/200
				}
				_ = actors[which].Send(t.Context(), n)
				synctest.Wait()
			}
		})
		return lines
	}
	one := struck(t, 7, false)
	if count := strings.Count(one, ":"); count < 20 || count > 60 {
		t.Errorf("a tenth of 400: got %d", count)
	}
	check(t, "the same seed", struck(t, 7, false), one)
	if other := struck(t, 8, false); other == one {
		t.Error("another seed: got the same messages")
	}
	sorted := func(lines string) string {
		var first, second []string
		for _, line := range strings.Fields(lines) {
			if strings.HasPrefix(line, "tree/inner/one") {
				first = append(first, line)
				continue
			}
			second = append(second, line)
		}
		return fmt.Sprint(first, second)
	}
	check(t, "the same seed, in another order", sorted(struck(t, 7, true)), sorted(one))
}

func named(name string) *actor.Actor[int] {
	return actor.New(name, func(context.Context) (actor.Behavior[int], error) {
		return actor.Behavior[int]{Receive: func(context.Context, int) error { return nil }}, nil
	})
}

func TestFaultsThatAreNoneAreRefused(t *testing.T) {
	for want, fault := range map[string]actortest.Fault{
		"fault 2: Kind: kind(0) is none of those from Panic to SlowStop":  {At: 1},
		"fault 2: Kind: kind(99) is none of those from Panic to SlowStop": {Kind: 99, At: 1},
		"fault 2: At: -1 is negative":                                     {Kind: actortest.Panic, At: -1},
		"fault 2: Rate: 1.5 is not from 0 to 1":                           {Kind: actortest.Panic, Rate: 1.5},
		"fault 2: Rate: NaN is not from 0 to 1":                           {Kind: actortest.Panic, Rate: math.NaN()},
		"fault 2: neither At nor Rate: it would never strike":             {Kind: actortest.Panic},
		"fault 2: For: -1ns is negative":                                  {Kind: actortest.SlowStart, At: 1, For: -1},
	} {
		told := &fatal{T: t}
		got := told.of(func() {
			actortest.NewInjector(told, 0, actortest.Fault{Kind: actortest.Panic, At: 1}, fault)
		})
		check(t, "NewInjector", got, want)
	}
}

func TestSeedOfTheEnvironmentMustBeANumber(t *testing.T) {
	t.Setenv("ACTORTEST_SEED", "many")
	told := &fatal{T: t}
	got := told.of(func() { actortest.NewInjector(told, 0, actortest.Fault{Kind: actortest.Panic, At: 1}) })
	check(t, "NewInjector", got, `ACTORTEST_SEED: strconv.ParseUint: parsing "many": invalid syntax`)
}
