package actor_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

const handlerTimeout = 3 * time.Second

func timed() actor.ServerOptions[state] {
	return actor.ServerOptions[state]{Options: actor.Options{HandlerTimeout: handlerTimeout}}
}

// ending is how the ctx of a handler has ended.
func ending(ctx context.Context, began time.Time) string {
	cause := context.Cause(ctx)
	return fmt.Sprintf("after %v: %v, because of %v, %v %v", time.Since(began).Truncate(time.Millisecond), ctx.Err(), cause,
		errors.Is(cause, actor.ErrHandlerTimeout), errors.Is(cause, context.DeadlineExceeded))
}

const timeoutEnding = "after 3s: context deadline exceeded, because of handler timeout: context deadline exceeded, true true"

// However a message was sent, and however its handler looks at its ctx, that ends
// when the time is over.
func TestHandlerTimeoutEndsTheCtx(t *testing.T) {
	waits := map[string]func(context.Context){
		"Done": func(ctx context.Context) { <-ctx.Done() },
		"Err": func(ctx context.Context) {
			time.Sleep(handlerTimeout - 1)
			if ctx.Err() != nil {
				return
			}
			time.Sleep(2 * time.Nanosecond) // not at the same moment as the timer
		},
		"too late": func(context.Context) { time.Sleep(handlerTimeout + 1) },
		"AfterFunc": func(ctx context.Context) {
			over := make(chan struct{})
			context.AfterFunc(ctx, func() { close(over) })
			<-over
		},
		"derived": func(ctx context.Context) {
			below, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			<-below.Done()
			if !errors.Is(context.Cause(below), actor.ErrHandlerTimeout) {
				panic(context.Cause(below))
			}
		},
	}
	senders := map[string]func(ctx context.Context, s *actor.Server[state], m do) error{
		"cast": func(ctx context.Context, s *actor.Server[state], m do) error { return actor.Cast(ctx, s, m) },
		"call": func(_ context.Context, s *actor.Server[state], m do) error {
			_, err := actor.Call(context.Background(), s, m)
			return err
		},
		"cancellable call": func(ctx context.Context, s *actor.Server[state], m do) error {
			_, err := actor.Call(ctx, s, m)
			return err
		},
		"call with a later deadline": func(ctx context.Context, s *actor.Server[state], m do) error {
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			_, err := actor.Call(ctx, s, m)
			return err
		},
	}
	for way, wait := range waits {
		for how, send := range senders {
			t.Run(how+" "+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := actor.NewServer("s", openState, timed())
					plant(t, s)
					ended := make(chan string, 1)
					if err := send(t.Context(), s, func(ctx context.Context, _ *state) (int, error) {
						began := time.Now()
						if at, ok := ctx.Deadline(); !ok || at.Sub(began) != handlerTimeout {
							t.Errorf("Deadline: got %v, %v, want %v from now", at, ok, handlerTimeout)
						}
						wait(ctx)
						ended <- ending(ctx, began)
						return 0, nil
					}); err != nil {
						t.Error(err)
					}
					check(t, "ctx", <-ended, timeoutEnding)
				})
			})
		}
		t.Run("send "+way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan string, 1)
				a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
					return actor.Behavior[int]{Receive: func(ctx context.Context, _ int) error {
						began := time.Now()
						wait(ctx)
						ended <- ending(ctx, began)
						return nil
					}}, nil
				}, actor.Options{HandlerTimeout: handlerTimeout})
				plant(t, a)
				if err := a.Send(t.Context(), 1); err != nil {
					t.Error(err)
				}
				check(t, "ctx", <-ended, timeoutEnding)
			})
		})
	}
}

// What ends the ctx first counts, and goes on to.
func TestHandlerTimeoutIsNotTheOnlyEnd(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*supervisor.Supervisor, context.CancelCauseFunc)
		want string
	}{
		{"the caller leaves", func(_ *supervisor.Supervisor, cancel context.CancelCauseFunc) { cancel(errQuit) },
			"after 1s: context canceled, because of the caller quits, false false"},
		{"the server is killed", func(tree *supervisor.Supervisor, _ context.CancelCauseFunc) {
			now, cancel := context.WithCancel(context.Background())
			cancel()
			_ = tree.Stop(now)
		}, "after 1s: context canceled, because of killed, false false"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState, timed())
				tree, _ := plant(t, s)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				ended := make(chan context.Context)
				began := time.Now()
				go func() {
					_, _ = actor.Call(ctx, s, do(func(ctx context.Context, _ *state) (int, error) {
						<-ctx.Done()
						ended <- ctx
						return 0, nil
					}))
				}()
				time.Sleep(time.Second)
				go test.end(tree, cancel)
				handlers := <-ended
				check(t, "ctx", ending(handlers, began), test.want)
				time.Sleep(time.Minute)
				check(t, "Err later", handlers.Err(), context.Canceled)
			})
		})
	}
}

