package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// Where nobody hears of events, a child that is up replies by itself, and its supervisor
// sleeps on. Most other tests have a sink, with which it does not.

// startUnheard starts a Dynamic as the root of a tree.
func startUnheard(t *testing.T, policy supervisor.Policy) *supervisor.Dynamic {
	t.Helper()
	pool := supervisor.NewDynamic("pool", policy)
	if _, err := pool.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { checkError(t, "stop", pool.Stop(context.Background()), "") })
	return pool
}

// answers are those to requests that wait beside the test, which tells of them itself:
// one that has none yet is an error, and no reason to wait until all tests time out.
type answers []*answer

type answer struct {
	what string
	done atomic.Bool
	err  error
}

// ask makes a request, and returns when that waits or is done.
func (a *answers) ask(what string, f func() error) {
	one := &answer{what: what}
	*a = append(*a, one)
	go func() {
		one.err = f()
		one.done.Store(true)
	}()
	synctest.Wait()
}

func (a answers) done() (n int) {
	for _, one := range a {
		if one.done.Load() {
			n++
		}
	}
	return n
}

// check wants all to be done, without an error.
func (a answers) check(t *testing.T) {
	t.Helper()
	for _, one := range a {
		if !one.done.Load() {
			t.Errorf("%s: got no answer, want one", one.what)
			continue
		}
		checkError(t, one.what, one.err, "")
	}
}

func TestADelayedRestartComesAfterAChildThatWasStartedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startUnheard(t, supervisor.Policy{Backoff: strategy.Constant(time.Second), Tracing: quiet()})
		a := named("a")
		added(t, pool, a)
		added(t, pool, named("b"))
		a.crash()
		for range 3 {
			added(t, pool, named("c"))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		check(t, "starts of a", a.starts.Load(), 2)

		gate := make(chan struct{}) // both come to the supervisor at once
		slow := named("slow")
		slow.onStart = func(context.Context, int) error { <-gate; return nil }
		var asked answers
		for _, child := range []*child{slow, named("d")} {
			asked.ask(child.name, func() error { _, err := pool.StartChild(context.Background(), child); return err })
			if child == slow {
				a.crash()
			}
		}
		close(gate)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		check(t, "starts of a, again", a.starts.Load(), 3)
		asked.check(t)
	})
}

func TestAllThatCameDuringAStartIsDealtWithAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startUnheard(t, supervisor.Policy{Tracing: quiet()})
		gate := make(chan struct{})
		slow, a := named("slow"), named("a")
		slow.onStart = func(context.Context, int) error { <-gate; return nil }
		added(t, pool, a)
		var asked answers
		ask := asked.ask
		ask("start slow", func() error { _, err := pool.StartChild(context.Background(), slow); return err })
		ask("start b", func() error { _, err := pool.StartChild(context.Background(), named("b")); return err })
		ask("terminate a", func() error { return pool.TerminateChild(context.Background(), "a#1") })
		ask("start c", func() error { _, err := pool.StartChild(context.Background(), named("c")); return err })
		check(t, "done before the gate opens", asked.done(), 0)
		close(gate)
		synctest.Wait()
		asked.check(t)
		checkList(t, "children", pool.Children(), []string{"b#3", "c#4", "slow#2"})
	})
}

func TestAChildThatHasRepliedIsUpForEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := quiet()
		pool := startUnheard(t, supervisor.Policy{Restarts: strategy.Unlimited, Tracing: events})
		c := named("c")
		name := added(t, pool, c)
		checkList(t, "children", pool.Children(), []string{name})
		check(t, "state", pool.Snapshot().Children[0].State, supervisor.Running)

		heard := events.Subscribe(10, tracing.Started{})
		added(t, pool, named("d"))
		select {
		case e := <-heard.C:
			check(t, "heard", e.Where().Path, "pool/d#2")
		default:
			t.Error("heard nothing, want the start of d before StartChild returns")
		}
		heard.Close()

		e := named("e")
		name = added(t, pool, e)
		e.crash() // before its supervisor has seen it up
		check(t, "incarnation of e", pool.Snapshot().Children[2].Incarnation, 2)
		checkError(t, "terminate", pool.TerminateChild(t.Context(), name), "")
		checkList(t, "children", pool.Children(), []string{"c#1", "d#2"})
	})
}

func TestAChildThatIsWatchedDoesNotReplyByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startUnheard(t, supervisor.Policy{Watch: supervisor.Watch{Start: time.Second}, Tracing: quiet()})
		slow := named("slow")
		slow.onStart = func(context.Context, int) error { time.Sleep(2 * time.Second); return nil }
		added(t, pool, slow)
		check(t, "stuck", pool.Snapshot().Children[0].Stuck, 0)
	})
}

