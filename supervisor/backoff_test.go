package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func TestS187_DelayBeforeARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, own := named("c"), named("own")
		b := start(t, supervisor.Policy{Backoff: strategy.Constant(time.Second), Restarts: strategy.Unlimited}, c,
			supervisor.Spec{Child: own, Backoff: strategy.Constant(time.Minute)}) // that of the spec counts
		c.crash()
		own.crash()
		check(t, "states", b.states(), "c:restarting own:restarting")
		time.Sleep(time.Second)
		synctest.Wait()
		check(t, "states", b.states(), "c own:restarting")
		c.crash()
		time.Sleep(time.Hour)
		b.wantAt(t, "0s exit c: boom", "0s restarting c in 1s", "0s exit own: boom", "0s restarting own in 1m0s",
			"1s restart c", "1s exit c: boom", "1s restarting c in 1s", "2s restart c", "1m0s restart own")
		b.stopInOrder()
	})
}

func TestS187_FailedStartsAreDelayedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStart = failingStarts(2, 3)
		b := start(t, supervisor.Policy{Backoff: strategy.Constant(time.Second)}, c)
		c.crash()
		time.Sleep(time.Hour)
		b.wantAt(t, "0s exit c: boom", "0s restarting c in 1s",
			"1s fail c: start 2 failed", "1s restarting c in 1s",
			"2s fail c: start 3 failed", "2s restarting c in 1s", "3s restart c")
		b.stopInOrder()
	})
}

// The budget is charged when the end is handled, not when the delay is over.
func TestS187_BudgetIsChargedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := named("a"), named("c")
		b := start(t, supervisor.Policy{Backoff: strategy.Constant(3 * time.Second), Restarts: 1, Within: 2 * time.Second}, a, c)
		a.crash()
		time.Sleep(2*time.Second + 1)
		c.crash() // while a still waits
		check(t, "states", b.states(), "a:restarting c:restarting")
		time.Sleep(time.Second)
		synctest.Wait()
		check(t, "states", b.states(), "a c:restarting")
		a.crash()
		checkError(t, "wait", b.wait(), gaveUpText("root", "a"))
	})
}

func TestS188_SupervisorIsResponsiveInTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := named("a"), named("c")
		b := start(t, supervisor.Policy{}, a, supervisor.Spec{Child: c, Backoff: strategy.Constant(time.Hour)})
		c.crash()
		checkError(t, "start", b.root.StartChild(t.Context(), named("added")), "")
		a.crash() // an unrelated sibling
		checkError(t, "delete", b.root.DeleteChild(t.Context(), "c"), "delete root/c: waiting for its restart")
		b.wantAt(t, "0s exit c: boom", "0s restarting c in 1h0m0s", "0s start added", "0s exit a: boom", "0s restarting a", "0s restart a")
		b.stopInOrder()
	})
}

// A supervisor that is never idle still restarts what is due.
func TestS188_BusySupervisorRestartsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		b := start(t, supervisor.Policy{Backoff: strategy.Constant(100 * time.Millisecond)}, c)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for i := range 3 { // there is always a request waiting
			slow := named(fmt.Sprint("slow", i))
			slow.onStart = func(context.Context, int) error { time.Sleep(time.Millisecond); return errBoom }
			go func() {
				for ctx.Err() == nil {
					_ = b.root.StartChild(ctx, slow)
				}
			}()
		}
		c.crash()
		time.Sleep(time.Second)
		check(t, "starts", c.starts.Load(), 2)
		<-ctx.Done()
		b.stopInOrder()
	})
}

func TestS189_WhatCallsADelayOff(t *testing.T) {
	for _, test := range []struct {
		name   string
		act    func(ctx context.Context, b *bed, a *child)
		states string // a while later
		starts int32  // of c
	}{
		{"terminate", func(ctx context.Context, b *bed, _ *child) {
			checkError(b.t, "terminate", b.root.TerminateChild(ctx, "c"), "")
		}, "a c:stopped", 1},
		{"terminate and restart", func(ctx context.Context, b *bed, _ *child) {
			checkError(b.t, "both", errors.Join(b.root.TerminateChild(ctx, "c"), b.root.RestartChild(ctx, "c")), "")
		}, "a c", 2},
		{"group restart", func(_ context.Context, _ *bed, a *child) { a.crash() }, "a c", 2},
		{"stop", func(_ context.Context, b *bed, _ *child) { b.stopInOrder() }, "a:stopped c:stopped", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c := named("a"), named("c")
				b := start(t, supervisor.Policy{Strategy: strategy.RestForOne, Restarts: 2},
					supervisor.Spec{Child: a, Backoff: strategy.Constant(0)},
					supervisor.Spec{Child: c, Backoff: strategy.Constant(time.Minute)})
				c.crash()
				time.Sleep(time.Second)
				test.act(t.Context(), b, a)
				time.Sleep(time.Hour)
				check(t, "states", b.states(), test.states)
				check(t, "starts", c.starts.Load(), test.starts)
				checkError(t, "stop", b.root.Stop(t.Context()), "")
			})
		})
	}
}

func TestS190_GroupWithADelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("a b c")
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll, Restarts: 2, Backoff: strategy.Constant(10 * time.Second)}, children...)
		byName["b"].crash()
		b.wantAt(t, "0s exit b: boom", "0s restarting b in 10s", "0s stop c", "0s stop a") // at once
		check(t, "states", b.states(), "a:stopped b:restarting c:stopped")
		// A child that was started by hand meanwhile, and one that crashes.
		time.Sleep(time.Second)
		checkError(t, "restart", b.root.RestartChild(t.Context(), "a"), "")
		checkError(t, "restart", b.root.RestartChild(t.Context(), "c"), "")
		byName["c"].crash() // merges: one delay, one start sequence
		time.Sleep(time.Minute)
		b.wantAt(t, "1s start a", "1s start c", "1s exit c: boom", "1s restarting c in 10s", "1s stop a",
			"11s restart a", "11s restart b", "11s restart c")
		check(t, "states", b.states(), "a b c")
		b.stopInOrder()
	})
}

