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

// dossiers are the crashes that the tree remembers, as text.
func dossiers(crashes []tracing.Crash) (lines []string) {
	for _, c := range crashes {
		lines = append(lines, strings.TrimPrefix(c.String(), "root/"))
	}
	return lines
}

// Every way to crash, told with its time, its reason and what is decided.
func TestCrashOfAnIncarnation(t *testing.T) {
	run := func(how func() error) func() supervisor.Child {
		return func() supervisor.Child {
			return supervisor.Func("c", func(context.Context) error { time.Sleep(time.Second); return how() })
		}
	}
	beside := func(how func() error) func() supervisor.Child {
		return func() supervisor.Child { return with(named("c"), failsAfter(time.Second, how)) }
	}
	for _, test := range []struct {
		name  string
		child func() supervisor.Child
		want  string // "" means that it is no crash
	}{
		{"error", run(returns(errBoom)), "boom"},
		{"panic", run(panics("oops")), "panic: oops"},
		{"Goexit", run(goexits), "goroutine left by runtime.Goexit"},
		{"killed", run(returns(exit.Killed)), "killed"},
		{"shutdown", run(returns(exit.Shutdown)), ""},
		{"error of a goroutine", beside(returns(errLate)), "late"},
		{"panic of a goroutine", beside(panics("oops")), "panic: oops"},
		{"Goexit of a goroutine", beside(goexits), "goroutine left by runtime.Goexit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				b := start(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)}, test.child())
				time.Sleep(time.Minute)
				crashes := b.root.Crashes()
				if test.want == "" {
					check(t, "crashes", len(crashes), 0)
					b.stopInOrder()
					return
				}
				checkList(t, "crashes", dossiers(crashes), []string{
					fmt.Sprintf("c#1 crashed after 1s: %s; restarts in 1h0m0s, attempt 1", test.want),
				})
				check(t, "time", crashes[0].Time, began.Add(time.Second))
				check(t, "path", crashes[0].Path, "root/c")
				if p, ok := crashes[0].Reason.(*exit.Panic); ok {
					check(t, "the stack is there", strings.Contains(p.Stack(), "supervisor_test."), true)
				}
				b.stopInOrder()
				check(t, "crashes after the end", len(b.root.Crashes()), 1)
			})
		})
	}
}

// What a supervisor may decide, each with what belongs to it, and in its place
// among the other events.
func TestDecisionAfterACrash(t *testing.T) {
	const h = time.Hour
	once := func() backoff.BackOff { return backoff.WithMaxRetries(backoff.NewConstantBackOff(h), 1) }
	for _, test := range []struct {
		name   string
		policy supervisor.Policy
		spec   supervisor.Spec
		starts func(context.Context, int) error
		do     func(b *bed, c *child)
		want   []string
	}{
		{"at once", supervisor.Policy{}, supervisor.Spec{}, nil,
			func(_ *bed, c *child) { c.crash() },
			[]string{"c#1 crashed after 0s: boom; restarts at once, attempt 1"}},
		{"transient", supervisor.Policy{}, supervisor.Spec{Restart: strategy.Transient}, nil,
			func(_ *bed, c *child) { c.crash() },
			[]string{"c#1 crashed after 0s: boom; restarts at once, attempt 1"}},
		{"temporary", supervisor.Policy{}, supervisor.Spec{Restart: strategy.Temporary}, nil,
			func(_ *bed, c *child) { c.crash() },
			[]string{"c#1 crashed after 0s: boom; stays down"}},
		{"no restarts", supervisor.Policy{Restarts: strategy.NoRestarts}, supervisor.Spec{}, nil,
			func(_ *bed, c *child) { c.crash() },
			[]string{"c#1 crashed after 0s: boom; the supervisor gives up (too many restarts)"}},
		{"intensity", supervisor.Policy{Restarts: 1}, supervisor.Spec{}, nil,
			func(_ *bed, c *child) { c.crash(); c.crash() },
			[]string{
				"c#1 crashed after 0s: boom; restarts at once, attempt 1",
				"c#2 crashed after 0s: boom; the supervisor gives up (too many restarts)",
			}},
		{"backoff that ends", supervisor.Policy{Backoff: once}, supervisor.Spec{}, nil,
			func(_ *bed, c *child) { c.crash(); time.Sleep(h + 1); c.crash() },
			[]string{
				"c#1 crashed after 0s: boom; restarts in 1h0m0s, attempt 1",
				"c#2 crashed after 1ns: boom; the supervisor gives up (the backoff allows no further restart)",
			}},
		{"failed starts of a restart", supervisor.Policy{}, supervisor.Spec{}, failingStarts(2, 3),
			func(_ *bed, c *child) { c.crash() },
			[]string{
				"c#1 crashed after 0s: boom; restarts at once, attempt 1",
				"c#2 crashed in its start: start 2 failed; restarts at once, attempt 2",
				"c#3 crashed in its start: start 3 failed; restarts at once, attempt 3",
			}},
		{"failed starts until it gives up", supervisor.Policy{Restarts: 2}, supervisor.Spec{}, failingFrom(2),
			func(_ *bed, c *child) { c.crash() },
			[]string{
				"c#1 crashed after 0s: boom; restarts at once, attempt 1",
				"c#2 crashed in its start: start 2 failed; restarts at once, attempt 2",
				"c#3 crashed in its start: start 3 failed; the supervisor gives up (too many restarts)",
			}},
		{"failed start by hand", supervisor.Policy{}, supervisor.Spec{}, failingFrom(2),
			func(b *bed, _ *child) {
				checkError(b.t, "terminate", b.root.TerminateChild(b.t.Context(), "c"), "")
				checkError(b.t, "restart", b.root.RestartChild(b.t.Context(), "c"), "start root/c: start 2 failed")
			},
			[]string{"c#2 crashed in its start: start 2 failed; was not a restart"}},
		{"failed start of an added child", supervisor.Policy{}, supervisor.Spec{}, nil,
			func(b *bed, _ *child) {
				added := named("added")
				added.onStart = func(context.Context, int) error { panic("oops") }
				checkError(b.t, "start", b.root.StartChild(b.t.Context(), added), "start root/added: panic: oops")
			},
			[]string{"added#1 crashed in its start: panic: oops; was not a restart"}},
		{"in a stop", supervisor.Policy{}, supervisor.Spec{}, nil,
			func(b *bed, c *child) {
				c.onStop = func(context.Context) error { panic("oops") }
				b.stopInOrder()
			},
			[]string{"c#1 crashed after 0s: panic: oops; was being stopped"}},
		{"killed in a stop", supervisor.Policy{}, supervisor.Spec{Shutdown: supervisor.BrutalKill}, nil,
			func(b *bed, _ *child) { b.stopInOrder() }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := named("c")
				c.onStart = test.starts
				test.spec.Child = c
				b := start(t, test.policy, test.spec)
				test.do(b, c)
				synctest.Wait()
				checkError(t, "stop", b.root.Stop(t.Context()), "")
				checkList(t, "crashes", dossiers(b.root.Crashes()), test.want)
			})
		})
	}
}

