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
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func TestS146_SendWithoutAProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := numbers(&j, actor.Options{}, nil)
		expect := func(when, want string) {
			t.Helper()
			err := a.Send(t.Context(), 1)
			check(t, when, fmt.Sprint(err), want)
			var send *actor.SendError
			if err != nil && (!errors.Is(err, actor.ErrNoProc) || !errors.As(err, &send) || send.Reason != nil) {
				t.Errorf("%s: got %#v, want a *SendError of %v without a reason", when, err, actor.ErrNoProc)
			}
		}
		expect("before the start", "numbers: no such process: not started, or gone for good")
		tree, _ := plant(t, a)
		expect("running", "<nil>")
		if err := tree.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		expect("after the stop", "tree/numbers: no such process: not started, or gone for good")
		if _, err := tree.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect("running again", "<nil>")
	})
}

func TestSendToAFullMailbox(t *testing.T) {
	for _, test := range []struct {
		overflow mailbox.Overflow
		want     string // errors of the sends of 1 to 4
		handled  string
		dead     string // letters
	}{
		{mailbox.Reject, "<nil> <nil> tree/numbers: mailbox full tree/numbers: mailbox full", "0, 1, 2", ""},
		{mailbox.DropNewest, "<nil> <nil> <nil> <nil>", "0, 1, 2", "3: overflow, 4: overflow"},
		{mailbox.DropOldest, "<nil> <nil> <nil> <nil>", "0, 3, 4", "1: overflow, 2: overflow"},
		{mailbox.Block, "<nil> <nil> tree/numbers: send: no room in the mailbox: context deadline exceeded tree/numbers: send: no room in the mailbox: context deadline exceeded", "0, 1, 2", ""},
	} {
		t.Run(test.overflow.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				release := make(chan struct{})
				options := actor.Options{Mailbox: mailbox.Options{Capacity: 2, Overflow: test.overflow}}
				a := numbers(&j, options, map[int]func(context.Context) error{0: until(release)})
				tree, kept := plant(t, a)
				var sent sends
				sent.send(t, a, 0)
				synctest.Wait()
				got := ""
				for n := range 4 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					err := a.Send(ctx, n+1)
					cancel()
					if err == nil {
						sent.accepted++
					}
					if n > 0 {
						got += " "
					}
					got += fmt.Sprint(err)
				}
				check(t, "errors", got, test.want)
				sent.conserved(t, a.Stats())
				close(release)
				if err := tree.Stop(context.Background()); err != nil {
					t.Error(err)
				}
				handled := ""
				for i, n := range map[bool][]int{true: {0, 3, 4}, false: {0, 1, 2}}[test.overflow == mailbox.DropOldest] {
					if i > 0 {
						handled += ", "
					}
					handled += fmt.Sprintf("1:%d", n)
				}
				check(t, "journal", j.take(), "open 1, "+handled+", close 1: shutdown")
				check(t, "dead letters", kept.deadLetters(), test.dead)
				sent.conserved(t, a.Stats())
			})
		})
	}
}

// An unbuffered mailbox has no queue: a send is accepted when the actor takes it.
func TestSendToAnUnbufferedMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		release := make(chan struct{})
		a := numbers(&j, actor.Options{Mailbox: mailbox.Options{Capacity: mailbox.Unbuffered}},
			map[int]func(context.Context) error{1: until(release), 2: fails})
		tree, kept := plant(t, a)
		var sent sends
		sent.send(t, a, 1)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		check(t, "while it is busy", fmt.Sprint(a.Send(ctx, 0)), "tree/numbers: send: no room in the mailbox: context deadline exceeded")
		close(release)
		sent.send(t, a, 2, 3)
		synctest.Wait()
		if err := tree.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		check(t, "journal", j.take(), "open 1, 1:1, 1:2, close 1: bad, open 2, 2:3, close 2: shutdown")
		check(t, "dead letters", kept.deadLetters(), "2: in hand at a crash")
		sent.conserved(t, a.Stats())
	})
}

// A context that has ended refuses the message, room or not; the error has both
// what ctx.Err says and the cause.
func TestSendWithADeadContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := numbers(&j, actor.Options{Mailbox: mailbox.Options{Capacity: 1}}, nil)
		plant(t, a)
		for _, test := range []struct {
			name string
			ctx  func() (context.Context, context.CancelFunc)
			want string
			is   []error
		}{
			{"canceled", func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
				"tree/numbers: send: context canceled", []error{context.Canceled}},
			{"cause", func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(t.Context())
				return ctx, func() { cancel(errQuit) }
			}, "tree/numbers: send: context canceled: the caller quits", []error{context.Canceled, errQuit}},
			{"deadline", func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithDeadline(t.Context(), time.Now())
				t.Cleanup(cancel)
				return ctx, cancel
			}, "tree/numbers: send: context deadline exceeded", []error{context.DeadlineExceeded}},
		} {
			ctx, cancel := test.ctx()
			cancel()
			err := a.Send(ctx, 1)
			check(t, test.name, fmt.Sprint(err), test.want)
			for _, target := range test.is {
				if !errors.Is(err, target) {
					t.Errorf("%s: got %v, want errors.Is to find %v", test.name, err, target)
				}
			}
		}
		check(t, "Stats", a.Stats(), mailbox.Stats{})
	})
}

