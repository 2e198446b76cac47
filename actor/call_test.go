package actor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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

// typedError is an error that callers look for with errors.As.
type typedError struct{ code int }

func (e *typedError) Error() string { return fmt.Sprint("code ", e.code) }

// The value and the error of the handler are the outcome, unchanged.
func TestS146_ValueAndErrorPassAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		_, kept := plant(t, s)
		for _, err := range []error{
			nil, errBad, &typedError{7}, fmt.Errorf("w: %w", exit.Shutdown), context.Canceled,
			&actor.SendError{Path: "another", Err: actor.ErrEnded, Reason: exit.Shutdown},
			(*exit.Failure)(nil), // no reason to end
		} {
			n, got := actor.Call(t.Context(), s, give(3, err))
			if n != 3 || got != err {
				t.Errorf("Call: got %d and %#v, want 3 and %#v", n, got, err)
			}
		}
		check(t, "exits: an error answers, the server lives on", kept.exits(), "")
		synctest.Wait()
		check(t, "Stats", s.Stats(), mailbox.Stats{Handled: 7})
	})
}

// A server that ends with the call in hand fails it at once, with the reason.
func TestS146_ServerEndsWithTheCallInHand(t *testing.T) {
	for _, test := range []struct {
		name   string
		handle do
		want   string
		reason exit.Reason // nil: any
		exit   string
	}{
		{"panic", crash, "tree/s: callee ended before it replied: panic: boom", nil, "panic: boom"},
		{"goexit", func(context.Context, *state) (int, error) { runtime.Goexit(); return 1, nil },
			"tree/s: callee ended before it replied: goroutine left by runtime.Goexit", exit.Goexit, "goroutine left by runtime.Goexit"},
		{"on purpose", give(1, exit.Normal), "tree/s: callee ended before it replied: normal", exit.Normal, "normal"},
		{"on purpose, abnormal", give(1, exit.Killed), "tree/s: callee ended before it replied: killed", exit.Killed, "killed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				_, kept := plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)}, s)
				start := time.Now()
				n, err := actor.Call(t.Context(), s, test.handle)
				check(t, "outcome", answer(n, err), "0, "+test.want)
				check(t, "after", time.Since(start), 0)
				var send *actor.SendError
				if !errors.As(err, &send) || !errors.Is(err, actor.ErrEnded) {
					t.Fatalf("got %#v, want a *SendError of %v", err, actor.ErrEnded)
				}
				if test.reason != nil && send.Reason != test.reason {
					t.Errorf("Reason: got %v, want %v", send.Reason, test.reason)
				}
				// A caller whose callee was shut down has not been shut down.
				if errors.Is(err, send.Reason) {
					t.Errorf("%v unwraps to the reason of the callee", err)
				}
				if _, isReason := err.(exit.Reason); isReason {
					t.Errorf("%v is a reason to end the caller", err)
				}
				synctest.Wait()
				check(t, "exits", kept.exits(), test.exit)
			})
		})
	}
}

func TestS146_CallWithoutAProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		start := time.Now()
		expect := func(when, path string) {
			t.Helper()
			want := path + ": no such process: not started, or gone for good"
			n, err := actor.Call(t.Context(), s, next)
			check(t, when, answer(n, err), "0, "+want)
			check(t, when+", cast", fmt.Sprint(actor.Cast(t.Context(), s, next)), want)
			if !errors.Is(err, actor.ErrNoProc) {
				t.Errorf("%s: got %v, want %v", when, err, actor.ErrNoProc)
			}
		}
		expect("before the start", "s")
		tree, _ := plant(t, s)
		if err := tree.TerminateChild(t.Context(), "s"); err != nil {
			t.Error(err)
		}
		expect("terminated", "tree/s")
		if err := tree.DeleteChild(t.Context(), "s"); err != nil {
			t.Error(err)
		}
		expect("deleted", "tree/s")
		check(t, "path", s.Path(), "s") // where it is, not where it was
		check(t, "after", time.Since(start), 0)
	})
}

func TestCallOfNobody(t *testing.T) {
	for name, target := range map[string]actor.Target[state]{"nil": nil, "nil server": (*actor.Server[state])(nil)} {
		n, err := actor.Call(t.Context(), target, next)
		check(t, name, answer(n, err), "0, nil: no such process: not started, or gone for good")
		check(t, name+", cast", fmt.Sprint(actor.Cast(t.Context(), target, next)), "nil: no such process: not started, or gone for good")
	}
}

// A type that embeds a server, or a target, is a target as well.
func TestCallOfATypeThatEmbedsAServer(t *testing.T) {
	s := actor.NewServer("s", openState)
	plant(t, s)
	for name, target := range map[string]actor.Target[state]{
		"server": struct{ *actor.Server[state] }{s},
		"target": struct{ actor.Target[state] }{s},
	} {
		check(t, name+", cast", actor.Cast(t.Context(), target, next), nil)
		n, err := actor.Call(t.Context(), target, give(3, nil))
		check(t, name, answer(n, err), "3, <nil>")
	}
	n, err := actor.Call(t.Context(), struct{ *actor.Server[state] }{}, next)
	check(t, "none", answer(n, err), "0, nil: no such process: not started, or gone for good")
}

