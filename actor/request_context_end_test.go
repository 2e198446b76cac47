package actor_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/internal/testhelp"
)

// lateEnd is a ctx whose deadline passes while somebody asks for its Err.
type lateEnd struct {
	context.Context
	asked atomic.Pointer[func()]
	done  chan struct{}
}

func (l *lateEnd) Done() <-chan struct{} { return l.done }

func (l *lateEnd) Err() error {
	if asked := l.asked.Swap(nil); asked != nil {
		(*asked)()
		close(l.done)
	}
	select {
	case <-l.done:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// Who asks may come between the end of the caller's ctx and that of the call.
func TestEndOfAContextDoesNotChangeWhenTheCallEndsMeanwhile(t *testing.T) {
	for use, f := range map[string]func(context.Context){
		"not at all": func(context.Context) {},
		"deadline":   func(ctx context.Context) { ctx.Deadline() },
	} {
		t.Run(use, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				plant(t, s)
				caller := &lateEnd{Context: t.Context(), done: make(chan struct{})}
				over := make(chan struct{})
				heard := make(chan string)
				_, err := actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) {
					f(ctx)
					asked := func() { <-over }
					caller.asked.Store(&asked)
					go func() {
						first := fmt.Sprintf("%v, %v", ctx.Err(), context.Cause(ctx))
						heard <- fmt.Sprintf("%s; %s", first, observed(ctx))
					}()
					synctest.Wait()
					return 0, nil
				}))
				check(t, "error", err, nil)
				close(over)
				check(t, "heard", <-heard, "context canceled, context canceled; context canceled, context canceled, done true")
			})
		})
	}
}

// Err and cause never change once there are any, and then Done is closed: for those who
// ask at any moment, whatever ends it.
func TestEndOfTheContextOfACallIsOneForAll(t *testing.T) {
	for _, limit := range []time.Duration{0, 100 * time.Microsecond} {
		s := actor.NewServer("s", openState, actor.ServerOptions[state]{Options: actor.Options{HandlerTimeout: limit}})
		tree, _ := plant(t, s)
		var all sync.WaitGroup
		for round := range 1000 {
			caller, cancel := context.WithTimeoutCause(context.Background(), time.Duration(round%100)*time.Microsecond, errQuit)
			_, _ = actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) {
				for way := range testhelp.Ways {
					all.Go(func() { testhelp.EndsOnce(t, ctx, way) })
				}
				for range round % 7 {
					runtime.Gosched()
				}
				return 0, nil
			}))
			_, _ = actor.Call(context.Background(), s, do(func(context.Context, *state) (int, error) { return 0, nil }))
			all.Wait() // the handler has returned, or was never called
			cancel()
		}
		if err := tree.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
