package actor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func TestCallerWhoIsGoneBeforeTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		plant(t, s)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errQuit)
		n, err := actor.Call(ctx, s, next)
		check(t, "outcome", answer(n, err), "0, tree/s: send: context canceled: the caller quits")
		if !errors.Is(err, context.Canceled) || !errors.Is(err, errQuit) {
			t.Errorf("got %v, want both what ctx.Err says and the cause", err)
		}
		check(t, "Stats", s.Stats(), mailbox.Stats{})
	})
}

// A request whose caller has gone is skipped, and a dead letter.
func TestCallerWhoLeavesTheQueue(t *testing.T) {
	for _, test := range []struct {
		name string
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want string
	}{
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		}, "0, tree/s: context deadline exceeded"},
		{"deadline with a cause", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, time.Second, errQuit)
		}, "0, tree/s: context deadline exceeded: the caller quits"},
		{"cancel", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		}, "0, tree/s: context canceled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				s := actor.NewServer("s", openState)
				_, kept := plant(t, s)
				cast(t, s, busy(release, 0))
				ctx, cancel := test.ctx(t.Context())
				defer cancel()
				start := time.Now()
				n, err := actor.Call(ctx, s, next)
				check(t, "outcome", answer(n, err), test.want)
				check(t, "after", time.Since(start), time.Second)
				check(t, "Stats", s.Stats(), mailbox.Stats{InHand: 1, Waiting: 1})
				close(release)
				n, err = actor.Call(t.Context(), s, next)
				check(t, "the request was not handled", answer(n, err), "1, <nil>")
				letters := eventsOf[tracing.DeadLetter](kept)
				if len(letters) != 1 || letters[0].Why != "caller gone" {
					t.Errorf("dead letters: got %v, want one of the caller who has gone", letters)
				}
				synctest.Wait()
				check(t, "Stats", s.Stats(), mailbox.Stats{Handled: 2, Dead: 1})
			})
		})
	}
}

// S147: the caller's end reaches the handler's ctx; its late reply is dropped.
func TestS147_CallerWhoLeavesDuringHandling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := actor.NewServer("s", openState)
		_, kept := plant(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		n, err := actor.Call(ctx, s, do(func(ctx context.Context, s *state) (int, error) {
			deadline, ok := ctx.Deadline()
			j.add("deadline in %v %t", deadline.Sub(start), ok)
			<-ctx.Done()
			j.add("%v after %v", ctx.Err(), time.Since(start))
			time.Sleep(time.Second)
			s.n = 40
			return 7, nil
		}))
		check(t, "outcome", answer(n, err), "0, tree/s: context deadline exceeded")
		check(t, "after", time.Since(start), time.Second)
		n, err = actor.Call(t.Context(), s, next)
		check(t, "the handler went on", answer(n, err), "41, <nil>")
		check(t, "after", time.Since(start), 2*time.Second)
		check(t, "journal", j.take(), "deadline in 1s true, context deadline exceeded after 1s")
		check(t, "dead letters", kept.deadLetters(), "")
		check(t, "exits", kept.exits(), "")
	})
}

// A handler that passes on why its ctx has ended does not ask for its own end,
// even if that is a reason: it is the caller's.
func TestCallersShutdownIsNotTheServers(t *testing.T) {
	for _, shutdown := range []supervisor.Shutdown{supervisor.Timeout(time.Second), supervisor.BrutalKill} {
		t.Run(shutdown.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				caller := supervisor.Func("caller", func(ctx context.Context) error {
					_, err := actor.Call(ctx, s, do(func(ctx context.Context, s *state) (int, error) {
						s.n++
						<-ctx.Done()
						return 0, context.Cause(ctx)
					}))
					return err
				})
				tree, kept := plant(t, s, supervisor.Spec{Child: caller, Shutdown: shutdown})
				synctest.Wait()
				if err := tree.TerminateChild(t.Context(), "caller"); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				check(t, "exits", kept.exits(), "")
				n, err := actor.Call(t.Context(), s, next)
				check(t, "the server lives on", answer(n, err), "2, <nil>")
			})
		})
	}
}