// A crash comes between the end it tells of and what the decision leads to.
func TestOrderOfACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		c := named("c")
		var root *supervisor.Supervisor
		root = supervisor.New("root", supervisor.Policy{Restarts: 1, Tracing: quiet(func(e tracing.Event) {
			lines = append(lines, strings.TrimPrefix(fmt.Sprintf("%T", e), "tracing."))
			if crash, ok := e.(tracing.Crash); ok {
				known := root.Crashes()
				check(t, "the tree knows the crash", len(known) > 0 && known[len(known)-1].String() == crash.String(), true)
			}
		})}, c)
		_, err := root.Start(context.Background())
		checkError(t, "start", err, "")
		lines = nil
		c.crash()
		c.crash()
		checkList(t, "events", lines, []string{
			"Exited", "Crash", "Restarting", "Restarted",
			"Exited", "Crash", "GaveUp", "Exited",
		})
	})
}

// The restarts before a crash are those of the history, without the one that
// the crash leads to.
func TestRestartsBeforeACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		b := start(t, supervisor.Policy{Restarts: strategy.Unlimited}, c)
		for range 12 {
			time.Sleep(time.Second)
			c.crash()
		}
		crashes := b.root.Crashes()
		for i, crash := range crashes {
			check(t, "number of earlier restarts", len(crash.Restarts), min(i, 8))
			for k, r := range crash.Restarts {
				n := max(0, i-8) + k + 1
				check(t, "restart", r.String(), fmt.Sprintf("root/c#%d restarts at once, attempt %d: boom", n, n))
				check(t, "time", r.Time, crashes[n-1].Time)
			}
		}
		check(t, "restarts in the snapshot", len(b.root.Snapshot().Children[0].Restarts), 8)
		b.stopInOrder()
	})
}

// A start that has failed in a restart waits for its turn. What comes before is
// the decision.
func TestCrashThatWaitsForItsDecision(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(b *bed)
		want string
	}{
		{"stop", func(b *bed) { go func() { _ = b.root.Stop(context.Background()) }() }, "was being stopped"},
		{"terminate", func(b *bed) { go func() { _ = b.root.TerminateChild(context.Background(), "c") }() }, "was being stopped"},
		{"nothing", func(*bed) {}, "restarts at once, attempt 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := named("c")
				b := newBed(t, supervisor.Policy{}, c)
				c.onStart = func(_ context.Context, n int) error {
					if n == 2 { // what is asked for now comes before the retry
						test.do(b)
						time.Sleep(time.Second)
						return errBoom
					}
					return nil
				}
				wait, err := b.root.Start(context.Background())
				checkError(t, "start", err, "")
				b.wait = wait
				c.crash()
				time.Sleep(time.Minute)
				checkError(t, "stop", b.root.Stop(t.Context()), "")
				crashes := dossiers(b.root.Crashes())
				if test.name == "stop" { // Start was under way when the stop came
					checkList(t, "crashes", crashes, []string{
						"c#1 crashed after 0s: boom; restarts at once, attempt 1",
						"c#2 crashed in its start: boom; was being stopped",
					})
					return
				}
				checkList(t, "crashes", crashes, []string{
					"c#1 crashed after 0s: boom; restarts at once, attempt 1",
					"c#2 crashed in its start: boom; " + test.want,
				})
			})
		})
	}
}

