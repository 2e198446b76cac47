package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestS95_WhoIsLeft(t *testing.T) {
	for _, test := range []struct {
		name     string
		children string
		before   func(ctx context.Context, b *bed, byName map[string]*child) error
		states   string // before s ends
		ends     bool   // the supervisor does, when s ends
	}{
		{"one runs", "s:trans! t:trans! a", nil, "s t a", false},
		{"one waits for its restart", "s:trans! t:trans! a", func(_ context.Context, _ *bed, byName map[string]*child) error {
			byName["t"].crash()
			return nil
		}, "s t:restarting a", false},
		{"one was terminated", "s:trans! t:trans! u:temp! a", func(ctx context.Context, b *bed, _ map[string]*child) error {
			return errors.Join(b.root.TerminateChild(ctx, "t"), b.root.TerminateChild(ctx, "u"))
		}, "s t:stopped a", true},
		{"the restart of one was called off", "s:trans! t:trans! a", func(ctx context.Context, b *bed, byName map[string]*child) error {
			byName["t"].crash()
			return b.root.TerminateChild(ctx, "t")
		}, "s t:stopped a", true},
		{"one has declined", "s:trans! t:trans! a", func(_ context.Context, _ *bed, byName map[string]*child) error {
			byName["t"].onStart = func(context.Context, int) error { return errDeclines }
			byName["t"].crash()
			time.Sleep(time.Hour)
			return nil
		}, "s t:stopped a", true},
		{"one was added", "s:trans! a", func(ctx context.Context, b *bed, _ map[string]*child) error {
			return b.root.StartChild(ctx, supervisor.Spec{Child: named("t"), Restart: strategy.Temporary, Significant: true})
		}, "s a t", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				children, byName := nursery(test.children)
				b := start(t, supervisor.Policy{AutoShutdown: strategy.AllSignificant, Backoff: strategy.Constant(time.Minute)}, children...)
				if test.before != nil {
					checkError(t, "before", test.before(t.Context(), b, byName), "")
				}
				check(t, "states", b.states(), test.states)
				b.take()
				byName["s"].end(returns(nil))
				if test.ends {
					b.endedByItself("exit s: normal", "root shuts down after s: normal", "stop a", "exit root: shutdown")
					return
				}
				b.stillRuns(strings.Replace(test.states, "s ", "s:stopped ", 1), "exit s: normal")
			})
		})
	}
}

// Two end at the same moment: the first finds the other's process still there,
// the second is the last.
func TestS95_TwoEndAtTheSameMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("s:trans! t:temp! a")
		busy := named("busy")
		busy.onStart = func(context.Context, int) error { // so that both ends wait
			byName["s"].ends <- returns(nil)
			time.Sleep(time.Nanosecond) // so that the order is certain
			byName["t"].ends <- returns(nil)
			time.Sleep(time.Nanosecond)
			return nil
		}
		b := start(t, allSignificant, children...)
		checkError(t, "start", b.root.StartChild(t.Context(), busy), "")
		b.endedByItself("start busy", "exit s: normal", "exit t: normal", "root shuts down after t: normal",
			"stop busy", "stop a", "exit root: shutdown")
	})
}

// Terminating the last one by hand triggers nothing, then or later.
func TestS95_TheLastStoppedByHandTriggersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("s:trans! t:temp! a:trans")
		b := start(t, allSignificant, children...)
		byName["t"].end(returns(nil))
		checkError(t, "terminate", b.root.TerminateChild(t.Context(), "s"), "")
		byName["a"].end(returns(nil))
		b.stillRuns("s:stopped a:stopped", "exit t: normal", "stop s", "exit a: normal")
	})
}

func TestS96_RestartedByHandItIsActiveAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("s:trans! t:trans! a")
		b := start(t, allSignificant, children...)
		byName["s"].end(returns(nil))
		checkError(t, "restart", b.root.RestartChild(t.Context(), "s"), "")
		byName["t"].end(returns(nil)) // s is active
		check(t, "states", b.states(), "s t:stopped a")
		byName["s"].end(returns(nil))
		b.endedByItself("exit s: normal", "start s", "exit t: normal", "exit s: normal",
			"root shuts down after s: normal", "stop a", "exit root: shutdown")
	})
}

