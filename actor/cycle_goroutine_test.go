package actor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
)

// besides are how a handler starts a goroutine, and the ctx with which that calls.
var besides = map[string]func(ctx context.Context, f func(context.Context)) error{
	"go": func(ctx context.Context, f func(context.Context)) error { go f(ctx); return nil },
	"supervisor.Go": func(ctx context.Context, f func(context.Context)) error {
		return supervisor.Go(ctx, func(ctx context.Context) error { f(ctx); return nil })
	},
	"supervisor.Go with the handler's ctx": func(ctx context.Context, f func(context.Context)) error {
		return supervisor.Go(ctx, func(context.Context) error { f(ctx); return nil })
	},
}

// A goroutine that a handler has started does not hold the server up.
func TestGoroutinesCloseNoCycle(t *testing.T) {
	for kind, spawn := range besides {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := plantServers(t, 3)
				outcome := make(chan string, 1)
				spawning := func(m do, servers ...*actor.Server[state]) {
					t.Helper()
					cast(t, all[0], func(ctx context.Context, _ *state) (int, error) {
						return 0, spawn(ctx, func(ctx context.Context) { outcome <- answer(calling(m, servers...)(ctx, nil)) })
					})
				}
				spawning(next, all[0])
				check(t, "calls its own server", <-outcome, "1, <nil>")
				spawning(next, all[1], all[0])
				check(t, "calls one that calls back", <-outcome, "2, <nil>")
				spawning(next, all[1], all[2], all[0])
				check(t, "calls one that calls one that calls back", <-outcome, "3, <nil>")
				spawning(next, all[1], all[2], all[1])
				check(t, "calls two that call each other", <-outcome,
					"0, tree/b: the call would wait for itself: tree/c → tree/b → tree/c")

				// And with the other direction open: a waits itself.
				release := make(chan struct{})
				spawning(busy(release, 4), all[1])
				own := make(chan string, 1)
				cast(t, all[0], func(ctx context.Context, _ *state) (int, error) {
					own <- answer(actor.Call(ctx, all[1], next))
					return 0, nil
				})
				synctest.Wait()
				other := make(chan string, 1)
				go func() { other <- answer(actor.Call(t.Context(), all[2], calling(next, all[0]))) }()
				synctest.Wait()
				close(release)
				check(t, "the goroutine", <-outcome, "4, <nil>")
				check(t, "the handler beside it", <-own, "1, <nil>")
				check(t, "who called both", <-other, "4, <nil>")
			})
		})
	}
}

// The goroutine waits first, and who calls back must find out that its wait does
// not count: also when it cannot be asked, because it waits for room.
func TestGoroutineThatWaitsAndIsCalledBack(t *testing.T) {
	for kind, spawn := range besides {
		for _, capacity := range []int{0, 1, mailbox.Unbuffered} {
			t.Run(fmt.Sprint(kind, ", capacity ", capacity), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					all := plantServers(t, 2, actor.ServerOptions[state]{Options: actor.Options{Mailbox: mailbox.Options{Capacity: capacity}}})
					a, b := all[0], all[1]
					release, outcome := make(chan struct{}), make(chan string, 8)
					back := make(chan string, 1)
					cast(t, b, func(ctx context.Context, _ *state) (int, error) {
						<-release
						back <- answer(actor.Call(ctx, a, next))
						return 0, nil
					})
					synctest.Wait()
					cast(t, a, func(ctx context.Context, _ *state) (int, error) {
						for range cap(outcome) {
							if err := spawn(ctx, func(ctx context.Context) { outcome <- answer(actor.Call(ctx, b, next)) }); err != nil {
								return 0, err
							}
						}
						return 0, nil
					})
					synctest.Wait()
					close(release)
					check(t, "b calls back", <-back, "1, <nil>")
					sum := 0
					for range cap(outcome) {
						var n int
						if got := <-outcome; !strings.HasSuffix(got, ", <nil>") {
							t.Errorf("goroutine: got %s", got)
						} else if _, err := fmt.Sscan(got, &n); err != nil {
							t.Error(err)
						}
						sum += n
					}
					check(t, "sum of the answers", sum, cap(outcome)*(cap(outcome)+1)/2)
				})
			})
		}
	}
}

// The own goroutine waits while one that its handler has started waits too, and
// was first: the cycle of the own one is found all the same.
func TestCycleBehindAGoroutineThatWaitsToo(t *testing.T) {
	for kind, spawn := range besides {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := plantServers(t, 3)
				release := make(chan struct{})
				outcome := make(chan string, 1)
				_, err := actor.Call(t.Context(), all[0], do(func(ctx context.Context, _ *state) (int, error) {
					err := spawn(ctx, func(ctx context.Context) { outcome <- answer(actor.Call(ctx, all[2], busy(release, 1))) })
					if err != nil {
						return 0, err
					}
					synctest.Wait()
					return actor.Call(ctx, all[1], calling(next, all[0]))
				}))
				check(t, "the way round", cycleOf(err), "b → a → b")
				synctest.Wait()
				close(release)
				if got := <-outcome; kind == "supervisor.Go" {
					check(t, "the goroutine", got, "1, <nil>")
				} else {
					check(t, "the goroutine outlives the ctx of the call", got, "0, tree/c: context canceled")
				}
			})
		})
	}
}
