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
	"github.com/coppice-go/coppice/mailbox"
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

func TestWatchOfStart(t *testing.T) {
	takes := func(how func(context.Context) error) *child {
		c := named("c")
		c.onStart = func(ctx context.Context, _ int) error {
			time.Sleep(10 * second)
			return how(ctx)
		}
		return c
	}
	for _, test := range []struct {
		name string
		how  func(context.Context) error
		end  []string
	}{
		{"it is up", func(context.Context) error { return nil }, []string{"10s start c", "10s start root"}},
		{"it declines", func(context.Context) error { return errDeclines }, []string{"10s start root"}},
		{"it fails", func(context.Context) error { return errBoom }, []string{"10s fail c: boom", "10s fail root: start root/c: boom"}},
		{"it panics", func(context.Context) error { panic("boom") }, []string{"10s fail c: panic: boom", ""}},
		{"it exits", func(context.Context) error { runtime.Goexit(); return nil }, []string{"10s fail c: goroutine left by runtime.Goexit", ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, supervisor.Policy{Watch: supervisor.Watch{Start: napLimit}}, takes(test.how))
				_, _ = b.root.Start(context.Background())
				var got []string
				for _, l := range b.take() {
					got = append(got, fmt.Sprintf("%v %s", l.at, l.text))
				}
				want := append([]string{
					"4s root/c#1 stuck in Start for at least 4s",
					"10s root/c#1 no longer stuck in Start, after at least 10s",
				}, test.end...)
				if len(got) == len(want) && want[len(want)-1] == "" {
					want[len(want)-1] = got[len(got)-1] // how the root fails is told elsewhere
				}
				checkList(t, "events", got, want)
				_ = b.root.Stop(context.Background())
			})
		})
	}
}

func TestStartWithinItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStart = func(context.Context, int) error { time.Sleep(napLimit - 1); return nil }
		b := newBed(t, supervisor.Policy{Watch: supervisor.Watch{Start: napLimit}}, c)
		_, err := b.root.Start(context.Background())
		checkError(t, "start", err, "")
		time.Sleep(time.Minute)
		b.want(t, "start c", "start root")
		check(t, "stop", b.root.Stop(context.Background()), nil)
	})
}

// The start of a supervisor is that of everything below it, also when it restarts.
func TestWatchOfTheStartOfASupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := named("slow")
		slow.onStart = func(context.Context, int) error { time.Sleep(3 * second); return nil }
		other := named("other")
		other.onStart = slow.onStart
		sub := supervisor.New("sub", supervisor.Policy{Restarts: strategy.NoRestarts, Watch: supervisor.Watch{Start: napLimit}}, slow, other)
		b := newBed(t, supervisor.Policy{}, supervisor.Spec{Child: sub, Watch: &supervisor.Watch{Start: napLimit}})
		_, err := b.root.Start(context.Background())
		checkError(t, "start", err, "")
		b.wantAt(t,
			"3s start sub/slow",
			"4s root/sub#1 stuck in Start for at least 4s",
			"6s start sub/other",
			"6s root/sub#1 no longer stuck in Start, after at least 6s",
			"6s start sub",
			"6s start root",
		)
		slow.crash()
		time.Sleep(time.Minute)
		var got []string
		for _, l := range b.take() {
			if strings.Contains(l.text, "stuck") {
				got = append(got, fmt.Sprintf("%v %s", l.at, l.text))
			}
		}
		checkList(t, "restart", got, []string{
			"10s root/sub#2 stuck in Start for at least 4s",
			"12s root/sub#2 no longer stuck in Start, after at least 6s",
		})
		check(t, "stop", b.root.Stop(context.Background()), nil)
	})
}

