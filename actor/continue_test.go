package actor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// continuing are numbers whose incarnations go on with rest after the start,
// told as "continue 1".
func continuing(j *journal, options actor.Options, rest func(context.Context) error, script map[int]func(context.Context) error) *actor.Actor[int] {
	return actor.New("numbers", func(ctx context.Context) (actor.Behavior[int], error) {
		b := openNumbers(ctx, j, script)
		b.Continue = func(ctx context.Context) error {
			j.add("continue %d", incarnation.From(ctx).Number())
			return rest(ctx)
		}
		return b, nil
	}, options)
}

// once does f the first time and nothing after.
func once(f func(context.Context) error) func(context.Context) error {
	done := false
	return func(ctx context.Context) error {
		if done {
			return nil
		}
		done = true
		return f(ctx)
	}
}

// Start returns first, so the siblings go on starting; then comes the rest of
// the start, then what was sent while open ran and since.
func TestS145_ContinueComesAfterTheStartAndBeforeAnyMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		release := make(chan struct{})
		var sent sends
		var a *actor.Actor[int]
		a = actor.New("a", func(ctx context.Context) (actor.Behavior[int], error) {
			sent.send(t, a, 1)
			b := openNumbers(ctx, &j, nil)
			b.Continue = func(context.Context) error { <-release; j.add("continued"); return nil }
			return b, nil
		})
		sibling := actor.New("sibling", func(context.Context) (actor.Behavior[int], error) {
			j.add("sibling")
			return actor.Behavior[int]{Receive: func(context.Context, int) error { return nil }}, nil
		})
		tree, _ := plant(t, a, sibling)
		sent.send(t, a, 2)
		synctest.Wait()
		check(t, "journal", j.take(), "open 1, sibling")
		check(t, "Stats", a.Stats(), mailbox.Stats{Waiting: 2})
		check(t, "snapshot", tree.Snapshot().Children[0].String(), "a running, busy, 2 waiting\n")
		close(release)
		synctest.Wait()
		check(t, "journal", j.take(), "continued, 1:1, 1:2")
		check(t, "snapshot", tree.Snapshot().Children[0].String(), "a running\n")
		sent.conserved(t, a.Stats())
	})
}

func TestS145_ContinueOfAServerHasItsState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := actor.NewServer("s", openState, actor.ServerOptions[state]{
			Continue: func(_ context.Context, s *state) error { <-release; s.n = 40; return nil },
		})
		plant(t, s)
		outcome := make(chan string)
		go func() { outcome <- answer(actor.Call(t.Context(), s, next)) }()
		synctest.Wait()
		close(release)
		check(t, "outcome", <-outcome, "41, <nil>")
	})
}

// Each incarnation continues before what was kept from the one before: the
// message that is tried again, and those that waited behind it.
func TestS145_ContinueComesBeforeWhatWasKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := continuing(&j, actor.Options{Retries: 1}, nothing, map[int]func(context.Context) error{1: once(fails)})
		plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Second)}, a)
		var sent sends
		sent.send(t, a, 1, 2)
		synctest.Wait() // in backoff
		sent.send(t, a, 3)
		time.Sleep(time.Second)
		synctest.Wait()
		check(t, "journal", j.take(), "open 1, continue 1, 1:1, close 1: bad, open 2, continue 2, 2:1, 2:2, 2:3")
		sent.conserved(t, a.Stats())
	})
}

// A parked actor that is woken goes on with the same incarnation.
func TestS145_ContinueRunsOnceInAnIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := continuing(&j, actor.Options{ParkAfter: time.Second}, nothing, map[int]func(context.Context) error{0: fails})
		plant(t, a)
		var sent sends
		for _, n := range []int{1, 2, 0, 3} {
			time.Sleep(2 * time.Second)
			synctest.Wait()
			checkGoroutines(t, "when parked", ofActors, 0)
			sent.send(t, a, n)
		}
		synctest.Wait()
		check(t, "journal", j.take(), "open 1, continue 1, 1:1, 1:2, 1:0, close 1: bad, open 2, continue 2, 2:3")
	})
}

