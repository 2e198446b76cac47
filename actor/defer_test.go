package actor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// deferring is a call that is answered through the channel.
func deferring(replies chan<- actor.Reply[int]) do {
	return func(ctx context.Context, _ *state) (int, error) {
		reply, err := actor.Defer[int](ctx)
		if err != nil {
			return 0, err
		}
		replies <- reply
		return 100, nil // is not the answer
	}
}

func TestS148_DeferredAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		plant(t, s)
		replies := make(chan actor.Reply[int], 1)
		outcome := make(chan string)
		go func() { outcome <- answer(actor.Call(t.Context(), s, deferring(replies))) }()
		synctest.Wait()
		n, err := actor.Call(t.Context(), s, next)
		check(t, "meanwhile others are served", answer(n, err), "1, <nil>")
		reply := <-replies
		check(t, "the first", reply.Give(7, errBad), true)
		check(t, "the second", reply.Give(8, nil), false)
		check(t, "outcome", <-outcome, "7, bad")
		check(t, "of nobody", actor.Reply[int]{}.Give(1, nil), false)
		synctest.Wait()
		check(t, "Stats", s.Stats(), mailbox.Stats{Handled: 2})
	})
}

// The ctx of a deferred call lives until the answer is given.
func TestContextOfADeferredCall(t *testing.T) {
	for _, materialized := range []bool{true, false} {
		t.Run(fmt.Sprint("materialized ", materialized), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				tree, _ := plant(t, s)
				handlers := make(chan context.Context, 1)
				replies := make(chan actor.Reply[int], 1)
				keep := do(func(ctx context.Context, s *state) (int, error) {
					if materialized {
						_ = ctx.Done()
					}
					handlers <- ctx
					return deferring(replies)(ctx, s)
				})
				caller, leave := context.WithCancelCause(t.Context())
				call := func() <-chan string {
					outcome := make(chan string, 1)
					go func() { outcome <- answer(actor.Call(caller, s, keep)) }()
					synctest.Wait()
					return outcome
				}

				outcome := call()
				ctx := <-handlers
				check(t, "before the answer", ctx.Err(), nil)
				(<-replies).Give(1, nil)
				check(t, "after it", ctx.Err(), context.Canceled)
				check(t, "outcome", <-outcome, "1, <nil>")

				outcome = call()
				ctx = <-handlers
				leave(errQuit)
				synctest.Wait()
				check(t, "when the caller leaves", context.Cause(ctx), errQuit)
				check(t, "outcome", <-outcome, "0, tree/s: context canceled: the caller quits")
				check(t, "too late", (<-replies).Give(1, nil), false)

				caller = t.Context()
				outcome = call()
				ctx = <-handlers
				if err := tree.Stop(context.Background()); err != nil {
					t.Error(err)
				}
				check(t, "when the server has ended", ctx.Err(), context.Canceled)
				check(t, "outcome", <-outcome, "0, tree/s: callee ended before it replied: shutdown")
				check(t, "too late", (<-replies).Give(1, nil), false)
			})
		})
	}
}

func TestDeferWhereItCannotBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		try := func(ctx context.Context) {
			_, err := actor.Defer[int](ctx)
			j.add("%v", err)
		}
		try(t.Context())
		check(t, "outside", j.take(), "defer: not in a handler")

		s := actor.NewServer("s", openState)
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(ctx context.Context, _ int) error { try(ctx); return nil }}, nil
		})
		plant(t, s, a, supervisor.Func("f", func(ctx context.Context) error { try(ctx); <-ctx.Done(); return nil }))
		synctest.Wait()
		check(t, "in a function", j.take(), "defer: not in a handler of a server")
		if err := a.Send(t.Context(), 1); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		check(t, "in an actor", j.take(), "defer: not in a handler of a server")

		var kept context.Context
		n, err := actor.Call(t.Context(), s, do(func(ctx context.Context, _ *state) (int, error) {
			kept = ctx
			_, wrong := actor.Defer[string](ctx)
			_, anything := actor.Defer[any](ctx)
			j.add("%v, %v", wrong, anything)
			return 5, nil
		}))
		check(t, "another type", j.take(), "defer: the answer to this call is not a string, defer: the answer to this call is not a interface {}")
		check(t, "outcome", answer(n, err), "5, <nil>")

		// The ctx of a handler that has returned takes no answer of a later call.
		for kind, caller := range map[string]context.Context{"with": t.Context(), "without": context.Background()} {
			n, err = actor.Call(caller, s, do(func(context.Context, *state) (int, error) { try(kept); return 6, nil }))
			check(t, "too late, before a call "+kind+" an end", j.take(), "defer: the call is over")
			check(t, "outcome", answer(n, err), "6, <nil>")
		}
		try(kept)
		check(t, "elsewhere", j.take(), "defer: not on the goroutine of the handler")

		n, err = actor.Call(t.Context(), s, do(func(ctx context.Context, _ *state) (int, error) {
			reply, _ := actor.Defer[int](ctx)
			try(ctx)
			reply.Give(9, nil)
			return 0, nil
		}))
		check(t, "twice", j.take(), "defer: the answer has been deferred already")
		check(t, "outcome", answer(n, err), "9, <nil>")
	})
}

