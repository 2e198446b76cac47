package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// gaveUpText is the reason of a supervisor that gave up on a child after a boom.
func gaveUpText(path, child string) string {
	return fmt.Sprintf("%s gave up: too many restarts, the last one wanted by %q: boom", path, child)
}

// gaveUpCause is what the siblings of that child are stopped with.
func gaveUpCause(path, child string) string { return "shutdown: " + gaveUpText(path, child) }

func TestS21S49S50S51S52S55S61S205_SlidingWindow(t *testing.T) {
	for _, test := range []struct {
		name     string
		restarts int
		within   time.Duration
		crashes  []time.Duration // since the start
		fatal    bool            // the last one
	}{
		{"S61", 2, 10 * time.Second, []time.Duration{0, 7e9, 14e9, 19e9}, false},
		{"S61, the fifth", 2, 10 * time.Second, []time.Duration{0, 7e9, 14e9, 19e9, 22e9}, true},
		{"S51 exactly P old still counts", 1, 10 * time.Second, []time.Duration{0, 10e9}, true},
		{"S51 a nanosecond older", 1, 10 * time.Second, []time.Duration{0, 10e9 + 1}, false},
		{"S205 default, 3 within 5 s", 0, 0, []time.Duration{0, 0, 0}, false},
		{"S205 default, the fourth", 0, 0, []time.Duration{0, 0, 0, 5e9}, true},
		{"S205 default, later", 0, 0, []time.Duration{0, 0, 0, 5e9 + 1}, false},
		{"S55 none", strategy.NoRestarts, 0, []time.Duration{0}, true},
		{"S21 unlimited", strategy.Unlimited, 0, make([]time.Duration, 100), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				children, byName := nursery("a c")
				b := start(t, supervisor.Policy{Restarts: test.restarts, Within: test.within}, children...)
				for i, at := range test.crashes {
					time.Sleep(at - time.Since(b.began))
					byName[[]string{"a", "c"}[i%2]].crash() // one budget for all children (S49)
					up := b.root.Snapshot().State == supervisor.Running
					check(t, fmt.Sprintf("running after crash %d", i+1), up, !test.fatal || i+1 < len(test.crashes))
				}
				check(t, "stop", b.root.Stop(t.Context()), nil)
				err := b.wait()
				check(t, "gave up", err != nil, test.fatal)
			})
		})
	}
}

func TestS53S56_GivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("a b c t:temp d:trans")
		var causes causes
		for _, c := range byName {
			causes.note(c)
		}
		b := start(t, supervisor.Policy{Strategy: strategy.RestForOne, Restarts: strategy.NoRestarts}, children...)
		byName["b"].crash()
		cause := ": " + gaveUpCause("root", "b")
		b.want(t, "exit b: boom", "root gave up on b", // no victim was touched before (S53)
			"stop d"+cause, "stop t"+cause, "stop c"+cause, "stop a"+cause, "exit root: "+gaveUpText("root", "b"))
		check(t, "starts of b", byName["b"].starts.Load(), 1)
		var inCause *exit.GaveUp
		if !errors.As(causes.of("a"), &inCause) || !errors.Is(causes.of("a"), exit.Shutdown) {
			t.Errorf("cause of a: got %v, want a shutdown because of giving up", causes.of("a"))
		}

		err := b.wait()
		checkError(t, "wait", err, gaveUpText("root", "b"))
		var gaveUp *exit.GaveUp
		if !errors.As(err, &gaveUp) || gaveUp.Supervisor != "root" || gaveUp.Child != "b" || !errors.Is(gaveUp.Cause, errBoom) {
			t.Errorf("wait: got %#v, want an *exit.GaveUp with child b and cause boom", err)
		}
		checkError(t, "stop afterwards", b.root.Stop(t.Context()), "")
		checkError(t, "start a child afterwards", b.root.StartChild(t.Context(), named("x")), "start root/x: the supervisor is not running")
	})
}

