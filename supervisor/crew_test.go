package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// with makes a child's first incarnation start these goroutines.
func with(c *child, fs ...func(ctx context.Context) error) *child {
	c.onStart = func(ctx context.Context, n int) error {
		for _, f := range fs {
			if n > 1 {
				break
			}
			if err := supervisor.Go(ctx, f); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

// What a goroutine may do.

// obeys waits for the end of its ctx.
func obeys(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// lingers takes some time to end.
func lingers(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error { <-ctx.Done(); time.Sleep(d); return ctx.Err() }
}

// failsAfter ends so after some time, whatever becomes of ctx.
func failsAfter(d time.Duration, how func() error) func(context.Context) error {
	return func(context.Context) error { time.Sleep(d); return how() }
}

// failsAtTheEnd ends so when its ctx has ended.
func failsAtTheEnd(how func() error) func(context.Context) error {
	return func(ctx context.Context) error { <-ctx.Done(); return how() }
}

func TestS197_FailureOfAGoroutineIsOneOfTheChild(t *testing.T) {
	for _, end := range ends {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var causes causes
				c := causes.note(with(named("c"), obeys, failsAfter(time.Second, end.how)))
				b := start(t, supervisor.Policy{}, c)
				time.Sleep(time.Minute)
				if end.clean {
					b.want(t)
					check(t, "cause of ctx", causes.of("c"), nil)
				} else {
					b.wantAt(t, "1s exit c: "+end.text, "1s restarting c", "1s restart c")
					checkError(t, "cause of ctx", causes.of("c"), end.text)
				}
				b.stopInOrder()
				b.want(t, "stop c", "stop root") // S4: who obeys has not failed
			})
		})
	}
}

func TestS197_CtxOfAGoroutine(t *testing.T) {
	type key struct{}
	for _, end := range []struct {
		name string
		how  func(t *testing.T, b *bed, c *child)
		want string
	}{
		{"stop", func(_ *testing.T, b *bed, _ *child) { _ = b.stop() }, "shutdown"},
		{"stop by hand", func(t *testing.T, b *bed, _ *child) { _ = b.root.TerminateChild(t.Context(), "c") }, "shutdown"},
		{"kill", func(_ *testing.T, b *bed, _ *child) { _ = b.stop() }, "killed"},
		{"done", func(_ *testing.T, _ *bed, c *child) { c.end(returns(nil)) }, "normal"},
		{"crash", func(_ *testing.T, _ *bed, c *child) { c.crash() }, "boom"},
	} {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen []string
				look := func(what string, ctx context.Context) {
					_, limited := ctx.Deadline()
					seen = append(seen, fmt.Sprint(what, " ", ctx.Value(key{}), " ", limited, " ", ctx.Err(), " ", context.Cause(ctx)))
				}
				c := named("c")
				c.onStart = func(ctx context.Context, n int) error {
					ctx, cancel := context.WithTimeout(context.WithValue(ctx, key{}, n), time.Second)
					defer cancel()
					return supervisor.Go(ctx, func(ctx context.Context) error {
						derived, cancel := context.WithCancel(ctx)
						defer cancel()
						after := make(chan struct{})
						context.AfterFunc(ctx, func() { close(after) })
						time.Sleep(2 * time.Second) // the ctx given to Go has ended
						if n == 1 {
							look("running", ctx)
						}
						<-derived.Done()
						<-after
						if n == 1 {
							look("ended", ctx)
							look("derived", derived)
							look("detached", context.WithoutCancel(ctx))
						}
						return nil
					})
				}
				spec := supervisor.Spec{Child: c}
				if end.name == "kill" {
					spec.Shutdown = supervisor.BrutalKill
				}
				b := start(t, supervisor.Policy{}, spec)
				time.Sleep(time.Minute)
				end.how(t, b, c)
				_ = b.stop()
				checkList(t, "ctx", seen, []string{
					"running 1 false <nil> <nil>",
					"ended 1 false context canceled " + end.want,
					"derived 1 false context canceled " + end.want,
					"detached 1 false <nil> <nil>",
				})
			})
		})
	}
}

// The ctx ends also when the goroutine has returned, as one that nothing must
// outlive.
func TestS197_CtxEndsWithTheGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left context.Context
		b := start(t, supervisor.Policy{}, with(named("c"), func(ctx context.Context) error { left = ctx; return nil }))
		synctest.Wait()
		check(t, "cause", context.Cause(left), error(exit.Normal))
		var joined atomic.Bool
		checkError(t, "go", supervisor.Go(left, func(context.Context) error { joined.Store(true); return nil }), "")
		synctest.Wait()
		check(t, "its values lead to the child", joined.Load(), true)
		b.stopInOrder()
	})
}

