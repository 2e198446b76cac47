package actor_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/supervisor"
)

// observed is what can be seen of a context, as text.
func observed(ctx context.Context) string {
	done := false
	select {
	case <-ctx.Done():
		done = true
	default:
	}
	return fmt.Sprintf("%v, %v, done %t", ctx.Err(), context.Cause(ctx), done)
}

// callers are the kinds of context that a caller may have. Each ends by itself
// after a second, or never.
var callers = map[string]func(context.Context) (context.Context, context.CancelFunc){
	"background": func(context.Context) (context.Context, context.CancelFunc) {
		return context.Background(), func() {}
	},
	"cancel": func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Second, cancel)
		return ctx, cancel
	},
	"cancel with a cause": func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(time.Second, func() { cancel(errQuit) })
		return ctx, func() { cancel(nil) }
	},
	"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Second)
	},
	"deadline with a cause": func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeoutCause(ctx, time.Second, errQuit)
	},
	"canceled long before its deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		time.AfterFunc(time.Second, cancel)
		return ctx, cancel
	},
	"value in between": func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(time.Second, func() { cancel(errQuit) })
		return context.WithValue(ctx, callersKey{}, 1), func() { cancel(nil) }
	},
}

type (
	callersKey struct{}
	treesKey   struct{}
)

// uses are what a handler may have done with its ctx before it ends.
var uses = map[string]func(ctx context.Context){
	"nothing":    func(context.Context) {},
	"err":        func(ctx context.Context) { _ = ctx.Err() },
	"done":       func(ctx context.Context) { _ = ctx.Done() },
	"cause":      func(ctx context.Context) { _ = context.Cause(ctx) },
	"derive":     func(ctx context.Context) { _, cancel := context.WithTimeout(ctx, time.Minute); cancel() },
	"after func": func(ctx context.Context) { context.AfterFunc(ctx, func() {})() },
}

// To its handler the ctx of a call is what the standard library would derive
// from the caller's.
func TestContextOfACallIsLikeOneDerivedFromTheCallers(t *testing.T) {
	for kind, make := range callers {
		for use, f := range uses {
			t.Run(kind+", "+use, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := actor.NewServer("s", openState)
					plant(t, s)
					caller, cancel := make(t.Context())
					defer cancel()
					_, _ = actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) {
						reference, cancel := context.WithCancel(caller)
						defer cancel()
						gotTime, got := ctx.Deadline()
						wantTime, want := reference.Deadline()
						check(t, "Deadline", fmt.Sprint(gotTime, got), fmt.Sprint(wantTime, want))
						f(ctx)
						check(t, "before", observed(ctx), observed(reference))
						time.Sleep(2 * time.Second)
						for range 2 { // the same when asked again
							check(t, "after, Err", ctx.Err(), reference.Err())
							check(t, "after", observed(ctx), observed(reference))
						}
						derived, cancel := context.WithCancel(context.WithValue(ctx, callersKey{}, 2))
						defer cancel()
						check(t, "derived", observed(derived), observed(reference))
						return 0, nil
					}))
					synctest.Wait()
				})
			})
		}
	}
}

// What hangs on the ctx hears of the end at the moment of the end.
func TestEndOfTheCallersContextReachesWhatHangsOnIt(t *testing.T) {
	for kind, make := range callers {
		if kind == "background" {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				s := actor.NewServer("s", openState)
				plant(t, s)
				caller, cancel := make(t.Context())
				defer cancel()
				_, _ = actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) {
					start := time.Now()
					derived, cancel := context.WithTimeout(ctx, time.Minute)
					defer cancel()
					context.AfterFunc(ctx, func() { j.add("AfterFunc after %v", time.Since(start)) })
					unhook := context.AfterFunc(ctx, func() { j.add("this was unhooked") })
					unhook()
					checkGoroutines(t, "of contexts", "context.(", 0)
					<-derived.Done()
					after := time.Since(start)
					time.Sleep(time.Nanosecond) // AfterFunc has a goroutine of its own
					j.add("derived after %v", after)
					check(t, "cause", context.Cause(derived), context.Cause(caller))
					return 0, nil
				}))
				time.Sleep(time.Second)
				synctest.Wait()
				check(t, "journal", j.take(), "AfterFunc after 1s, derived after 1s")
			})
		})
	}
}