// Whatever goes wrong ends that incarnation; what waits is the next one's, and
// no message was in hand.
func TestS145_ContinueThatEndsTheIncarnation(t *testing.T) {
	for _, test := range []struct {
		name   string
		ending func(context.Context) error
		want   string
	}{
		{"error", fails, "bad"},
		{"panic", panics, "panic: boom"},
		{"goexit", goexits, "goroutine left by runtime.Goexit"},
		{"on purpose", func(context.Context) error { return exit.ShutdownFor(errBad) }, "shutdown: bad"},
		{"wrapped reason", func(context.Context) error { return fmt.Errorf("w: %w", exit.Normal) }, "w: normal"},
		{"ctx error from elsewhere", func(context.Context) error { return context.Canceled }, "context canceled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := continuing(&j, actor.Options{Retries: 3}, once(func(ctx context.Context) error {
					time.Sleep(time.Second)
					return test.ending(ctx)
				}), nil)
				tree, kept := plant(t, a)
				var sent sends
				sent.send(t, a, 1, 2)
				time.Sleep(2 * time.Second)
				synctest.Wait()
				check(t, "journal", j.take(), "open 1, continue 1, close 1: "+test.want+", open 2, continue 2, 2:1, 2:2")
				check(t, "exits", kept.exits(), test.want)
				check(t, "dead letters", kept.deadLetters(), "")
				check(t, "Stats", a.Stats(), mailbox.Stats{Handled: 2})
				sent.conserved(t, a.Stats())
				if err := tree.Stop(context.Background()); err != nil {
					t.Errorf("Stop: got %v, want nil", err)
				}
			})
		})
	}
}

// Nobody has called yet who could hear of the crash: who waits is answered by the
// next incarnation, or told when there will be none.
func TestS145_CallsBehindAContinueThatCrashes(t *testing.T) {
	for _, test := range []struct {
		restart strategy.Restart
		want    string
	}{
		{strategy.Permanent, "1, <nil>"},
		{strategy.Temporary, "0, tree/s: no such process: not started, or gone for good"},
	} {
		t.Run(test.restart.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				crash := once(func(context.Context) error { <-release; panic("boom") })
				s := actor.NewServer("s", openState, actor.ServerOptions[state]{
					Continue: func(ctx context.Context, _ *state) error { return crash(ctx) },
				})
				plant(t, supervisor.Spec{Child: s, Restart: test.restart})
				outcome := make(chan string)
				go func() { outcome <- answer(actor.Call(t.Context(), s, next)) }()
				synctest.Wait()
				close(release)
				check(t, "outcome", <-outcome, test.want)
			})
		})
	}
}

// A stop waits for the rest of the start as it does for a message, and then
// drains by the policy.
func TestS145_StopWhileItContinues(t *testing.T) {
	const begun = "open 1, continue 1, "
	for _, test := range []struct {
		name  string
		drain mailbox.Drain
		limit time.Duration // shutdown time; the last tenth is for what was killed
		want  string
		dead  string // letters
		took  time.Duration
	}{
		{"drain all", mailbox.DrainAll, 10 * time.Second, begun + "continued, 1:1, 1:2, close 1: shutdown", "", 5 * time.Second},
		{"finish in hand", mailbox.FinishInHand, 10 * time.Second, begun + "continued, close 1: shutdown", "1: discarded, 2: discarded", 5 * time.Second},
		{"discard", mailbox.Discard, 10 * time.Second, begun + "shutdown, close 1: shutdown", "1: discarded, 2: discarded", 0},
		{"deadline", mailbox.DrainAll, 4 * time.Second, begun + "killed, close 1: shutdown", "1: discarded, 2: discarded", 3600 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := continuing(&j, actor.Options{Mailbox: mailbox.Options{Drain: test.drain}}, func(ctx context.Context) error {
					select {
					case <-time.After(5 * time.Second):
						j.add("continued")
					case <-ctx.Done():
						j.add("%v", context.Cause(ctx))
					}
					return nil
				}, nil)
				tree, kept := plant(t, within(test.limit, a))
				var sent sends
				sent.send(t, a, 1, 2)
				synctest.Wait() // it continues
				start := time.Now()
				if err := tree.TerminateChild(t.Context(), "numbers"); err != nil {
					t.Error(err)
				}
				check(t, "took", time.Since(start), test.took)
				check(t, "journal", j.take(), test.want)
				check(t, "dead letters", kept.deadLetters(), test.dead)
				sent.conserved(t, a.Stats())
			})
		})
	}
}