func TestS197_LabelsOfAGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStart = func(ctx context.Context, _ int) (err error) {
			pprof.Do(context.Background(), pprof.Labels("other", "label"), func(context.Context) {
				err = supervisor.Go(ctx, func(ctx context.Context) error { hangInGo(ctx); return nil })
			})
			return err
		}
		b := start(t, supervisor.Policy{}, c)
		synctest.Wait()
		var profile strings.Builder
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			t.Fatal(err)
		}
		for group := range strings.SplitSeq(profile.String(), "\n\n") {
			if !strings.Contains(group, "hangInGo") {
				continue
			}
			for _, want := range []string{`"coppice.path":"root/c"`, `"coppice.incarnation":"1"`, `"coppice.tree":`} {
				if !strings.Contains(group, want) || strings.Contains(group, "other") {
					t.Errorf("got\n%s\nwant %s, and no other label", group, want)
				}
			}
		}
		b.stopInOrder()
	})
}

func hangInGo(ctx context.Context) { <-ctx.Done() }

func TestS197_GoroutineOfAGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, supervisor.Policy{}, with(named("c"), func(ctx context.Context) error {
			return supervisor.Go(ctx, func(ctx context.Context) error {
				return supervisor.Go(ctx, failsAfter(time.Second, returns(errBoom)))
			})
		}, lingers(time.Second)))
		time.Sleep(time.Minute)
		b.wantAt(t, "2s exit c: boom", "2s restarting c", "2s restart c")
		b.stopInOrder()
	})
}

// A goroutine may ask for what it likes, but for its own end.
func TestS197_GoroutineAsksItsSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bed
		asked := make(chan error, 3)
		b = newBed(t, supervisor.Policy{}, with(named("c"), func(ctx context.Context) error {
			time.Sleep(time.Second)
			asked <- b.root.StartChild(ctx, named("new"))
			asked <- b.root.TerminateChild(ctx, "c")
			asked <- b.root.TerminateChild(context.WithoutCancel(ctx), "c")
			return nil
		}))
		b.wait, _ = b.root.Start(t.Context())
		b.take()
		time.Sleep(time.Minute)
		b.wantAt(t, "1s start new", "1s stop c")
		checkError(t, "another", <-asked, "")
		for range 2 {
			if err := <-asked; !errors.Is(err, supervisor.ErrReentrant) {
				t.Errorf("its own end: got %v, want that it would wait for itself", err)
			}
		}
		b.stopInOrder()
	})
}

func TestS197_ManyGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		var alive atomic.Int32
		c := named("c")
		c.onStart = func(ctx context.Context, life int) error {
			if left := alive.Load(); left != 0 {
				t.Errorf("incarnation %d: got %d goroutines of the one before, want none", life, left)
			}
			for i := range n {
				alive.Add(1)
				err := supervisor.Go(ctx, func(ctx context.Context) error {
					defer alive.Add(-1)
					if i == n/2 && life == 1 {
						time.Sleep(time.Second)
						return errBoom
					}
					return lingers(time.Duration(i) * time.Millisecond)(ctx)
				})
				if err != nil {
					return err
				}
			}
			return nil
		}
		b := start(t, supervisor.Policy{}, c)
		time.Sleep(time.Minute)
		b.wantAt(t, "1.999s exit c: boom", "1.999s restarting c", "1.999s restart c")
		check(t, "alive", alive.Load(), n)
		b.stopInOrder()
		check(t, "alive after the stop", alive.Load(), 0)
	})
}

