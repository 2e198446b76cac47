package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestS32S65_FailedStartIsTriedAgain(t *testing.T) {
	for _, test := range []struct {
		name string
		fail error
	}{
		{"an error", errBoom},
		{"a clean reason", exit.Shutdown}, // retried all the same, also a transient one
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := named("c")
				c.onStart = func(_ context.Context, n int) error {
					if n == 2 || n == 3 {
						return test.fail
					}
					return nil
				}
				b := start(t, supervisor.Policy{}, supervisor.Spec{Child: c, Restart: strategy.Transient})
				c.crash()
				failed := fmt.Sprintf("fail c: %v", test.fail)
				b.want(t, "exit c: boom", "restarting c", failed, "restarting c", failed, "restarting c", "restart c")
				b.stopInOrder()
			})
		})
	}
}

func TestS65_RetryQueuesBehindWaitingRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStart = func(ctx context.Context, n int) error {
			if n == 2 {
				time.Sleep(time.Second) // the requests come meanwhile
			}
			return failingStarts(2)(ctx, n)
		}
		b := start(t, supervisor.Policy{}, c)
		c.crash()
		for _, name := range []string{"x", "y"} {
			go b.root.StartChild(t.Context(), named(name))
			synctest.Wait() // so that the order is certain
		}
		time.Sleep(time.Minute)
		b.wantAt(t, "0s exit c: boom", "0s restarting c", "1s fail c: start 2 failed",
			"1s start x", "1s start y", "1s restarting c", "1s restart c")
		b.stopInOrder()
	})
}

func TestS52S58_AttemptsBeforeGivingUp(t *testing.T) {
	for _, restarts := range []int{strategy.NoRestarts, 1, 2, 5} {
		t.Run(fmt.Sprint(restarts), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := named("c")
				c.onStart = failingFrom(2)
				b := start(t, supervisor.Policy{Restarts: restarts}, named("a"), c)
				c.crash()
				err := b.wait()
				var gaveUp *exit.GaveUp
				if !errors.As(err, &gaveUp) || gaveUp.Child != "c" {
					t.Errorf("wait: got %v, want that it gave up on c", err)
				}
				check(t, "restart attempts", int(c.starts.Load())-1, max(restarts, 0))
			})
		})
	}
}

func TestS59_FailedAttemptsStayInTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStart = failingStarts(2, 3)
		b := start(t, supervisor.Policy{Restarts: 3, Within: 5 * time.Second}, c)
		c.crash() // three units, and it is up again
		check(t, "states", b.states(), "c")
		time.Sleep(5 * time.Second)
		c.crash()
		checkError(t, "wait", b.wait(), gaveUpText("root", "c"))
	})
}

// Order a b c d, and the child that fails fails once.
func TestS66S67S68S69S75_WhatARetryTouches(t *testing.T) {
	for _, test := range []struct {
		name           string
		strategy       strategy.Strategy
		crash, fails   string
		attempt, retry []string
	}{
		{"one_for_one", strategy.OneForOne, "b", "b", nil, []string{"restart b"}},
		{"S75 one_for_all", strategy.OneForAll, "d", "c",
			[]string{"stop c", "stop b", "stop a", "restart a", "restart b"},
			[]string{"stop b", "stop a", "restart a", "restart b", "restart c", "restart d"}},
		{"one_for_all, the first fails", strategy.OneForAll, "c", "a",
			[]string{"stop d", "stop b", "stop a"},
			[]string{"restart a", "restart b", "restart c", "restart d"}},
		{"S75 rest_for_one", strategy.RestForOne, "b", "d",
			[]string{"stop d", "stop c", "restart b", "restart c"},
			[]string{"restart d"}},
		{"rest_for_one, in the middle", strategy.RestForOne, "b", "c",
			[]string{"stop d", "stop c", "restart b"},
			[]string{"restart c", "restart d"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, enough := range []bool{true, false} { // two units of budget
				synctest.Test(t, func(t *testing.T) {
					children, byName := nursery("a b c d")
					byName[test.fails].onStart = failingStarts(2)
					restarts := 2
					if !enough {
						restarts = 1
					}
					b := start(t, supervisor.Policy{Strategy: test.strategy, Restarts: restarts}, children...)
					byName[test.crash].crash()
					want := slices.Concat([]string{"exit " + test.crash + ": boom", "restarting " + test.crash}, test.attempt,
						[]string{"fail " + test.fails + ": start 2 failed"})
					if enough {
						b.want(t, slices.Concat(want, []string{"restarting " + test.fails}, test.retry)...)
						check(t, "states", b.states(), "a b c d")
						b.stopInOrder()
						return
					}
					var got []string
					for _, l := range b.take()[:len(want)+1] {
						got = append(got, l.text)
					}
					checkList(t, "events", got, append(want, "root gave up on "+test.fails))
				})
			}
		})
	}
}