// In a cast there is nobody to answer, also not the caller of a server above
// whose ctx the tree below has got.
func TestDeferInACastAnswersNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		take := do(func(ctx context.Context, _ *state) (int, error) {
			reply, err := actor.Defer[int](ctx)
			j.add("%v %t", err, reply.Give(1, nil))
			return 0, nil
		})
		s, below := actor.NewServer("s", openState), actor.NewServer("below", openState)
		plant(t, s)
		cast(t, s, take)
		synctest.Wait()
		check(t, "cast", j.take(), "<nil> false")

		n, err := actor.Call(t.Context(), s, do(func(ctx context.Context, _ *state) (int, error) {
			ctx, fell := context.WithCancel(ctx)
			sender := supervisor.Func("sender", func(context.Context) error { cast(t, below, take); fell(); return nil })
			tree := supervisor.New("tree2", supervisor.Policy{Tracing: quiet()}, below,
				supervisor.Spec{Child: sender, Restart: strategy.Temporary})
			return 2, tree.Run(ctx)
		}))
		check(t, "cast in a tree of a handler", j.take(), "<nil> false")
		check(t, "outcome", answer(n, err), "2, <nil>")
	})
}

// An error after Defer is the answer; so is the end of the server.
func TestHandlerThatEndsAfterDefer(t *testing.T) {
	for _, test := range []struct {
		name   string
		ending func() (int, error)
		want   string
		exits  string
	}{
		{"error", func() (int, error) { return 3, errBad }, "3, bad", ""},
		{"panic", func() (int, error) { panic("boom") }, "0, tree/s: callee ended before it replied: panic: boom", "panic: boom"},
		{"end on purpose", func() (int, error) { return 3, exit.Normal }, "0, tree/s: callee ended before it replied: normal", "normal"},
		{"after the reply", func() (int, error) { return 3, actor.AfterReply(nil) }, "3, <nil>", "normal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				_, kept := plant(t, s)
				for range 20 { // there was a time when the order of a map decided
					var ctx context.Context
					var reply actor.Reply[int]
					n, err := actor.Call(t.Context(), s, do(func(handler context.Context, _ *state) (int, error) {
						ctx = handler
						var err error
						if reply, err = actor.Defer[int](ctx); err != nil {
							return 0, err
						}
						return test.ending()
					}))
					check(t, "outcome", answer(n, err), test.want)
					synctest.Wait()
					check(t, "Give", reply.Give(4, nil), false)
					check(t, "ctx", ctx.Err(), context.Canceled)
				}
				for _, e := range eventsOf[tracing.Exited](kept) {
					check(t, "exit", e.Reason.Error(), test.exits)
				}
			})
		})
	}
}

// The server dies first, in whichever way.
func TestS148_ServerEndsBeforeTheDeferredAnswer(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(t *testing.T, tree *supervisor.Supervisor, s *actor.Server[state])
		want string
	}{
		{"crash", func(t *testing.T, _ *supervisor.Supervisor, s *actor.Server[state]) { cast(t, s, crash) }, "panic: boom"},
		{"end on purpose", func(t *testing.T, _ *supervisor.Supervisor, s *actor.Server[state]) {
			cast(t, s, give(0, exit.ShutdownFor(errBad)))
		}, "shutdown: bad"},
		{"stop", func(t *testing.T, tree *supervisor.Supervisor, _ *actor.Server[state]) {
			if err := tree.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		}, "shutdown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				tree, _ := plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)}, s)
				replies := make(chan actor.Reply[int], 1)
				start := time.Now()
				outcome := make(chan string)
				go func() {
					n, err := actor.Call(t.Context(), s, deferring(replies))
					if !errors.Is(err, actor.ErrEnded) {
						t.Errorf("got %v, want %v", err, actor.ErrEnded)
					}
					outcome <- answer(n, err)
				}()
				synctest.Wait()
				test.end(t, tree, s)
				check(t, "outcome", <-outcome, "0, tree/s: callee ended before it replied: "+test.want)
				check(t, "after", time.Since(start), 0)
				check(t, "too late", (<-replies).Give(1, nil), false)
			})
		})
	}
}

