package supervisor_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// nap is a message that is in hand for so long; a negative one ends in a crash.
type nap time.Duration

// sleeper is an actor that sleeps, whatever its ctx says.
func sleeper(name string, options ...actor.Options) *actor.Actor[nap] {
	return actor.New(name, func(context.Context) (actor.Behavior[nap], error) {
		return actor.Behavior[nap]{Receive: func(_ context.Context, n nap) error { return n.take() }}, nil
	}, options...)
}

func (n nap) take() error {
	time.Sleep(max(time.Duration(n), -time.Duration(n)))
	if n < 0 {
		return errBoom
	}
	return nil
}

func send(t testing.TB, a *actor.Actor[nap], naps ...time.Duration) {
	t.Helper()
	for _, n := range naps {
		if err := a.Send(context.Background(), nap(n)); err != nil {
			t.Errorf("send %v: got %v, want nil", n, err)
		}
	}
}

const (
	second   = time.Second
	napLimit = 4 * second // of which the looks are a second apart
)

func TestWatchOfTheMessageInHand(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(t *testing.T, a *actor.Actor[nap])
		want []string
	}{
		{"shorter than the limit", func(t *testing.T, a *actor.Actor[nap]) {
			send(t, a, napLimit-1, napLimit-1, napLimit-1)
			time.Sleep(time.Minute)
		}, nil},
		{"at every look another", func(t *testing.T, a *actor.Actor[nap]) {
			for range 100 {
				send(t, a, second)
			}
			time.Sleep(100 * second)
		}, nil},
		{"longer", func(t *testing.T, a *actor.Actor[nap]) {
			send(t, a, 10*second, 0, 0)
			time.Sleep(time.Minute)
		}, []string{
			"5s root/a#1 stuck with a message in hand for at least 4s, 2 waiting",
			"11s root/a#1 no longer stuck with a message in hand, after at least 9s",
		}},
		{"by as much as it takes", func(t *testing.T, a *actor.Actor[nap]) {
			time.Sleep(second / 2)
			send(t, a, 4*second+second/2)
			time.Sleep(time.Minute)
		}, []string{
			"5s root/a#1 stuck with a message in hand for at least 4s",
			"6s root/a#1 no longer stuck with a message in hand, after at least 4s",
		}},
		{"one after the other", func(t *testing.T, a *actor.Actor[nap]) {
			send(t, a, 10*second, 10*second)
			time.Sleep(time.Minute)
		}, []string{
			"5s root/a#1 stuck with a message in hand for at least 4s, 1 waiting",
			"11s root/a#1 no longer stuck with a message in hand, after at least 9s",
			"15s root/a#1 stuck with a message in hand for at least 4s",
			"21s root/a#1 no longer stuck with a message in hand, after at least 9s",
		}},
		{"until it crashes", func(t *testing.T, a *actor.Actor[nap]) {
			send(t, a, -10*second, 10*second)
			time.Sleep(time.Minute)
		}, []string{
			"5s root/a#1 stuck with a message in hand for at least 4s, 1 waiting",
			"10.000000001s root/a#1 dead letter: supervisor_test.nap: in hand at a crash",
			"10.000000001s exit a: boom",
			"10.000000001s restarting a",
			"10.000000001s restart a",
			"15s root/a#2 stuck with a message in hand for at least 4s",
			"21s root/a#2 no longer stuck with a message in hand, after at least 9s",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := sleeper("a")
				b := start(t, supervisor.Policy{Watch: supervisor.Watch{Message: napLimit}}, a)
				time.Sleep(time.Nanosecond) // so that nothing ends at the moment of a look
				test.do(t, a)
				b.wantAt(t, test.want...)
				b.stopInOrder()
			})
		})
	}
}

// lookedAt waits until after the look at this time.
func lookedAt(b *bed, at time.Duration) {
	time.Sleep(time.Until(b.began.Add(at + second/4)))
}

// stuckEvents makes a tree whose children are watched, and keeps what it tells.
func stuckEvents(children ...supervisor.Child) (root *supervisor.Supervisor, seen *[]tracing.Stuck) {
	seen = new([]tracing.Stuck)
	return supervisor.New("root", supervisor.Policy{
		Watch: supervisor.Watch{Start: napLimit, Message: napLimit, Queue: 2 * napLimit},
		Tracing: quiet(func(e tracing.Event) {
			if e, ok := e.(tracing.Stuck); ok {
				*seen = append(*seen, e)
			}
		}),
	}, children...), seen
}

func TestStuckHasTheStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, parks := sleeper("a"), sleeper("parks", actor.Options{ParkAfter: second})
		slow := named("slow")
		slow.onStart = func(context.Context, int) error { return nap(10 * second).take() }
		root, seen := stuckEvents(a, parks, slow)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(second / 2)
			send(t, a, time.Minute, 0)
		}()
		ended := make(chan error)
		go func() { ended <- root.Run(ctx) }()
		time.Sleep(30 * second)
		synctest.Wait()
		var got []string
		for _, e := range *seen {
			got = append(got, e.String())
			if e.Doing == tracing.StuckInQueue { // behind the message that has it
				check(t, "stack for those that wait", e.Stack, "")
				continue
			}
			if want := "supervisor_test.nap.take"; !strings.Contains(e.Stack, want) || strings.Count(e.Stack, want) > 1 {
				t.Errorf("%v: got the stack\n%s\nwant one with %s", e, e.Stack, want)
			}
		}
		checkList(t, "events", got, []string{
			"root/slow#1 stuck in Start for at least 4s",
			"root/a#1 stuck with a message in hand for at least 4s, 1 waiting",
			"root/a#1 stuck with a message waiting for at least 8s, 1 waiting",
		})
		cancel()
		<-ended
		time.Sleep(time.Minute)
	})
}

func TestStackIsToldOnceForAMessageAndThoseThatWait(t *testing.T) {
	for _, test := range []struct {
		name  string
		watch supervisor.Watch
		want  string
	}{
		{"at different looks", supervisor.Watch{Message: napLimit, Queue: 2 * napLimit}, "with a message in hand: true, with a message waiting: false"},
		{"at the same look", supervisor.Watch{Message: napLimit, Queue: napLimit}, "with a message in hand: true, with a message waiting: false"},
		{"those that wait first", supervisor.Watch{Message: 2 * napLimit, Queue: napLimit}, "with a message waiting: true, with a message in hand: true"},
		{"those that wait alone", supervisor.Watch{Queue: napLimit}, "with a message waiting: true"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []string
				a := sleeper("a")
				root := supervisor.New("root", supervisor.Policy{Watch: test.watch, Tracing: quiet(func(e tracing.Event) {
					if e, ok := e.(tracing.Stuck); ok {
						got = append(got, fmt.Sprintf("%s: %v", e.Doing, e.Stack != ""))
					}
				})}, a)
				_, err := root.Start(context.Background())
				checkError(t, "start", err, "")
				time.Sleep(time.Nanosecond)
				send(t, a, 20*second, 0)
				time.Sleep(time.Minute)
				checkError(t, "stop", root.Stop(t.Context()), "")
				check(t, "stacks", strings.Join(got, ", "), test.want)
			})
		})
	}
}

func TestWatchOfWhatHandlersLeaveForLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rest := func(context.Context) error { time.Sleep(10*second + 1); return nil }
		a := actor.New("a", func(context.Context) (actor.Behavior[nap], error) {
			return actor.Behavior[nap]{Continue: rest, Receive: func(_ context.Context, n nap) error { return n.take() }}, nil
		})
		s := actor.NewServer("s", func(context.Context) (*int, error) { return new(int), nil })
		b := start(t, supervisor.Policy{Watch: supervisor.Watch{Message: napLimit}}, a, s)
		send(t, a, 3*second) // another thing in hand
		_, err := actor.Call(t.Context(), s, continues(rest))
		check(t, "call", err, nil)
		time.Sleep(time.Minute)
		b.wantAt(t,
			"5s root/a#1 stuck with a message in hand for at least 4s, 1 waiting",
			"5s root/s#1 stuck with a message in hand for at least 4s",
			"11s root/a#1 no longer stuck with a message in hand, after at least 9s",
			"11s root/s#1 no longer stuck with a message in hand, after at least 9s",
		)
		b.stopInOrder()
	})
}

type continues func(context.Context) error

