package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

var errLate = errors.New("late")

// S81: no incarnation begins before the last goroutine of the one before has
// returned. The first failure is the reason, else what run has returned.
func TestS197_OverWhenAllHaveReturned(t *testing.T) {
	for _, test := range []struct {
		name string
		fs   []func(context.Context) error
		run  func() error // nil: it ends when it is to
		want string
	}{
		{"run is done", []func(context.Context) error{lingers(2 * time.Second), lingers(time.Second)}, returns(nil), "3s exit c: normal"},
		{"run fails", []func(context.Context) error{lingers(2 * time.Second)}, returns(errBoom), "3s exit c: boom"},
		{"run panics", []func(context.Context) error{lingers(2 * time.Second)}, panics("oops"), "3s exit c: panic: oops"},
		{"run leaves", []func(context.Context) error{lingers(2 * time.Second)}, goexits, "3s exit c: goroutine left by runtime.Goexit"},
		{"run fails, then another", []func(context.Context) error{failsAtTheEnd(panics("late"))}, returns(errBoom), "1s exit c: boom"},
		{"run is done, then another fails", []func(context.Context) error{failsAtTheEnd(returns(errLate))}, returns(nil), "1s exit c: late"},
		{"one fails, run takes its time", []func(context.Context) error{failsAfter(time.Second, returns(errLate))}, nil, "3s exit c: late"},
		{"one fails, then another", []func(context.Context) error{failsAfter(time.Second, returns(errLate)), failsAtTheEnd(panics("oops"))}, nil, "3s exit c: late"},
		{"all are done before", []func(context.Context) error{failsAfter(0, returns(nil))}, returns(errBoom), "1s exit c: boom"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := with(named("c"), test.fs...)
				c.onStop = takes(2 * time.Second)
				b := start(t, supervisor.Policy{}, c)
				time.Sleep(time.Second)
				if test.run != nil {
					c.end(test.run)
				}
				time.Sleep(time.Minute)
				at, _, _ := strings.Cut(test.want, " ")
				b.wantAt(t, test.want, at+" restarting c", at+" restart c")
				b.stopInOrder()
			})
		})
	}
}

// What is left after a crash has the time of a stop, in which the supervisor
// does everything else.
func TestS197_AbandonedAfterACrash(t *testing.T) {
	for _, test := range []struct {
		shutdown supervisor.Shutdown
		at       string
	}{
		{supervisor.Shutdown{}, "5s"},
		{supervisor.Timeout(20 * time.Second), "20s"},
		{supervisor.Timeout(0), "100ms"},
		{supervisor.BrutalKill, "100ms"},
	} {
		t.Run(test.shutdown.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				stuck, other := with(named("stuck"), ignoresCtxUntil(released), lingers(time.Hour)), named("other")
				b := start(t, supervisor.Policy{}, supervisor.Spec{Child: stuck, Shutdown: test.shutdown}, other)
				stuck.crash()
				other.crash()
				checkError(t, "start", b.root.StartChild(t.Context(), named("new")), "")
				check(t, "states", b.states(), "stuck:stopping other new")
				b.wantAt(t, "0s exit other: boom", "0s restarting other", "0s restart other", "0s start new")
				time.Sleep(time.Minute)
				b.wantAt(t, test.at+" abandon stuck", test.at+" exit stuck: boom", test.at+" restarting stuck", test.at+" restart stuck")
				check(t, "states", b.states(), "stuck other new")
				close(released)
				synctest.Wait()
				b.want(t) // S194: there is still the other one
				time.Sleep(time.Hour)
				b.want(t, "return stuck: normal")
				b.stopInOrder()
			})
		})
	}
}

func TestS197_InfinityWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := with(named("c"), lingers(1000*time.Hour))
		b := start(t, supervisor.Policy{}, supervisor.Spec{Child: c, Shutdown: supervisor.Infinity})
		c.crash()
		time.Sleep(2000 * time.Hour)
		b.wantAt(t, "1000h0m0s exit c: boom", "1000h0m0s restarting c", "1000h0m0s restart c")
		b.stopInOrder()
	})
}