func TestS190_StartedByHandInTheDelayIsStoppedForTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("a b")
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll, Backoff: strategy.Constant(10 * time.Second)}, children...)
		byName["b"].crash()
		time.Sleep(time.Second)
		checkError(t, "restart", b.root.RestartChild(t.Context(), "a"), "")
		time.Sleep(time.Minute)
		b.wantAt(t, "0s exit b: boom", "0s restarting b in 10s", "0s stop a", "1s start a", "10s stop a", "10s restart a", "10s restart b")
		b.stopInOrder()
	})
}

func TestS191_ExponentialGrowsAndBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const initial, limit, healthy = time.Second, 8 * time.Second, time.Minute
		c := named("c")
		b := start(t, supervisor.Policy{Backoff: strategy.Exponential(initial, limit), Healthy: healthy, Restarts: strategy.Unlimited}, c)
		history := func() tracing.Restarting {
			restarts := b.root.Snapshot().Children[0].Restarts
			return restarts[len(restarts)-1]
		}
		for round := range 2 {
			for i, most := range []time.Duration{1, 2, 4, 8, 8, 8} {
				c.crash()
				last := history()
				if last.Delay < 0 || last.Delay > most*time.Second {
					t.Errorf("round %d, delay %d: got %v, want 0 to %v", round, i+1, last.Delay, most*time.Second)
				}
				check(t, "attempt", last.Attempt, i+1)
				time.Sleep(limit)
				synctest.Wait()
				check(t, "states", b.states(), "c")
			}
			time.Sleep(healthy)
		}
		b.stopInOrder()
	})
}

func TestS191_HealthyTimeBeginsWhenTheChildIsUp(t *testing.T) {
	for _, test := range []struct {
		healthy, lived time.Duration
		want           int // attempt
	}{
		{time.Minute, time.Minute - 1, 2},
		{time.Minute, time.Minute, 1},
		{0, strategy.DefaultHealthy - 1, 2},
		{0, strategy.DefaultHealthy, 1},
	} {
		t.Run(fmt.Sprint(test.healthy, test.lived), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := named("c")
				c.onStart = func(ctx context.Context, _ int) error {
					select {
					case <-time.After(time.Hour):
					case <-ctx.Done():
					}
					return nil
				}
				b := start(t, supervisor.Policy{Healthy: test.healthy, Restarts: strategy.Unlimited}, c)
				c.crash()
				time.Sleep(time.Hour + test.lived)
				c.crash()
				b.want(t, "exit c: boom", "restarting c", "restart c", "exit c: boom", "restarting c")
				restarts := b.root.Snapshot().Children[0].Restarts
				check(t, "attempt", restarts[1].Attempt, test.want)
				b.stopInOrder()
			})
		})
	}
}

// delaying is a BackOff of the user's.
type delaying struct{ next func() time.Duration }

func (d delaying) NextBackOff() time.Duration { return d.next() }
func (delaying) Reset()                       {}

func TestBackoffThatEndsOrFailsGivesUp(t *testing.T) {
	for _, test := range []struct {
		name string
		next func() time.Duration
		want string
		is   error
	}{
		{"stop", func() time.Duration { return backoff.Stop }, "the backoff allows no further restart", strategy.ErrStopped},
		{"panic", func() time.Duration { panic("oops") }, "backoff: panic: oops", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c := named("a"), named("c")
				b := start(t, supervisor.Policy{}, a, supervisor.Spec{Child: c,
					Backoff: func() backoff.BackOff { return delaying{test.next} }})
				c.crash()
				err := b.wait()
				var gaveUp *exit.GaveUp
				if !errors.As(err, &gaveUp) {
					t.Fatalf("wait: got %v, want an *exit.GaveUp", err)
				}
				checkError(t, "wait", err, `root gave up: "c" cannot be restarted (`+test.want+`): boom`)
				checkError(t, "cause", gaveUp.Cause, "boom")
				checkError(t, "why", gaveUp.Why, test.want)
				if !errors.Is(err, errBoom) || test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("errors.Is(%v, boom and %v): got false, want true", err, test.is)
				}
				if lines := b.take(); !strings.HasPrefix(lines[1].text, "root gave up on c: "+test.want) || !strings.HasPrefix(lines[2].text, "stop a") {
					t.Errorf("events: got %v, want that root gave up and stopped a", lines)
				}
			})
		})
	}
}

// b fails in two group restarts, so that two retries wait for it. The first one
// begins its backoff; the second must not begin another.
func TestS70S189_SecondRetryComesDuringTheBackoffOfTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := named("a"), named("b")
		held := make(chan struct{})
		c.onStart = func(_ context.Context, n int) error {
			if n == 2 {
				<-held
			}
			if n == 2 || n == 3 {
				return errBoom
			}
			return nil
		}
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll}, a, supervisor.Spec{Child: c, Backoff: strategy.Constant(time.Second)})
		c.crash()
		time.Sleep(time.Second)
		a.crash() // while b is held in its start, before a retry can wait
		close(held)
		time.Sleep(time.Hour)
		b.wantAt(t, "0s exit b: boom", "0s restarting b in 1s", "0s stop a",
			"1s restart a", "1s fail b: boom", "1s exit a: boom", "1s restarting a", "1s restart a", "1s fail b: boom",
			"1s restarting b in 1s", "1s stop a", "2s restart a", "2s restart b")
		b.stopInOrder()
	})
}
