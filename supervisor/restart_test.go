package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// ends are the ways to end of the table of S29-S31, by the reason they give.
var ends = []struct {
	name  string
	how   func() error
	text  string // of the reason
	clean bool
}{
	{"nil", returns(nil), "normal", true},
	{"normal", returns(exit.Normal), "normal", true},
	{"shutdown", returns(exit.Shutdown), "shutdown", true},
	{"shutdown with a detail", returns(exit.ShutdownFor(errBoom)), "shutdown: boom", true},
	{"error", returns(errBoom), "boom", false},
	{"wrapped shutdown", returns(fmt.Errorf("call: %w", exit.Shutdown)), "call: shutdown", false}, // S3
	{"ctx error from elsewhere", returns(context.Canceled), "context canceled", false},            // S4
	{"killed", returns(exit.Killed), "killed", false},
	{"panic", panics("oops"), "panic: oops", false},
	{"panic with shutdown", panics(exit.Shutdown), "panic: shutdown", false},
	{"Goexit", goexits, "goroutine left by runtime.Goexit", false},
}

func TestS29S30S31_RestartTypes(t *testing.T) {
	for _, restart := range []strategy.Restart{strategy.Permanent, strategy.Transient, strategy.Temporary} {
		for _, end := range ends {
			t.Run(restart.String()+"/"+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := named("c")
					b := start(t, supervisor.Policy{}, named("a"), supervisor.Spec{Child: c, Restart: restart}, named("z"))
					c.end(end.how)
					want, states := []string{"exit c: " + end.text}, "a c z"
					switch {
					case restart == strategy.Permanent || restart == strategy.Transient && !end.clean:
						want = append(want, "restarting c", "restart c")
					case restart == strategy.Transient:
						states = "a c:stopped z"
					case restart == strategy.Temporary:
						states = "a z"
					}
					b.want(t, want...)
					check(t, "states", b.states(), states)
					b.stopInOrder()
				})
			})
		}
	}
}

// A Func returns its ctx's error when it was asked: that is no failure (S4).
func TestS4_CtxErrorAfterTheStopIsTheCause(t *testing.T) {
	for _, test := range []struct {
		name string
		then error
		want string
	}{
		{"ctx.Err", context.Canceled, "stop c"},
		{"wrapped", fmt.Errorf("read: %w", context.Canceled), "stop c"},
		{"nil", nil, "stop c: normal"},
		{"something else", errBoom, "stop c: boom"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := named("c")
				c.onStop = func(context.Context) error { return test.then }
				b := start(t, supervisor.Policy{}, c)
				b.stopInOrder()
				b.want(t, test.want, "stop root")
			})
		})
	}
}

func TestS31_NameOfATemporaryIsFreeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		b := start(t, supervisor.Policy{}, supervisor.Spec{Child: c, Restart: strategy.Temporary})
		c.end(returns(nil))
		checkError(t, "start again", b.root.StartChild(t.Context(), c), "")
		b.want(t, "exit c: normal", "start c")
		b.stopInOrder()
	})
}

func TestS33_CleanEndTouchesNoSibling(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne} {
		for _, restart := range []strategy.Restart{strategy.Transient, strategy.Temporary} {
			t.Run(fmt.Sprintf("%v/%v", s, restart), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := named("c")
					// Nor is it charged: no restart is allowed here.
					b := start(t, supervisor.Policy{Strategy: s, Restarts: strategy.NoRestarts},
						supervisor.Spec{Child: c, Restart: restart}, named("d"))
					c.end(returns(nil))
					b.want(t, "exit c: normal")
					b.stopInOrder()
				})
			})
		}
	}
}

// What a child has started with its ctx must not outlive its incarnation.
func TestContextsEndWithTheIncarnation(t *testing.T) {
	for _, end := range ends {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ctxs []context.Context
				c := named("c")
				c.onStart = func(ctx context.Context, _ int) error {
					ctxs = append(ctxs, ctx)
					return nil
				}
				b := start(t, supervisor.Policy{}, c)
				c.end(end.how)
				check(t, "incarnations", len(ctxs), 2)
				if err := ctxs[0].Err(); err != context.Canceled {
					t.Errorf("ctx of the first: got %v, want canceled", err)
				}
				if cause, ok := context.Cause(ctxs[0]).(exit.Reason); !ok || cause.Error() != end.text {
					t.Errorf("its cause: got %v, want %s", context.Cause(ctxs[0]), end.text)
				}
				if err := ctxs[1].Err(); err != nil {
					t.Errorf("ctx of the second: got %v, want nil", err)
				}
				b.stopInOrder()
			})
		})
	}
}

func TestContextOfAFailedStartEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ctxs []context.Context
		c := named("c")
		c.onStart = func(ctx context.Context, n int) error {
			ctxs = append(ctxs, ctx)
			switch n {
			case 1:
				return errDeclines
			case 2:
				return errBoom
			}
			return nil
		}
		b := start(t, supervisor.Policy{}, c)
		checkError(t, "restart by hand", b.root.RestartChild(t.Context(), "c"), "start root/c: boom")
		checkError(t, "restart by hand", b.root.RestartChild(t.Context(), "c"), "")
		for i, want := range []string{"normal", "boom"} {
			check(t, "cause", fmt.Sprint(context.Cause(ctxs[i])), want)
		}
		check(t, "err of the running one", ctxs[2].Err(), nil)
		b.stopInOrder()
	})
}

func TestValuesAndCausesReachTheChildren(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		var value any
		var causes causes
		noting := func(name string) *child {
			c := causes.note(named(name))
			c.onStart = func(ctx context.Context, n int) error {
				if name == "b" && n == 1 {
					value = ctx.Value(key{})
				}
				return nil
			}
			return c
		}
		a, c := noting("a"), noting("c")
		b := newBed(t, supervisor.Policy{Strategy: strategy.OneForAll}, a, supervisor.New("sub", supervisor.Policy{}, noting("b")), c)
		ctx, cancel := context.WithTimeoutCause(context.WithValue(t.Context(), key{}, "value"), time.Second, errBoom)
		defer cancel()
		done := make(chan error)
		go func() { done <- b.root.Run(ctx) }()
		synctest.Wait()
		check(t, "value", value, any("value"))

		a.crash() // the others are stopped because of their sibling
		var sibling *exit.SiblingEnded
		if !errors.As(causes.of("c"), &sibling) || sibling.Sibling != "a" || !errors.Is(sibling.Reason, errBoom) {
			t.Errorf("cause of c: got %v, want the end of a by boom", causes.of("c"))
		}
		if !errors.Is(causes.of("c"), exit.Shutdown) {
			t.Errorf("cause of c: got %v, want a shutdown", causes.of("c"))
		}
		check(t, "cause of sub/b", causes.of("b"), error(exit.Shutdown)) // it has no such sibling (S79)

		checkError(t, "run", <-done, "") // the user's ctx has ended: stopped in order, after a second
		for _, name := range []string{"a", "b", "c"} {
			check(t, "cause of "+name, causes.of(name), error(exit.Shutdown))
		}
	})
}
