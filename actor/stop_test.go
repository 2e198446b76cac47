package actor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// slow handles each number in a second of virtual time, or until its ctx ends,
// which it tells.
func slow(j *journal, options actor.Options) *actor.Actor[int] {
	return actor.New("slow", func(context.Context) (actor.Behavior[int], error) {
		return actor.Behavior[int]{Receive: func(ctx context.Context, n int) error {
			begun := time.Now()
			select {
			case <-time.After(time.Second):
				j.add("%d", n)
			case <-ctx.Done():
				j.add("%d: %v after %v", n, context.Cause(ctx), time.Since(begun))
			}
			return nil
		}}, nil
	}, options)
}

func TestS154_DrainAtTheStop(t *testing.T) {
	for _, test := range []struct {
		name  string
		drain mailbox.Drain
		limit time.Duration // shutdown time; the last tenth is for what was killed
		want  string
		dead  string // letters
		took  time.Duration
	}{
		{"all", mailbox.DrainAll, 10 * time.Second, "1, 2, 3, 4", "", 3500 * time.Millisecond},
		{"all until the deadline", mailbox.DrainAll, 3 * time.Second,
			"1, 2, 3, 4: killed after 200ms", "", 2700 * time.Millisecond},
		{"all until an early deadline", mailbox.DrainAll, 2 * time.Second,
			"1, 2, 3: killed after 300ms", "4: discarded", 1800 * time.Millisecond},
		{"in hand", mailbox.FinishInHand, 10 * time.Second,
			"1", "2: discarded, 3: discarded, 4: discarded", 500 * time.Millisecond},
		{"discard", mailbox.Discard, 10 * time.Second,
			"1: shutdown after 500ms", "2: discarded, 3: discarded, 4: discarded", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := slow(&j, actor.Options{Mailbox: mailbox.Options{Drain: test.drain}})
				tree, kept := plant(t, within(test.limit, a))
				var sent sends
				sent.send(t, a, 1, 2, 3, 4)
				time.Sleep(500 * time.Millisecond)
				start := time.Now()
				stopped := make(chan error)
				go func() { stopped <- tree.TerminateChild(t.Context(), "slow") }()
				synctest.Wait()
				if err := a.Send(t.Context(), 5); !errors.Is(err, actor.ErrNoProc) {
					t.Errorf("Send while it stops: got %v, want %v", err, actor.ErrNoProc)
				}
				if err := <-stopped; err != nil {
					t.Error(err)
				}
				check(t, "took", time.Since(start), test.took)
				check(t, "handled", j.take(), test.want)
				check(t, "dead letters", kept.deadLetters(), test.dead)
				sent.conserved(t, a.Stats())
			})
		})
	}
}

// Everything that was accepted before the stop is handled, also what senders
// that waited for room have got in.
func TestS154_AllThatWasAcceptedIsHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := slow(&j, actor.Options{Mailbox: mailbox.Options{Capacity: 2}})
		tree, kept := plant(t, within(time.Minute, a))
		outcomes := make(chan error)
		for n := range 6 { // one in hand, two wait, three senders wait for room
			go func() { outcomes <- a.Send(context.Background(), n) }()
		}
		synctest.Wait()
		go func() { _ = tree.Stop(context.Background()) }()
		accepted, refused := 0, 0
		for range 6 {
			switch err := <-outcomes; {
			case err == nil:
				accepted++
			case err.Error() == "tree/slow: no such process: not started, or gone for good":
				refused++
			default:
				t.Errorf("Send: got %v, want nil or no such process", err)
			}
		}
		if err := tree.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		check(t, "Stats", a.Stats(), mailbox.Stats{Handled: uint64(accepted)})
		check(t, "refused", refused, 3)
		check(t, "dead letters", kept.deadLetters(), "")
	})
}

func TestTerminateClosesAndRestartByHandOpensANewMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		release := make(chan struct{})
		a := numbers(&j, actor.Options{Mailbox: mailbox.Options{Drain: mailbox.FinishInHand}}, map[int]func(context.Context) error{1: until(release)})
		tree, kept := plant(t, a)
		var sent sends
		sent.send(t, a, 1, 2)
		synctest.Wait()
		go func() { synctest.Wait(); close(release) }()
		if err := tree.TerminateChild(t.Context(), "numbers"); err != nil {
			t.Error(err)
		}
		err := a.Send(t.Context(), 3)
		check(t, "Send", fmt.Sprint(err), "tree/numbers: no such process: not started, or gone for good")
		check(t, "dead letters", kept.deadLetters(), "2: discarded")
		sent.conserved(t, a.Stats())
		if err := tree.RestartChild(t.Context(), "numbers"); err != nil {
			t.Error(err)
		}
		sent.send(t, a, 4)
		synctest.Wait()
		check(t, "journal", j.take(), "open 1, 1:1, close 1: shutdown, open 2, 2:4")
		check(t, "Stats", a.Stats(), mailbox.Stats{Handled: 2, Dead: 1})
		sent.conserved(t, a.Stats())
	})
}

// A child that ends and is not restarted is gone, with its mailbox.
func TestMailboxClosesWhenTheChildHasEndedForGood(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy supervisor.Policy
		spec   supervisor.Spec
	}{
		{"temporary", supervisor.Policy{}, supervisor.Spec{Restart: strategy.Temporary}},
		{"supervisor gave up", supervisor.Policy{Restarts: strategy.NoRestarts}, supervisor.Spec{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				release := make(chan struct{})
				a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{0: fails, 1: until(release)})
				test.spec.Child = a
				_, kept := plantWith(t, test.policy, test.spec)
				var sent sends
				sent.send(t, a, 1, 0, 2, 3)
				close(release)
				synctest.Wait()
				check(t, "Send", fmt.Sprint(a.Send(t.Context(), 4)), "tree/numbers: no such process: not started, or gone for good")
				check(t, "dead letters", kept.deadLetters(), "0: in hand at a crash, 2: discarded, 3: discarded")
				sent.conserved(t, a.Stats())
			})
		})
	}
}

// A stop is cooperative: a handler that does not look at its ctx is waited for,
// and only then the server heeds the stop. What has come before is drained.
func TestS158_BusyServerStopsWhenItsHandlerReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := closing(&j, nothing)
		tree, _ := plant(t, s)
		release := make(chan struct{})
		start := time.Now()
		cast(t, s, func(ctx context.Context, s *state) (int, error) {
			<-release
			j.add("%v after %v", ctx.Err(), time.Since(start))
			return next(ctx, s)
		}, next)
		synctest.Wait()
		stopped := make(chan error, 1)
		go func() { stopped <- tree.Stop(context.Background()) }()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		check(t, "stopped", len(stopped), 0)
		check(t, "snapshot", tree.Snapshot().Children[0].String(), "s stopping, busy, 1 waiting\n")
		check(t, "journal", j.take(), "")
		close(release)
		if err := <-stopped; err != nil {
			t.Errorf("Stop: got %v, want nil", err)
		}
		check(t, "took", time.Since(start), 3*time.Second)
		check(t, "journal", j.take(), "<nil> after 3s, close: shutdown with 2")
	})
}
