package actor_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestQueueIsKeptAcrossACrash(t *testing.T) {
	for name, ending := range map[string]func(context.Context) error{"error": fails, "panic": panics, "goexit": goexits} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{0: ending})
				_, kept := plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Second)}, a)
				var sent sends
				sent.send(t, a, 1, 0, 2, 3)
				synctest.Wait() // in backoff
				sent.send(t, a, 4)
				check(t, "Stats in backoff", a.Stats(), mailbox.Stats{Handled: 1, Waiting: 3, Dead: 1})
				sent.conserved(t, a.Stats())
				j.take()
				time.Sleep(time.Second)
				synctest.Wait()
				check(t, "journal", j.take(), "open 2, 2:2, 2:3, 2:4")
				check(t, "dead letters", kept.deadLetters(), "0: in hand at a crash")
				sent.conserved(t, a.Stats())
			})
		})
	}
}

func TestQueueIsKeptAcrossAGroupRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		crash, release := make(chan struct{}), make(chan struct{})
		a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{1: until(release)})
		_, kept := plantWith(t, supervisor.Policy{Strategy: strategy.OneForAll}, a, crashing(crash))
		var sent sends
		sent.send(t, a, 1, 2, 3)
		synctest.Wait()
		crash <- struct{}{}
		synctest.Wait() // a is asked to stop, and finishes what it has in hand
		sent.send(t, a, 4)
		close(release)
		synctest.Wait()
		check(t, "journal", j.take(),
			`open 1, 1:1, close 1: shutdown: sibling "other" ended: bad, open 2, 2:2, 2:3, 2:4`)
		check(t, "dead letters", kept.deadLetters(), "")
		check(t, "Stats", a.Stats(), mailbox.Stats{Handled: 4})
		sent.conserved(t, a.Stats())
	})
}

func TestQueueIsKeptAcrossTheRestartOfTheParent(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy supervisor.Policy
		number int // what makes it happen
	}{
		{"parent gave up", supervisor.Policy{Restarts: strategy.NoRestarts}, 0},
		{"parent is a victim", supervisor.Policy{}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				crash := make(chan struct{})
				a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{
					0: fails,
					1: func(context.Context) error { crash <- struct{}{}; return nil },
				})
				_, kept := plantWith(t, supervisor.Policy{Strategy: strategy.OneForAll},
					supervisor.New("parent", test.policy, a), crashing(crash))
				var sent sends
				sent.send(t, a, test.number, 2, 3)
				synctest.Wait()
				sent.send(t, a, 4)
				synctest.Wait()
				dead := ""
				if test.number == 0 {
					dead = "0: in hand at a crash"
				}
				check(t, "dead letters", kept.deadLetters(), dead)
				check(t, "Waiting", a.Stats().Waiting, 0)
				sent.conserved(t, a.Stats())
			})
		})
	}
}

// Fresh is OTP's rule: a mailbox dies with its incarnation (S8).
func TestS8_FreshMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := numbers(&j, actor.Options{Mailbox: mailbox.Options{Fresh: true}}, map[int]func(context.Context) error{0: fails})
		_, kept := plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Second)}, a)
		var sent sends
		sent.send(t, a, 1, 0, 2, 3)
		synctest.Wait()
		sent.send(t, a, 4) // in backoff
		time.Sleep(time.Second)
		synctest.Wait()
		sent.send(t, a, 5)
		synctest.Wait()
		check(t, "journal", j.take(), "open 1, 1:1, 1:0, close 1: bad, open 2, 2:5")
		check(t, "dead letters", kept.deadLetters(), "0: in hand at a crash, 2: waiting at a restart, 3: waiting at a restart, 4: waiting at a restart")
		check(t, "Stats", a.Stats(), mailbox.Stats{Handled: 2, Dead: 4})
		sent.conserved(t, a.Stats())
	})
}