// In a group restart each crash is told once: that of the member, and those of
// siblings that crash while they are stopped for it.
func TestCrashesInAGroupRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("a b:temp c d")
		byName["a"].onStop = func(context.Context) error { return errors.New("a fails too") }
		byName["b"].onStop = func(context.Context) error { panic("b fails too") }
		byName["d"].onStart = failingStarts(2)
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll}, children...)
		byName["c"].crash()
		checkList(t, "crashes", dossiers(b.root.Crashes()), []string{
			"c#1 crashed after 0s: boom; restarts at once, attempt 1",
			"b#1 crashed after 0s: panic: b fails too; was being stopped",
			"a#1 crashed after 0s: a fails too; was being stopped",
			"d#2 crashed in its start: start 2 failed; restarts at once, attempt 1",
			"a#2 crashed after 0s: a fails too; was being stopped",
		})
		byName["a"].onStop = nil
		b.stopInOrder()
	})
}

// One that is abandoned while it winds down has crashed all the same; that it was
// abandoned is another event.
func TestCrashOfAnAbandonedIncarnation(t *testing.T) {
	for _, test := range []struct {
		name string
		stop bool
		want []string
	}{
		{"by itself", false, []string{"c#1 crashed after 1s: panic: oops; restarts at once, attempt 1"}},
		{"in a stop", true, []string{"c#1 crashed after 2s: panic: oops; was being stopped"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang := make(chan struct{})
				c := with(named("c"), failsAfter(time.Second, panics("oops")), func(context.Context) error { <-hang; return nil })
				b := start(t, supervisor.Policy{}, supervisor.Spec{Child: c, Shutdown: supervisor.Timeout(time.Minute)})
				time.Sleep(2 * time.Second)
				if test.stop {
					check(t, "a report", b.stop() != nil, true)
				}
				time.Sleep(time.Hour)
				checkList(t, "crashes", dossiers(b.root.Crashes()), test.want)
				close(hang)
				synctest.Wait()
				check(t, "crashes when it has returned", len(b.root.Crashes()), 1)
				_ = b.root.Stop(t.Context())
			})
		})
	}
}

// An abandonment alone is no crash.
func TestAbandonmentIsNoCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		c := named("c")
		c.onStop = ignoresCtxUntil(hang)
		b := start(t, supervisor.Policy{}, c)
		check(t, "a report", b.stop() != nil, true)
		close(hang)
		check(t, "crashes", len(b.root.Crashes()), 0)
	})
}

func TestCrashOfASupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStart = failingFrom(1)
		sub := supervisor.New("sub", supervisor.Policy{}, named("a"), c)
		b := newBed(t, supervisor.Policy{}, sub)
		checkError(t, "run", b.root.Run(t.Context()), "start root/sub: start root/sub/c: start 1 failed")
		text := "start root/sub/c: start 1 failed; was not a restart"
		checkList(t, "crashes", dossiers(b.root.Crashes()), []string{
			"sub/c#1 crashed in its start: start 1 failed; was not a restart",
			"sub#1 crashed in its start: " + text,
			"root#1 crashed in its start: start root/sub: " + text,
		})
		checkList(t, "crashes of the supervisor below", dossiers(sub.Crashes()), []string{
			"sub/c#1 crashed in its start: start 1 failed; was not a restart",
			"sub#1 crashed in its start: " + text,
		})
	})
}

// The root is told of like any other child when code of the user takes its
// goroutine away.
func TestCrashOfTheRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := false
		c := named("c")
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet(func(tracing.Event) {
			if leave {
				leave = false
				goexits()
			}
		})}, c)
		wait, err := root.Start(context.Background())
		checkError(t, "start", err, "")
		time.Sleep(time.Second)
		leave = true
		c.ends <- returns(nil)
		checkError(t, "wait", wait(), "goroutine left by runtime.Goexit")
		checkList(t, "crashes", dossiers(root.Crashes()), []string{"root#1 crashed after 1s: goroutine left by runtime.Goexit; stays down"})
	})
}

func TestRefusalOfAStartBesideAnAbandonedIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		c := named("c")
		c.onStop = ignoresCtxUntil(hang)
		b := start(t, supervisor.Policy{Exclusive: true}, c)
		checkError(t, "terminate", b.root.TerminateChild(t.Context(), "c"), "")
		check(t, "refused", errors.Is(b.root.RestartChild(t.Context(), "c"), supervisor.ErrAbandoned), true)
		checkList(t, "crashes", dossiers(b.root.Crashes()), []string{
			"c#1 crashed in its start: an abandoned incarnation of it is still there; was not a restart",
		})
		close(hang)
		synctest.Wait()
		b.stopInOrder()
	})
}
