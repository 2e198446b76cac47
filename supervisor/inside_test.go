package supervisor_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// serves is a Service.
type serves func(ctx context.Context) error

func (f serves) Serve(ctx context.Context) error { return f(ctx) }

// A tree that is started with the ctx of a child, and not as that child, is one of
// its own: its children are restarted whether or not anybody waits for its end, and
// the child may stop it.
func TestStartInsideOfAChildStartsATree(t *testing.T) {
	for name, host := range map[string]func(begin func(context.Context)) supervisor.Child{
		"Func": func(begin func(context.Context)) supervisor.Child {
			return supervisor.Func("host", func(ctx context.Context) error { begin(ctx); <-ctx.Done(); return nil })
		},
		"Factory": func(begin func(context.Context)) supervisor.Child {
			return supervisor.Factory("host", func(ctx context.Context) (serves, error) {
				begin(ctx)
				return func(ctx context.Context) error { <-ctx.Done(); return nil }, nil
			})
		},
		"Serve": func(begin func(context.Context)) supervisor.Child {
			listen := func(ctx context.Context) (net.Listener, error) { begin(ctx); return noListener{}, nil }
			return supervisor.Serve("host", listen, func() *obeying { return &obeying{shut: make(chan struct{})} })
		},
		"a child in a goroutine": func(begin func(context.Context)) supervisor.Child {
			return with(named("host"), func(ctx context.Context) error { begin(ctx); <-ctx.Done(); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				crasher := named("crasher")
				inner := supervisor.New("inner", supervisor.Policy{Tracing: quiet(), Restarts: strategy.Unlimited}, crasher)
				ends := make(chan func() error, 1)
				b := start(t, supervisor.Policy{}, host(func(ctx context.Context) {
					run, err := inner.Start(ctx)
					checkError(t, "start", err, "")
					ends <- run
				}))
				synctest.Wait()
				run := <-ends
				crasher.crash()
				check(t, "starts", crasher.starts.Load(), 2)
				check(t, "path", inner.String(), "inner")
				checkError(t, "stop", inner.Stop(t.Context()), "")
				checkError(t, "run", run(), "")
				b.stopInOrder()
			})
		})
	}
}

// obeying is a network server that serves until it is shut down.
type obeying struct{ shut chan struct{} }

func (o *obeying) Serve(net.Listener) error { <-o.shut; return nil }

func (o *obeying) Shutdown(context.Context) error { close(o.shut); return nil }