// Run itself is stuck when another goroutine fails.
func TestS197_AbandonedAfterAFailure(t *testing.T) {
	for _, end := range ends {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				c := with(named("c"), failsAfter(time.Second, returns(errBoom)))
				c.onStop = func(context.Context) error {
					if c.starts.Load() > 1 {
						return nil
					}
					<-released
					return end.how()
				}
				b := start(t, supervisor.Policy{}, supervisor.Spec{Child: c, Restart: strategy.Transient})
				time.Sleep(time.Minute)
				b.wantAt(t, "6s abandon c", "6s exit c: boom", "6s restarting c", "6s restart c")
				close(released)
				synctest.Wait()
				want := end.text
				if end.name == "ctx error from elsewhere" { // which it is not after the end of ctx
					want = "boom"
				}
				b.want(t, "return c: "+want)
				b.stopInOrder()
			})
		})
	}
}

// Lived, which decides about the backoff, does not count the time it takes to
// end.
func TestS197_WindingDownIsNoHealthyLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStart = func(ctx context.Context, _ int) error { return supervisor.Go(ctx, lingers(time.Hour)) }
		b := start(t, supervisor.Policy{Backoff: strategy.Exponential(time.Second, time.Hour), Healthy: time.Minute, Restarts: strategy.Unlimited},
			supervisor.Spec{Child: c, Shutdown: supervisor.Infinity})
		for range 3 {
			c.crash()
			time.Sleep(time.Hour + 10*time.Second) // it is up again, for some seconds
		}
		attempts := 0
		for _, s := range b.root.Snapshot().All() {
			for _, restart := range s.Restarts {
				attempts = restart.Attempt
			}
		}
		check(t, "attempts in a row", attempts, 3)
		_ = b.stop()
	})
}