func TestS57_WhatIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		children, byName := nursery("a trans:trans temp:temp")
		b := start(t, supervisor.Policy{Restarts: 1}, children...)
		bad := named("bad")
		bad.onStart = failingFrom(1)
		for range 5 {
			byName["trans"].end(returns(nil))
			checkError(t, "restart by hand", b.root.RestartChild(ctx, "trans"), "")
			checkError(t, "terminate", b.root.TerminateChild(ctx, "a"), "")
			checkError(t, "restart by hand", b.root.RestartChild(ctx, "a"), "")
			byName["temp"].crash()
			checkError(t, "start", b.root.StartChild(ctx, supervisor.Spec{Child: byName["temp"], Restart: strategy.Temporary}), "")
			if b.root.StartChild(ctx, bad) == nil {
				t.Error("start of bad: got nil, want an error")
			}
		}
		byName["a"].crash()
		check(t, "states after the first that counts", b.states(), "a trans temp")
		byName["trans"].crash()
		check(t, "state after the second", b.root.Snapshot().State, supervisor.Stopped)
		checkError(t, "wait", b.wait(), gaveUpText("root", "trans"))
	})
}

func TestS62_WhatBecomesOfASupervisorThatGaveUp(t *testing.T) {
	for _, test := range []struct {
		restart strategy.Restart
		want    []string
		states  string
	}{
		{strategy.Permanent, []string{"restarting sub", "start sub/w", "restart sub"}, "a sub sub/w"},
		{strategy.Transient, nil, "a sub:stopped sub/w:stopped"},
		{strategy.Temporary, nil, "a"},
	} {
		t.Run(test.restart.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := named("w")
				sub := supervisor.New("sub", supervisor.Policy{Restarts: strategy.NoRestarts}, w)
				b := start(t, supervisor.Policy{}, named("a"), supervisor.Spec{Child: sub, Restart: test.restart})
				w.crash()
				b.want(t, append([]string{"exit sub/w: boom", "sub gave up on w", "exit sub: " + gaveUpText("root/sub", "w")}, test.want...)...)
				check(t, "states", b.states(), test.states)
				if test.restart == strategy.Transient { // it can be started by hand, and knows its place
					checkError(t, "restart by hand", b.root.RestartChild(t.Context(), "sub"), "")
					check(t, "states", b.states(), "a sub sub/w")
				}
				b.stopInOrder()
			})
		})
	}
}

func TestS63_RestartedSupervisorHasAnEmptyWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := named("w")
		b := start(t, supervisor.Policy{}, supervisor.New("sub", supervisor.Policy{Restarts: 2}, w))
		for range 4 { // 2 restarts and 1 escalation, then 1 restart
			w.crash()
		}
		check(t, "states", b.states(), "sub sub/w")
		check(t, "incarnation of sub", b.root.Snapshot().Children[0].Incarnation, 2)
		w.crash()
		check(t, "incarnation of sub", b.root.Snapshot().Children[0].Incarnation, 2)
		w.crash()
		check(t, "incarnation of sub", b.root.Snapshot().Children[0].Incarnation, 3)
		b.stopInOrder()
	})
}

func TestS64_BudgetsMultiply(t *testing.T) {
	for _, budgets := range [][]int{{1, 1}, {2, 3}, {3, 2}, {1, 2, 3}} {
		t.Run(fmt.Sprint(budgets), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				starts := 0
				below := supervisor.Func("w", func(context.Context) error {
					starts++
					return errBoom
				})
				want, path := 1, "root"
				for level, restarts := range budgets {
					want *= restarts + 1
					if level == len(budgets)-1 {
						b := newBed(t, supervisor.Policy{Restarts: restarts}, below)
						err := b.root.Run(t.Context())
						var gaveUp *exit.GaveUp
						if !errors.As(err, &gaveUp) || gaveUp.Supervisor != path {
							t.Errorf("run: got %v, want that root gave up", err)
						}
						if !errors.Is(err, errBoom) {
							t.Errorf("errors.Is(%v, boom): got false, want true", err)
						}
						break
					}
					below = supervisor.New(fmt.Sprintf("sub%d", level), supervisor.Policy{Restarts: restarts}, below)
				}
				check(t, "starts of the worker", starts, want)
			})
		})
	}
}
