package actor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
)

// gone is what a goroutine of a handler does: it tells the journal when its ctx
// has ended.
func gone(j *journal) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		j.add("gone: %v", context.Cause(ctx))
		return nil
	}
}

// going is a message whose handler starts a goroutine.
func going(f func(context.Context) error) do {
	return func(ctx context.Context, s *state) (int, error) { return s.n, supervisor.Go(ctx, f) }
}

// When a goroutine fails, the message in hand is the last: what waits is kept
// for the next incarnation, as at a crash.
func TestS197_GoroutineOfAHandlerFails(t *testing.T) {
	for _, test := range []struct {
		name string
		f    func(context.Context) error
		want string
	}{
		{"error", fails, "bad"},
		{"panic", panics, "panic: boom"},
		{"Goexit", goexits, "goroutine left by runtime.Goexit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{
					1: func(ctx context.Context) error {
						return supervisor.Go(ctx, func(ctx context.Context) error { time.Sleep(time.Second); return test.f(ctx) })
					},
					2: func(ctx context.Context) error {
						time.Sleep(2 * time.Second)
						j.add("done 2 with %v", ctx.Err())
						return nil
					},
				})
				_, kept := plant(t, a)
				var sent sends
				sent.send(t, a, 1, 2, 3, 4)
				time.Sleep(time.Minute)
				check(t, "journal", j.take(), "open 1, 1:1, 1:2, done 2 with <nil>, close 1: "+test.want+", open 2, 2:3, 2:4")
				check(t, "exits", kept.exits(), test.want)
				check(t, "dead letters", kept.deadLetters(), "")
				check(t, "Stats", a.Stats(), mailbox.Stats{Handled: 4})
				sent.conserved(t, a.Stats())
			})
		})
	}
}

// The message in hand does not end: it has the shutdown time, and is a dead
// letter then.
func TestS197_HandlerIsStuckWhenItsGoroutineFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := actor.NewServer("s", openState)
		_, kept := plant(t, s)
		began := time.Now()
		_, err := actor.Call(t.Context(), s, going(func(context.Context) error { time.Sleep(time.Second); return errBad }))
		check(t, "call", err, nil)
		stuck, behind := make(chan string), make(chan string)
		call := func(message do, outcome chan string) {
			n, err := actor.Call(t.Context(), s, message)
			outcome <- fmt.Sprint(answer(n, err), " after ", time.Since(began))
		}
		go call(busy(release, 1), stuck)
		synctest.Wait()
		go call(next, behind)
		check(t, "in hand", <-stuck, "0, tree/s: callee ended before it replied: killed after 6s")
		check(t, "behind it", <-behind, "1, <nil> after 6s")
		check(t, "exits", kept.exits(), "bad")
		close(release)
	})
}

// The ctx of the message in hand ends when the time that a stop would have is
// over, as with any stop.
func TestS197_CtxOfTheHandlerAfterTheFailure(t *testing.T) {
	for _, test := range []struct {
		shutdown supervisor.Shutdown
		want     string
	}{
		{supervisor.Shutdown{}, "killed after 5.5s"},
		{supervisor.Timeout(time.Minute), "killed after 1m0s"},
		{supervisor.BrutalKill, "killed after 1s"},
		{supervisor.Timeout(0), "killed after 1s"},
	} {
		t.Run(test.shutdown.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				s := actor.NewServer("s", openState)
				_, kept := plant(t, supervisor.Spec{Child: s, Shutdown: test.shutdown})
				began := time.Now()
				n, err := actor.Call(t.Context(), s, do(func(ctx context.Context, _ *state) (int, error) {
					err := supervisor.Go(ctx, func(context.Context) error { time.Sleep(time.Second); return errBad })
					<-ctx.Done()
					j.add("%v after %v", context.Cause(ctx), time.Since(began))
					return 1, err
				}))
				check(t, "call", answer(n, err), "1, <nil>")
				synctest.Wait()
				check(t, "journal", j.take(), test.want)
				check(t, "exits", kept.exits(), "bad")
			})
		})
	}
}

