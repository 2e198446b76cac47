package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// The work of an actor during a stop has a live ctx; what it asks of the
// supervisor that stops it would wait for itself.
func TestS110_AskedWhileBeingStopped(t *testing.T) {
	for _, ask := range asks {
		t.Run(ask.op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b *bed
				refused := make(chan error, 10)
				asking := func(ctx context.Context) {
					check(t, "ctx of the work", ctx.Err(), nil)
					refused <- ask.do(ctx, b.root)
				}
				onClose := func(ctx context.Context) error { asking(ctx); return nil }
				direct, deep := closing("direct", onClose), closing("deep", onClose)
				b = start(t, supervisor.Policy{}, append(others(), direct,
					supervisor.New("mid", supervisor.Policy{}, supervisor.New("sub", supervisor.Policy{}, deep)))...)
				for i, a := range []*actor.Actor[func(context.Context)]{deep, direct} { // the order in which they are stopped
					busy := func(context.Context) { time.Sleep(time.Duration(i+1) * time.Second) }
					checkError(t, "send", a.Send(t.Context(), busy), "")
					checkError(t, "send", a.Send(t.Context(), asking), "") // handled while it drains
				}
				if ask.op != "delete" { // else the stop is that of the whole tree
					checkError(t, "terminate", b.root.TerminateChild(t.Context(), "mid"), "")
					checkError(t, "terminate", b.root.TerminateChild(t.Context(), "direct"), "")
					synctest.Wait()
					check(t, "states", b.states(), "other idle:stopped direct:stopped mid:stopped mid/sub:stopped mid/sub/deep:stopped") // nothing was done
				}
				b.stopInOrder()
				check(t, "refused", len(refused), 4)
				for range 4 {
					checkReentrant(t, "ask", <-refused, fmt.Sprintf("%s root/%s: the request would wait for itself", ask.op, ask.name))
				}
				check(t, "took", time.Since(b.began), 2*time.Second)
			})
		})
	}
}

// Only the supervisor that waits refuses: others serve a child that is stopping.
func TestS110_AskedOfOthersWhileBeingStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bed
		var got error
		other := supervisor.New("elsewhere", supervisor.Policy{})
		a := closing("a", func(ctx context.Context) error {
			got = errors.Join(other.StartChild(ctx, named("x")), b.root.StartChild(ctx, named("y")))
			return nil
		})
		sub := supervisor.New("sub", supervisor.Policy{}, a)
		b = start(t, supervisor.Policy{}, other, sub)
		checkError(t, "terminate", sub.TerminateChild(t.Context(), "a"), "") // sub waits, root does not
		checkError(t, "starts", got, "")
		check(t, "states", b.states(), "elsewhere elsewhere/x sub sub/a:stopped y")
		b.stopInOrder()
	})
}

// A request waits in the queue when its own subtree is asked to stop.
func TestS110_WaitingRequestWhoseSubtreeIsStopped(t *testing.T) {
	for _, where := range []string{"handler", "function", "goroutine"} {
		for _, stop := range []string{"terminated", "the tree is stopped"} {
			t.Run(where+"/"+stop, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var b *bed
					results := make(chan string, 1)
					asking := func(ctx context.Context) {
						err := b.root.StartChild(ctx, named("new"))
						results <- fmt.Sprintf("%v %v", time.Since(b.began), err)
					}
					a := closing("a", func(context.Context) error { time.Sleep(time.Second); return nil })
					ask := make(chan struct{})
					f := supervisor.Func("f", func(ctx context.Context) error {
						<-ask
						switch done := make(chan struct{}); where {
						case "function":
							asking(ctx) // it will not end before a has
						case "goroutine":
							go func() {
								defer close(done)
								asking(context.WithoutCancel(ctx))
							}()
							<-done
						}
						<-ctx.Done()
						return nil
					})
					slow := named("slow")
					slow.onStart = func(ctx context.Context, _ int) error {
						select {
						case <-time.After(time.Minute):
						case <-ctx.Done():
						}
						return nil
					}
					b = start(t, supervisor.Policy{}, supervisor.New("sub", supervisor.Policy{}, f, a))
					go b.root.StartChild(t.Context(), slow) // what all the rest waits for
					synctest.Wait()
					terminated := make(chan error, 1)
					if stop == "terminated" {
						go func() { terminated <- b.root.TerminateChild(t.Context(), "sub") }()
						synctest.Wait()
					}
					close(ask)
					if where == "handler" {
						checkError(t, "send", a.Send(t.Context(), asking), "")
					}
					synctest.Wait()
					if stop == "terminated" {
						checkError(t, "terminate", <-terminated, "")
						check(t, "result", <-results, "1m0s start root/new: "+givenUp+"the request would wait for itself: context canceled: shutdown")
						check(t, "took", time.Since(b.began), time.Minute+time.Second)
					}
					b.stopInOrder()
					if stop != "terminated" {
						check(t, "result", <-results, "0s start root/new: "+givenUp+"the request would wait for itself: context canceled: shutdown")
						check(t, "took", time.Since(b.began), time.Second)
					}
				})
			})
		}
	}
}

