package supervisor_test

import (
	"context"
	"fmt"
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
		"Factory in a type of the user's": func(begin func(context.Context)) supervisor.Child {
			return shell{Child: supervisor.Factory("host", func(ctx context.Context) (serves, error) {
				begin(ctx)
				return func(ctx context.Context) error { <-ctx.Done(); return nil }, nil
			})}
		},
		"Serve in a type of the user's": func(begin func(context.Context)) supervisor.Child {
			listen := func(ctx context.Context) (net.Listener, error) { begin(ctx); return noListener{}, nil }
			return shell{Child: supervisor.Serve("host", listen, func() *obeying { return &obeying{shut: make(chan struct{})} })}
		},
		"Func that runs before Start has returned": func(begin func(context.Context)) supervisor.Child {
			return early(func(ready func()) supervisor.Child {
				return supervisor.Func("host", func(ctx context.Context) error { begin(ctx); ready(); <-ctx.Done(); return nil })
			})
		},
		"service that runs before Start has returned": func(begin func(context.Context)) supervisor.Child {
			return early(func(ready func()) supervisor.Child {
				return supervisor.Factory("host", func(context.Context) (serves, error) {
					return func(ctx context.Context) error { begin(ctx); ready(); <-ctx.Done(); return nil }, nil
				})
			})
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

// shell is a child of the user's own around one of the library: it is what Start says,
// or else the child.
type shell struct {
	supervisor.Child
	start func(ctx context.Context) (func() error, error)
}

func (s shell) Start(ctx context.Context) (func() error, error) {
	if s.start == nil {
		return s.Child.Start(ctx)
	}
	return s.start(ctx)
}

// early is a child of the user's own that is up when another one, which it runs in a
// goroutine, says that it is ready.
func early(of func(ready func()) supervisor.Child) supervisor.Child {
	ready := make(chan struct{}, 1)
	inside := of(func() { ready <- struct{}{} })
	return shell{inside, func(ctx context.Context) (func() error, error) {
		run, err := inside.Start(ctx)
		if err != nil {
			return nil, err
		}
		end := make(chan error)
		go func() { end <- run() }()
		<-ready
		return func() error { return <-end }, nil
	}}
}

// A supervisor that is started by the Start of a child is part of the tree, whichever
// other child it has inside and may start as well.
func TestStartByTheStartOfAChildIsPartOfTheTree(t *testing.T) {
	waits := func(ctx context.Context) error { <-ctx.Done(); return nil }
	opens := func(context.Context) (serves, error) { return waits, nil }
	for name, child := range map[string]supervisor.Child{
		"Func": supervisor.Func("host", waits), "Factory": supervisor.Factory("host", opens),
	} {
		for _, also := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", started as well: ", also), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					crasher := named("crasher")
					inner := supervisor.New("inner", supervisor.Policy{Restarts: strategy.NoRestarts}, crasher)
					b := start(t, supervisor.Policy{}, shell{child, func(ctx context.Context) (func() error, error) {
						if also {
							if _, err := child.Start(ctx); err != nil {
								return nil, err
							}
						}
						return inner.Start(ctx)
					}})
					check(t, "path", inner.String(), "root/host")
					crasher.crash() // inner gives up, and is restarted
					check(t, "starts", crasher.starts.Load(), 2)
					check(t, "states", b.states(), "host host/crasher")
					b.stopInOrder()
				})
			})
		}
	}
}

// obeying is a network server that serves until it is shut down.
type obeying struct{ shut chan struct{} }

func (o *obeying) Serve(net.Listener) error { <-o.shut; return nil }

func (o *obeying) Shutdown(context.Context) error { close(o.shut); return nil }