// The callee is abandoned: its caller hears at once, not when it comes back.
func TestCallOfAnAbandonedServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := actor.NewServer("s", openState)
		tree, _ := plant(t, within(time.Second, s))
		start := time.Now()
		outcome := make(chan string)
		go func() {
			n, err := actor.Call(t.Context(), s, busy(release, 1))
			var send *actor.SendError
			if !errors.As(err, &send) || send.Reason != exit.Killed {
				t.Errorf("got %#v, want the reason %v", err, exit.Killed)
			}
			outcome <- fmt.Sprintf("%s after %v", answer(n, err), time.Since(start))
		}()
		synctest.Wait()
		if err := tree.TerminateChild(t.Context(), "s"); err != nil {
			t.Error(err)
		}
		check(t, "outcome", <-outcome, "0, tree/s: callee ended before it replied: killed after 1s")
		close(release)
		synctest.Wait()
	})
}

// The ctx of a handler ends by kill too, with that cause.
func TestHandlersContextEndsAtTheDeadlineOfTheStop(t *testing.T) {
	for _, background := range []bool{true, false} {
		t.Run(fmt.Sprint("background ", background), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				s := actor.NewServer("s", openState)
				tree, _ := plant(t, within(10*time.Second, s))
				ctx := context.Background()
				if !background {
					ctx = t.Context()
				}
				outcome := make(chan string)
				go func() {
					outcome <- answer(actor.Call(ctx, s, do(func(ctx context.Context, _ *state) (int, error) {
						start := time.Now()
						<-ctx.Done()
						j.add("%v, %v after %v", ctx.Err(), context.Cause(ctx), time.Since(start))
						return 1, nil
					})))
				}()
				synctest.Wait()
				if err := tree.TerminateChild(t.Context(), "s"); err != nil {
					t.Error(err)
				}
				check(t, "journal", j.take(), "context canceled, killed after 9s")
				check(t, "the answer counts", <-outcome, "1, <nil>")
			})
		})
	}
}

// 10,000 calls of 50 goroutines during a crash loop: each has one outcome, and
// each that was answered was handled once.
func TestEveryCallHasOneOutcome(t *testing.T) {
	const callers, each = 50, 200
	var handled [callers * each]atomic.Int32
	s := actor.NewServer("s", openState, actor.ServerOptions[state]{Options: actor.Options{Retries: 2}})
	tree, kept := plantWith(t, supervisor.Policy{Restarts: strategy.Unlimited, Backoff: strategy.Constant(0)}, s)
	var answered, ended, left atomic.Int64
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := range each {
				id := c*each + i
				ctx, cancel := context.WithCancel(context.Background())
				n, err := actor.Call(ctx, s, do(func(ctx context.Context, _ *state) (int, error) {
					handled[id].Add(1)
					switch {
					case id%37 == 0:
						panic("boom")
					case id%41 == 0:
						cancel()
						<-ctx.Done()
					case id%43 == 0:
						reply, err := actor.Defer[int](ctx)
						go reply.Give(id, err)
						return 0, nil
					}
					return id, nil
				}))
				cancel()
				var send *actor.SendError
				switch {
				case err == nil && n == id:
					answered.Add(1)
				case errors.As(err, &send) && errors.Is(err, actor.ErrEnded) && send.Reason != nil:
					ended.Add(1)
				case errors.Is(err, context.Canceled):
					left.Add(1)
				default:
					t.Errorf("call %d: got %d, %v", id, n, err)
				}
				if times := handled[id].Load(); times != 1 {
					t.Errorf("call %d: handled %d times, want once", id, times)
				}
			}
		})
	}
	all.Wait()
	check(t, "outcomes", answered.Load()+ended.Load()+left.Load(), callers*each)
	if ended.Load() < callers*each/37 || answered.Load() == 0 {
		t.Errorf("got %d answered, %d ended and %d left, want some of each", answered.Load(), ended.Load(), left.Load())
	}
	if err := tree.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	stats := s.Stats()
	check(t, "Stats", stats.Handled+stats.Dead, callers*each)
	check(t, "dead letters", int(stats.Dead), len(eventsOf[tracing.DeadLetter](kept)))
}

// brokenContext is a context whose Err panics once it has been asked so often: by
// the sender, before the handler, after it.
type brokenContext struct {
	context.Context
	after, asked atomic.Int32
}

func (c *brokenContext) Err() error {
	if c.asked.Add(1) > c.after.Load() {
		panic("broken context")
	}
	return nil
}

