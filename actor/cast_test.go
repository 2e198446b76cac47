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

// S149: nobody waits for a cast. Its error is an event, and the server lives on.
func TestS149_CastThatFailsIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		_, kept := plant(t, s)
		wrapped := fmt.Errorf("w: %w", exit.Shutdown) // is no reason to end
		cast(t, s, next, give(0, errBad), give(1, nil), give(0, wrapped), next)
		n, err := actor.Call(t.Context(), s, next)
		check(t, "the server lives on", answer(n, err), "3, <nil>")
		failures := eventsOf[tracing.CastFailed](kept)
		if len(failures) != 2 || failures[0].Err != errBad || failures[1].Err != wrapped {
			t.Fatalf("got %v, want the two that failed", failures)
		}
		check(t, "path", failures[0].Path, "tree/s")
		if _, ok := failures[0].Message.(do); !ok || failures[0].Time.IsZero() {
			t.Errorf("got the message %T at %v, want it as it was sent, now", failures[0].Message, failures[0].Time)
		}
		check(t, "exits", kept.exits(), "")
		synctest.Wait()
		check(t, "Stats", s.Stats(), mailbox.Stats{Handled: 6})
	})
}

func TestCastThatEndsTheServer(t *testing.T) {
	for _, test := range []struct {
		name   string
		handle do
		exit   string
		stats  mailbox.Stats
	}{
		{"on purpose", give(0, exit.ShutdownFor(errBad)), "shutdown: bad", mailbox.Stats{Handled: 1}},
		{"panic", crash, "panic: boom", mailbox.Stats{Dead: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				_, kept := plant(t, s)
				cast(t, s, test.handle)
				synctest.Wait()
				check(t, "exits", kept.exits(), test.exit)
				check(t, "casts that failed", len(eventsOf[tracing.CastFailed](kept)), 0)
				check(t, "Stats", s.Stats(), test.stats)
			})
		})
	}
}

// The ctx of a cast is not that of whoever sent it, who may leave.
func TestContextOfACastIsTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := actor.NewServer("s", openState)
		tree, _ := plant(t, within(10*time.Second, s))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := actor.Cast(ctx, s, do(func(ctx context.Context, _ *state) (int, error) {
			_, limited := ctx.Deadline()
			time.Sleep(time.Second)
			j.add("%t %v", limited, ctx.Err())
			start := time.Now()
			<-ctx.Done()
			j.add("%v after %v", context.Cause(ctx), time.Since(start))
			return 0, nil
		}))
		cancel()
		if err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		if err := tree.TerminateChild(t.Context(), "s"); err != nil {
			t.Error(err)
		}
		check(t, "journal", j.take(), "false <nil>, killed after 10s")
	})
}

// A caller that hands its callee's failure on has failed, and has not been shut
// down itself.
func TestFailureOfACalleeIsNoShutdownOfItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		callee := actor.NewServer("callee", openState)
		_, kept := plant(t, callee, supervisor.Spec{Restart: strategy.Temporary, Child: supervisor.Func("caller", func(ctx context.Context) error {
			_, err := actor.Call(ctx, callee, give(0, exit.Shutdown))
			return err
		})})
		synctest.Wait()
		for _, e := range eventsOf[tracing.Exited](kept) {
			if e.Path != "tree/caller" {
				continue
			}
			if e.Reason.Clean() || errors.Is(e.Reason, exit.Shutdown) {
				t.Errorf("got %v, which passes for a shutdown", e.Reason)
			}
			return
		}
		t.Error("got no exit of the caller, want one")
	})
}