// The ctx of a loop ends with the failure, and nothing waits for it any more.
func TestS197_GoroutineOfALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		life := 0
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			life++
			return actor.Behavior[int]{Loop: func(ctx context.Context, in *mailbox.Inbox[int]) error {
				var messages <-chan mailbox.Envelope[int]
				if life == 1 {
					if err := supervisor.Go(ctx, func(context.Context) error { time.Sleep(time.Second); return errBad }); err != nil {
						return err
					}
				} else {
					messages = in.C
				}
				for {
					select {
					case <-ctx.Done():
						j.add("%d ends: %v", life, context.Cause(ctx))
						for n := range in.Rest() {
							j.add("rest %d", n)
						}
						return ctx.Err()
					case e := <-messages:
						if n, ok := in.Open(e); ok {
							j.add("%d:%d", life, n)
						}
					}
				}
			}}, nil
		})
		tree, kept := plant(t, a)
		var sent sends
		sent.send(t, a, 1, 2, 3)
		time.Sleep(time.Minute)
		check(t, "stop", tree.Stop(t.Context()), nil)
		check(t, "journal", j.take(), "1 ends: bad, 2:1, 2:2, 2:3, 2 ends: shutdown")
		check(t, "exits", kept.exits(), "bad")
		check(t, "dead letters", kept.deadLetters(), "")
		check(t, "Stats", a.Stats(), mailbox.Stats{Handled: 3})
		sent.conserved(t, a.Stats())
	})
}

// A call that has started a goroutine is answered, or its caller leaves, and the
// goroutine lives on: it belongs to the server.
func TestS197_GoroutineOutlivesTheCall(t *testing.T) {
	for _, test := range []struct {
		name string
		call func(ctx context.Context, s *actor.Server[state], f func(context.Context) error) error
		want string
	}{
		{"answered", func(ctx context.Context, s *actor.Server[state], f func(context.Context) error) error {
			_, err := actor.Call(ctx, s, going(f))
			return err
		}, "<nil>"},
		{"cast", func(ctx context.Context, s *actor.Server[state], f func(context.Context) error) error {
			return actor.Cast(ctx, s, going(f))
		}, "<nil>"},
		{"the caller has left", func(ctx context.Context, s *actor.Server[state], f func(context.Context) error) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := actor.Call(ctx, s, do(func(ctx context.Context, _ *state) (int, error) {
				<-ctx.Done()
				time.Sleep(time.Second)
				return 0, supervisor.Go(ctx, f)
			}))
			return err
		}, "tree/s: context deadline exceeded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				s := actor.NewServer("s", openState)
				tree, _ := plant(t, s)
				err := test.call(t.Context(), s, func(ctx context.Context) error {
					self, _ := actor.Self[*actor.Server[state]](ctx)
					_, limited := ctx.Deadline()
					j.add("%s %v %v", actor.Path(ctx), self == s, limited)
					return gone(&j)(ctx)
				})
				check(t, "call", fmt.Sprint(err), test.want)
				time.Sleep(time.Minute)
				check(t, "journal", j.take(), "tree/s true false")
				check(t, "stop", tree.Stop(t.Context()), nil)
				check(t, "journal", j.take(), "gone: shutdown")
			})
		})
	}
}

// A goroutine does not hold the server up, so it may call it; a handler may not.
func TestS197_GoroutineCallsItsServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := actor.NewServer("s", openState)
		plant(t, s)
		_, err := actor.Call(t.Context(), s, going(func(ctx context.Context) error {
			n, err := actor.Call(ctx, s, next)
			j.add("goroutine: %v", answer(n, err))
			n, err = actor.Call(ctx, s, do(func(ctx context.Context, _ *state) (int, error) { return actor.Call(ctx, s, next) }))
			j.add("its handler: %v", answer(n, err))
			return nil
		}))
		check(t, "call", err, nil)
		synctest.Wait()
		check(t, "journal", j.take(), "goroutine: 1, <nil>, its handler: 0, tree/s: the call would wait for itself: tree/s → tree/s")
	})
}

