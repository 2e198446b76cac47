package actor_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// goingOn is a message that is answered with 7 and goes on with rest.
func goingOn(rest func(context.Context) error) do {
	return give(7, actor.Continue(rest))
}

// Any callback may return continue: the caller has its answer, and no message
// comes before the rest is done, also none that waited already.
func TestS145_HandlerThatContinues(t *testing.T) {
	for _, called := range []bool{true, false} {
		t.Run(fmt.Sprint("called ", called), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				s := actor.NewServer("s", openState)
				tree, _ := plant(t, s)
				m := goingOn(func(ctx context.Context) error {
					time.Sleep(time.Minute)
					j.add("continued: %v %s", ctx.Err(), actor.Path(ctx))
					return nil
				})
				if called {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					n, err := actor.Call(ctx, s, m)
					cancel() // the caller goes, the server goes on
					j.add("%s", answer(n, err))
				} else {
					cast(t, s, m)
				}
				cast(t, s, func(context.Context, *state) (int, error) { j.add("next"); return 0, nil })
				synctest.Wait()
				check(t, "snapshot", tree.Snapshot().Children[0].String(), "s running, busy, 1 waiting\n")
				check(t, "Stats", s.Stats(), mailbox.Stats{InHand: 1, Waiting: 1})
				time.Sleep(time.Hour)
				want := "continued: <nil> tree/s, next"
				if called {
					want = "7, <nil>, " + want
				}
				check(t, "journal", j.take(), want)
				check(t, "Stats", s.Stats(), mailbox.Stats{Handled: 2})
			})
		})
	}
}

func TestS145_HandlerThatContinuesWithNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		_, kept := plant(t, s)
		n, err := actor.Call(t.Context(), s, goingOn(nil))
		check(t, "outcome", answer(n, err), "7, <nil>")
		synctest.Wait()
		check(t, "exits", kept.exits(), "")
		check(t, "Stats", s.Stats(), mailbox.Stats{Handled: 1})
	})
}

// Also by hand: whoever defers the answer and gives it at once works on before
// the next message. Only the ctx of the call has ended.
func TestS145_HandlerThatAnswersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := actor.NewServer("s", openState)
		plant(t, s)
		n, err := actor.Call(t.Context(), s, do(func(ctx context.Context, _ *state) (int, error) {
			reply, err := actor.Defer[int](ctx)
			if err != nil {
				return 0, err
			}
			reply.Give(7, nil)
			time.Sleep(time.Minute)
			j.add("worked on: %v", ctx.Err())
			return 0, nil
		}))
		j.add("%s", answer(n, err))
		cast(t, s, func(context.Context, *state) (int, error) { j.add("next"); return 0, nil })
		time.Sleep(time.Hour)
		check(t, "journal", j.take(), "7, <nil>, worked on: context canceled, next")
	})
}

// A deferred answer stays deferred.
func TestS145_HandlerThatDefersAndContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		plant(t, s)
		release := make(chan struct{})
		replies := make(chan actor.Reply[int], 1)
		outcome := make(chan string, 1)
		go func() {
			outcome <- answer(actor.Call(t.Context(), s, do(func(ctx context.Context, s *state) (int, error) {
				_, err := deferring(replies)(ctx, s)
				if err != nil {
					return 0, err
				}
				return 7, actor.Continue(until(release))
			})))
		}()
		synctest.Wait()
		check(t, "answered", len(outcome), 0)
		check(t, "Give", (<-replies).Give(8, nil), true)
		check(t, "outcome, while the server goes on", <-outcome, "8, <nil>")
		check(t, "Stats", s.Stats(), mailbox.Stats{InHand: 1})
		close(release)
		synctest.Wait()
		check(t, "Stats", s.Stats(), mailbox.Stats{Handled: 1})
	})
}

