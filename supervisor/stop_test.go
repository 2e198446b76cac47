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

func TestS78S80S86_OneChild(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name     string
		shutdown supervisor.Shutdown
		takes    time.Duration
		want     string
		cause    exit.Reason
	}{
		{"default", supervisor.Shutdown{}, 0, "0s stop c", exit.Shutdown},
		{"default, slow", supervisor.Shutdown{}, 4 * s, "4s stop c", exit.Shutdown},
		{"default, after the kill", supervisor.Shutdown{}, 4500*time.Millisecond + 1, "4.500000001s stop c, overdue", exit.Shutdown},
		{"default, too slow", supervisor.Shutdown{}, 6 * s, "5s abandon c", exit.Shutdown},
		{"timeout", supervisor.Timeout(10 * s), 9*s + 1, "9.000000001s stop c, overdue", exit.Shutdown}, // S192: at 9/10 it is killed
		{"timeout, before the kill", supervisor.Timeout(10 * s), 9*s - 1, "8.999999999s stop c", exit.Shutdown},
		{"timeout, too slow", supervisor.Timeout(10 * s), 11 * s, "10s abandon c", exit.Shutdown},
		{"timeout, long", supervisor.Timeout(time.Hour), time.Hour - s + 1, "59m59.000000001s stop c, overdue", exit.Shutdown}, // the grace is at most a second
		{"timeout 0", supervisor.Timeout(0), 0, "0s stop c, overdue", exit.Shutdown},                                           // S80: asked, and killed at once
		{"timeout 0, too slow", supervisor.Timeout(0), s, "100ms abandon c", exit.Shutdown},
		{"infinity", supervisor.Infinity, 1000 * time.Hour, "1000h0m0s stop c", exit.Shutdown},
		{"brutal kill", supervisor.BrutalKill, 0, "0s stop c: killed", exit.Killed},
		{"brutal kill, within the grace", supervisor.BrutalKill, 99 * time.Millisecond, "99ms stop c: killed", exit.Killed},
		{"brutal kill, too slow", supervisor.BrutalKill, s, "100ms abandon c", exit.Killed},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var causes causes
				c := causes.note(named("c"))
				note := c.onStop
				c.onStop = func(ctx context.Context) error {
					if test.takes > 0 {
						time.Sleep(test.takes)
					}
					return note(ctx)
				}
				b := start(t, supervisor.Policy{}, supervisor.Spec{Child: c, Shutdown: test.shutdown})
				err := b.stop()
				lines := b.take()
				check(t, "event", fmt.Sprintf("%v %s", lines[0].at, lines[0].text), test.want)
				check(t, "a report", err != nil, lines[0].text == "abandon c")
				time.Sleep(test.takes)
				check(t, "cause", causes.of("c"), error(test.cause))
			})
		})
	}
}

func TestS82S90_OneAfterTheOtherInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(name string, seconds int) *child {
			c := named(name)
			c.onStop = takes(time.Duration(seconds) * time.Second)
			return c
		}
		b := start(t, supervisor.Policy{}, slow("a", 1),
			supervisor.New("sub", supervisor.Policy{}, slow("b", 2), slow("c", 3)),
			slow("d", 4))
		b.stopInOrder()
		b.wantAt(t, "4s stop d", "7s stop sub/c", "9s stop sub/b", "9s stop sub", "10s stop a", "10s stop root")
	})
}

func TestS84_WhoHasNoProcessIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("a ended:trans declined restarting z")
		byName["declined"].onStart = func(context.Context, int) error { return errDeclines }
		b := start(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)}, children...)
		byName["ended"].end(returns(nil))
		byName["restarting"].crash()
		check(t, "states", b.states(), "a ended:stopped declined:stopped restarting:restarting z")
		b.take()
		b.stopInOrder()
		b.want(t, "stop z", "stop a", "stop root")
	})
}