// What becomes of a supervisor that has ended by itself: three levels.
func TestS98_TheSupervisorAboveSeesAShutdown(t *testing.T) {
	const below = "exit top/sub/s: normal, top/sub shuts down after s: normal, stop top/sub/b, exit top/sub: shutdown, "
	for _, test := range []struct {
		name        string
		restart     strategy.Restart // of sub
		significant bool
		want        string
		states      string // if root goes on
	}{
		{"permanent", strategy.Permanent, false, below + "restarting top/sub, start top/sub/s, start top/sub/b, restart top/sub", "top top/sub top/sub/s top/sub/b top/c a"},
		{"transient", strategy.Transient, false, below, "top top/sub:stopped top/sub/s:stopped top/sub/b:stopped top/c a"},
		{"temporary", strategy.Temporary, false, below, "top top/c a"},
		{"transient and significant", strategy.Transient, true,
			below + "top shuts down after sub: shutdown, stop top/c, exit top: shutdown, root shuts down after top: shutdown, stop a, exit root: shutdown", ""},
		{"temporary and significant", strategy.Temporary, true,
			below + "top shuts down after sub: shutdown, stop top/c, exit top: shutdown, root shuts down after top: shutdown, stop a, exit root: shutdown", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				children, byName := nursery("s:trans! b")
				sub := supervisor.New("sub", anySignificant, children...)
				top := supervisor.New("top", anySignificant,
					supervisor.Spec{Child: sub, Restart: test.restart, Significant: test.significant}, named("c"))
				b := start(t, anySignificant, supervisor.Spec{Child: top, Restart: strategy.Transient, Significant: true}, named("a"))
				byName["s"].end(returns(nil))
				want := strings.Split(strings.TrimSuffix(test.want, ", "), ", ")
				if test.states != "" {
					b.stillRuns(test.states, want...)
					return
				}
				b.endedByItself(want...)
			})
		})
	}
}

// A permanent one is restarted in vain, which the intensity limits.
func TestS98_PermanentOneIsRestartedInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := 0
		sub := supervisor.New("sub", anySignificant, supervisor.Spec{
			Restart: strategy.Temporary, Significant: true,
			Child: supervisor.Func("done", func(context.Context) error { starts++; return nil }),
		})
		b := newBed(t, supervisor.Policy{Restarts: 2}, sub)
		err := b.root.Run(t.Context())
		var gaveUp *exit.GaveUp
		if !errors.As(err, &gaveUp) || gaveUp.Child != "sub" || gaveUp.Cause != exit.Shutdown {
			t.Errorf("run: got %v, want that root gave up on sub because of a shutdown", err)
		}
		check(t, "starts", starts, 3)
	})
}

func TestS99_ADynamicHasNoSignificantChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{})
		_, err := pool.StartChild(t.Context(), supervisor.Spec{Child: named("c"), Restart: strategy.Temporary, Significant: true})
		checkError(t, "start", err, "start root/pool/c: Significant: the supervisor's AutoShutdown is never")
		check(t, "states", b.states(), "pool")
		b.want(t)
		check(t, "name", added(t, pool, named("c")), "c#1") // no number was used
		b.stopInOrder()
	})
}

// An end by itself is the end of the children too, so their queues are drained,
// unless the supervisor will be started again: then they are kept.
func TestS92_WhatWaitsInMailboxes(t *testing.T) {
	for _, test := range []struct {
		name    string
		policy  supervisor.Policy
		restart strategy.Restart // of the supervisor
		end     func() error
		want    []string
	}{
		{"auto-shutdown for good", anySignificant, strategy.Transient, returns(nil), []string{"1 by 1", "2 by 1", "3 by 1"}},
		{"auto-shutdown of a permanent one", anySignificant, strategy.Permanent, returns(nil), []string{"1 by 1", "2 by 2", "3 by 2"}},
		{"giving up for good", supervisor.Policy{Restarts: strategy.NoRestarts}, strategy.Temporary, returns(errBoom), []string{"1 by 1", "2 by 1", "3 by 1"}},
		{"giving up of a permanent one", supervisor.Policy{Restarts: strategy.NoRestarts}, strategy.Permanent, returns(errBoom), []string{"1 by 1", "2 by 2", "3 by 2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var handled recorder
				opened := 0
				worker := actor.New("worker", func(context.Context) (actor.Behavior[int], error) {
					opened++
					incarnation := opened
					return actor.Behavior[int]{Receive: func(_ context.Context, n int) error {
						time.Sleep(time.Second)
						handled.add(fmt.Sprintf("%d by %d", n, incarnation))
						return nil
					}}, nil
				})
				s := named("s")
				sub := supervisor.New("sub", test.policy, worker,
					supervisor.Spec{Child: s, Restart: strategy.Transient, Significant: test.policy.AutoShutdown != strategy.Never})
				b := start(t, supervisor.Policy{}, supervisor.Spec{Child: sub, Restart: test.restart})
				for n := range 3 {
					checkError(t, "send", worker.Send(t.Context(), n+1), "")
				}
				synctest.Wait()
				s.end(test.end)
				time.Sleep(time.Minute)
				handled.want(t, test.want...)
				check(t, "dead letters", worker.Stats().Dead, 0)
				b.stopInOrder()
			})
		})
	}
}

// A significant child that waits with its group for the backoff of another is not
// done.
func TestS95S190_VictimOfAGroupInItsBackoffIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("first:trans! db second:trans!")
		b := start(t, supervisor.Policy{
			Strategy: strategy.RestForOne, AutoShutdown: strategy.AllSignificant, Backoff: strategy.Constant(time.Minute),
		}, children...)
		byName["db"].crash()
		byName["first"].end(returns(nil))
		time.Sleep(time.Minute)
		synctest.Wait()
		check(t, "states", b.states(), "first:stopped db second")
		byName["second"].end(returns(nil))
		check(t, "state", b.root.Snapshot().State, supervisor.Stopped)
		checkError(t, "wait", b.wait(), "")
	})
}