// The request stops those who ask, and goes on.
func TestS110_RequestThatStopsItsOwnSubtree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bed
		results := make(chan error, 1)
		a := closing("a", func(context.Context) error { return nil })
		b = start(t, supervisor.Policy{}, supervisor.New("sub", supervisor.Policy{}, a))
		checkError(t, "send", a.Send(t.Context(), func(ctx context.Context) {
			results <- b.root.TerminateChild(ctx, "sub")
		}), "")
		checkReentrant(t, "terminate", <-results, "terminate root/sub: "+givenUp+"the request would wait for itself: context canceled: shutdown")
		synctest.Wait()
		check(t, "states", b.states(), "sub:stopped sub/a:stopped")
		b.stopInOrder()
	})
}

// The end of a child's own ctx says more than that its request would wait, also
// if the ctx is derived from it.
// A request that brings its asker's own stop about has one answer, whether or not
// the request's own ctx has heard of the stop.
func TestS110_OneAnswerHoweverDeep(t *testing.T) {
	for _, deep := range []bool{false, true} {
		for range 20 { // it must not be a matter of luck
			synctest.Test(t, func(t *testing.T) {
				var b *bed
				result := make(chan error, 1)
				stopped := "f"
				f := supervisor.Func("f", func(ctx context.Context) error {
					type key struct{}
					for n := range 10 {
						derived, cancel := context.WithTimeout(context.WithValue(ctx, key{}, n), time.Hour)
						defer cancel()
						ctx = derived
					}
					result <- b.root.TerminateChild(ctx, stopped)
					<-ctx.Done() // its supervisor may not have asked it yet
					return nil
				})
				child := f
				if deep {
					stopped = "sub"
					child = supervisor.New("sub", supervisor.Policy{}, f)
				}
				b = newBed(t, supervisor.Policy{}, child)
				b.wait, _ = b.root.Start(t.Context())
				err := <-result
				checkReentrant(t, "terminate", err, "terminate root/"+stopped+": "+givenUp+"the request would wait for itself: context canceled: shutdown")
				if !errors.Is(err, context.Canceled) || !errors.Is(err, exit.Shutdown) {
					t.Errorf("terminate: got %v, want it to be context.Canceled and exit.Shutdown too", err)
				}
				b.stopInOrder()
			})
		}
	}
}

// A tree that a child runs inside of itself is part of what is waited for.
func TestS110_TreeInsideOfAChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bed
		results := make(chan error, 2)
		a := closing("a", func(ctx context.Context) error { results <- b.root.StartChild(ctx, named("new")); return nil })
		f := supervisor.Func("f", func(ctx context.Context) error {
			return supervisor.New("inner", supervisor.Policy{Tracing: quiet()}, a).Run(ctx)
		})
		b = start(t, supervisor.Policy{}, f)
		synctest.Wait()
		checkError(t, "send", a.Send(t.Context(), func(ctx context.Context) { results <- b.root.StartChild(ctx, named("early")) }), "")
		checkError(t, "while all run", <-results, "")
		b.stopInOrder()
		checkReentrant(t, "during the stop", <-results, "start root/new: the request would wait for itself")
	})
}