func TestS85_ChildThatDiesDuringTheStopIsTakenAsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, slow := named("a"), named("c"), named("slow")
		slow.onStop = takes(2 * time.Second)
		c.onStop = func(context.Context) error { panic("while asked") }
		b := start(t, supervisor.Policy{Restarts: strategy.NoRestarts}, a, c, slow)
		time.AfterFunc(time.Second, func() { a.ends <- returns(errBoom) }) // before it is asked
		b.stopInOrder()
		b.wantAt(t, "2s stop slow", "2s stop c: panic: while asked", "2s stop a: boom", "2s stop root")
	})
}

func TestS87_FailingCleanupDoesNotStopTheSequence(t *testing.T) {
	for _, end := range ends {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := named("bad")
				bad.onStop = func(context.Context) error { return end.how() }
				b := start(t, supervisor.Policy{}, named("a"), bad, named("z"))
				b.stopInOrder()
				lines := b.take()
				check(t, "events", len(lines), 4)
				check(t, "the last but one", lines[2].text, "stop a")
			})
		})
	}
}

func TestS89_KillReachesAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var causes causes
		released := make(chan struct{})
		stuck := named("stuck")
		stuck.onStop = ignoresCtxUntil(released)
		a, deep, z := causes.note(named("a")), causes.note(named("deep")), causes.note(named("z"))
		b := start(t, supervisor.Policy{}, a,
			supervisor.New("sub", supervisor.Policy{}, supervisor.New("subsub", supervisor.Policy{}, deep)),
			supervisor.Spec{Child: stuck, Shutdown: supervisor.Infinity}, z)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := b.root.Stop(ctx)
		var report *supervisor.StopError
		if !errors.As(err, &report) || len(report.Stuck) != 1 || report.Stuck[0].Path != "root/stuck" {
			t.Errorf("stop: got %v, want a report of stuck alone", err)
		}
		if waited := b.wait(); !errors.Is(waited, err) {
			t.Errorf("wait: got %v, want the same report", waited)
		}
		b.wantAt(t, "0s stop z", "1s stop sub/subsub/deep: killed", "1s stop sub/subsub: killed",
			"1.1s abandon stuck", "1.1s stop sub: killed", "1.1s stop a: killed", "1.1s stop root")
		check(t, "cause of z", causes.of("z"), error(exit.Shutdown)) // it was asked before
		check(t, "cause of a", causes.of("a"), error(exit.Killed))
		check(t, "cause of deep", causes.of("deep"), error(exit.Killed))
		close(released)
	})
}

func TestS89_BrutalKillOfASupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var causes causes
		sub := supervisor.New("sub", supervisor.Policy{}, causes.note(named("a")), causes.note(named("b")))
		b := start(t, supervisor.Policy{}, supervisor.Spec{Child: sub, Shutdown: supervisor.BrutalKill})
		b.stopInOrder()
		b.wantAt(t, "0s stop sub/b: killed", "0s stop sub/a: killed", "0s stop sub: killed", "0s stop root")
		check(t, "cause of a", causes.of("a"), error(exit.Killed))
	})
}

// The time of a supervisor counts for all below it (S28): when it is over they
// are killed, level by level within the time.
func TestS28_SupervisorWithATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		stuck := named("stuck")
		stuck.onStop = ignoresCtxUntil(released)
		sub := supervisor.New("sub", supervisor.Policy{}, named("a"),
			supervisor.New("subsub", supervisor.Policy{}, supervisor.Spec{Child: stuck, Shutdown: supervisor.Infinity}))
		b := start(t, supervisor.Policy{}, supervisor.Spec{Child: sub, Shutdown: supervisor.Timeout(10 * time.Second)})
		err := b.stop()
		b.wantAt(t, "9.1s abandon sub/subsub/stuck", "9.1s stop sub/subsub", "9.1s stop sub/a: killed", "9.1s stop sub, overdue", "9.1s stop root")
		var report *supervisor.StopError
		if !errors.As(err, &report) || len(report.Stuck) != 1 || report.Stuck[0].Path != "root/sub/subsub/stuck" {
			t.Errorf("stop: got %v, want a report of stuck alone", err)
		}
		close(released)
	})
}