// A child is watched to the end, also by a supervisor that waits for it.
func TestWatchDuringAStop(t *testing.T) {
	t.Run("message in hand", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := sleeper("a")
			b := start(t, supervisor.Policy{}, supervisor.Spec{
				Child: a, Shutdown: supervisor.Infinity, Watch: &supervisor.Watch{Message: napLimit, Queue: 2 * napLimit},
			})
			time.Sleep(time.Nanosecond)
			send(t, a, 11*second, 10*second)
			b.stopInOrder()
			b.wantAt(t,
				"5s root/a#1 stuck with a message in hand for at least 4s, 1 waiting",
				"10s root/a#1 stuck with a message waiting for at least 8s, 1 waiting",
				"12s root/a#1 no longer stuck with a message in hand, after at least 10s",
				"12s root/a#1 no longer stuck with a message waiting, after at least 8s",
				"16s root/a#1 stuck with a message in hand for at least 4s",
				"21.000000001s stop a",
				"21.000000001s stop root",
			)
		})
	})
	t.Run("Start", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := named("c")
			c.onStart = func(context.Context, int) error { time.Sleep(10 * second); return nil }
			b := newBed(t, supervisor.Policy{}, supervisor.Spec{Child: c, Shutdown: supervisor.Infinity, Watch: &supervisor.Watch{Start: napLimit}})
			ctx, cancel := context.WithTimeout(t.Context(), second)
			defer cancel()
			_, err := b.root.Start(ctx)
			check(t, "start", err != nil, true)
			var got []string
			for _, l := range b.take() {
				got = append(got, fmt.Sprintf("%v %s", l.at, l.text))
			}
			checkList(t, "events", got[:2], []string{"4s root/c#1 stuck in Start for at least 4s", "10s stop c"})
		})
	})
	t.Run("one of many that are stopped together", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := sleeper("a")
			crowd := supervisor.NewDynamic("crowd", supervisor.Policy{Watch: supervisor.Watch{Message: napLimit}})
			b := start(t, supervisor.Policy{}, crowd)
			for _, c := range []supervisor.Child{worker0("w"), a, worker0("w")} {
				if _, err := crowd.StartChild(t.Context(), supervisor.Spec{Child: c, Shutdown: supervisor.Infinity}); err != nil {
					t.Error(err)
				}
			}
			b.take()
			send(t, a, 5*second+1)
			b.stopInOrder()
			checkList(t, "first", []string{b.takeTexts()[2]}, []string{"root/crowd/a#2#1 stuck with a message in hand for at least 4s"})
		})
	})
}

func worker0(name string) supervisor.Child {
	return supervisor.Func(name, func(ctx context.Context) error { <-ctx.Done(); return nil })
}

func (r *recorder) takeTexts() (texts []string) {
	for _, l := range r.take() {
		texts = append(texts, l.text)
	}
	return texts
}

// What was abandoned is not alive any more.
func TestWatchOfAnAbandonedChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sleeper("a")
		b := start(t, supervisor.Policy{Watch: supervisor.Watch{Message: napLimit}}, a)
		send(t, a, time.Minute+1)
		time.Sleep(6 * second)
		check(t, "terminate", b.root.TerminateChild(t.Context(), "a"), nil)
		b.wantAt(t, "5s root/a#1 stuck with a message in hand for at least 4s",
			"11s root/a#1 dead letter: supervisor_test.nap: in hand of an abandoned incarnation", "11s abandon a")
		check(t, "restart", b.root.RestartChild(t.Context(), "a"), nil)
		time.Sleep(time.Nanosecond)
		send(t, a, 10*second)
		time.Sleep(time.Minute)
		b.wantAt(t, "11s start a",
			"16s root/a#2 stuck with a message in hand for at least 4s",
			"22s root/a#2 no longer stuck with a message in hand, after at least 9s",
			"1m0.000000001s return a: shutdown")
		b.stopInOrder()
	})
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

func TestWatchOfTheHeadOfAMailbox(t *testing.T) {
	for _, test := range []struct {
		name    string
		options mailbox.Options
		do      func(t *testing.T, a *actor.Actor[nap])
		want    []string
	}{
		{"an actor that is busy, but in time", mailbox.Options{}, func(t *testing.T, a *actor.Actor[nap]) {
			for range 100 {
				send(t, a, second, second, second)
				time.Sleep(3 * second)
			}
		}, nil},
		{"one that cannot keep up", mailbox.Options{}, func(t *testing.T, a *actor.Actor[nap]) {
			send(t, a, second, second, second, second, second, second, second)
			time.Sleep(time.Minute)
		}, []string{
			"5s root/a#1 stuck with a message waiting for at least 4s, 2 waiting",
			"7s root/a#1 no longer stuck with a message waiting, after at least 5s",
		}},
		{"one that waits behind another", mailbox.Options{}, func(t *testing.T, a *actor.Actor[nap]) {
			send(t, a, 10*second+1)
			time.Sleep(second / 2)
			send(t, a, 0)
			time.Sleep(time.Minute)
		}, []string{
			"5s root/a#1 stuck with a message waiting for at least 4s, 1 waiting",
			"11s root/a#1 no longer stuck with a message waiting, after at least 9s",
		}},
		{"one old head after the other", mailbox.Options{}, func(t *testing.T, a *actor.Actor[nap]) {
			for range 8 {
				send(t, a, 7*second)
				time.Sleep(second)
			}
			time.Sleep(time.Minute)
		}, []string{
			"6s root/a#1 stuck with a message waiting for at least 4s, 5 waiting",
			"50s root/a#1 no longer stuck with a message waiting, after at least 39s",
		}},
		{"the oldest is replaced in time", mailbox.Options{Capacity: 2, Overflow: mailbox.DropOldest}, func(t *testing.T, a *actor.Actor[nap]) {
			send(t, a, 30*second)
			for range 30 {
				send(t, a, 0)
				time.Sleep(second)
			}
		}, nil},
		{"the newest is dropped", mailbox.Options{Capacity: 2, Overflow: mailbox.DropNewest}, func(t *testing.T, a *actor.Actor[nap]) {
			send(t, a, 30*second+1)
			for range 30 {
				send(t, a, 0)
				time.Sleep(second)
			}
			time.Sleep(2 * second)
		}, []string{
			"5s root/a#1 stuck with a message waiting for at least 4s, 2 waiting",
			"31s root/a#1 no longer stuck with a message waiting, after at least 29s",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := sleeper("a", actor.Options{Mailbox: test.options})
				b := start(t, supervisor.Policy{Watch: supervisor.Watch{Queue: napLimit}}, a)
				time.Sleep(time.Nanosecond) // not at the same moment as the looks
				test.do(t, a)
				var got []string
				for _, l := range b.take() {
					if strings.Contains(l.text, "stuck") {
						got = append(got, fmt.Sprintf("%v %s", l.at, l.text))
					}
				}
				checkList(t, "events", got, test.want)
				b.stopInOrder()
			})
		})
	}
}