// What breaks when a request is looked at breaks with the message in hand: its
// caller hears, and it is a dead letter.
func TestCallerWhoseContextPanics(t *testing.T) {
	for after := range int32(2) {
		synctest.Test(t, func(t *testing.T) {
			s := actor.NewServer("s", openState)
			_, kept := plant(t, s)
			if n, err := actor.Call(t.Context(), s, next); n != 1 || err != nil {
				t.Errorf("got %d, %v, want 1", n, err)
			}
			broken := &brokenContext{Context: t.Context()}
			broken.after.Store(1 + after)
			n, err := actor.Call(broken, s, next)
			check(t, "outcome", answer(n, err), "0, tree/s: callee ended before it replied: panic: broken context")
			synctest.Wait()
			check(t, "Stats", s.Stats(), mailbox.Stats{Handled: 1, Dead: 1})
			check(t, "crashes", len(eventsOf[tracing.Crash](kept)), 1)
		})
	}
}

// harmful is a context whose Err does what it is told to, from then on.
type harmful struct {
	context.Context
	does atomic.Pointer[func()]
}

func (c *harmful) Err() error {
	if does := c.does.Load(); does != nil {
		(*does)()
	}
	return nil
}

// When the handler has crashed, its end is seen to, whatever the caller's ctx does.
func TestCallerWhoseContextPanicsAfterTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		s := actor.NewServer("s", openState, actor.ServerOptions[state]{
			Close: func(_ context.Context, _ *state, reason exit.Reason) error { j.add("close: %v", reason); return nil },
		})
		_, kept := plant(t, s)
		ctx := &harmful{Context: t.Context()}
		n, err := actor.Call(ctx, s, do(func(context.Context, *state) (int, error) {
			harm := func() { panic("broken context") }
			ctx.does.Store(&harm)
			panic("boom")
		}))
		check(t, "outcome", answer(n, err), "0, tree/s: callee ended before it replied: panic: boom")
		synctest.Wait()
		check(t, "Stats", s.Stats(), mailbox.Stats{Dead: 1})
		check(t, "exits", kept.exits(), "panic: boom")
		check(t, "cleanup", j.take(), "close: panic: boom")
	})
}

// When a server ends, all whose answers were deferred hear of it, whatever the ctx of
// one of them does, and whoever has ended it goes on.
func TestDeferredCallsWithAContextThatPanics(t *testing.T) {
	const callers = 10 // every other one with a ctx that does harm
	crashes := func(t *testing.T, _ *supervisor.Supervisor, s *actor.Server[state], _ chan struct{}) string {
		cast(t, s, crash)
		return "panic: boom"
	}
	for name, end := range map[string]func(t *testing.T, tree *supervisor.Supervisor, s *actor.Server[state], stuck chan struct{}) string{
		"crash":             crashes,
		"crash, and Goexit": crashes,
		"stop": func(t *testing.T, tree *supervisor.Supervisor, s *actor.Server[state], _ chan struct{}) string {
			check(t, "stop", tree.TerminateChild(t.Context(), "s"), nil)
			return "shutdown"
		},
		"abandonment": func(t *testing.T, tree *supervisor.Supervisor, s *actor.Server[state], stuck chan struct{}) string {
			cast(t, s, busy(stuck, 0))
			check(t, "stop", tree.TerminateChild(t.Context(), "s"), nil)
			return "killed"
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				tree, _ := plant(t, within(time.Second, s), supervisor.Func("other", func(ctx context.Context) error { <-ctx.Done(); return nil }))
				stuck, outcomes := make(chan struct{}), make(chan string, callers)
				defer close(stuck)
				all := make([]harmful, callers)
				for i := range all {
					all[i].Context = t.Context()
					go func() {
						outcomes <- answer(actor.Call(&all[i], s, do(func(ctx context.Context, _ *state) (int, error) {
							_, err := actor.Defer[int](ctx)
							return 0, err
						})))
					}()
				}
				synctest.Wait()
				harm := func() { panic("broken context") }
				if name == "crash, and Goexit" {
					harm = runtime.Goexit
				}
				for i := range callers / 2 {
					all[2*i].does.Store(&harm)
				}
				want := "0, tree/s: callee ended before it replied: " + end(t, tree, s, stuck)
				synctest.Wait()
				check(t, "who has heard", len(outcomes), callers)
				for range len(outcomes) {
					check(t, "outcome", <-outcomes, want)
				}
				check(t, "the supervisor", tree.TerminateChild(t.Context(), "other"), nil)
				for i := range all {
					all[i].does.Store(nil)
				}
			})
		})
	}
}
