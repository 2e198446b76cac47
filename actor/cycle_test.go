package actor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
)

// plantServers plants servers with the names a, b, c, …
func plantServers(t testing.TB, n int, options ...actor.ServerOptions[state]) []*actor.Server[state] {
	t.Helper()
	servers := make([]*actor.Server[state], n)
	children := make([]supervisor.Child, n)
	for i := range servers {
		servers[i] = actor.NewServer(string(rune('a'+i)), openState, options...)
		children[i] = within(time.Second, servers[i])
	}
	plant(t, children...)
	return servers
}

// calling is a message whose handler calls the servers, each the next one, and
// the last with the message m.
func calling(m do, servers ...*actor.Server[state]) do {
	if len(servers) == 0 {
		return m
	}
	return func(ctx context.Context, _ *state) (int, error) {
		return actor.Call(ctx, servers[0], calling(m, servers[1:]...))
	}
}

// cycleOf is the way round that an error tells, "a → b → a", and the error
// itself if it does not.
func cycleOf(err error) string {
	var send *actor.SendError
	if !errors.As(err, &send) || !errors.Is(err, actor.ErrCallCycle) {
		return fmt.Sprint(err)
	}
	return strings.ReplaceAll(strings.Join(send.Cycle, " → "), "tree/", "")
}

func TestS146_CallThatWouldWaitForItself(t *testing.T) {
	for length, want := range map[int]string{
		1: "a → a", 2: "b → a → b", 3: "c → a → b → c", 4: "d → a → b → c → d", 5: "e → a → b → c → d → e",
	} {
		for _, cast := range []bool{false, true} {
			t.Run(fmt.Sprint(length, ", begun by a cast ", cast), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					all := plantServers(t, length)
					round := calling(next, append(slices.Clone(all[1:]), all[0])...)
					start := time.Now()
					var err error
					if cast {
						outcome := make(chan error, 1)
						if err := actor.Cast(t.Context(), all[0], do(func(ctx context.Context, s *state) (int, error) {
							n, err := round(ctx, s)
							outcome <- err
							return n, err
						})); err != nil {
							t.Error(err)
						}
						err = <-outcome
					} else {
						_, err = actor.Call(t.Context(), all[0], round)
					}
					check(t, "the way round", cycleOf(err), want)
					check(t, "after", time.Since(start), 0)
					for _, s := range all { // nothing is left, and they can call each other again
						n, err := actor.Call(t.Context(), s, calling(next, all[:len(all)-1]...))
						if s == all[len(all)-1] {
							check(t, "a way without a round", err, nil)
						} else if err == nil {
							t.Errorf("another round: got %d, want it refused", n)
						}
					}
					synctest.Wait()
					for _, s := range all {
						check(t, "Dead", s.Stats().Dead, 0)
						check(t, "Waiting", s.Stats().Waiting, 0)
					}
				})
			})
		}
	}
}

// The refusal comes before anything is sent, also when the call would have ended
// by its deadline.
func TestCallInACycleWithADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := plantServers(t, 2)
		start := time.Now()
		_, err := actor.Call(t.Context(), all[0], calling(func(ctx context.Context, _ *state) (int, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return actor.Call(ctx, all[0], next)
		}, all[1]))
		check(t, "outcome", fmt.Sprint(err), "tree/a: the call would wait for itself: tree/b → tree/a → tree/b")
		check(t, "after", time.Since(start), 0)
		synctest.Wait()
		check(t, "Stats", all[0].Stats(), mailbox.Stats{Handled: 1})
	})
}