// What may happen while a crashed child winds down: three seconds for one that
// ends, five for one that does not.
func TestS197_WhileItWindsDown(t *testing.T) {
	for _, test := range []struct {
		name     string
		strategy strategy.Strategy
		stuck    bool
		act      func(t *testing.T, b *bed, a *child) // after a second
		want     []string
	}{
		{"nothing", strategy.OneForOne, false, func(*testing.T, *bed, *child) {},
			[]string{"3s exit c: boom", "3s restarting c", "3s restart c"}},
		{"stop", strategy.OneForOne, false, func(t *testing.T, b *bed, _ *child) { b.stopInOrder() },
			[]string{"1s stop z", "3s stop c: boom", "3s stop a", "3s stop root"}},
		{"stop, stuck", strategy.OneForOne, true, func(t *testing.T, b *bed, _ *child) {
			checkList(t, "report", summary(t, b.stop()), []string{"root/c (incarnation 1), stuck in a goroutine of supervisor.Go for at least 4s"})
		}, []string{"1s stop z", "5s abandon c", "5s stop a", "5s stop root"}}, // its time is not begun anew
		{"killing stop", strategy.OneForOne, true, func(t *testing.T, b *bed, _ *child) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			checkList(t, "report", summary(t, b.root.Stop(ctx)), []string{"root/c (incarnation 1), stuck in a goroutine of supervisor.Go for at least 1.1s"})
		}, []string{"1s stop z", "2.1s abandon c", "2.1s stop a: killed", "2.1s stop root"}},
		{"terminate", strategy.OneForOne, false, func(t *testing.T, b *bed, _ *child) {
			checkError(t, "terminate", b.root.TerminateChild(t.Context(), "c"), "")
			check(t, "states", b.states(), "a c:stopped z")
		}, []string{"3s stop c: boom"}},
		{"terminate, stuck", strategy.OneForOne, true, func(t *testing.T, b *bed, _ *child) {
			checkError(t, "terminate", b.root.TerminateChild(t.Context(), "c"), "")
			check(t, "states", b.states(), "a c:stopped z")
		}, []string{"5s abandon c"}},
		{"restart by hand", strategy.OneForOne, false, func(t *testing.T, b *bed, _ *child) {
			checkError(t, "restart", b.root.RestartChild(t.Context(), "c"), "restart root/c: running")
			checkError(t, "delete", b.root.DeleteChild(t.Context(), "c"), "delete root/c: running")
			checkError(t, "start", b.root.StartChild(t.Context(), named("c")), "start root/c: Name: a sibling has it: already started")
		}, []string{"3s exit c: boom", "3s restarting c", "3s restart c"}},
		{"group restart", strategy.OneForAll, false, func(_ *testing.T, _ *bed, a *child) { a.crash() },
			[]string{"1s exit a: boom", "1s restarting a", "1s stop z", "3s stop c: boom", "3s restart a", "3s restart c", "3s restart z"}},
		{"group restart, stuck", strategy.RestForOne, true, func(_ *testing.T, _ *bed, a *child) { a.crash() },
			[]string{"1s exit a: boom", "1s restarting a", "1s stop z", "5s abandon c", "5s restart a", "5s restart c", "5s restart z"}},
		{"the supervisor gives up", strategy.OneForOne, false, func(t *testing.T, b *bed, a *child) {
			a.crash()
			a.crash()
			if err := b.wait(); err == nil {
				t.Error("wait: got nil, want that it gave up")
			}
		}, []string{"1s exit a: boom", "1s restarting a", "1s restart a", "1s exit a: boom", "1s root gave up on a",
			`1s stop z: shutdown: root gave up: too many restarts, the last one wanted by "a": boom`, "3s stop c: boom",
			`3s exit root: root gave up: too many restarts, the last one wanted by "a": boom`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				a, c := named("a"), with(named("c"), lingers(3*time.Second))
				if test.stuck {
					with(c, ignoresCtxUntil(released))
				}
				b := start(t, supervisor.Policy{Strategy: test.strategy, Restarts: 1}, a, c, named("z"))
				c.crash()
				time.Sleep(time.Second)
				test.act(t, b, a)
				time.Sleep(time.Minute)
				b.wantAt(t, test.want...)
				close(released)
				_ = b.root.Stop(t.Context())
			})
		})
	}
}

// The parent of its supervisor acts.
func TestS197_WhileItWindsDownBelow(t *testing.T) {
	for _, test := range []struct {
		name     string
		shutdown supervisor.Shutdown
		want     []string
	}{
		{"orderly", supervisor.Infinity, []string{"5s abandon sub/c", "5s stop sub/a", "5s stop sub"}},
		{"killed", supervisor.BrutalKill, []string{"1.1s abandon sub/c", "1.1s stop sub/a: killed", "1.1s stop sub: killed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				c := with(named("c"), ignoresCtxUntil(released))
				b := start(t, supervisor.Policy{}, supervisor.Spec{Child: supervisor.New("sub", supervisor.Policy{}, named("a"), c), Shutdown: test.shutdown})
				c.crash()
				time.Sleep(time.Second)
				checkError(t, "terminate", b.root.TerminateChild(t.Context(), "sub"), "")
				b.wantAt(t, test.want...)
				close(released)
				synctest.Wait()
				b.want(t, "return sub/c: boom")
				b.stopInOrder()
			})
		})
	}
}

// The supervisor is busy with a long start when the time of a child is over.
func TestS197_LateLoopGrantsTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := named("slow")
		slow.onStart = func(context.Context, int) error { time.Sleep(time.Minute); return nil }
		c := with(named("c"), lingers(time.Minute+100*time.Millisecond))
		b := start(t, supervisor.Policy{}, c)
		c.crash()
		checkError(t, "start", b.root.StartChild(t.Context(), slow), "")
		time.Sleep(time.Minute)
		b.wantAt(t, "1m0s start slow", "1m0.1s exit c: boom", "1m0.1s restarting c", "1m0.1s restart c")
		b.stopInOrder()
	})
}

