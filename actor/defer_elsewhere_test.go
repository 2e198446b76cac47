package actor_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
)

// twoCallers are one whose ctx cannot end, and one whose can.
func twoCallers(t *testing.T) map[string]context.Context {
	return map[string]context.Context{"endless": context.Background(), "ending": t.Context()}
}

// A server that has the ctx of a call of another one, which is over, cannot answer
// what that server has in hand now.
func TestDeferOfACallThatIsOverInAnotherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := plantServers(t, 2)
		for kind, ctx := range twoCallers(t) {
			second, outcome := make(chan struct{}), make(chan string, 1)
			n, err := actor.Call(ctx, all[0], do(func(first context.Context, _ *state) (int, error) {
				cast(t, all[1], func(context.Context, *state) (int, error) {
					<-second
					reply, err := actor.Defer[int](first)
					outcome <- answer(reply.Give(99, nil), err)
					return 0, nil
				})
				return 1, nil
			}))
			check(t, kind+", the first", answer(n, err), "1, <nil>")
			n, err = actor.Call(ctx, all[0], do(func(context.Context, *state) (int, error) {
				close(second)
				synctest.Wait()
				return 2, nil
			}))
			check(t, kind+", the second", answer(n, err), "2, <nil>")
			check(t, kind+", Defer", <-outcome, "false, defer: the call is over")
		}
	})
}

// A server that has the ctx of a call of another one, which has it in hand, is taken
// for that one: the answer is that of this call.
func TestDeferOfACallThatAnotherServerHasInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := plantServers(t, 2)
		for kind, ctx := range twoCallers(t) {
			n, err := actor.Call(ctx, all[0], do(func(first context.Context, _ *state) (int, error) {
				return actor.Call(context.Background(), all[1], do(func(context.Context, *state) (int, error) {
					reply, err := actor.Defer[int](first)
					check(t, kind+", given", answer(reply.Give(3, nil), err), "true, <nil>")
					return 4, nil
				}))
			}))
			check(t, kind, answer(n, err), "3, <nil>")
		}
	})
}

// A Defer of another server comes at about the moment at which the handler returns:
// either the one or the other answers, and nobody but the caller of this call hears it.
func TestDeferOfAnotherServerWhenTheHandlerReturns(t *testing.T) {
	all := plantServers(t, 2)
	for kind, ctx := range twoCallers(t) {
		const calls = 1000
		deferred := make(chan bool, 1)
		times, steps := 0, 100 // the handler takes: as many as it takes for half of them to come in time
		for id := range calls {
			pause := steps
			n, err := actor.Call(ctx, all[0], do(func(ctx context.Context, _ *state) (int, error) {
				begun := make(chan struct{})
				cast(t, all[1], func(context.Context, *state) (int, error) {
					close(begun)
					reply, err := actor.Defer[int](ctx)
					reply.Give(-id, nil)
					deferred <- err == nil
					return 0, nil
				})
				<-begun
				for range pause {
					ctx.Err()
				}
				return id, nil
			}))
			want := id
			if <-deferred {
				want, times = -id, times+1
				steps -= steps / 8
			} else {
				steps += steps/8 + 8
			}
			if n != want || err != nil {
				t.Fatalf("%s, call %d: got %s, want %d", kind, id, answer(n, err), want)
			}
		}
		t.Logf("%s: %d of %d deferred", kind, times, calls)
	}
}