// No message need have led to the other: each handles a cast and calls the next,
// all at once.
func TestCycleOfIndependentCasts(t *testing.T) {
	for length := 2; length <= 5; length++ {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := plantServers(t, length)
				release := make(chan struct{})
				outcomes := make(chan error, length)
				for i, s := range all {
					cast(t, s, func(ctx context.Context, _ *state) (int, error) {
						<-release
						_, err := actor.Call(ctx, all[(i+1)%length], next)
						outcomes <- err
						return 0, nil
					})
				}
				synctest.Wait()
				close(release)
				refused := 0
				for range all {
					if err := <-outcomes; errors.Is(err, actor.ErrCallCycle) {
						refused++
						check(t, "length of the way", len(strings.Split(cycleOf(err), " → ")), length+1)
					} else {
						check(t, "of those who were not refused", err, nil)
					}
				}
				if refused == 0 {
					t.Error("refused: got none, want one at least")
				}
			})
		})
	}
}

// Of those who close a round at the same moment one is refused at least, and
// nobody waits for ever.
func TestCycleThatAllCloseAtOnce(t *testing.T) {
	rounds := 2000
	if testing.Short() {
		rounds = 200
	}
	all := plantServers(t, 5)
	for round := range rounds {
		length := 1 + round%len(all)
		var ready, done sync.WaitGroup
		ready.Add(length)
		var refused atomic.Int32
		for i, s := range all[:length] {
			done.Add(1)
			cast(t, s, func(ctx context.Context, _ *state) (int, error) {
				defer done.Done()
				ready.Done()
				ready.Wait()
				_, err := actor.Call(ctx, all[(i+1)%length], next)
				switch {
				case errors.Is(err, actor.ErrCallCycle):
					refused.Add(1)
				case err != nil:
					t.Errorf("got %v", err)
				}
				return 0, nil
			})
		}
		done.Wait()
		if refused.Load() == 0 {
			t.Fatal("refused: got none, want one at least")
		}
	}
}

// Somebody else may answer, so the call does not wait for its callee.
func TestDeferredAnswersCloseNoCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := plantServers(t, 2)
		a, b := all[0], all[1]
		replies := make(chan actor.Reply[int], 1)
		outcome := make(chan string, 1)
		go func() { outcome <- answer(actor.Call(t.Context(), a, calling(deferring(replies), b))) }()
		synctest.Wait()
		// b calls a, which waits for the answer that b has deferred; it comes.
		back := make(chan string, 1)
		go func() { back <- answer(actor.Call(t.Context(), b, calling(next, a))) }()
		synctest.Wait()
		check(t, "they wait", len(outcome)+len(back), 0)
		check(t, "Give", (<-replies).Give(7, nil), true)
		check(t, "outcome", <-outcome, "7, <nil>")
		check(t, "back", <-back, "1, <nil>")
	})
}

// What is not a handler of a message may call as well, and is refused as well.
func TestCycleThroughOpenContinueAndClose(t *testing.T) {
	for _, where := range []string{"open", "continue", "close", "rest of a handler"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := actor.NewServer("a", openState)
				refused := make(chan string, 1)
				first := true
				back := func(ctx context.Context) error { // b calls a while a calls b
					if first {
						first = false
						return nil
					}
					_, err := actor.Call(ctx, a, next)
					refused <- cycleOf(err)
					return nil
				}
				only := func(here string, ctx context.Context) error {
					if where != here {
						return nil
					}
					return back(ctx)
				}
				b := actor.NewServer("b", func(ctx context.Context) (*state, error) {
					return new(state), only("open", ctx)
				}, actor.ServerOptions[state]{
					Continue: func(ctx context.Context, _ *state) error { return only("continue", ctx) },
					Close:    func(ctx context.Context, _ *state, _ exit.Reason) error { return only("close", ctx) },
				})
				plant(t, a, b)
				if where == "close" {
					first = false
				}
				// The crash makes b open again; then a waits for it.
				release := make(chan struct{})
				cast(t, b, func(ctx context.Context, _ *state) (int, error) {
					<-release
					if where == "rest of a handler" {
						first = false
						return 0, actor.Continue(back)
					}
					panic("boom")
				})
				outcome := make(chan string, 1)
				go func() { outcome <- answer(actor.Call(t.Context(), a, calling(next, b))) }()
				synctest.Wait()
				close(release)
				check(t, "the way round", <-refused, "b → a → b")
				check(t, "outcome", <-outcome, "1, <nil>")
			})
		})
	}
}

