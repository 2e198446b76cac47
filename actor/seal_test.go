package actor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func wantRefused(t *testing.T, when string, a *actor.Actor[int]) {
	t.Helper()
	if err := a.Send(t.Context(), 2); !errors.Is(err, actor.ErrNoProc) {
		t.Errorf("Send %s: got %v, want %v", when, err, actor.ErrNoProc)
	}
}

// Whatever an incarnation is at when it is stopped for good, nothing new is
// accepted. What came before is handled by its drain policy.
func TestS154_FinalStopRefusesAtOnce(t *testing.T) {
	t.Run("in the open", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var j journal
			a := actor.New("a", func(ctx context.Context) (actor.Behavior[int], error) {
				time.Sleep(2 * time.Second)
				return openNumbers(ctx, &j, nil), nil
			})
			tree := supervisor.New("tree", supervisor.Policy{Tracing: quiet()}, within(10*time.Second, a))
			done := make(chan error)
			go func() { done <- tree.Run(context.Background()) }()
			time.Sleep(time.Second)
			if err := a.Send(t.Context(), 1); err != nil {
				t.Error(err)
			}
			go func() { _ = tree.Stop(context.Background()) }()
			synctest.Wait()
			wantRefused(t, "in the open", a)
			if err := <-done; err != nil {
				t.Error(err)
			}
			check(t, "handled", j.take(), "open 1, 1:1, close 1: shutdown")
		})
	})
	t.Run("while goroutines of a failure are waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := actor.New("a", func(ctx context.Context) (actor.Behavior[int], error) {
				return actor.Behavior[int]{Receive: func(ctx context.Context, _ int) error {
					return supervisor.Go(ctx, func(context.Context) error { time.Sleep(2 * time.Second); return nil })
				}}, supervisor.Go(ctx, func(context.Context) error { time.Sleep(time.Second); return errBad })
			})
			tree, kept := plant(t, within(10*time.Second, a))
			if err := a.Send(t.Context(), 1); err != nil {
				t.Error(err)
			}
			time.Sleep(3 * time.Second / 2) // one has failed, the other is still there
			if err := a.Send(t.Context(), 1); err != nil {
				t.Error(err)
			}
			stopped := make(chan error)
			go func() { stopped <- tree.TerminateChild(t.Context(), "a") }()
			synctest.Wait()
			wantRefused(t, "while it winds down", a)
			if err := <-stopped; err != nil {
				t.Error(err)
			}
			check(t, "dead letters", kept.deadLetters(), "1: discarded")
		})
	})
}

// A supervisor that ends for good stops its children for good. If it is restarted
// with its group all the same, because it was abandoned over that, they come back
// to new lives, not to mailboxes that refuse.
func TestS194_MailboxAfterAnAbandonedFinalStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(_ context.Context, n int) error {
				if n == 1 {
					<-released
				}
				return nil
			}}, nil
		})
		crash, sibling := make(chan struct{}), make(chan struct{})
		sub := supervisor.New("sub", supervisor.Policy{Restarts: strategy.NoRestarts},
			supervisor.Spec{Child: a, Shutdown: supervisor.Infinity}, crashing(crash))
		tree, kept := plantWith(t, supervisor.Policy{Strategy: strategy.OneForAll}, crashing(sibling),
			supervisor.Spec{Child: sub, Restart: strategy.Transient, Shutdown: supervisor.Timeout(time.Second)})
		if err := a.Send(t.Context(), 1); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		crash <- struct{}{} // sub gives up, and waits for a
		synctest.Wait()
		wantRefused(t, "while it is stopped for good", a)
		sibling <- struct{}{} // sub is abandoned, and restarted
		time.Sleep(time.Minute)
		check(t, "abandoned", len(eventsOf[tracing.Abandoned](kept)) > 0, true)
		if err := a.Send(t.Context(), 2); err != nil {
			t.Errorf("Send to the next incarnation: got %v, want nil", err)
		}
		synctest.Wait()
		close(released)
		synctest.Wait()
		if err := a.Send(t.Context(), 2); err != nil {
			t.Errorf("Send when the abandoned one has come back: got %v, want nil", err)
		}
		if err := tree.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