// A stop that is part of a restart leaves what waits to the next incarnation.
func TestS145_GroupRestartWhileItContinues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		crash, release := make(chan struct{}), make(chan struct{})
		a := continuing(&j, actor.Options{}, once(until(release)), nil)
		plantWith(t, supervisor.Policy{Strategy: strategy.OneForAll}, a, crashing(crash))
		var sent sends
		sent.send(t, a, 1)
		crash <- struct{}{}
		synctest.Wait()
		sent.send(t, a, 2)
		close(release)
		synctest.Wait()
		check(t, "journal", j.take(),
			`open 1, continue 1, close 1: shutdown: sibling "other" ended: bad, open 2, continue 2, 2:1, 2:2`)
		sent.conserved(t, a.Stats())
	})
}

// A stop that is asked while open runs finds the rest of the start still to be
// done, unless it leaves no time for that.
func TestS145_StopBeforeItContinues(t *testing.T) {
	for _, test := range []struct {
		name     string
		drain    mailbox.Drain
		shutdown supervisor.Shutdown
		want     string
	}{
		{"in order", mailbox.DrainAll, supervisor.Shutdown{}, "open 1, continue, 1:1, close 1: shutdown"},
		{"discard", mailbox.Discard, supervisor.Shutdown{}, "open 1, close 1: shutdown"},
		{"kill", mailbox.DrainAll, supervisor.BrutalKill, "open 1, close 1: killed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				opening, release := make(chan struct{}), make(chan struct{})
				var sent sends
				var a *actor.Actor[int]
				a = actor.New("numbers", func(ctx context.Context) (actor.Behavior[int], error) {
					sent.send(t, a, 1)
					close(opening)
					<-release
					b := openNumbers(ctx, &j, nil)
					b.Continue = func(context.Context) error { j.add("continue"); return nil }
					return b, nil
				}, actor.Options{Mailbox: mailbox.Options{Drain: test.drain}})
				tree, _ := plant(t)
				go func() { _ = tree.StartChild(t.Context(), supervisor.Spec{Child: a, Shutdown: test.shutdown}) }()
				<-opening
				go func() { _ = tree.Stop(context.Background()) }()
				synctest.Wait()
				close(release)
				if err := tree.Stop(context.Background()); err != nil {
					t.Errorf("Stop: got %v, want nil", err)
				}
				check(t, "journal", j.take(), test.want)
			})
		})
	}
}

// The report of a stop tells that it was busy, and no message: there was none.
func TestS145_ContinueThatNeverEnds(t *testing.T) {
	for name, late := range map[string]func(context.Context) error{
		"value": nothing, "error": fails, "panic": panics, "goexit": goexits,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				release, crash := make(chan struct{}), make(chan struct{})
				a := continuing(&j, actor.Options{}, once(func(ctx context.Context) error {
					<-release
					j.add("%v", errors.Is(context.Cause(ctx), exit.Killed))
					return late(ctx)
				}), nil)
				tree, kept := plantWith(t, supervisor.Policy{Strategy: strategy.OneForAll}, within(time.Second, a), crashing(crash))
				var sent sends
				sent.send(t, a, 1, 2)
				synctest.Wait()
				check(t, "snapshot", tree.Snapshot().Children[0].String(), "numbers running, busy, 2 waiting\n")
				crash <- struct{}{}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				check(t, "abandoned", len(eventsOf[tracing.Abandoned](kept)), 1)
				check(t, "the successor has the queue", j.take(), "open 1, continue 1, open 2, continue 2, 2:1, 2:2")
				err := tree.Stop(context.Background())
				var report *supervisor.StopError
				if !errors.As(err, &report) || len(report.Stuck) != 1 {
					t.Fatalf("Stop: got %v, want one that is stuck", err)
				}
				check(t, "report", report.Stuck[0].String(), "tree/numbers (incarnation 1), stuck in Continue for at least 2s, 2 messages waiting")
				check(t, "stack", strings.Contains(report.Stuck[0].Stack, "ContinueThatNeverEnds"), true)
				check(t, "the successor", j.take(), "close 2: shutdown")

				close(release)
				synctest.Wait()
				check(t, "late", j.take(), "true")
				check(t, "exits: that of the sibling alone", kept.exits(), "bad")
				check(t, "dead letters", kept.deadLetters(), "")
				check(t, "Stats", a.Stats(), mailbox.Stats{Handled: 2})
				sent.conserved(t, a.Stats())
			})
		})
	}
}