// What goes wrong in the rest has nobody to be told but the supervisor.
func TestS145_HandlerThatEndsWhileItContinues(t *testing.T) {
	for _, test := range []struct {
		name  string
		rest  func(context.Context) error
		exit  string
		stats mailbox.Stats
	}{
		{"error", fails, "bad", mailbox.Stats{Dead: 1}},
		{"panic", panics, "panic: boom", mailbox.Stats{Dead: 1}},
		{"goexit", goexits, "goroutine left by runtime.Goexit", mailbox.Stats{Dead: 1}},
		{"on purpose", func(context.Context) error { return exit.ShutdownFor(errBad) }, "shutdown: bad", mailbox.Stats{Handled: 1}},
		{"after the reply", func(context.Context) error { return actor.AfterReply(nil) }, "after the reply: normal", mailbox.Stats{Dead: 1}},
	} {
		for _, called := range []bool{true, false} {
			t.Run(fmt.Sprint(test.name, ", called ", called), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := actor.NewServer("s", openState)
					tr := plantTraced(t, supervisor.Policy{Backoff: strategy.Constant(time.Second)}, s)
					message := goingOn(test.rest)
					if called {
						n, err := actor.Call(t.Context(), s, message)
						check(t, "outcome", answer(n, err), "7, <nil>")
					} else {
						cast(t, s, message)
					}
					synctest.Wait()
					check(t, "Stats", s.Stats(), test.stats)
					status := test.exit
					if test.stats.Handled == 1 { // the end was clean
						status = ""
					}
					check(t, "status of the message", tr.span(t, "process tree/s").Status.Description, status)
					n, err := actor.Call(t.Context(), s, next)
					check(t, "the next incarnation", answer(n, err), "1, <nil>")
				})
			})
		}
	}
}

// The message is in hand until the rest is done, so it can be tried again.
func TestS145_RetryOfAMessageThatContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		rest := once(fails)
		s := actor.NewServer("s", openState, actor.ServerOptions[state]{Options: actor.Options{Retries: 1}})
		plant(t, s)
		message := do(func(context.Context, *state) (int, error) {
			j.add("handled")
			return 0, actor.Continue(func(ctx context.Context) error { j.add("continued"); return rest(ctx) })
		})
		cast(t, s, message)
		synctest.Wait()
		check(t, "journal", j.take(), "handled, continued, handled, continued")
		check(t, "Stats", s.Stats(), mailbox.Stats{Handled: 1})
	})
}

// A stop waits for the rest, whose ctx ends with the shutdown time.
func TestS145_StopWhileAHandlerContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := actor.NewServer("s", openState)
		tree, _ := plant(t, within(10*time.Second, s))
		start := time.Now()
		n, err := actor.Call(t.Context(), s, goingOn(func(ctx context.Context) error {
			<-ctx.Done()
			j.add("%v after %v", context.Cause(ctx), time.Since(start))
			return nil
		}))
		check(t, "outcome", answer(n, err), "7, <nil>")
		cast(t, s, func(context.Context, *state) (int, error) { j.add("next"); return 0, nil })
		if err := tree.Stop(context.Background()); err != nil {
			t.Errorf("Stop: got %v, want nil", err)
		}
		check(t, "journal", j.take(), "killed after 9s")
	})
}

// An incarnation that was abandoned begins nothing any more.
func TestS145S194_AbandonedBeforeItContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := plantAbandoning(t, actor.ServerOptions[state]{})
		release := make(chan struct{})
		outcome := make(chan string, 1)
		go func() {
			outcome <- answer(actor.Call(t.Context(), a.s, do(func(context.Context, *state) (int, error) {
				<-release
				return 7, actor.Continue(func(context.Context) error {
					t.Error("an abandoned incarnation goes on")
					return nil
				})
			})))
		}()
		a.abandon(t)
		check(t, "outcome", <-outcome, "0, tree/inner/s: callee ended before it replied: killed")
		close(release)
		synctest.Wait()
	})
}