// A mailbox belongs to the child: its head waits on while there is no incarnation.
func TestWatchOfAMailboxWhileTheActorRestarts(t *testing.T) {
	for _, failing := range []bool{false, true} {
		t.Run(fmt.Sprint("failing ", failing), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opened := 0
				a := actor.New("a", func(context.Context) (actor.Behavior[nap], error) {
					if opened++; failing && opened == 2 {
						return actor.Behavior[nap]{}, errBoom
					}
					return actor.Behavior[nap]{Receive: func(_ context.Context, n nap) error { return n.take() }}, nil
				})
				stacks := 0
				var b recorder
				b.root, b.began = "root", time.Now()
				root := supervisor.New("root", supervisor.Policy{
					Backoff: strategy.Constant(10 * second), Watch: supervisor.Watch{Queue: napLimit},
					Tracing: quiet(b.sink, func(e tracing.Event) {
						if e, ok := e.(tracing.Stuck); ok && e.Stack != "" {
							stacks++
						}
					}),
				}, a)
				_, err := root.Start(context.Background())
				checkError(t, "start", err, "")
				b.take()
				send(t, a, -2*second-1, 0)
				time.Sleep(time.Minute)
				want := []string{
					"2.000000001s root/a#1 dead letter: supervisor_test.nap: in hand at a crash",
					"2.000000001s exit a: boom",
					"2.000000001s restarting a in 10s",
					"5s root/a#1 stuck with a message waiting for at least 4s, 1 waiting",
					"12.000000001s restart a",
					"13s root/a#2 no longer stuck with a message waiting, after at least 11s",
				}
				if failing {
					want = append(want[:4],
						"12.000000001s fail a: boom",
						"12.000000001s restarting a in 10s",
						"22.000000001s restart a",
						"23s root/a#3 no longer stuck with a message waiting, after at least 21s",
					)
				}
				b.wantAt(t, want...)
				check(t, "stacks of nobody", stacks, 0)
				check(t, "stop", root.Stop(context.Background()), nil)
			})
		})
	}
}

func TestWatchOfAMailboxWhileTheSupervisorRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := sleeper("a"), named("c")
		sub := supervisor.New("sub", supervisor.Policy{Restarts: strategy.NoRestarts, Watch: supervisor.Watch{Queue: napLimit}}, a, c)
		b := start(t, supervisor.Policy{Backoff: strategy.Constant(10 * second)}, sub)
		time.Sleep(time.Nanosecond)
		send(t, a, 3*second, 10*second+1, 0)
		time.Sleep(second)
		c.crash() // sub gives up, a finishes what it has in hand, and sub is gone for 10 s
		time.Sleep(time.Minute)
		var got []string
		for _, l := range b.take() {
			if strings.Contains(l.text, "stuck") || strings.HasPrefix(l.text, "start") || strings.HasPrefix(l.text, "restart ") {
				got = append(got, fmt.Sprintf("%v %s", l.at, l.text))
			}
		}
		checkList(t, "events", got, []string{
			"13.000000001s start sub/a",
			"13.000000001s start sub/c",
			"13.000000001s restart sub",
			"14.000000001s root/sub/a#2 stuck with a message waiting for at least 13.000000001s, 1 waiting",
			"24.000000001s root/sub/a#2 no longer stuck with a message waiting, after at least 22.000000001s",
		})
		b.stopInOrder()
	})
}