// Its ctx is that of a handler, but for a caller: and the supervisor, which does
// not wait any more, can be asked.
func TestS145_WhatContinueCanDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var tree *supervisor.Supervisor
		helper := actor.NewServer("helper", openState)
		ready := make(chan struct{})
		s := actor.NewServer("s", openState, actor.ServerOptions[state]{Continue: func(ctx context.Context, _ *state) error {
			self, ok := actor.Self[actor.Target[state]](ctx)
			j.add("%s %v %t", actor.Path(ctx), self, ok)
			_, err := actor.Call(ctx, self, next)
			j.add("%v", err)
			_, err = actor.Defer[int](ctx)
			j.add("%v", err)
			<-ready
			j.add("%v", tree.StartChild(ctx, helper))
			j.add("%s", answer(actor.Call(ctx, helper, next)))
			return actor.Cast(ctx, self, next) // the last of those that wait
		}})
		tree, _ = plant(t, s)
		go func() { synctest.Wait(); close(ready) }() // when the call waits
		n, err := actor.Call(t.Context(), s, next)
		check(t, "the first message", answer(n, err), "1, <nil>")
		check(t, "journal", j.take(), "tree/s tree/s true, tree/s: the call would wait for itself: tree/s → tree/s, <nil>, <nil>, 1, <nil>")
		n, err = actor.Call(t.Context(), s, next)
		check(t, "after its own", answer(n, err), "3, <nil>")
	})
}

// A crash in it has no message to be linked to.
func TestS145S199_TraceOfAContinueThatCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lives := 0
		s := actor.NewServer("s", openState, actor.ServerOptions[state]{Continue: func(context.Context, *state) error {
			if lives++; lives == 2 {
				time.Sleep(time.Second)
				panic("boom")
			}
			return nil
		}})
		tr := plantTraced(t, supervisor.Policy{}, s)
		synctest.Wait()
		cast(t, s, crash)
		time.Sleep(2 * time.Second)
		restarts := tr.spans("restart tree/s")
		check(t, "restarts", len(restarts), 2)
		check(t, "links of the first: life and message", len(restarts[0].Links), 2)
		check(t, "links of the second: life", fmt.Sprint(links(restarts[1])), fmt.Sprint([]trace.SpanID{restarts[0].SpanContext.SpanID()}))
	})
}

// An incarnation whose time is over before it has continued handles no message
// either, even if nobody has told it to stop yet.
func TestS145_NoMessageComesInPlaceOfContinue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := continuing(&j, actor.Options{}, nothing, nil)
		plant(t, interrupted{a})
		if err := a.Send(t.Context(), 1); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		check(t, "journal", j.take(), "open 1, close 1: shutdown, open 2, continue 2, 2:1")
	})
}

// interrupted is an actor whose first incarnation gets no time for its work.
type interrupted struct{ *actor.Actor[int] }

func (i interrupted) Start(ctx context.Context) (func() error, error) {
	if cell := incarnation.From(ctx); cell.Number() == 1 {
		cell.Interrupt()
	}
	return i.Actor.Start(ctx)
}