func TestS197_WhereGoIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := func(context.Context) error { t.Error("got a call, want none"); return nil }
		refused := func(what string, ctx context.Context, want string, is ...error) {
			t.Helper()
			err := supervisor.Go(ctx, never)
			checkError(t, what, err, want)
			for _, target := range is {
				check(t, fmt.Sprintf("%s: is %v", what, target), errors.Is(err, target), true)
			}
		}
		released := make(chan struct{})
		contexts := make(map[string]context.Context)
		keeping := func(name string) *child {
			c := named(name)
			c.onStart = func(ctx context.Context, _ int) error { contexts[name] = ctx; return nil }
			return c
		}
		stopping, crashed, abandoned, killed := keeping("stopping"), keeping("crashed"), keeping("abandoned"), keeping("killed")
		stopping.onStop = func(ctx context.Context) error {
			refused("stopping", ctx, "go root/stopping: context canceled: shutdown", exit.Shutdown, context.Canceled)
			return ctx.Err()
		}
		killed.onStop = func(ctx context.Context) error {
			refused("killed", ctx, "go root/killed: context canceled: killed", exit.Killed)
			return ctx.Err()
		}
		abandoned.onStop = ignoresCtxUntil(released)
		ctx := context.WithValue(t.Context(), new(int), "of Run")
		b := newBed(t, supervisor.Policy{}, stopping, crashed, abandoned, supervisor.Spec{Child: killed, Shutdown: supervisor.BrutalKill})
		b.wait, _ = b.root.Start(ctx)

		refused("no tree", t.Context(), "supervisor.Go: the ctx is not that of a child", supervisor.ErrUnsupervised)
		refused("the ctx of Run", ctx, "supervisor.Go: the ctx is not that of a child", supervisor.ErrUnsupervised)
		before := contexts["crashed"]
		crashed.crash()
		refused("crashed", before, "go root/crashed: context canceled: boom", errBoom)
		checkError(t, "terminate", b.root.TerminateChild(t.Context(), "abandoned"), "")
		refused("abandoned", contexts["abandoned"], "go root/abandoned: context canceled: shutdown", exit.Shutdown)
		close(released)
		synctest.Wait()
		b.stopInOrder()
		refused("stopped", contexts["stopping"], "go root/stopping: context canceled: shutdown", exit.Shutdown)
		refused("detached", context.WithoutCancel(contexts["stopping"]), "go root/stopping: context canceled: shutdown")
	})
}

// begun keeps the contexts in which the acts of a supervisor begin.
type begun struct {
	sdktrace.SpanProcessor
	contexts []context.Context
}

func (b *begun) OnStart(ctx context.Context, _ sdktrace.ReadWriteSpan) {
	b.contexts = append(b.contexts, ctx)
}
func (b *begun) OnEnd(sdktrace.ReadOnlySpan) {}

// A supervisor has no goroutines but its own; only code that it calls could get
// hold of its ctx.
func TestS197_CtxOfASupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		acts := new(begun)
		root := supervisor.New("root", supervisor.Policy{Tracing: tracing.New(tracing.Options{
			Logger:         slog.New(slog.DiscardHandler),
			TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(acts)),
		})}, supervisor.New("sub", supervisor.Policy{}, named("a")))
		_, err := root.Start(t.Context())
		checkError(t, "start", err, "")
		check(t, "acts", len(acts.contexts), 3)
		for i, owner := range []string{"", "root", "root/sub"} {
			ctx := acts.contexts[i]
			check(t, "path", actor.Path(ctx), owner)
			err := supervisor.Go(ctx, func(context.Context) error { t.Error("got a call, want none"); return nil })
			check(t, "go", err, supervisor.ErrUnsupervised)
		}
		_ = root.Stop(t.Context())
	})
}

// crewed is a type of the user's around a supervisor, with goroutines of its own.
type crewed struct {
	*supervisor.Supervisor
	fs []func(context.Context) error
}

func (a crewed) Start(ctx context.Context) (func() error, error) {
	for _, f := range a.fs {
		if err := supervisor.Go(ctx, f); err != nil {
			return nil, err
		}
	}
	return a.Supervisor.Start(ctx)
}

// A type of the user's around a supervisor may have goroutines. When one fails
// the supervisor ends in order.
func TestS197_AroundASupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := named("a")
		a.onStop = takes(time.Second)
		sub := crewed{supervisor.New("sub", supervisor.Policy{}, a, named("b")), []func(context.Context) error{
			failsAfter(time.Minute, returns(errBoom)), lingers(3 * time.Second),
		}}
		b := start(t, supervisor.Policy{}, named("c"), supervisor.Spec{Child: sub, Restart: strategy.Temporary})
		time.Sleep(time.Hour)
		b.wantAt(t, "1m0s stop sub/b", "1m1s stop sub/a", "1m3s exit sub: boom")
		check(t, "states", b.states(), "c")
		b.stopInOrder()
	})
}

// Racing with the end: whatever was started has returned when the child is over.
func TestS197_GoAgainstTheEnd(t *testing.T) {
	for range 300 {
		var started, returned atomic.Int32
		c := named("c")
		c.onStart = func(ctx context.Context, _ int) error {
			return supervisor.Go(ctx, func(ctx context.Context) error {
				for ctx := context.WithoutCancel(ctx); ; started.Add(1) {
					runtime.Gosched()
					if supervisor.Go(ctx, func(context.Context) error { returned.Add(1); return nil }) != nil {
						return nil
					}
				}
			})
		}
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet()}, c)
		_, err := root.Start(t.Context())
		checkError(t, "start", err, "")
		checkError(t, "stop", root.Stop(t.Context()), "")
		check(t, "returned", returned.Load(), started.Load())
	}
}