// handlerThatLeaves is a log handler whose goroutine is gone when it is asked the first
// time once it is armed.
type handlerThatLeaves struct {
	slog.Handler
	armed *atomic.Bool
}

func (h handlerThatLeaves) Enabled(context.Context, slog.Level) bool {
	if h.armed.CompareAndSwap(true, false) {
		runtime.Goexit()
	}
	return false
}

func TestALogHandlerThatLeavesAsAChildIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := handlerThatLeaves{slog.DiscardHandler, new(atomic.Bool)}
		pool := startUnheard(t, supervisor.Policy{Tracing: tracing.New(tracing.Options{Logger: slog.New(handler)})})
		handler.armed.Store(true)
		name := added(t, pool, named("c"))
		check(t, "asked", handler.armed.Load(), false)
		checkError(t, "terminate", pool.TerminateChild(t.Context(), name), "")
	})
}

// Children come, go, crash, decline, fail and hang while others ask and the supervisor
// is stopped: each request gets one reply, its own, and no child that was promised to be
// up has not been.
func TestUnheardStartsAmongAllElse(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playUnheard(t, seed) })
		})
	}
}

func playUnheard(t *testing.T, seed uint64) {
	pool := supervisor.NewDynamic("pool", supervisor.Policy{
		Restarts: strategy.Unlimited, Backoff: strategy.Constant(3 * time.Millisecond), Tracing: quiet()})
	wait, err := pool.Start(context.Background())
	checkError(t, "start", err, "")
	var all sync.WaitGroup
	for asker := range 6 {
		random := rand.New(rand.NewPCG(seed, uint64(asker)))
		all.Go(func() {
			var mine []string
			for range 60 {
				time.Sleep(time.Duration(random.IntN(3)) * time.Millisecond)
				if len(mine) > 0 && random.IntN(3) == 0 {
					i := random.IntN(len(mine))
					err := pool.TerminateChild(context.Background(), mine[i])
					if err != nil && !errors.Is(err, supervisor.ErrNotRunning) && !errors.Is(err, supervisor.ErrNotFound) {
						t.Errorf("terminate: %v", err)
					}
					mine = slices.Delete(mine, i, i+1)
					continue
				}
				if name := unheardChild(t, pool, random); name != "" {
					mine = append(mine, name)
				}
			}
		})
	}
	if seed%2 == 0 {
		all.Wait()
	} else {
		time.Sleep(time.Duration(seed) * time.Millisecond)
	}
	checkError(t, "stop", pool.Stop(context.Background()), "")
	all.Wait()
	checkError(t, "wait", wait(), "")
}

// unheardChild starts some child, and gives its name if it is to be there.
func unheardChild(t *testing.T, pool *supervisor.Dynamic, random *rand.Rand) string {
	how, takes, lives := random.IntN(8), time.Duration(random.IntN(2))*time.Millisecond, time.Duration(random.IntN(20))*time.Millisecond
	var up atomic.Bool
	child := supervisor.Spec{Restart: strategy.Transient, Child: unheard{func(ctx context.Context) (func() error, error) {
		time.Sleep(takes)
		switch how {
		case 0:
			return nil, errBoom
		case 1:
			return nil, nil
		case 2:
			panic("in Start")
		case 3:
			return nil, goexits()
		}
		up.Store(true)
		return func() error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(lives):
			}
			if how == 4 {
				return errBoom
			}
			return nil
		}, nil
	}}}
	ctx, leave := context.Background(), func() {}
	if random.IntN(3) == 0 {
		ctx, leave = context.WithTimeout(ctx, time.Millisecond)
	}
	defer leave()
	name, err := pool.StartChild(ctx, child)
	switch {
	case err == nil && (how == 1) != (name == ""):
		t.Errorf("%d: got the name %q", how, name)
	case err == nil && how != 1 && !up.Load():
		t.Errorf("%d: the child is not up", how)
	case err == nil && how <= 3 && how != 1:
		t.Errorf("%d: got no error", how)
	case err != nil && how > 3 && ctx.Err() == nil && !errors.Is(err, supervisor.ErrNotRunning):
		t.Errorf("%d: got %v", how, err)
	}
	return name
}

// unheard is a child with a Start of the test's.
type unheard struct {
	start func(context.Context) (func() error, error)
}

func (unheard) Name() string { return "c" }

func (u unheard) Start(ctx context.Context) (func() error, error) { return u.start(ctx) }