// A goroutine may answer later, and is asked to end before the server drains.
func TestS197_DrainWithoutTheGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := actor.NewServer("s", openState, actor.ServerOptions[state]{
			Close: func(context.Context, *state, exit.Reason) error { j.add("close"); return nil },
		})
		tree, _ := plant(t, within(time.Minute, s))
		call := func(message do) (answered chan string) {
			answered = make(chan string, 1)
			go func() {
				n, err := actor.Call(t.Context(), s, message)
				answered <- answer(n, err)
			}()
			synctest.Wait()
			return answered
		}
		deferred := call(func(ctx context.Context, _ *state) (int, error) {
			reply, err := actor.Defer[int](ctx)
			return 0, errors.Join(err, supervisor.Go(ctx, func(ctx context.Context) error {
				<-ctx.Done()
				j.add("gone: %v", context.Cause(ctx))
				reply.Give(1, nil)
				return nil
			}))
		})
		inHand := call(func(context.Context, *state) (int, error) { time.Sleep(time.Second); return 2, nil })
		waiting := call(going(fails))
		check(t, "stop", tree.Stop(t.Context()), nil)
		check(t, "journal", j.take(), "gone: shutdown, close")
		check(t, "deferred answer", <-deferred, "1, <nil>")
		check(t, "call in hand", <-inHand, "2, <nil>")
		check(t, "call handled during the drain", <-waiting, "0, go tree/s: context canceled: shutdown")
	})
}

// The goroutine of a parked actor has gone, the others stay.
func TestS197_ParkedActor(t *testing.T) {
	for _, test := range []struct {
		name string
		f    func(*journal) func(context.Context) error
		want string
	}{
		{"stays", gone, "open 1, 1:1, close 1: shutdown"},
		{"fails", func(*journal) func(context.Context) error {
			return func(context.Context) error { time.Sleep(time.Minute); return errBad }
		}, "open 1, 1:1, close 1: bad, open 2, close 2: shutdown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j, of journal
				a := numbers(&j, actor.Options{ParkAfter: time.Second}, map[int]func(context.Context) error{
					1: func(ctx context.Context) error { return supervisor.Go(ctx, test.f(&of)) },
				})
				tree, _ := plant(t, a)
				if err := a.Send(t.Context(), 1); err != nil {
					t.Error(err)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				checkGoroutines(t, "of the actor", `"coppice.path":"tree/numbers"`, 1)
				time.Sleep(time.Hour)
				check(t, "stop", tree.Stop(t.Context()), nil)
				check(t, "journal", j.take(), test.want)
			})
		})
	}
}

// The handler crashes while a goroutine of the incarnation takes its time: its
// caller hears at once, those behind are answered by the next incarnation, which
// begins when the goroutine has ended.
func TestS197_CrashWithAGoroutineLeft(t *testing.T) {
	for _, test := range []struct {
		name  string
		takes time.Duration
		want  time.Duration
	}{
		{"it ends", 3 * time.Second, 3 * time.Second},
		{"it is stuck", time.Hour, 5 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				tree, kept := plant(t, s)
				for _, message := range []do{next, going(func(ctx context.Context) error {
					<-ctx.Done()
					time.Sleep(test.takes)
					return nil
				})} {
					_, err := actor.Call(t.Context(), s, message)
					check(t, "call", err, nil)
				}
				began := time.Now()
				n, err := actor.Call(t.Context(), s, crash)
				check(t, "crash", answer(n, err), "0, tree/s: callee ended before it replied: panic: boom")
				check(t, "heard", time.Since(began), 0)
				n, err = actor.Call(t.Context(), s, next)
				check(t, "next", answer(n, err), "1, <nil>")
				check(t, "answered", time.Since(began), test.want)
				check(t, "exits", kept.exits(), "panic: boom")
				var report *supervisor.StopError
				if errors.As(tree.Stop(t.Context()), &report) {
					check(t, "report", report.Stuck[0].String(), "tree/s (incarnation 1), stuck in a goroutine of supervisor.Go for at least 5s, 1 messages waiting")
				}
				check(t, "a report", report != nil, test.name == "it is stuck")
				time.Sleep(time.Hour)
			})
		})
	}
}
