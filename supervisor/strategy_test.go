package supervisor_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// nursery makes children of the names, with a restart type behind a colon and an
// exclamation mark behind the significant ones.
func nursery(names string) (children []supervisor.Child, byName map[string]*child) {
	byName = make(map[string]*child)
	for field := range strings.FieldsSeq(names) {
		name, restart, _ := strings.Cut(field, ":")
		restart, significant := strings.CutSuffix(restart, "!")
		c := named(name)
		byName[name] = c
		children = append(children, supervisor.Spec{Child: c, Significant: significant, Restart: map[string]strategy.Restart{
			"": strategy.Permanent, "trans": strategy.Transient, "temp": strategy.Temporary,
		}[restart]})
	}
	return children, byName
}

func TestS30S35S36S37S38S39S44S46S47_WhatIsStoppedAndStarted(t *testing.T) {
	for _, test := range []struct {
		name     string
		strategy strategy.Strategy
		children string
		crash    string
		want     string // without the exit and the decision
		states   string
	}{
		{"S46 one_for_one", strategy.OneForOne, "a b c d", "b", "restart b", "a b c d"},
		{"S46 rest_for_one", strategy.RestForOne, "a b c d", "b", "stop d, stop c, restart b, restart c, restart d", "a b c d"},
		{"S46 one_for_all", strategy.OneForAll, "a b c d", "b",
			"stop d, stop c, stop a, restart a, restart b, restart c, restart d", "a b c d"},
		{"rest_for_one, the last", strategy.RestForOne, "a b c", "c", "restart c", "a b c"},
		{"rest_for_one, the first", strategy.RestForOne, "a b c", "a", "stop c, stop b, restart a, restart b, restart c", "a b c"},
		{"one_for_all, alone", strategy.OneForAll, "a", "a", "restart a", "a"},
		{"S47 a crashes", strategy.RestForOne, "a t:temp b u:temp", "a", "stop u, stop b, stop t, restart a, restart b", "a b"},
		{"S44 S47 u crashes", strategy.RestForOne, "a t:temp b u:temp", "u", "", "a t b"},
		{"S44 one_for_all", strategy.OneForAll, "a t:temp b", "t", "", "a b"},
		{"S39 one_for_all", strategy.OneForAll, "t:temp a u:temp b", "b", "stop u, stop a, stop t, restart a, restart b", "a b"},
		{"S39 one_for_one", strategy.OneForOne, "t:temp a", "a", "restart a", "t a"},
		{"S30 S36", strategy.RestForOne, "a b:trans c", "b", "stop c, restart b, restart c", "a b c"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				children, byName := nursery(test.children)
				b := start(t, supervisor.Policy{Strategy: test.strategy}, children...)
				byName[test.crash].crash()
				want := []string{"exit " + test.crash + ": boom"}
				if test.want != "" {
					want = append(append(want, "restarting "+test.crash), strings.Split(test.want, ", ")...)
				}
				b.want(t, want...)
				check(t, "states", b.states(), test.states)
				b.stopInOrder()
			})
		})
	}
}

func TestS37_VictimsHaveTheirOwnShutdownAndASibling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, slow, stubborn := named("a"), named("slow"), named("stubborn")
		slow.onStop = takes(2 * time.Second)
		released := make(chan struct{})
		stubborn.onStop = ignoresCtxUntil(released)
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll}, a, slow,
			supervisor.Spec{Child: stubborn, Shutdown: supervisor.Timeout(time.Second)})
		a.crash()
		b.wantAt(t, "0s exit a: boom", "0s restarting a")
		check(t, "states", b.states(), "a:restarting slow stubborn:stopping")
		time.Sleep(5 * time.Second)
		b.wantAt(t, "1s abandon stubborn", "3s stop slow", "3s restart a", "3s restart slow", "3s restart stubborn")
		close(released)
		synctest.Wait()
		b.wantAt(t, "5s return stubborn: normal")
		b.stopInOrder()
	})
}

func TestS40_GroupRestartStartsWhatWasNotRunning(t *testing.T) {
	for _, test := range []struct {
		strategy strategy.Strategy
		want     string
		states   string
	}{
		{strategy.OneForOne, "restart a", "a ended:stopped terminated:stopped declined:stopped"},
		{strategy.RestForOne, "restart a, restart ended, restart terminated, restart declined", "a ended terminated declined"},
		{strategy.OneForAll, "restart a, restart ended, restart terminated, restart declined", "a ended terminated declined"},
	} {
		t.Run(test.strategy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				children, byName := nursery("a ended:trans terminated declined")
				byName["declined"].onStart = func(_ context.Context, n int) error {
					if n == 1 {
						return errDeclines
					}
					return nil
				}
				b := start(t, supervisor.Policy{Strategy: test.strategy}, children...)
				byName["ended"].end(returns(nil))
				checkError(t, "terminate", b.root.TerminateChild(t.Context(), "terminated"), "")
				check(t, "states before", b.states(), "a ended:stopped terminated:stopped declined:stopped")
				b.take()
				byName["a"].crash()
				b.want(t, append([]string{"exit a: boom", "restarting a"}, strings.Split(test.want, ", ")...)...)
				check(t, "states", b.states(), test.states)
				b.stopInOrder()
			})
		})
	}
}

