package supervisor_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// journal is a log handler that keeps what an operator sees, from level info on.
type journal struct {
	slog.Handler
	lines *[]string
}

func (j journal) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (j journal) Handle(_ context.Context, r slog.Record) error {
	*j.lines = append(*j.lines, r.Level.String()+" "+r.Message)
	return nil
}

func TestS34_WhatIsReported(t *testing.T) {
	for _, restart := range []strategy.Restart{strategy.Permanent, strategy.Transient, strategy.Temporary} {
		for _, end := range ends {
			t.Run(restart.String()+"/"+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var got, want []string
					switch {
					case !end.clean:
						want = append(want, "ERROR child crashed") // also of a temporary one, which is removed
					case restart == strategy.Permanent:
						want = append(want, "INFO child restarting")
					}
					c := named("c")
					root := supervisor.New("root",
						supervisor.Policy{Tracing: tracing.New(tracing.Options{Logger: slog.New(journal{lines: &got})})},
						supervisor.Spec{Child: c, Restart: restart})
					_, err := root.Start(context.Background())
					checkError(t, "start", err, "")
					c.end(end.how)
					checkList(t, "log", got, want)
					checkError(t, "stop", root.Stop(t.Context()), "")
				})
			})
		}
	}
}

// A group restart is one restart for the budget, whoever is stopped for it and
// whoever has died meanwhile: the budget has room for exactly one more.
func TestS41S42_GroupRestartIsOneRestart(t *testing.T) {
	for _, together := range []string{"a", "a b", "a b c d"} { // who crash at the same moment
		t.Run(together, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				children, byName := nursery("a b c d")
				b := start(t, supervisor.Policy{Strategy: strategy.OneForAll, Restarts: 2}, children...)
				busy := named("busy") // so that all ends wait
				busy.onStart = func(context.Context, int) error {
					for name := range strings.FieldsSeq(together) {
						byName[name].ends <- returns(errBoom)
						time.Sleep(time.Nanosecond) // so that the order is certain
					}
					return errBoom
				}
				checkError(t, "start", b.root.StartChild(t.Context(), busy), "start root/busy: boom")
				synctest.Wait()
				check(t, "states", b.states(), "a b c d")
				byName["c"].crash()
				check(t, "states", b.states(), "a b c d")
				byName["b"].crash()
				check(t, "gave up", b.root.Snapshot().State, supervisor.Stopped)
				checkError(t, "stop", b.root.Stop(t.Context()), "")
			})
		})
	}
}

func TestS44_CrashOfATemporaryChildRestartsNobody(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForAll, strategy.RestForOne} {
		t.Run(s.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				children, byName := nursery("a t:temp z")
				b := start(t, supervisor.Policy{Strategy: s, Restarts: strategy.NoRestarts}, children...)
				byName["t"].crash()
				b.want(t, "exit t: boom")
				check(t, "states", b.states(), "a z")
				b.stopInOrder()
			})
		})
	}
}

func TestS49_OneBudgetForEachSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, other := named("a"), named("c"), named("other")
		policy := supervisor.Policy{Restarts: 2, Within: 10 * time.Second}
		b := start(t, policy, supervisor.New("sub", policy, a, c), supervisor.New("next", policy, other))
		crash := func(child *child, want ...string) {
			t.Helper()
			child.crash()
			b.want(t, want...)
		}
		crash(a, "exit sub/a: boom", "restarting sub/a", "restart sub/a")
		time.Sleep(4 * time.Second)
		crash(other, "exit next/other: boom", "restarting next/other", "restart next/other")
		crash(c, "exit sub/c: boom", "restarting sub/c", "restart sub/c")
		time.Sleep(4 * time.Second)
		crash(other, "exit next/other: boom", "restarting next/other", "restart next/other") // a budget of its own
		crash(a, "exit sub/a: boom", "sub gave up on a",                                     // which is not reset by success, and c has a share in
			"stop sub/c: "+gaveUpCause("root/sub", "a"), "exit sub: "+gaveUpText("root/sub", "a"),
			"restarting sub", "start sub/a", "start sub/c", "restart sub")
		for range 2 { // the budget of a new incarnation is unused
			crash(c, "exit sub/c: boom", "restarting sub/c", "restart sub/c")
		}
		b.stopInOrder()
	})
}

// OTP counts whole seconds: it would take 10.9 s for 10.
func TestS54_TheEdgeIsExact(t *testing.T) {
	const first, within = 900 * time.Millisecond, 10 * time.Second
	for _, test := range []struct {
		later time.Duration
		fatal bool
	}{
		{within - 1, true},
		{within, true},
		{within + 1, false},
		{within + 99*time.Millisecond, false},
		{within + 900*time.Millisecond, false},
	} {
		t.Run(test.later.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := named("c")
				b := start(t, supervisor.Policy{Restarts: 1, Within: within}, c)
				time.Sleep(first)
				c.crash()
				time.Sleep(test.later)
				c.crash()
				check(t, "gave up", b.root.Snapshot().State == supervisor.Stopped, test.fatal)
				checkError(t, "stop", b.root.Stop(t.Context()), "")
			})
		})
	}
}

func TestS55_WithoutRestartsTheFirstIsFatal(t *testing.T) {
	for _, test := range []struct {
		restart strategy.Restart
		how     func() error
		fatal   bool
	}{
		{strategy.Permanent, returns(nil), true},
		{strategy.Permanent, returns(errBoom), true},
		{strategy.Transient, returns(nil), false},
		{strategy.Transient, returns(errBoom), true},
		{strategy.Temporary, returns(errBoom), false},
	} {
		t.Run(fmt.Sprint(test.restart, test.how()), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := named("c")
				b := start(t, supervisor.Policy{Restarts: strategy.NoRestarts}, supervisor.Spec{Child: c, Restart: test.restart})
				c.end(test.how)
				check(t, "gave up", b.root.Snapshot().State == supervisor.Stopped, test.fatal)
				check(t, "starts", c.starts.Load(), 1)
				checkError(t, "stop", b.root.Stop(t.Context()), "")
			})
		})
	}
}

func TestS205_ThreeRestartsInFiveSeconds(t *testing.T) {
	for _, test := range []struct {
		after       time.Duration // between the third and the fourth
		incarnation int           // of the supervisor
	}{
		{0, 2},
		{5 * time.Second, 2},
		{5*time.Second + 1, 1},
	} {
		for _, kind := range []string{"Supervisor", "Dynamic"} {
			t.Run(fmt.Sprint(kind, test.after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := named("c")
					var b *bed
					if kind == "Dynamic" {
						var pool *supervisor.Dynamic
						b, pool = startDynamic(t, supervisor.Policy{})
						added(t, pool, c)
					} else {
						b = start(t, supervisor.Policy{}, supervisor.New("sub", supervisor.Policy{}, c))
					}
					for range 3 {
						c.crash()
					}
					check(t, "starts", c.starts.Load(), 4)
					time.Sleep(test.after)
					c.crash()
					check(t, "incarnation of the supervisor", b.root.Snapshot().Children[0].Incarnation, test.incarnation)
					b.stopInOrder()
				})
			})
		}
	}
}