// Give and the end of the server at the same time: one outcome.
func TestDeferredAnswerAgainstTheEnd(t *testing.T) {
	s := actor.NewServer("s", openState)
	plant(t, s)
	for range 500 {
		replies := make(chan actor.Reply[int], 1)
		outcome := make(chan error)
		go func() {
			n, err := actor.Call(context.Background(), s, deferring(replies))
			if err == nil && n != 7 || err != nil && !errors.Is(err, actor.ErrEnded) {
				t.Errorf("got %d, %v", n, err)
			}
			outcome <- err
		}()
		reply := <-replies
		cast(t, s, crash)
		given := reply.Give(7, nil)
		if err := <-outcome; given != (err == nil) {
			t.Fatalf("Give: got %t, while the caller heard %v", given, err)
		}
	}
}

// A sink must not do that; but who waits for an answer hears of the end even so.
func TestDeferredCallHearsOfACrashWhoseSinkLeavesByGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := func(e tracing.Event) {
			if _, dead := e.(tracing.DeadLetter); dead {
				runtime.Goexit()
			}
		}
		s := actor.NewServer("server", openState)
		plantWith(t, supervisor.Policy{Restarts: strategy.Unlimited, Tracing: quiet(sink)}, s)
		outcome := make(chan string, 1)
		go func() {
			outcome <- answer(actor.Call(t.Context(), s, do(func(ctx context.Context, _ *state) (int, error) {
				_, err := actor.Defer[int](ctx)
				return 0, err
			})))
		}()
		synctest.Wait()
		_ = actor.Cast(t.Context(), s, crash)
		synctest.Wait()
		select {
		case got := <-outcome:
			if !strings.Contains(got, actor.ErrEnded.Error()) {
				t.Errorf("call: got %s, want %v", got, actor.ErrEnded)
			}
		default:
			t.Error("call: still waits")
		}
	})
}

// The same when the incarnation is abandoned, whose goroutine never comes back.
func TestDeferredCallHearsOfAnAbandonmentWhoseSinkLeavesByGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := func(e tracing.Event) {
			if _, dead := e.(tracing.DeadLetter); dead {
				runtime.Goexit()
			}
		}
		s := actor.NewServer("server", openState)
		tree, _ := plantWith(t, supervisor.Policy{Restarts: strategy.Unlimited, Tracing: quiet(sink)}, within(time.Second, s))
		outcome, stuck := make(chan string, 1), make(chan struct{})
		defer close(stuck)
		go func() {
			outcome <- answer(actor.Call(t.Context(), s, do(func(ctx context.Context, _ *state) (int, error) {
				_, err := actor.Defer[int](ctx)
				return 0, err
			})))
		}()
		synctest.Wait()
		_ = actor.Cast(t.Context(), s, do(func(context.Context, *state) (int, error) { <-stuck; return 0, nil }))
		synctest.Wait()
		go func() { _ = tree.TerminateChild(t.Context(), "server") }()
		time.Sleep(time.Minute)
		select {
		case got := <-outcome:
			if !strings.Contains(got, actor.ErrEnded.Error()) {
				t.Errorf("call: got %s, want %v", got, actor.ErrEnded)
			}
		default:
			t.Error("call: still waits")
		}
	})
}

// Who defers an answer need not give it when the caller has left: nothing is kept
// for it, and the ctx has ended with the caller's reason.
func TestDeferredAnswerForACallerWhoHasLeftIsForgotten(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := actor.NewServer("s", openState)
			plant(t, s)
			works := make(chan context.Context, 1)
			kept, keptOwn := func() (_, _ weak.Pointer[large]) {
				big, own := &large{7}, &large{8}
				caller, cancel := context.WithTimeout(context.WithValue(t.Context(), keyOf("own"), own), time.Second)
				defer cancel()
				_, err := actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) {
					if late {
						<-ctx.Done()
						time.Sleep(time.Second) // the caller leaves before
					}
					_, err := actor.Defer[int](ctx)
					works <- context.WithValue(ctx, keyOf("n"), big[0])
					return 0, err
				}))
				check(t, "outcome", fmt.Sprint(err), "tree/s: context deadline exceeded")
				work := <-works
				synctest.Wait()
				check(t, "ctx", fmt.Sprint(work.Err(), context.Cause(work)), "context deadline exceeded context deadline exceeded")
				return weak.Make(big), weak.Make(own)
			}()
			for range 10 {
				runtime.GC()
			}
			check(t, "kept", kept.Value(), nil)
			check(t, "kept of the caller's ctx", keptOwn.Value(), nil)
		})
	}
}

type keyOf string

// large is not one of those small values that share a place in memory, and are
// collected with it.
type large [9]int