func TestRetriesBeforeTheDeadLetter(t *testing.T) {
	for _, test := range []struct {
		retries int
		want    string
	}{
		{0, "open 1, 1:0, close 1: bad, open 2, 2:1, 2:2"},
		{1, "open 1, 1:0, close 1: bad, open 2, 2:0, close 2: bad, open 3, 3:1, 3:2"},
		{2, "open 1, 1:0, close 1: bad, open 2, 2:0, close 2: bad, open 3, 3:0, close 3: bad, open 4, 4:1, 4:2"},
	} {
		t.Run(fmt.Sprint(test.retries), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := numbers(&j, actor.Options{Retries: test.retries}, map[int]func(context.Context) error{0: fails})
				_, kept := plant(t, a)
				var sent sends
				sent.send(t, a, 0, 1, 2)
				synctest.Wait()
				check(t, "journal", j.take(), test.want)
				check(t, "dead letters", kept.deadLetters(), "0: in hand at a crash")
				check(t, "Stats", a.Stats(), mailbox.Stats{Handled: 2, Dead: 1})
				sent.conserved(t, a.Stats())
			})
		})
	}
}

// Each message has its own number of retries, and one that succeeds is done.
func TestRetryThatSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		tries := map[int]int{}
		once := func(n int) func(context.Context) error {
			return func(context.Context) error {
				if tries[n]++; tries[n] == 1 {
					panic("boom")
				}
				return nil
			}
		}
		a := numbers(&j, actor.Options{Retries: 1}, map[int]func(context.Context) error{1: once(1), 2: once(2)})
		_, kept := plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Second)}, a)
		var sent sends
		sent.send(t, a, 1, 2, 3)
		synctest.Wait()
		check(t, "Stats in backoff", a.Stats(), mailbox.Stats{Waiting: 3})
		sent.conserved(t, a.Stats())
		time.Sleep(2 * time.Second)
		synctest.Wait()
		check(t, "journal", j.take(), "open 1, 1:1, close 1: panic: boom, open 2, 2:1, 2:2, close 2: panic: boom, open 3, 3:2, 3:3")
		check(t, "dead letters", kept.deadLetters(), "")
		sent.conserved(t, a.Stats())
	})
}

// A call is never handed to a handler twice, its cast is.
func TestCallsAreNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handled := 0
		s := actor.NewServer("s", openState, actor.ServerOptions[state]{Options: actor.Options{Retries: 3}})
		_, kept := plant(t, s)
		count := do(func(context.Context, *state) (int, error) { handled++; panic("boom") })
		_, err := actor.Call(t.Context(), s, count)
		check(t, "Call", fmt.Sprint(err), "tree/s: callee ended before it replied: panic: boom")
		synctest.Wait()
		check(t, "handled", handled, 1)
		check(t, "dead letters", len(kept.deadLetters()) > 0, true)
		if err := actor.Cast(t.Context(), s, count); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		check(t, "handled", handled, 1+4)
	})
}

// A message that waits for its retry when the actor is stopped is a dead letter.
func TestRetryThatDoesNotComeToPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := numbers(&j, actor.Options{Retries: 5}, map[int]func(context.Context) error{0: fails})
		tree, kept := plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)}, a)
		var sent sends
		sent.send(t, a, 0, 1)
		synctest.Wait()
		if err := tree.TerminateChild(t.Context(), "numbers"); err != nil {
			t.Error(err)
		}
		check(t, "dead letters", kept.deadLetters(), "0: discarded, 1: discarded")
		sent.conserved(t, a.Stats())
		// By hand: a new mailbox, nothing of the old one.
		if err := tree.RestartChild(t.Context(), "numbers"); err != nil {
			t.Error(err)
		}
		sent.send(t, a, 2)
		synctest.Wait()
		check(t, "journal", j.take(), "open 1, 1:0, close 1: bad, open 2, 2:2")
		sent.conserved(t, a.Stats())
	})
}