// A caller whose ctx cannot end adds nothing to that of the server.
func TestContextOfACallThatCannotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		tree, _ := plant(t, s)
		var of [2]context.Context
		for i, send := range []func(do) error{
			func(d do) error { _, err := actor.Call(context.Background(), s, d); return err },
			func(d do) error { return actor.Cast(context.Background(), s, d) },
		} {
			check(t, "sent", send(func(ctx context.Context, _ *state) (int, error) { of[i] = ctx; return 0, nil }), nil)
		}
		synctest.Wait()
		check(t, "ctx of a call", of[0].Done(), of[1].Done())
		check(t, "ctx", observed(of[0]), "<nil>, <nil>, done false")
		check(t, "stop", tree.Stop(context.Background()), nil)
		check(t, "ended", of[0].Err(), context.Canceled)
	})
}

// The ctx ends when the handler has returned, and whatever was made of it; no
// goroutine stays. A caller whose ctx cannot end brings none of its own.
func TestContextOfACallEndsWithIt(t *testing.T) {
	for kind, make := range callers {
		if kind == "background" {
			continue
		}
		for use, f := range uses {
			t.Run(kind+", "+use, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := actor.NewServer("s", openState)
					plant(t, s)
					caller, cancel := make(t.Context())
					defer cancel()
					var kept, derived context.Context
					called := false
					n, err := actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) {
						f(ctx)
						kept = ctx
						if use != "nothing" {
							derived, cancel = context.WithCancel(ctx)
							context.AfterFunc(ctx, func() { called = true })
						}
						return 4, nil
					}))
					check(t, "outcome", answer(n, err), "4, <nil>")
					synctest.Wait()
					check(t, "ctx", observed(kept), "context canceled, context canceled, done true")
					if derived != nil {
						check(t, "derived", observed(derived), "context canceled, context canceled, done true")
						check(t, "AfterFunc called", called, true)
					}
					checkGoroutines(t, "of contexts", "context.(", 0)
					time.Sleep(2 * time.Second) // the caller's ends as well
					check(t, "ctx", observed(kept), "context canceled, context canceled, done true")
				})
			})
		}
	}
}

// An end that was seen stays what it was, also when the handler has returned.
func TestEndOfAContextDoesNotChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		plant(t, s)
		for _, see := range []bool{true, false} {
			caller, cancel := context.WithTimeoutCause(t.Context(), time.Second, errQuit)
			var kept context.Context
			_, _ = actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) {
				kept = ctx
				time.Sleep(2 * time.Second)
				if see {
					check(t, "Err", ctx.Err(), context.DeadlineExceeded)
				}
				return 0, nil
			}))
			time.Sleep(2 * time.Second)
			synctest.Wait()
			check(t, "after the handler", observed(kept), "context deadline exceeded, the caller quits, done true")
			cancel()
		}
	})
}

// What is behind the ctx of a call is used again for the next one. A ctx that was
// kept does not see that: it has ended, whatever becomes of later calls.
func TestKeptContextSeesNothingOfALaterCall(t *testing.T) {
	for use, f := range uses {
		t.Run(use, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				plant(t, s)
				var kept []context.Context
				for range 100 {
					caller, cancel := context.WithTimeoutCause(t.Context(), time.Second, errQuit)
					_, err := actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) {
						for _, old := range kept {
							if old == ctx {
								t.Error("got the ctx of an earlier call, want another one")
							}
							f(old)
							_, ok := old.Deadline()
							check(t, "deadline of one that was kept", ok, false)
							check(t, "one that was kept", observed(old), "context canceled, context canceled, done true")
							check(t, "its path", actor.Path(old), "tree/s")
							_, err := actor.Defer[int](old)
							check(t, "Defer with it", fmt.Sprint(err), "defer: the call is over")
						}
						check(t, "its own", ctx.Err(), nil)
						_ = ctx.Value(callersKey{})
						kept = append(kept[max(0, len(kept)-3):], ctx)
						return 0, nil
					}))
					check(t, "error", err, nil)
					cancel()
				}
			})
		})
	}
}

// A handler that has asked its ctx for the deadline gets the same answer for ever.
func TestDeadlineOfAContextDoesNotChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		plant(t, s)
		var kept context.Context
		ask := func(after time.Duration, f func(context.Context)) (deadline time.Time) {
			caller, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			_, err := actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) { f(ctx); return 0, nil }))
			check(t, "error", err, nil)
			deadline, _ = caller.Deadline()
			return deadline
		}
		want := ask(time.Minute, func(ctx context.Context) { kept = ctx; ctx.Deadline() })
		for range 3 {
			ask(time.Hour, func(context.Context) {})
			got, ok := kept.Deadline()
			check(t, "deadline", fmt.Sprint(got, ok), fmt.Sprint(want, true))
			check(t, "ctx", observed(kept), "context canceled, context canceled, done true")
		}
	})
}