func (c continues) Handle(context.Context, *int) (int, error) { return 0, actor.Continue(c) }

func TestWhoseWatchCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := func(d time.Duration) *supervisor.Watch { return &supervisor.Watch{Message: d} }
		policys, own, none, below := sleeper("policys"), sleeper("own"), sleeper("none"), sleeper("below")
		b := start(t, supervisor.Policy{Watch: *limit(napLimit)},
			policys,
			supervisor.Spec{Child: own, Watch: limit(8 * second)},
			supervisor.Spec{Child: none, Watch: new(supervisor.Watch)},
			supervisor.New("sub", supervisor.Policy{}, below),
		)
		added := sleeper("added")
		checkError(t, "add", b.root.StartChild(t.Context(), added), "")
		b.take()
		for _, a := range []*actor.Actor[nap]{policys, own, none, below, added} {
			send(t, a, 20*second)
		}
		time.Sleep(15 * second)
		b.wantAt(t,
			"5s root/added#1 stuck with a message in hand for at least 4s",
			"5s root/policys#1 stuck with a message in hand for at least 4s",
			"10s root/own#1 stuck with a message in hand for at least 8s",
		)
		time.Sleep(time.Minute)
		b.stopInOrder()
	})
}

func TestWatchOfWhatIsNoActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := supervisor.Watch{Start: napLimit, Message: napLimit, Queue: napLimit}
		b := start(t, supervisor.Policy{Watch: all}, worker0("w"), sleeper("parked", actor.Options{ParkAfter: second}),
			supervisor.New("sub", supervisor.Policy{Watch: all}, named("c")), supervisor.NewDynamic("crowd", supervisor.Policy{}))
		time.Sleep(time.Hour)
		b.want(t)
		b.stopInOrder()
	})
}

// A thousand that cross their limits at the same look cost one profile, which is
// what stops the world.
func TestAThousandStuckChildrenCostOneProfile(t *testing.T) {
	const children = 1000
	crowd := func(t *testing.T) (pauses uint64, told, stacks int) {
		synctest.Test(t, func(t *testing.T) {
			actors := make([]*actor.Actor[nap], children)
			list := make([]supervisor.Child, children)
			for i := range actors {
				actors[i] = sleeper(fmt.Sprint("a", i))
				list[i] = actors[i]
			}
			root, seen := stuckEvents(list...)
			_, err := root.Start(context.Background())
			checkError(t, "start", err, "")
			before := worldStops(t)
			for _, a := range actors {
				send(t, a, 6*second)
			}
			time.Sleep(6 * second)
			synctest.Wait()
			pauses = worldStops(t) - before
			for _, e := range *seen {
				if strings.Contains(e.Stack, "supervisor_test.nap.take") {
					stacks++
				}
			}
			told = len(*seen)
			check(t, "stop", root.Stop(context.Background()), nil)
		})
		return pauses, told, stacks
	}
	pauses, told, stacks := crowd(t)
	check(t, "events", told, children)
	check(t, "with a stack", stacks, children)
	if pauses == 0 || pauses > children/10 {
		t.Errorf("pauses: got %d, want a few", pauses)
	}
	t.Logf("%d pauses", pauses)
}

// A sink may take its time or panic: the looks come late, but come.
func TestWatchWithBadSinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, other := sleeper("a"), sleeper("other")
		b := &recorder{root: "root", began: time.Now()}
		root := supervisor.New("root", supervisor.Policy{
			Watch: supervisor.Watch{Message: napLimit},
			Tracing: quiet(b.sink, func(e tracing.Event) {
				switch e.(type) {
				case tracing.Stuck:
					time.Sleep(20 * second)
				case tracing.Unstuck:
					panic("sink")
				}
			}),
		}, a, other)
		_, err := root.Start(context.Background())
		checkError(t, "start", err, "")
		b.take()
		send(t, a, time.Minute+1)
		time.Sleep(second / 2)
		send(t, other, 10*second) // the supervisor does not look when this is over
		time.Sleep(2 * time.Minute)
		b.wantAt(t,
			"5s root/a#1 stuck with a message in hand for at least 4s",
			"25s root/other#1 stuck with a message in hand for at least 4s",
			"45s root/other#1 no longer stuck with a message in hand, after at least 4s",
			"1m1s root/a#1 no longer stuck with a message in hand, after at least 59s",
		)
		check(t, "stop", root.Stop(context.Background()), nil)
	})
}