// The end of a child's life is the end of the story, without a word.
func TestWatchOfAChildThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sleeper("a")
		crowd := supervisor.NewDynamic("crowd", supervisor.Policy{Watch: supervisor.Watch{Message: napLimit, Queue: napLimit}})
		b := start(t, supervisor.Policy{}, crowd)
		name, err := crowd.StartChild(t.Context(), supervisor.Spec{Child: a, Shutdown: supervisor.Timeout(second)})
		checkError(t, "start", err, "")
		send(t, a, time.Minute+1, 0)
		time.Sleep(10 * second)
		b.take()
		check(t, "terminate", crowd.TerminateChild(t.Context(), name), nil)
		time.Sleep(30 * second)
		b.want(t, b.deadLetter(name+"#1", "in hand of an abandoned incarnation"), "abandon crowd/"+name, b.deadLetter(name, "discarded"))
		for range 3 { // by hand once more, and others beside it
			_, err := crowd.StartChild(t.Context(), supervisor.Spec{Child: sleeper("b"), Watch: new(supervisor.Watch)})
			checkError(t, "start", err, "")
		}
		name, err = crowd.StartChild(t.Context(), a)
		checkError(t, "start again", err, "")
		b.take()
		send(t, a, 5*second+1)
		time.Sleep(time.Minute)
		check(t, "events", strings.Join(b.takeTexts(), ", "), fmt.Sprintf("root/crowd/%s#1 stuck with a message in hand for at least 4s, "+
			"root/crowd/%s#1 no longer stuck with a message in hand, after at least 4s, return crowd/a#1: shutdown", name, name))
		b.stopInOrder()
	})
}

func (b *bed) deadLetter(name, why string) string {
	return "root/crowd/" + name + " dead letter: supervisor_test.nap: " + why
}

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

// Another life of a child is another story.
func TestWatchOfAMailboxThatIsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sleeper("a")
		b := start(t, supervisor.Policy{}, supervisor.Spec{Child: a, Shutdown: supervisor.Timeout(0), Watch: &supervisor.Watch{Queue: napLimit}})
		time.Sleep(time.Nanosecond)
		send(t, a, 5*second+second/2, 0)
		time.Sleep(5*second + second/4)
		check(t, "terminate", b.root.TerminateChild(t.Context(), "a"), nil)
		check(t, "restart", b.root.RestartChild(t.Context(), "a"), nil)
		time.Sleep(time.Minute)
		var got []string
		for _, l := range b.take() {
			if strings.Contains(l.text, "stuck") {
				got = append(got, fmt.Sprintf("%v %s", l.at, l.text))
			}
		}
		checkList(t, "events", got, []string{"5s root/a#1 stuck with a message waiting for at least 4s, 1 waiting"})
		b.stopInOrder()
	})
}

// An abandoned supervisor, whose goroutine comes back, has nobody to look after.
func TestWatchOfAnAbandonedSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, other := sleeper("a"), sleeper("other")
		var told []string
		sub := supervisor.New("sub", supervisor.Policy{
			Watch: supervisor.Watch{Message: napLimit},
			Tracing: quiet(func(e tracing.Event) {
				if e, ok := e.(tracing.Stuck); ok {
					told = append(told, e.Path)
					time.Sleep(20 * second)
				}
			}),
		}, a, other)
		b := start(t, supervisor.Policy{}, supervisor.Spec{Child: sub, Shutdown: supervisor.Timeout(second)})
		time.Sleep(time.Nanosecond)
		send(t, a, time.Minute)
		time.Sleep(second)
		send(t, other, time.Minute)
		time.Sleep(5 * second)
		check(t, "stop", b.stop() != nil, true)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		checkList(t, "told", told, []string{"root/sub/a"})
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

// A Start that is abandoned, because a goroutine that it has started has failed
// and it takes no notice, has not returned.
func TestWatchOfAnAbandonedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStart = func(ctx context.Context, _ int) error {
			checkError(t, "go", supervisor.Go(ctx, func(context.Context) error { return errBoom }), "")
			time.Sleep(time.Minute)
			return nil
		}
		b := newBed(t, supervisor.Policy{Watch: supervisor.Watch{Start: napLimit}},
			supervisor.Spec{Child: c, Shutdown: supervisor.Timeout(10 * second)})
		_, err := b.root.Start(context.Background())
		check(t, "start", err != nil, true)
		time.Sleep(2 * time.Minute)
		b.wantAt(t,
			"4s root/c#1 stuck in Start for at least 4s",
			"10s abandon c",
			"10s fail c: boom",
			"10s fail root: start root/c: boom",
			"1m0s return c: boom",
		)
	})
}