// A kill of the server ends the ctx with its reason, however it was used.
func TestKillReachesTheContextOfACall(t *testing.T) {
	for kind, make := range callers {
		for use, f := range uses {
			t.Run(kind+", "+use, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := actor.NewServer("s", openState)
					tree, _ := plant(t, supervisor.Spec{Child: s, Shutdown: supervisor.Timeout(0)})
					caller, cancel := make(t.Context())
					defer cancel()
					got := ""
					go func() {
						_, _ = actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) {
							f(ctx)
							time.Sleep(50 * time.Millisecond)
							err := ctx.Err()
							got = fmt.Sprintf("%v: %s", err, observed(ctx))
							return 0, nil
						}))
					}()
					synctest.Wait()
					if err := tree.TerminateChild(t.Context(), "s"); err != nil {
						t.Error(err)
					}
					synctest.Wait()
					check(t, "observed", got, "context canceled: context canceled, killed, done true")
				})
			})
		}
	}
}

// Its values are the server's: the tree's, not the caller's.
func TestValuesOfTheContextOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		tree := supervisor.New("tree", supervisor.Policy{Tracing: quiet()}, s)
		if _, err := tree.Start(context.WithValue(t.Context(), treesKey{}, "tree's")); err != nil {
			t.Fatal(err)
		}
		for _, use := range uses {
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), callersKey{}, "caller's"))
			looked := false
			_, _ = actor.Call(ctx, s, do(func(ctx context.Context, _ *state) (int, error) {
				use(ctx)
				got := fmt.Sprintf("%v %v %s", ctx.Value(treesKey{}), ctx.Value(callersKey{}), actor.Path(ctx))
				check(t, "values", got, "tree's <nil> tree/s")
				cancel()
				got = fmt.Sprintf("%v %v %s", ctx.Value(treesKey{}), ctx.Value(callersKey{}), actor.Path(ctx))
				check(t, "values after the end", got, "tree's <nil> tree/s")
				looked = true
				return 0, nil
			}))
			synctest.Wait()
			check(t, "looked", looked, true)
		}
		if err := tree.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// Everything at once, for the race detector.
func TestContextOfACallUnderLoad(t *testing.T) {
	s := actor.NewServer("s", openState)
	tree, _ := plant(t, s)
	var all sync.WaitGroup
	for i := range 300 {
		caller, cancel := context.WithCancelCause(context.Background())
		returned := make(chan struct{})
		_, _ = actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) {
			defer close(returned)
			for _, f := range uses {
				all.Go(func() { f(ctx) })
			}
			all.Go(func() { cancel(errQuit) })
			all.Go(func() {
				if ctx.Err() != nil && context.Cause(ctx) == nil {
					t.Error("got an end without a cause")
				}
			})
			if i%3 == 0 {
				all.Wait()
			}
			return 0, nil
		}))
		<-returned
		all.Wait()
		cancel(nil)
	}
	if err := tree.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// A ctx may be printed, by a mock for example, while others use it: it is not read field
// by field.
func TestContextsHaveNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		told := func(ctx context.Context, _ *state) (int, error) {
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			j.add("%v %v", ctx, derived)
			return 0, nil
		}
		s := actor.NewServer("s", func(ctx context.Context) (*state, error) {
			j.add("%v", ctx)
			return new(state), nil
		})
		plant(t, s)
		check(t, "open", j.take(), "tree/s.Context")
		for kind, ctx := range twoCallers(t) {
			_, _ = actor.Call(ctx, s, do(told))
			check(t, kind, j.take(), "tree/s.Call tree/s.Call.WithCancel")
		}
		_, _ = actor.Call(t.Context(), s, do(func(ctx context.Context, _ *state) (int, error) {
			return 0, supervisor.Go(ctx, func(ctx context.Context) error { _, err := told(ctx, nil); return err })
		}))
		synctest.Wait()
		check(t, "beside", j.take(), "tree/s.Go tree/s.Go.WithCancel")
		cast(t, s, told)
		synctest.Wait()
		check(t, "cast", j.take(), "tree/s.Work tree/s.Work.WithCancel")
	})
}
