package supervisor_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

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