func TestDeadlineOfTheCallerBeforeTheHandlerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState, timed())
		plant(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ended := make(chan string, 1)
		began := time.Now()
		_, err := actor.Call(ctx, s, do(func(ctx context.Context, _ *state) (int, error) {
			at, ok := ctx.Deadline()
			check(t, "Deadline", answer(at.Sub(began), nil), "1s, <nil>")
			check(t, "has one", ok, true)
			<-ctx.Done()
			ended <- ending(ctx, began)
			return 0, ctx.Err()
		}))
		check(t, "the caller's own", errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, actor.ErrHandlerTimeout), true)
		check(t, "ctx", <-ended, "after 1s: context deadline exceeded, because of context deadline exceeded, false true")
	})
}

// The timeout ends a ctx, and nothing else: what the handler returns counts.
func TestHandlerTimeoutLeavesTheHandlerTheWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState, timed())
		_, kept := plant(t, s)
		obeys := do(func(ctx context.Context, _ *state) (int, error) { <-ctx.Done(); return 0, context.Cause(ctx) })
		ignores := do(func(context.Context, *state) (int, error) { time.Sleep(time.Hour); return 7, nil })

		began := time.Now()
		_, err := actor.Call(t.Context(), s, obeys)
		check(t, "an error is the answer", err, actor.ErrHandlerTimeout)
		check(t, "in time", time.Since(began), handlerTimeout)
		n, err := actor.Call(t.Context(), s, ignores)
		check(t, "who ignores it", answer(n, err), "7, <nil>")
		check(t, "goes on", time.Since(began), handlerTimeout+time.Hour)
		if err := actor.Cast(t.Context(), s, obeys); err != nil {
			t.Error(err)
		}
		n, err = actor.Call(t.Context(), s, next)
		check(t, "the server lives on", answer(n, err), "1, <nil>")
		failed := eventsOf[tracing.CastFailed](kept)
		if len(failed) != 1 || failed[0].Err != actor.ErrHandlerTimeout {
			t.Errorf("failed casts: got %v, want one by the timeout", failed)
		}
		check(t, "exits", kept.exits(), "")
	})
}

func TestHandlerTimeoutOfAReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := numbers(&j, actor.Options{HandlerTimeout: handlerTimeout, Retries: 1}, map[int]func(context.Context) error{
			1: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			2: panics,
		})
		_, kept := plant(t, a)
		var sent sends
		sent.send(t, a, 1, 2, 3)
		time.Sleep(2*handlerTimeout + 1)
		check(t, "exits", kept.exits(), "context deadline exceeded, context deadline exceeded, panic: boom, panic: boom")
		check(t, "dead letters", kept.deadLetters(), "1: in hand at a crash, 2: in hand at a crash")
		check(t, "Stats", a.Stats(), mailbox.Stats{Handled: 1, Dead: 2})
	})
}

// The ctx of a deferred call lives until the answer, and no longer than the limit.
// The answer may come later.
func TestHandlerTimeoutOfADeferredAnswer(t *testing.T) {
	for _, background := range []bool{true, false} {
		t.Run(fmt.Sprint("background ", background), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState, timed())
				plant(t, s)
				caller := t.Context()
				if background {
					caller = context.Background()
				}
				handlers, replies := make(chan context.Context, 1), make(chan actor.Reply[int], 1)
				defers := do(func(ctx context.Context, st *state) (int, error) {
					handlers <- ctx
					time.Sleep(time.Second)
					return deferring(replies)(ctx, st)
				})
				for _, after := range []time.Duration{2 * time.Second, time.Minute} {
					began := time.Now()
					outcome := make(chan string)
					go func() { outcome <- answer(actor.Call(caller, s, defers)) }()
					ctx, reply := <-handlers, <-replies
					time.Sleep(after - time.Second)
					if after < handlerTimeout {
						check(t, "before the end", ctx.Err(), nil)
					} else {
						check(t, "the end", ctx.Err(), context.DeadlineExceeded)
						check(t, "its cause", context.Cause(ctx), actor.ErrHandlerTimeout)
					}
					check(t, "given", reply.Give(7, nil), true)
					check(t, "outcome", <-outcome, "7, <nil>")
					check(t, "took", time.Since(began), after)
					if after < handlerTimeout {
						check(t, "after the answer", ctx.Err(), context.Canceled)
						time.Sleep(time.Minute)
						check(t, "later", context.Cause(ctx), context.Canceled)
					}
				}
			})
		})
	}
}

