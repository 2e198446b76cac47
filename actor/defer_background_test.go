package actor_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
)

// The calls of a caller whose ctx cannot end have no more than a name of their own for
// the server's: Defer finds them by it.
func TestDeferForACallerWhoseContextCannotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := actor.NewServer("s", openState)
		plant(t, s)
		call := func(f do) string { return answer(actor.Call(context.Background(), s, f)) }
		check(t, "answered later", call(func(ctx context.Context, _ *state) (int, error) {
			_, wrong := actor.Defer[string](ctx)
			reply, err := actor.Defer[int](ctx)
			_, twice := actor.Defer[int](ctx)
			j.add("%v; %v; %v", wrong, err, twice)
			go func() {
				time.Sleep(time.Second)
				j.add("given %v, again %v", reply.Give(7, nil), reply.Give(8, nil))
			}()
			return 0, nil
		}), "7, <nil>")
		synctest.Wait()
		check(t, "errors", j.take(), "defer: the answer to this call is not a string; <nil>; defer: the answer has been deferred already, given true, again false")

		check(t, "an error after Defer", call(func(ctx context.Context, _ *state) (int, error) {
			_, err := actor.Defer[int](ctx)
			return 0, fmt.Errorf("after %v", err)
		}), "0, after <nil>")

		check(t, "a rest of the work", call(func(ctx context.Context, _ *state) (int, error) {
			return 3, actor.Continue(func(ctx context.Context) error {
				_, err := actor.Defer[int](ctx)
				j.add("%v", err)
				return nil
			})
		}), "3, <nil>")
		synctest.Wait()
		check(t, "in it", j.take(), "defer: the call is over")
		check(t, "a rest of the work for another caller", answer(actor.Call(t.Context(), s, do(func(context.Context, *state) (int, error) {
			return 4, actor.Continue(func(ctx context.Context) error {
				_, err := actor.Defer[int](ctx)
				j.add("%v, %v", err, ctx.Err())
				return nil
			})
		}))), "4, <nil>")
		synctest.Wait()
		check(t, "in that", j.take(), "defer: the call is over, <nil>")

		check(t, "the end first", call(func(ctx context.Context, _ *state) (int, error) {
			reply, _ := actor.Defer[int](ctx)
			go func() { time.Sleep(time.Second); j.add("given %v", reply.Give(1, nil)) }()
			return 0, exit.Shutdown
		}), "0, tree/s: callee ended before it replied: shutdown")
		time.Sleep(2 * time.Second)
		check(t, "too late", j.take(), "given false")
	})
}

// Calls that are over are used again: each caller still gets its own answer, of
// whatever type, also after calls that ended otherwise.
func TestCallsThatAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		plant(t, s)
		const callers, each = 8, 200
		for caller := range callers {
			go func() {
				for i := range each {
					ctx, want := context.Background(), caller*each+i
					if i%2 == 0 {
						ctx = t.Context()
					}
					n, err := actor.Call(ctx, s, do(func(ctx context.Context, _ *state) (int, error) {
						if i%5 == 0 {
							reply, _ := actor.Defer[int](ctx)
							go reply.Give(want, nil)
							return 0, nil
						}
						if i%7 == 0 {
							return want, fmt.Errorf("no %d", want)
						}
						return want, nil
					}))
					if n != want || (err != nil) != (i%5 != 0 && i%7 == 0) {
						t.Errorf("got %d, %v, want %d", n, err, want)
					}
					if text, err := actor.Call(ctx, s, echo{fmt.Sprint(want)}); text != fmt.Sprint(want) || err != nil {
						t.Errorf("got %q, %v, want %d", text, err, want)
					}
				}
			}()
		}
		synctest.Wait()
	})
}

type echo struct{ text string }

func (e echo) Handle(context.Context, *state) (string, error) { return e.text, nil }