// Calls that wait behind a crash are answered by the next incarnation.
func TestCallsQueuedAcrossACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := actor.NewServer("s", openState)
		plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Second)}, s)
		start := time.Now()
		outcomes := make(chan string)
		call := func(m do) {
			go func() {
				n, err := actor.Call(t.Context(), s, m)
				outcomes <- fmt.Sprintf("%s after %v", answer(n, err), time.Since(start))
			}()
			synctest.Wait()
		}
		call(func(ctx context.Context, s *state) (int, error) { <-release; return crash(ctx, s) })
		call(next)
		call(next)
		close(release)
		check(t, "in hand", <-outcomes, "0, tree/s: callee ended before it replied: panic: boom after 0s")
		synctest.Wait()
		call(next) // in backoff
		got := map[string]bool{<-outcomes: true, <-outcomes: true, <-outcomes: true}
		for _, want := range []string{"1, <nil> after 1s", "2, <nil> after 1s", "3, <nil> after 1s"} {
			if !got[want] {
				t.Errorf("queued: got %v, want %q among them", got, want)
			}
		}
	})
}

func TestCallDuringBackoffIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		_, kept := plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Minute)}, s)
		cast(t, s, crash)
		synctest.Wait()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n, err := actor.Call(ctx, s, next)
		check(t, "outcome", answer(n, err), "0, tree/s: context deadline exceeded")
		check(t, "after", time.Since(start), time.Second)
		time.Sleep(time.Hour)
		synctest.Wait()
		letters := eventsOf[tracing.DeadLetter](kept)
		check(t, "the last dead letter", letters[len(letters)-1].Why, "caller gone")
		n, err = actor.Call(t.Context(), s, next)
		check(t, "the call was not handled", answer(n, err), "1, <nil>")
	})
}

// Whoever waits in the queue of a child that is gone for good hears at once.
func TestCallsQueuedWhenTheChildGoes(t *testing.T) {
	for _, test := range []struct {
		name  string
		spec  supervisor.Spec
		drain mailbox.Drain
		first do // what is in hand; it ends when the test says
		act   func(t *testing.T, tree *supervisor.Supervisor)
		want  string // of the call that is queued
	}{
		{"terminated", supervisor.Spec{}, mailbox.FinishInHand, next,
			func(t *testing.T, tree *supervisor.Supervisor) { _ = tree.TerminateChild(t.Context(), "s") },
			"0, tree/s: no such process: not started, or gone for good"},
		{"terminated and drained", supervisor.Spec{}, mailbox.DrainAll, next,
			func(t *testing.T, tree *supervisor.Supervisor) { _ = tree.TerminateChild(t.Context(), "s") },
			"2, <nil>"},
		{"stopped", supervisor.Spec{}, mailbox.Discard, next,
			func(_ *testing.T, tree *supervisor.Supervisor) { _ = tree.Stop(context.Background()) },
			"0, tree/s: no such process: not started, or gone for good"},
		{"gave up", supervisor.Spec{}, mailbox.DrainAll, crash,
			func(*testing.T, *supervisor.Supervisor) {}, "0, tree/s: no such process: not started, or gone for good"},
		{"ended for good", supervisor.Spec{Restart: strategy.Temporary}, mailbox.DrainAll, give(0, exit.Normal),
			func(*testing.T, *supervisor.Supervisor) {}, "0, tree/s: no such process: not started, or gone for good"},
	} {
		for _, fresh := range []bool{false, true} { // which only matters at a restart
			t.Run(fmt.Sprintf("%s, fresh %t", test.name, fresh), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					release := make(chan struct{})
					test.spec.Child = actor.NewServer("s", openState, actor.ServerOptions[state]{
						Options: actor.Options{Mailbox: mailbox.Options{Drain: test.drain, Fresh: fresh}},
					})
					s := test.spec.Child.(*actor.Server[state])
					tree, _ := plantWith(t, supervisor.Policy{Restarts: strategy.NoRestarts}, test.spec)
					start := time.Now()
					cast(t, s, func(ctx context.Context, s *state) (int, error) { <-release; return test.first(ctx, s) })
					outcome := make(chan string)
					go func() { outcome <- answer(actor.Call(t.Context(), s, next)) }()
					synctest.Wait()
					go test.act(t, tree)
					synctest.Wait()
					close(release)
					check(t, "queued", <-outcome, test.want)
					check(t, "after", time.Since(start), 0)
					synctest.Wait()
				})
			})
		}
	}
}