// A goroutine that a child has left behind is nobody whom the supervisor waits for.
func TestS110_AskedByWhatAChildLeftBehind(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(ctx context.Context, b *bed, ends chan struct{}) // of the child
		busy bool                                                  // the request waits meanwhile
	}{
		{"ended by itself, asks then", func(_ context.Context, _ *bed, ends chan struct{}) { close(ends) }, false},
		{"ended by itself, has asked before", func(_ context.Context, _ *bed, ends chan struct{}) { close(ends) }, true},
		{"terminated, asks then", func(ctx context.Context, b *bed, _ chan struct{}) {
			checkError(b.t, "terminate", b.root.TerminateChild(ctx, "f"), "")
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b *bed
				result, ask, ends := make(chan error, 1), make(chan struct{}), make(chan struct{})
				f := supervisor.Func("f", func(ctx context.Context) error {
					go func() {
						<-ask
						result <- b.root.StartChild(context.WithoutCancel(ctx), named("new"))
					}()
					select {
					case <-ends:
					case <-ctx.Done():
					}
					return nil
				})
				b = start(t, supervisor.Policy{}, supervisor.Spec{Child: f, Restart: strategy.Transient})
				if test.busy {
					slow := named("slow")
					slow.onStart = func(context.Context, int) error { time.Sleep(time.Second); return errBoom }
					go b.root.StartChild(t.Context(), slow)
					synctest.Wait()
					close(ask)
					synctest.Wait()
				}
				test.end(t.Context(), b, ends)
				synctest.Wait()
				if !test.busy {
					close(ask)
				}
				checkError(t, "start", <-result, "")
				synctest.Wait()
				check(t, "states", b.states(), "f:stopped new")
				b.stopInOrder()
			})
		})
	}
}

// A child that stops its own tree would have it killed when its own ctx ends.
func TestS110_StopFromInsideTheTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bed
		result := make(chan error, 2)
		f := supervisor.Func("f", func(ctx context.Context) error {
			result <- b.root.Stop(ctx)
			result <- b.root.Stop(context.WithoutCancel(ctx))
			<-ctx.Done()
			return ctx.Err()
		})
		slow := named("slow")
		slow.onStop = takes(time.Second)
		b = newBed(t, supervisor.Policy{}, slow, supervisor.New("sub", supervisor.Policy{}, f))
		b.wait, _ = b.root.Start(t.Context())
		for range 2 {
			checkReentrant(t, "stop", <-result, "stop root: the request would wait for itself")
		}
		synctest.Wait()
		check(t, "states", b.states(), "slow sub sub/f") // refused: nothing was stopped
		b.stopInOrder()
		check(t, "took", time.Since(b.began), time.Second)
	})
}

// A ctx may be detached from the end of its incarnation, but not from who it is.
func TestS194_AbandonedIncarnationAdministersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, result := make(chan struct{}), make(chan error, 1)
		other := supervisor.New("other", supervisor.Policy{}, named("x"))
		stuck := supervisor.Func("stuck", func(ctx context.Context) error {
			<-release
			result <- other.TerminateChild(context.WithoutCancel(ctx), "x")
			return nil
		})
		b := start(t, supervisor.Policy{}, other, stuck)
		checkError(t, "terminate", b.root.TerminateChild(t.Context(), "stuck"), "")
		close(release)
		checkError(t, "detached", <-result, "terminate root/other/x: context canceled: shutdown")
		synctest.Wait() // else it may still be on its way back
		b.stopInOrder()
	})
}

// A tree that is started again is another one than that in which the incarnation
// was abandoned: its Stop is no request from inside, but it is one of the dead.
func TestS194_AbandonedIncarnationStopsNothing(t *testing.T) {
	for _, detached := range []bool{false, true} {
		t.Run(fmt.Sprintf("detached %t", detached), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release, result := make(chan struct{}), make(chan error, 2)
				other := supervisor.New("other", supervisor.Policy{Tracing: quiet()})
				var b *bed
				var began atomic.Bool
				b = start(t, supervisor.Policy{}, supervisor.Func("stuck", func(ctx context.Context) error {
					if began.Swap(true) {
						<-ctx.Done()
						return nil
					}
					<-release
					if detached {
						ctx = context.WithoutCancel(ctx)
					}
					result <- b.root.Stop(ctx)
					result <- other.Stop(ctx)
					return nil
				}))
				var stuck *supervisor.StopError
				if err := b.stop(); !errors.As(err, &stuck) {
					t.Fatalf("stop: got %v, want a StopError", err)
				}
				var err error
				if b.wait, err = b.root.Start(context.Background()); err != nil {
					t.Fatal(err)
				}
				if _, err := other.Start(context.Background()); err != nil {
					t.Fatal(err)
				}
				close(release)
				checkError(t, "its own tree", <-result, "stop root: context canceled: shutdown")
				checkError(t, "another tree", <-result, "stop other: context canceled: shutdown")
				synctest.Wait()
				check(t, "state", b.root.Snapshot().State, supervisor.Running)
				check(t, "state", other.Snapshot().State, supervisor.Running)
				checkError(t, "stop", other.Stop(t.Context()), "")
				b.stopInOrder()
			})
		})
	}
}
