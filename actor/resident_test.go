package actor_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
)

// allocated is how much f allocates after the collector has emptied all pools: least of
// a few, as others may allocate meanwhile.
func allocated(f func()) uint64 {
	least := ^uint64(0)
	for range 5 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	return least
}

// A caller alone finds the call that was over last, also when the collector has run. One
// that cannot be used again is replaced, whatever has become of it.
func TestTheCallOfACallerAloneIsUsedAgain(t *testing.T) {
	s := actor.NewServer("s", openState)
	plant(t, s)
	ask := func(ctx context.Context, f do) { _, _ = actor.Call(ctx, s, f) }
	ends := map[string]func(ctx context.Context, leave func()){
		"answered": func(ctx context.Context, _ func()) { ask(ctx, next) },
		"an error": func(ctx context.Context, _ func()) {
			ask(ctx, func(context.Context, *state) (int, error) { return 0, errBad })
		},
		"a crash": func(ctx context.Context, _ func()) {
			ask(ctx, func(context.Context, *state) (int, error) { panic("boom") })
		},
		"an end on purpose": func(ctx context.Context, _ func()) {
			ask(ctx, func(context.Context, *state) (int, error) { return 0, exit.Normal })
		},
		"deferred": func(ctx context.Context, _ func()) {
			ask(ctx, func(ctx context.Context, _ *state) (int, error) {
				reply, err := actor.Defer[int](ctx)
				go reply.Give(1, err)
				return 0, nil
			})
		},
		"the caller leaves": func(ctx context.Context, leave func()) {
			ask(ctx, func(ctx context.Context, _ *state) (int, error) {
				leave()
				<-ctx.Done()
				return 0, nil
			})
		},
		"refused": func(ctx context.Context, leave func()) {
			leave()
			ask(ctx, next)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			end(ctx, cancel)
			plainly := func() {
				if _, err := actor.Call(context.Background(), s, next); err != nil {
					t.Error(err)
				}
			}
			plainly() // makes another one
			check(t, "allocations of the next but one", allocated(plainly), 0)
		})
	}
}

// Those who call at the same time have calls of their own.
func TestCallsAtTheSameTimeAreKeptApart(t *testing.T) {
	s := actor.NewServer("s", openState, actor.ServerOptions[state]{Options: actor.Options{Mailbox: mailbox.Options{Capacity: 2, Overflow: mailbox.Reject}}})
	plant(t, s)
	var all sync.WaitGroup
	for caller := range 8 {
		all.Go(func() {
			for i := range 500 {
				want := caller*1000 + i
				ctx, cancel := context.WithCancel(t.Context())
				got, err := actor.Call(ctx, s, do(func(context.Context, *state) (int, error) {
					if i%7 == 0 {
						cancel()
					}
					return want, nil
				}))
				if err == nil && got != want || err != nil && !errors.Is(err, mailbox.ErrFull) && !errors.Is(err, context.Canceled) {
					t.Errorf("got %d, %v, want %d", got, err, want)
				}
				cancel()
			}
		})
	}
	all.Wait()
}

// The ctx of a call may be asked by anybody at the moment of its end. Whoever asks sees
// its own call or none: the deadline tells which.
func TestContextOfACallThatIsAskedAtItsEnd(t *testing.T) {
	s := actor.NewServer("s", openState)
	plant(t, s)
	var all sync.WaitGroup
	for i := range 2000 {
		caller, cancel := context.WithTimeout(t.Context(), time.Hour+time.Duration(i)*time.Second)
		want, _ := caller.Deadline()
		_, err := actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) {
			all.Go(func() {
				if i%3 == 0 {
					_ = ctx.Done()
				}
				if got, ok := ctx.Deadline(); ok && !got.Equal(want) {
					t.Errorf("Deadline: got that of another call, want %v or none", want)
				}
				for ctx.Err() == nil {
					runtime.Gosched()
				}
				check(t, "Err", ctx.Err(), context.Canceled)
				check(t, "Cause", context.Cause(ctx), context.Canceled)
			})
			return 0, nil
		}))
		check(t, "err", err, nil)
		cancel()
	}
	all.Wait()
}
