package actor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
)

// endingContext is a context that ends at the moment at which its caller begins to
// wait, and everybody else waits already.
type endingContext struct {
	context.Context
	done chan struct{}
}

func (c *endingContext) Done() <-chan struct{} {
	if c.Err() == nil {
		synctest.Wait()
		close(c.done)
	}
	return c.done
}

func (c *endingContext) Err() error {
	select {
	case <-c.done:
		return context.Canceled
	default:
		return nil
	}
}

// A caller who is asked whether it waits for itself, and leaves at the same moment,
// must not take the question for the answer.
func TestCallerWhoLeavesWhenItIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := plantServers(t, 2)
		asking := do(func(ctx context.Context, _ *state) (int, error) {
			_, err := actor.Call(context.WithoutCancel(ctx), all[0], next)
			return 7, err
		})
		for range 30 { // it is by chance which of the two the caller sees first
			n, err := actor.Call(t.Context(), all[0], do(func(ctx context.Context, _ *state) (int, error) {
				return actor.Call(&endingContext{ctx, make(chan struct{})}, all[1], asking)
			}))
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got %s, want the error of the ctx", answer(n, err))
			}
			synctest.Wait()
		}
	})
}