// Dead letters tell what and why, and can be sent again.
func TestDeadLettersCanBeSentAgain(t *testing.T) {
	discard := actor.Options{Mailbox: mailbox.Options{Capacity: 2, Overflow: mailbox.DropOldest, Drain: mailbox.FinishInHand}}
	for _, test := range []struct {
		why   string
		cause func(t *testing.T, tree *supervisor.Supervisor, s *actor.Server[state], release chan struct{})
	}{
		{"overflow", func(t *testing.T, _ *supervisor.Supervisor, s *actor.Server[state], release chan struct{}) {
			cast(t, s, busy(release, 0))
			synctest.Wait()
			cast(t, s, next, next, next) // the first has to go
			close(release)
		}},
		{"discarded", func(t *testing.T, tree *supervisor.Supervisor, s *actor.Server[state], release chan struct{}) {
			cast(t, s, busy(release, 0))
			synctest.Wait()
			cast(t, s, next)
			go func() { synctest.Wait(); close(release) }()
			if err := tree.TerminateChild(t.Context(), "s"); err != nil {
				t.Error(err)
			}
			if err := tree.RestartChild(t.Context(), "s"); err != nil {
				t.Error(err)
			}
		}},
		{"in hand at a crash", func(t *testing.T, _ *supervisor.Supervisor, s *actor.Server[state], release chan struct{}) {
			tried := false
			cast(t, s, do(func(_ context.Context, s *state) (int, error) {
				if !tried {
					tried = true
					panic("boom")
				}
				s.n++
				return 0, nil
			}))
		}},
		{"caller gone", func(t *testing.T, _ *supervisor.Supervisor, s *actor.Server[state], release chan struct{}) {
			cast(t, s, busy(release, 0))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _ = actor.Call(ctx, s, next)
			close(release)
		}},
		{"in hand of an abandoned incarnation", func(t *testing.T, tree *supervisor.Supervisor, s *actor.Server[state], release chan struct{}) {
			tried := false
			cast(t, s, do(func(_ context.Context, s *state) (int, error) {
				if !tried {
					tried = true
					<-release
				}
				s.n++
				return 0, nil
			}))
			synctest.Wait()
			if err := tree.TerminateChild(t.Context(), "s"); err != nil {
				t.Error(err)
			}
			if err := tree.RestartChild(t.Context(), "s"); err != nil {
				t.Error(err)
			}
			close(release)
		}},
	} {
		t.Run(test.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState, actor.ServerOptions[state]{Options: discard})
				tree, kept := plant(t, s)
				test.cause(t, tree, s, make(chan struct{}))
				synctest.Wait()
				letters := eventsOf[tracing.DeadLetter](kept)
				if len(letters) != 1 {
					t.Fatalf("dead letters: got %v, want one", letters)
				}
				letter := letters[0]
				check(t, "why", letter.Why, test.why)
				check(t, "path", letter.Path, "tree/s")
				if _, ok := letter.Message.(do); !ok || letter.Time.IsZero() {
					t.Errorf("got a dead letter with a %T of %v, want the message as it was sent, now", letter.Message, letter.Time)
				}
				before, err := actor.Call(t.Context(), s, next)
				if err != nil {
					t.Error(err)
				}
				if err := letter.Resend(t.Context()); err != nil {
					t.Errorf("Resend: got %v, want nil", err)
				}
				after, err := actor.Call(t.Context(), s, next)
				check(t, "state after the message and another", answer(after, err), answer(before+2, nil))

				if err := tree.Stop(context.Background()); err != nil {
					t.Error(err)
				}
				check(t, "Resend to nobody", fmt.Sprint(letter.Resend(t.Context())), "tree/s: no such process: not started, or gone for good")
			})
		})
	}
}

// The dead letter of an actor is the message itself.
func TestDeadLetterOfAnActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		tried := false
		a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{7: func(context.Context) error {
			if !tried {
				tried = true
				return errBad
			}
			return exit.Normal
		}})
		_, kept := plant(t, a)
		var sent sends
		sent.send(t, a, 7)
		synctest.Wait()
		letters := eventsOf[tracing.DeadLetter](kept)
		if len(letters) != 1 || letters[0].Message != 7 {
			t.Fatalf("dead letters: got %v, want that of 7", letters)
		}
		if err := letters[0].Resend(t.Context()); err != nil {
			t.Error(err)
		}
		sent.accepted++
		synctest.Wait()
		check(t, "exits", kept.exits(), "bad, normal")
		sent.conserved(t, a.Stats())
	})
}

// While the actor restarts, sends are accepted, and wait only for room.
func TestSendDuringBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := numbers(&j, actor.Options{Mailbox: mailbox.Options{Capacity: 1}}, map[int]func(context.Context) error{0: fails})
		plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Second)}, a)
		start := time.Now()
		var sent sends
		sent.send(t, a, 0)
		synctest.Wait()
		sent.send(t, a, 1)
		check(t, "the first waits", time.Since(start), 0)
		sent.send(t, a, 2)
		check(t, "the second waits", time.Since(start), time.Second)
		synctest.Wait()
		sent.conserved(t, a.Stats())
	})
}

// cast casts messages that must be accepted.
func cast(t testing.TB, s *actor.Server[state], messages ...do) {
	t.Helper()
	for _, m := range messages {
		if err := actor.Cast(t.Context(), s, m); err != nil {
			t.Errorf("Cast: got %v, want it accepted", err)
		}
	}
}