// The rest of a handler belongs to its message; what comes without one has no limit.
func TestHandlerTimeoutAndContinue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan string, 1)
		unlimited := func(what string, ctx context.Context) {
			if _, ok := ctx.Deadline(); ok {
				t.Errorf("%s: got a deadline, want none", what)
			}
		}
		options := timed()
		options.Continue = func(ctx context.Context, _ *state) error { unlimited("the rest of the start", ctx); return nil }
		options.Close = func(ctx context.Context, _ *state, _ exit.Reason) error { unlimited("Close", ctx); return nil }
		s := actor.NewServer("s", openState, options)
		tree, _ := plant(t, s)
		var began time.Time
		half := do(func(context.Context, *state) (int, error) {
			began = time.Now()
			time.Sleep(time.Second)
			return 7, actor.Continue(func(ctx context.Context) error {
				<-ctx.Done()
				ended <- ending(ctx, began)
				return nil
			})
		})
		n, err := actor.Call(t.Context(), s, half)
		check(t, "answer", answer(n, err), "7, <nil>")
		check(t, "at once", time.Since(began), time.Second)
		check(t, "rest of a call", <-ended, timeoutEnding)
		if err := actor.Cast(t.Context(), s, half); err != nil {
			t.Error(err)
		}
		check(t, "rest of a cast", <-ended, timeoutEnding)
		if err := tree.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A ctx with a limit ends with its handler, and its timer with it.
func TestHandlerTimeoutLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handlers := make(chan context.Context, 1)
		keep := func(ctx context.Context) { _ = ctx.Done(); handlers <- ctx }
		s := actor.NewServer("s", openState, timed())
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(ctx context.Context, n int) error {
				keep(ctx)
				if n == 2 {
					panic("boom")
				}
				return nil
			}}, nil
		}, actor.Options{HandlerTimeout: handlerTimeout})
		plant(t, s, a)
		kept := do(func(ctx context.Context, _ *state) (int, error) { keep(ctx); return 0, nil })
		for what, send := range map[string]func() error{
			"send":  func() error { return a.Send(t.Context(), 1) },
			"panic": func() error { return a.Send(t.Context(), 2) },
			"cast":  func() error { return actor.Cast(t.Context(), s, kept) },
			"call":  func() error { _, err := actor.Call(t.Context(), s, kept); return err },
			"call without an end": func() error {
				_, err := actor.Call(context.Background(), s, kept)
				return err
			},
		} {
			if err := send(); err != nil {
				t.Error(err)
			}
			ctx := <-handlers
			synctest.Wait()
			check(t, what+", at the end", ctx.Err(), context.Canceled)
			time.Sleep(time.Minute)
			check(t, what+", later", errors.Is(context.Cause(ctx), actor.ErrHandlerTimeout), false)
		}
	})
}

// Who asks a ctx only when its handler has returned hears the same.
func TestHandlerTimeoutIsRememberedByTheCtx(t *testing.T) {
	for took, want := range map[time.Duration]string{
		time.Second: "context canceled, context canceled",
		time.Minute: "context deadline exceeded, handler timeout: context deadline exceeded",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := actor.NewServer("s", openState, timed())
			plant(t, s)
			handlers := make(chan context.Context, 1)
			_, err := actor.Call(context.Background(), s, do(func(ctx context.Context, _ *state) (int, error) {
				handlers <- ctx
				time.Sleep(took)
				return 0, nil
			}))
			check(t, "error", err, nil)
			ctx := <-handlers
			time.Sleep(time.Hour)
			check(t, "after "+took.String(), fmt.Sprintf("%v, %v", ctx.Err(), context.Cause(ctx)), want)
		})
	}
}

// hooked is a caller's ctx that counts what hangs on it.
type hooked struct {
	context.Context
	hooks *atomic.Int32
}

func (h hooked) AfterFunc(f func()) (stop func() bool) {
	h.hooks.Add(1)
	stopped := context.AfterFunc(h.Context, f)
	return func() bool {
		h.hooks.Add(-1)
		return stopped()
	}
}

func (h hooked) Value(any) any { return nil } // so that it is asked itself

func TestHandlerTimeoutLetsGoOfTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState, timed())
		plant(t, s)
		ctx := hooked{t.Context(), new(atomic.Int32)}
		_, err := actor.Call(ctx, s, do(func(handlers context.Context, _ *state) (int, error) {
			_ = handlers.Done()
			check(t, "hooks in the handler", ctx.hooks.Load(), 1)
			return 0, nil
		}))
		check(t, "error", err, nil)
		synctest.Wait()
		check(t, "hooks", ctx.hooks.Load(), 0)
	})
}

func TestHandlerTimeoutInATrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState, timed())
		tr := plantTraced(t, supervisor.Policy{Restarts: strategy.Unlimited}, s)
		ctx, end := tr.request(t)
		ended := make(chan string, 1)
		_, err := actor.Call(ctx, s, do(func(ctx context.Context, _ *state) (int, error) {
			began := time.Now()
			tr.look(ctx)
			<-ctx.Done()
			ended <- ending(ctx, began)
			check(t, "span", trace.SpanContextFromContext(ctx).IsValid(), true)
			return 0, context.Cause(ctx)
		}))
		end()
		check(t, "outcome", err, actor.ErrHandlerTimeout)
		check(t, "ctx", <-ended, timeoutEnding)
		checkParent(t, "handler", tr.span(t, "handler"), tr.span(t, "process tree/s"))
	})
}