// A crash that the supervisor has not come to is no movement either.
func TestWatchOfAChildWhoseCrashWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, slow := sleeper("a"), named("slow")
		slow.onStart = func(_ context.Context, n int) error { time.Sleep(time.Duration(n-1) * 10 * second); return nil }
		b := start(t, supervisor.Policy{Watch: supervisor.Watch{Message: napLimit}}, a, slow)
		time.Sleep(time.Nanosecond)
		send(t, a, -10*second)
		time.Sleep(6 * second)
		b.wantAt(t, "5s root/a#1 stuck with a message in hand for at least 4s")
		slow.crash() // its Start takes until 16 s
		time.Sleep(time.Minute)
		b.wantAt(t,
			"6.000000001s exit slow: boom",
			"6.000000001s restarting slow",
			"10.000000001s root/a#1 dead letter: supervisor_test.nap: in hand at a crash",
			"16.000000001s restart slow",
			"16.000000001s exit a: boom",
			"16.000000001s restarting a",
			"16.000000001s restart a",
		)
		b.stopInOrder()
	})
}

// A sink that leaves by Goexit takes the supervisor with it, as with any event.
func TestWatchWithASinkThatExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, other := sleeper("a"), sleeper("other")
		told := 0
		b := newBed(t, supervisor.Policy{}, supervisor.New("sub", supervisor.Policy{
			Watch: supervisor.Watch{Message: second / 10},
			Tracing: quiet(func(e tracing.Event) {
				if _, ok := e.(tracing.Stuck); ok {
					told++
					runtime.Goexit()
				}
			}),
		}, a, other))
		_, err := b.root.Start(context.Background())
		checkError(t, "start", err, "")
		time.Sleep(time.Nanosecond)
		send(t, a, 10*second)
		time.Sleep(second / 20)
		send(t, other, 10*second) // crosses its limit while the supervisor cuts it down
		time.Sleep(20 * second)
		synctest.Wait()
		check(t, "told", told, 1)
		check(t, "restarted", b.root.Snapshot().Children[0].Incarnation, 2)
		check(t, "state", b.root.Snapshot().Children[0].State, supervisor.Running)
		_ = b.root.Stop(context.Background())
		time.Sleep(time.Minute)
	})
}

func TestSnapshotOfStuckChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sleeper("a")
		b := start(t, supervisor.Policy{
			Backoff: strategy.Constant(time.Hour), Watch: supervisor.Watch{Message: napLimit, Queue: 2 * napLimit},
		}, a)
		shows := func(want string) {
			t.Helper()
			s := b.root.Snapshot().Children[0]
			check(t, "snapshot", strings.TrimSpace(s.String()), want)
		}
		send(t, a, -10*second-1, 0)
		lookedAt(b, 4*second)
		shows("a running, busy, 1 waiting")
		lookedAt(b, 5*second)
		shows("a running, busy, 1 waiting, stuck for 4.25s")
		lookedAt(b, 10*second)
		shows("a restarting, stuck for 8.25s (delay 1h0m0s), last ended: boom")
		check(t, "terminate", b.root.TerminateChild(t.Context(), "a"), nil)
		shows("a stopped, ended: boom")
		b.stopInOrder()
	})
}

func TestWatchIsChecked(t *testing.T) {
	bad := supervisor.Watch{Start: -1, Message: -2, Queue: -3}
	err := supervisor.New("root", supervisor.Policy{Watch: bad}, supervisor.Spec{Child: named("c"), Watch: &bad}).Check()
	checkError(t, "Check", err, strings.Join([]string{
		`supervisor "root": Policy.Watch.Start: -1ns is negative`,
		`supervisor "root": Policy.Watch.Message: -2ns is negative`,
		`supervisor "root": Policy.Watch.Queue: -3ns is negative`,
		`supervisor "root": child 1 "c": Watch.Start: -1ns is negative`,
		`supervisor "root": child 1 "c": Watch.Message: -2ns is negative`,
		`supervisor "root": child 1 "c": Watch.Queue: -3ns is negative`,
	}, "\n"))
}