func TestS70_RetryIsDroppedWhenTheChildIsNotRestartingAnyMore(t *testing.T) {
	for _, test := range []struct {
		name   string
		act    func(ctx context.Context, root *supervisor.Supervisor) error
		states string
	}{
		{"terminated", func(ctx context.Context, root *supervisor.Supervisor) error { return root.TerminateChild(ctx, "c") }, "a c:stopped"},
		{"and restarted by hand", func(ctx context.Context, root *supervisor.Supervisor) error {
			return errors.Join(root.TerminateChild(ctx, "c"), root.RestartChild(ctx, "c"))
		}, "a c"},
		{"and deleted", func(ctx context.Context, root *supervisor.Supervisor) error {
			return errors.Join(root.TerminateChild(ctx, "c"), root.DeleteChild(ctx, "c"))
		}, "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				children, byName := nursery("a c")
				c := byName["c"]
				c.onStart = func(ctx context.Context, n int) error {
					if n == 2 {
						time.Sleep(time.Second)
					}
					return failingStarts(2)(ctx, n)
				}
				b := start(t, supervisor.Policy{Restarts: 1}, children...)
				c.crash()
				// It waits in the queue, before the retry. A retry that is not
				// dropped would be one too many.
				terminated := make(chan error)
				go func() { terminated <- test.act(t.Context(), b.root) }()
				checkError(t, "act", <-terminated, "")
				synctest.Wait()
				check(t, "states", b.states(), test.states)
				b.stopInOrder()
			})
		})
	}
}

// The retry of c waits behind the end of a, whose group restart starts c.
func TestS71_GroupRestartMakesTheRetryObsolete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("a c")
		byName["c"].onStart = func(ctx context.Context, n int) error {
			if n == 2 {
				byName["a"].ends <- returns(errBoom)
				time.Sleep(time.Nanosecond) // so that the order is certain
			}
			return failingStarts(2)(ctx, n)
		}
		b := start(t, supervisor.Policy{Strategy: strategy.RestForOne, Restarts: 2}, children...)
		byName["c"].crash()
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		b.want(t, "exit c: boom", "restarting c", "fail c: start 2 failed",
			"exit a: boom", "restarting a", "restart a", "restart c")
		b.stopInOrder()
	})
}

func TestS73_LaterSiblingsStayDownAfterTerminate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		children, byName := nursery("a b c d")
		b := start(t, supervisor.Policy{Strategy: strategy.RestForOne, Backoff: strategy.Constant(time.Minute)}, children...)
		byName["b"].crash()
		check(t, "states in the delay", b.states(), "a b:restarting c:stopped d:stopped")
		checkError(t, "terminate", b.root.TerminateChild(ctx, "b"), "")
		check(t, "states", b.states(), "a b:stopped c:stopped d:stopped")
		checkError(t, "restart", b.root.RestartChild(ctx, "b"), "")
		check(t, "states", b.states(), "a b c:stopped d:stopped")
		time.Sleep(time.Hour)
		check(t, "states after the delay", b.states(), "a b c:stopped d:stopped")
		byName["a"].crash()
		time.Sleep(time.Hour)
		check(t, "states after a group restart", b.states(), "a b c d") // S40
		b.stopInOrder()
	})
}

func TestS74_StopWhileRestarting(t *testing.T) {
	for _, test := range []struct {
		name    string
		startIn time.Duration // how long the restart's Start takes
		fails   bool
		backoff strategy.Backoff
		want    []string
	}{
		{"in backoff", 0, false, strategy.Constant(time.Hour), []string{"0s restarting c in 1h0m0s", "1s stop a", "1s stop root"}},
		{"in Start", time.Hour, false, nil, []string{"0s restarting c", "1s stop c", "1s stop a", "1s stop root"}},
		{"in a Start that fails", time.Hour, true, nil, []string{"0s restarting c", "1s stop c: boom", "1s stop a", "1s stop root"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				children, byName := nursery("a c")
				c := byName["c"]
				c.onStart = func(ctx context.Context, n int) error {
					if n == 1 {
						return nil
					}
					select {
					case <-ctx.Done():
					case <-time.After(test.startIn):
					}
					if test.fails {
						return errBoom
					}
					return nil
				}
				b := start(t, supervisor.Policy{Backoff: test.backoff}, children...)
				c.crash()
				time.Sleep(time.Second)
				b.stopInOrder()
				time.Sleep(2 * time.Hour)
				b.wantAt(t, append([]string{"0s exit c: boom"}, test.want...)...)
				check(t, "starts of a", byName["a"].starts.Load(), 1)
			})
		})
	}
}

func TestS74_StopDuringAGroupRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("a b c d")
		byName["c"].onStop = takes(2 * time.Second)
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll}, children...)
		byName["a"].crash()
		time.Sleep(time.Second) // c is being stopped as a victim
		check(t, "states", b.states(), "a:restarting b c:stopping d:stopped")
		b.stopInOrder()
		b.wantAt(t, "0s exit a: boom", "0s restarting a", "0s stop d", "2s stop c", "2s stop b", "2s stop root")
	})
}

func TestS69S76_SiblingIsCycledOncePerAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("a b")
		byName["b"].onStart = failingFrom(2)
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll, Restarts: 3}, children...)
		byName["b"].crash()
		if b.wait() == nil {
			t.Error("wait: got nil, want that it gave up")
		}
		check(t, "starts of a", int(byName["a"].starts.Load()), 1+3)
		var stops int
		for _, l := range b.take() {
			if l.text == "stop a" {
				stops++
			}
		}
		check(t, "stops of a, but for the last", stops, 3)
	})
}

func TestS77_DecliningEndsTheCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("a c")
		byName["c"].onStart = func(ctx context.Context, n int) error {
			if n == 3 {
				return errDeclines
			}
			return failingStarts(2)(ctx, n)
		}
		b := start(t, supervisor.Policy{}, children...)
		byName["c"].crash()
		b.want(t, "exit c: boom", "restarting c", "fail c: start 2 failed", "restarting c")
		check(t, "states", b.states(), "a c:stopped")
		checkError(t, "restart by hand", b.root.RestartChild(t.Context(), "c"), "")
		check(t, "states", b.states(), "a c")
		b.stopInOrder()
	})
}