// A call in backoff hears when the stop of the tree calls the restart off.
func TestCallsQueuedInBackoffWhenTheTreeStops(t *testing.T) {
	for _, fresh := range []bool{false, true} { // which only matters at a restart
		synctest.Test(t, func(t *testing.T) {
			s := actor.NewServer("s", openState, actor.ServerOptions[state]{
				Options: actor.Options{Mailbox: mailbox.Options{Fresh: fresh}},
			})
			tree, kept := plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)}, s)
			cast(t, s, crash)
			synctest.Wait()
			outcome := make(chan string)
			go func() { outcome <- answer(actor.Call(t.Context(), s, next)) }()
			synctest.Wait()
			if err := tree.Stop(context.Background()); err != nil {
				t.Error(err)
			}
			check(t, "outcome", <-outcome, "0, tree/s: no such process: not started, or gone for good")
			letters := eventsOf[tracing.DeadLetter](kept)
			check(t, "the last dead letter", letters[len(letters)-1].Why, "discarded")
		})
	}
}

func TestCallToAFullMailbox(t *testing.T) {
	for _, test := range []struct {
		overflow mailbox.Overflow
		want     string // of the third call, when the second waits and there is room for one
		second   string
	}{
		{mailbox.Reject, "0, tree/s: mailbox full", "1, <nil>"},
		{mailbox.DropNewest, "0, tree/s: mailbox full", "1, <nil>"},
		{mailbox.DropOldest, "1, <nil>", "0, tree/s: mailbox full"},
	} {
		t.Run(test.overflow.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				s := actor.NewServer("s", openState, actor.ServerOptions[state]{
					Options: actor.Options{Mailbox: mailbox.Options{Capacity: 1, Overflow: test.overflow}},
				})
				plant(t, s)
				cast(t, s, busy(release, 0))
				synctest.Wait()
				second, third := make(chan string, 1), make(chan string, 1)
				go func() { second <- answer(actor.Call(t.Context(), s, next)) }()
				synctest.Wait()
				go func() {
					n, err := actor.Call(t.Context(), s, next)
					if err != nil && !errors.Is(err, mailbox.ErrFull) {
						t.Errorf("got %v, want %v", err, mailbox.ErrFull)
					}
					third <- answer(n, err)
				}()
				synctest.Wait()
				close(release)
				check(t, "second", <-second, test.second)
				check(t, "third", <-third, test.want)
			})
		})
	}
}

func TestSendErrorText(t *testing.T) {
	for _, test := range []struct {
		err  actor.SendError
		want string
	}{
		{actor.SendError{Path: "bank/alice", Err: actor.ErrNoProc}, "bank/alice: no such process: not started, or gone for good"},
		{actor.SendError{Path: "bank/alice", Err: actor.ErrEnded, Reason: exit.Shutdown}, "bank/alice: callee ended before it replied: shutdown"},
		{actor.SendError{Path: "bank/alice", Err: actor.ErrCallCycle, Cycle: []string{"bank/bob", "bank/alice", "bank/bob"}},
			"bank/alice: the call would wait for itself: bank/bob → bank/alice → bank/bob"},
		{actor.SendError{Path: "bank/alice", Err: mailbox.ErrFull}, "bank/alice: mailbox full"},
	} {
		check(t, "text", test.err.Error(), test.want)
		if !errors.Is(&test.err, test.err.Err) || errors.Is(&test.err, exit.Shutdown) {
			t.Errorf("%v: got another chain than that of Err alone", &test.err)
		}
	}
}

// A request that is collected later is a Call in a goroutine: each has one of
// answer, reason and timeout, whenever somebody asks, and none has two.
func TestS159_RequestsThatAreCollectedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		plant(t, s)
		start := time.Now()
		outcomes := make([]chan string, 4)
		for i, m := range []do{
			func(context.Context, *state) (int, error) { time.Sleep(2 * time.Second); return 1, nil }, // too late
			give(2, errBad),
			crash,
			next,
		} {
			outcomes[i] = make(chan string, 2)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second+time.Duration(i)*time.Minute)
				defer cancel()
				n, err := actor.Call(ctx, s, m)
				outcomes[i] <- fmt.Sprintf("%s after %v", answer(n, err), time.Since(start))
			}()
			synctest.Wait()
		}
		time.Sleep(time.Hour) // the requester has other things to do
		for i, want := range []string{
			"0, tree/s: context deadline exceeded after 1s",
			"2, bad after 2s",
			"0, tree/s: callee ended before it replied: panic: boom after 2s",
			"1, <nil> after 2s", // of the next incarnation
		} {
			check(t, fmt.Sprint("outcomes of ", i), len(outcomes[i]), 1)
			check(t, fmt.Sprint("outcome of ", i), <-outcomes[i], want)
		}
		synctest.Wait()
		check(t, "Stats", s.Stats(), mailbox.Stats{Handled: 3, Dead: 1})
	})
}