// Two children crash at the same moment: a's end is handled first, or c's (S42).
func TestS41S42_AbsorbedEndsAreNotCounted(t *testing.T) {
	for _, test := range []struct {
		name     string
		strategy strategy.Strategy
		order    string
		allowed  int // restarts that are needed
	}{
		{"one_for_one", strategy.OneForOne, "ac", 2},
		{"one_for_all", strategy.OneForAll, "ac", 1},
		{"one_for_all, c first", strategy.OneForAll, "ca", 1},
		{"rest_for_one, a first", strategy.RestForOne, "ac", 1},
		{"rest_for_one, c first", strategy.RestForOne, "ca", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, restarts := range []int{test.allowed, test.allowed - 1} {
				synctest.Test(t, func(t *testing.T) {
					if restarts == 0 {
						restarts = strategy.NoRestarts
					}
					children, byName := nursery("a b c")
					b := start(t, supervisor.Policy{Strategy: test.strategy, Restarts: restarts}, children...)
					// The supervisor is busy while both crash, so that both ends wait.
					busy := named("busy")
					busy.onStart = func(context.Context, int) error {
						for _, name := range strings.Split(test.order, "") {
							byName[name].ends <- returns(errBoom)
							time.Sleep(time.Nanosecond) // so that the order is certain
						}
						return exit.Shutdown
					}
					if err := b.root.StartChild(t.Context(), busy); err == nil {
						t.Error("start of busy: got nil, want an error")
					}
					synctest.Wait()
					err := b.root.Stop(t.Context())
					check(t, "stop", err, nil)
					gaveUp := b.wait() != nil
					check(t, "gave up", gaveUp, restarts != test.allowed)
				})
			}
		})
	}
}

func TestS43_NothingElseIsHandledDuringAGroupRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("a b c")
		byName["b"].onStop = takes(time.Second)
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll}, children...)
		byName["a"].crash()
		added := make(chan error)
		go func() { added <- b.root.StartChild(t.Context(), named("d")) }()
		checkError(t, "start", <-added, "")
		b.wantAt(t, "0s exit a: boom", "0s restarting a", "0s stop c", "1s stop b",
			"1s restart a", "1s restart b", "1s restart c", "1s start d")
		b.stopInOrder()
	})
}

func TestS45S48_Positions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		children, byName := nursery("a b c")
		b := start(t, supervisor.Policy{Strategy: strategy.RestForOne}, children...)
		order := func(what, want string) {
			t.Helper()
			check(t, what, b.states(), want)
		}
		do := func(what string, err error) {
			t.Helper()
			checkError(t, what, err, "")
		}
		do("start d", b.root.StartChild(ctx, named("d")))
		order("started children come last", "a b c d")
		byName["b"].crash()
		order("an automatic restart keeps the place", "a b c d")
		do("terminate", b.root.TerminateChild(ctx, "b"))
		do("restart", b.root.RestartChild(ctx, "b"))
		order("so does one by hand", "a b c d")
		do("terminate", b.root.TerminateChild(ctx, "b"))
		do("delete", b.root.DeleteChild(ctx, "b"))
		do("start", b.root.StartChild(ctx, byName["b"]))
		order("delete and start moves to the end", "a c d b")
		b.take()
		byName["c"].crash()
		b.want(t, "exit c: boom", "restarting c", "stop b", "stop d", "restart c", "restart d", "restart b")
		b.stopInOrder()
		b.want(t, "stop b", "stop d", "stop c", "stop a", "stop root")
	})
}

func TestS48S63_AddedChildrenAreForgottenByARestartedSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, byName := nursery("a t:temp b")
		sub := supervisor.New("sub", supervisor.Policy{Restarts: strategy.NoRestarts}, inner...)
		b := start(t, supervisor.Policy{}, sub)
		checkError(t, "start", sub.StartChild(t.Context(), named("added")), "")
		checkError(t, "terminate", sub.TerminateChild(t.Context(), "b"), "")
		checkError(t, "delete", sub.DeleteChild(t.Context(), "b"), "")
		byName["t"].end(returns(nil))
		check(t, "states before", b.states(), "sub sub/a sub/added")
		b.take()
		byName["a"].crash()
		b.want(t, "exit sub/a: boom", "sub gave up on a", "stop sub/added: "+gaveUpCause("root/sub", "a"),
			"exit sub: "+gaveUpText("root/sub", "a"), "restarting sub", "start sub/a", "start sub/t", "start sub/b", "restart sub")
		check(t, "states", b.states(), "sub sub/a sub/t sub/b") // as constructed
		b.stopInOrder()
	})
}

func TestRestartedTellsOfWhoMadeItNecessary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var restarted []tracing.Restarted
		sink := func(e tracing.Event) {
			if e, ok := e.(tracing.Restarted); ok {
				restarted = append(restarted, e)
			}
		}
		children, byName := nursery("a b c")
		byName["c"].onStart = func(_ context.Context, n int) error {
			if n == 1 {
				return errDeclines // so it has no reason of its own
			}
			return nil
		}
		root := supervisor.New("root", supervisor.Policy{Strategy: strategy.OneForAll, Tracing: quiet(sink)}, children...)
		wait, err := root.Start(context.Background())
		checkError(t, "start", err, "")
		byName["b"].crash()
		checkError(t, "stop", root.Stop(t.Context()), "")
		checkError(t, "wait", wait(), "")
		for i, want := range []string{
			`root/a#2 restarted in 0s, attempt 1: shutdown: sibling "b" ended: boom`,
			`root/b#2 restarted in 0s, attempt 1: boom`,
			`root/c#2 restarted in 0s, attempt 1: shutdown: sibling "b" ended: boom`,
		} {
			check(t, "event", restarted[i].String(), want)
		}
	})
}