// An actor, a function and a caller outside can wait for a server that waits for
// others: nobody calls them.
func TestCallersThatCannotBeCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		byFunction, byActor := make(chan string, 1), make(chan string, 1)
		a, b := actor.NewServer("a", openState), actor.NewServer("b", openState)
		to := actor.New("to", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(ctx context.Context, _ int) error {
				byActor <- answer(actor.Call(ctx, a, calling(next, b)))
				return nil
			}}, nil
		})
		plant(t, a, b, to, supervisor.Func("f", func(ctx context.Context) error {
			byFunction <- answer(actor.Call(ctx, a, do(func(ctx context.Context, s *state) (int, error) {
				return 2, to.Send(ctx, 1)
			})))
			<-ctx.Done()
			return nil
		}))
		check(t, "function", <-byFunction, "2, <nil>")
		check(t, "actor", <-byActor, "1, <nil>")
	})
}

// A wait that has been answered, given up or cut off closes no cycle.
func TestWaitsThatAreOverCloseNoCycle(t *testing.T) {
	for _, test := range []struct {
		name  string
		first do // what b does with the call of a
		want  string
	}{
		{"answered", give(7, nil), "7, <nil>"},
		{"failed", give(0, errBad), "0, bad"},
		{"crashed", crash, "0, tree/b: callee ended before it replied: panic: boom"},
		{"goexit", goexiting, "0, tree/b: callee ended before it replied: goroutine left by runtime.Goexit"},
		{"answered first", func(context.Context, *state) (int, error) { return 7, actor.Continue(nil) }, "7, <nil>"},
		{"given up", func(context.Context, *state) (int, error) { time.Sleep(2 * time.Second); return 0, nil },
			"0, tree/b: context deadline exceeded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := plantServers(t, 2)
				a, b := all[0], all[1]
				for range 3 {
					n, err := actor.Call(t.Context(), a, do(func(ctx context.Context, _ *state) (int, error) {
						ctx, cancel := context.WithTimeout(ctx, time.Second)
						defer cancel()
						return actor.Call(ctx, b, test.first)
					}))
					check(t, "outcome", answer(n, err), test.want)
					_, err = actor.Call(t.Context(), b, calling(next, a))
					check(t, "b calls a", err, nil)
					_, err = actor.Call(t.Context(), a, calling(next, b))
					check(t, "a calls b", err, nil)
				}
			})
		})
	}
}

var goexiting = do(func(ctx context.Context, _ *state) (int, error) { return 0, goexits(ctx) })

// An incarnation that is abandoned while it calls waits no more; its successor
// calls and is called.
func TestAbandonedCallerClosesNoCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := plantServers(t, 2)[1]
		a := plantAbandoning(t, actor.ServerOptions[state]{})
		release := make(chan struct{})
		outcome := make(chan string, 1)
		cast(t, a.s, func(ctx context.Context, _ *state) (int, error) {
			outcome <- answer(actor.Call(context.WithoutCancel(ctx), b, busy(release, 1))) // it does not hear that it is to end
			return 0, nil
		})
		a.abandon(t)
		n, err := actor.Call(t.Context(), a.s, do(func(ctx context.Context, _ *state) (int, error) {
			return 5, actor.Cast(ctx, b, calling(next, a.s))
		}))
		check(t, "the successor", answer(n, err), "5, <nil>")
		close(release)
		check(t, "the abandoned one", <-outcome, "1, <nil>")
		synctest.Wait()
		n, err = actor.Call(t.Context(), a.s, calling(next, b))
		check(t, "the successor calls, and has been called", answer(n, err), "1, <nil>")
		n, err = actor.Call(t.Context(), a.s, next)
		check(t, "the successor counts", answer(n, err), "202, <nil>")
		_, err = actor.Call(t.Context(), a.s, calling(next, b, a.s))
		check(t, "the successor's cycle", cycleOf(err), "b → inner/s → b")
	})
}