func TestS197_InADynamic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		b, pool := startDynamic(t, supervisor.Policy{MaxChildren: 2})
		done, stuck := with(named("done"), lingers(time.Second)), with(named("stuck"), ignoresCtxUntil(released))
		added(t, pool, supervisor.Spec{Child: done, Restart: strategy.Transient})
		added(t, pool, supervisor.Spec{Child: stuck, Restart: strategy.Temporary})
		b.take()
		done.end(returns(nil))
		stuck.crash()
		_, err := pool.StartChild(t.Context(), named("new"))
		checkError(t, "start", err, "start root/pool/new: the supervisor has MaxChildren children")
		time.Sleep(time.Minute)
		b.wantAt(t, "1s exit pool/done#1: normal", "5s abandon pool/stuck#2", "5s exit pool/stuck#2: boom")
		check(t, "children", len(pool.Children()), 0)
		close(released)
		synctest.Wait()
		b.want(t, "return pool/stuck#2: normal")
		b.stopInOrder()
	})
}

// Those of a Dynamic that wind down when it stops are awaited like the others.
func TestS197_DynamicStopsWhileChildrenWindDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{})
		for _, shutdown := range []supervisor.Shutdown{{}, supervisor.Infinity} {
			c := with(named("c"), lingers(3*time.Second))
			added(t, pool, supervisor.Spec{Child: c, Shutdown: shutdown})
			c.crash()
		}
		added(t, pool, supervisor.Spec{Child: with(named("d"), lingers(3*time.Second)), Shutdown: supervisor.Infinity})
		b.take()
		time.Sleep(time.Second)
		b.stopInOrder()
		var got []string
		for _, l := range b.take() {
			got = append(got, fmt.Sprint(l.at, " ", l.text))
		}
		slices.Sort(got)
		checkList(t, "events", got, []string{"3s stop pool/c#1: boom", "3s stop pool/c#2: boom", "4s stop pool", "4s stop pool/d#3", "4s stop root"})
	})
}

// Goroutines that end at the very moment at which the incarnation is given up:
// it is either over, or abandoned and returned, and its reason is the same.
func TestS197_EndAtTheMomentOfTheAbandonment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 300
		b, pool := startDynamic(t, supervisor.Policy{})
		for i := range n {
			c := with(named("c"), func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(100 * time.Millisecond)
				for range i % 20 {
					runtime.Gosched()
				}
				return nil
			})
			added(t, pool, supervisor.Spec{Child: c, Restart: strategy.Temporary, Shutdown: supervisor.BrutalKill})
			go func() { c.ends <- returns(errBoom) }()
		}
		b.take()
		time.Sleep(time.Minute)
		seen := make(map[string]string)
		for _, l := range b.take() {
			what, who, _ := strings.Cut(l.text, " ")
			who, reason, _ := strings.Cut(who, ":")
			seen[who] += what + reason + ", "
		}
		check(t, "children", len(seen), n)
		for who, what := range seen {
			abandoned := strings.HasPrefix(what, "abandon, ") && strings.Contains(what, "exit boom, ") && strings.Contains(what, "return ")
			if what != "exit boom, " && !abandoned {
				t.Errorf("%s: got %q, want that it ended with boom, alone or beside that it was abandoned and returned", who, what)
			}
		}
		b.stopInOrder()
	})
}

// S196: what was abandoned after a crash keeps an Exclusive supervisor from
// starting the next.
func TestS197_AbandonedInAnExclusiveSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		c := with(named("c"), ignoresCtxUntil(released))
		b := start(t, supervisor.Policy{Exclusive: true}, c)
		c.crash()
		time.Sleep(time.Minute)
		b.wantAt(t, "5s abandon c", "5s exit c: boom", "5s restarting c",
			"5s root gave up on c: an abandoned incarnation of it is still there",
			`5s exit root: root gave up: "c" cannot be restarted (an abandoned incarnation of it is still there): boom`)
		close(released)
	})
}
