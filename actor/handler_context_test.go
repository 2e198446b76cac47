package actor_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/coppice-go/coppice/actor"
)

// A caller tells the ctx of its handler when its own has ended, wherever it waits and
// whatever has become of the call.
func TestEndOfTheCallersContextWakesWhoWaits(t *testing.T) {
	for kind, make := range callers {
		if kind == "background" {
			continue
		}
		for name, wait := range map[string]func(ctx context.Context) <-chan struct{}{
			"its channel":            func(ctx context.Context) <-chan struct{} { return ctx.Done() },
			"a derived one":          func(ctx context.Context) <-chan struct{} { return derive(ctx).Done() },
			"one with a value":       func(ctx context.Context) <-chan struct{} { return derive(context.WithValue(ctx, keyOf("v"), 1)).Done() },
			"its channel, once more": func(ctx context.Context) <-chan struct{} { _ = derive(ctx).Done(); return ctx.Done() },
		} {
			for _, deferred := range []bool{false, true} {
				for _, inside := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, %s, deferred %t, by a server %t", kind, name, deferred, inside), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							all := plantServers(t, 2)
							caller, cancel := make(t.Context())
							defer cancel()
							start, heard := time.Now(), ""
							ask := func(caller context.Context) {
								_, _ = actor.Call(caller, all[1], do(func(ctx context.Context, _ *state) (int, error) {
									work := func() {
										done := wait(ctx)
										checkGoroutines(t, "of contexts", "context.(", 0)
										<-done
										heard = fmt.Sprintf("%v: %s", time.Since(start), observed(ctx))
									}
									if !deferred {
										work()
										return 0, nil
									}
									_, err := actor.Defer[int](ctx)
									go work()
									return 0, err
								}))
							}
							if inside {
								_, _ = actor.Call(caller, all[0], do(func(ctx context.Context, _ *state) (int, error) { ask(ctx); return 0, nil }))
							} else {
								ask(caller)
							}
							synctest.Wait()
							reference, cancel := context.WithCancel(caller)
							defer cancel()
							check(t, "heard", heard, "1s: "+observed(reference))
						})
					})
				}
			}
		}
	}
}

// derive makes a ctx that is let go when ctx ends.
func derive(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// Who asks the ctx of a handler after the caller's has ended gets that as the answer,
// also before the caller has come to hear of it.
func TestEndOfTheCallersContextIsSeenAtOnce(t *testing.T) {
	for use, f := range uses {
		t.Run(use, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				plant(t, s)
				for _, look := range []func(context.Context) string{
					observed,
					func(ctx context.Context) string { err := ctx.Err(); return fmt.Sprintf("%v: %s", err, observed(ctx)) },
					func(ctx context.Context) string { return observed(derive(ctx)) },
				} {
					caller, cancel := context.WithCancelCause(t.Context())
					_, _ = actor.Call(caller, s, do(func(ctx context.Context, _ *state) (int, error) {
						f(ctx)
						cancel(errQuit)
						check(t, "observed", look(ctx), look(caller))
						return 0, nil
					}))
					synctest.Wait()
				}
			})
		})
	}
}

// A server that is idle keeps no ctx of a caller, whatever its handlers did with theirs
// and whoever has answered.
func TestContextsOfCallersCanBeCollected(t *testing.T) {
	for kind, make := range callers {
		for use, f := range uses {
			for i := range 4 {
				deferred, limited := i%2 == 1, i/2 == 1
				t.Run(fmt.Sprintf("%s, %s, deferred %t, limited %t", kind, use, deferred, limited), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := actor.NewServer("s", openState)
						if limited {
							s = actor.NewServer("s", openState, timed())
						}
						plant(t, s)
						var kept []weak.Pointer[large]
						for range 4 {
							kept = append(kept, callWithLarge(t, make, s, func(ctx context.Context, _ *state) (int, error) {
								f(ctx)
								if deferred {
									reply, err := actor.Defer[int](ctx)
									go reply.Give(0, nil)
									return 0, err
								}
								return 0, nil
							}))
						}
						time.Sleep(time.Minute) // no timer has one any more
						synctest.Wait()
						for range 2 {
							runtime.GC()
						}
						for i, big := range kept {
							if big.Value() != nil {
								t.Errorf("the ctx of caller %d is still alive, want it collected", i)
							}
						}
					})
				})
			}
		}
	}
}

// callWithLarge calls with a ctx that has a large value.
func callWithLarge(t *testing.T, make func(context.Context) (context.Context, context.CancelFunc), s *actor.Server[state], message do) weak.Pointer[large] {
	ctx, cancel := make(t.Context())
	defer cancel()
	big := &large{7}
	_, err := actor.Call(context.WithValue(ctx, keyOf("big"), big), s, message)
	check(t, "error", err, nil)
	return weak.Make(big)
}

// panicsOnce is a ctx that panics when it is asked for what, the first time that a
// handler has it asked.
type panicsOnce struct {
	context.Context
	what  string
	armed bool
}

func (p *panicsOnce) ask(what string) {
	if p.armed && p.what == what {
		p.armed = false
		panic("broken context")
	}
}

func (p *panicsOnce) Done() <-chan struct{}       { p.ask("Done"); return p.Context.Done() }
func (p *panicsOnce) Err() error                  { p.ask("Err"); return p.Context.Err() }
func (p *panicsOnce) Value(key any) any           { p.ask("Value"); return p.Context.Value(key) }
func (p *panicsOnce) Deadline() (time.Time, bool) { p.ask("Deadline"); return p.Context.Deadline() }

// A caller's ctx that panics when a handler looks at its own is a crash of that handler,
// as any panic, and nothing is stuck.
func TestCallersContextThatPanicsWhenTheHandlerLooks(t *testing.T) {
	for kind, make := range callers {
		for use, f := range uses {
			for _, what := range []string{"Done", "Err", "Value", "Deadline"} {
				t.Run(fmt.Sprintf("%s, %s, %s", kind, use, what), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := actor.NewServer("s", openState)
						plant(t, s)
						caller, cancel := make(t.Context())
						defer cancel()
						broken := &panicsOnce{Context: caller, what: what}
						n, err := actor.Call(broken, s, do(func(ctx context.Context, _ *state) (int, error) {
							broken.armed = true
							f(ctx)
							broken.armed = false
							return 4, nil
						}))
						if err != nil {
							check(t, "outcome", answer(n, err), "0, tree/s: callee ended before it replied: panic: broken context")
						}
						n, err = actor.Call(t.Context(), s, do(func(context.Context, *state) (int, error) { return 5, nil }))
						check(t, "the next", answer(n, err), "5, <nil>")
					})
				})
			}
		}
	}
}
