package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// killed cuts the stop of a tree short while its last child is lasting.
func killed(b *bed) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = b.root.Stop(ctx)
}

// lasting is a child that takes its time to stop.
func lasting(name string) *child {
	c := named(name)
	c.onStop = takes(1050 * time.Millisecond)
	return c
}

// Whatever the supervisor does, its child is shut down; only a kill says killed.
func TestS5S79_CauseThatAChildSees(t *testing.T) {
	for _, test := range []struct {
		name string
		act  func(b *bed, a *child)
		want string
	}{
		{"the tree stops", func(b *bed, _ *child) { _ = b.root.Stop(context.Background()) }, "shutdown"},
		{"terminated", func(b *bed, _ *child) { _ = b.root.TerminateChild(context.Background(), "sub") }, "shutdown"},
		{"the supervisor is a victim", func(_ *bed, a *child) { a.crash() }, "shutdown"},
		{"the supervisor is killed", func(b *bed, _ *child) { killed(b) }, "killed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var causes causes
				a := named("a")
				b := start(t, supervisor.Policy{Strategy: strategy.OneForAll}, a,
					supervisor.New("sub", supervisor.Policy{}, causes.note(named("c"))), lasting("z"))
				test.act(b, a)
				time.Sleep(time.Minute)
				checkError(t, "cause", causes.of("c"), test.want)
				checkError(t, "stop", b.root.Stop(t.Context()), "")
			})
		})
	}
	for _, test := range []struct {
		name     string
		restarts int
		want     string // with a detail
	}{
		{"a sibling of its group has crashed", 1, `shutdown: sibling "a" ended: boom`},
		{"the supervisor gives up", strategy.NoRestarts, gaveUpCause("root", "a")},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var causes causes
				a := named("a")
				b := start(t, supervisor.Policy{Strategy: strategy.OneForAll, Restarts: test.restarts}, a, causes.note(named("c")))
				a.crash()
				checkError(t, "cause", causes.of("c"), test.want)
				check(t, "is shutdown", errors.Is(causes.of("c"), exit.Shutdown), true)
				checkError(t, "stop", b.root.Stop(t.Context()), "")
			})
		})
	}
}

// A handler's ctx ends by the kill only, which comes with the order to stop.
func TestS80_AskedAndKilledAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(ctx context.Context, _ int) error { <-ctx.Done(); return nil }}, nil
		})
		b := start(t, supervisor.Policy{}, supervisor.Spec{Child: a, Shutdown: supervisor.Timeout(0)})
		checkError(t, "send", a.Send(t.Context(), 1), "")
		synctest.Wait()
		b.stopInOrder()
		b.wantAt(t, "0s stop a, overdue", "0s stop root")
	})
}

// The next act waits for the death, also after a kill; at most for the grace.
func TestS81_WaitsForTheDeath(t *testing.T) {
	for _, test := range []struct {
		name     string
		shutdown supervisor.Shutdown
		takes    time.Duration
		after    string // the victim is out of the way
		want     string
	}{
		{"asked", supervisor.Timeout(time.Second), 900*time.Millisecond - 1, "899.999999ms", "stop z"},
		{"overdue", supervisor.Timeout(time.Second), 950 * time.Millisecond, "950ms", "stop z, overdue"},
		{"without a limit", supervisor.Infinity, 20 * time.Minute, "20m0s", "stop z"},
		{"killed", supervisor.BrutalKill, 99 * time.Millisecond, "99ms", "stop z: killed"},
		{"does not die", supervisor.BrutalKill, time.Hour, "100ms", "abandon z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, z := named("a"), named("z")
				z.onStop = takes(test.takes)
				b := start(t, supervisor.Policy{Strategy: strategy.OneForAll}, a, supervisor.Spec{Child: z, Shutdown: test.shutdown})
				a.crash()
				time.Sleep(30 * time.Minute)
				b.wantAt(t, "0s exit a: boom", "0s restarting a", test.after+" "+test.want, test.after+" restart a", test.after+" restart z")
				time.Sleep(time.Hour)
				z.onStop = nil
				b.stopInOrder()
			})
		})
	}
}

func TestS88_ReasonOfASupervisor(t *testing.T) {
	for _, test := range []struct {
		name  string
		act   func(ctx context.Context, b *bed, a, w *child)
		want  string // the reason of sub, as the events tell it
		clean bool
	}{
		{"stopped", func(ctx context.Context, b *bed, _, _ *child) { _ = b.root.Stop(ctx) }, "shutdown", true},
		{"terminated", func(ctx context.Context, b *bed, _, _ *child) { _ = b.root.TerminateChild(ctx, "sub") }, "shutdown", true},
		{"a victim", func(_ context.Context, _ *bed, a, _ *child) { a.crash() }, `shutdown: sibling "a" ended: boom`, true},
		{"gave up", func(_ context.Context, _ *bed, _, w *child) { w.crash() }, gaveUpText("root/sub", "w"), true},
		{"killed", func(_ context.Context, b *bed, _, _ *child) { killed(b) }, "killed", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, w := named("a"), named("w")
				b := start(t, supervisor.Policy{Strategy: strategy.OneForAll}, a,
					supervisor.Spec{Child: supervisor.New("sub", supervisor.Policy{Restarts: strategy.NoRestarts}, w), Restart: strategy.Transient},
					lasting("z"))
				test.act(t.Context(), b, a, w)
				time.Sleep(time.Minute)
				reason := b.root.Snapshot().Children[1].Reason
				checkError(t, "reason", reason, test.want)
				check(t, "clean", reason.Clean(), test.clean)
				check(t, "is shutdown", errors.Is(reason, exit.Shutdown), test.clean)
				checkError(t, "stop", b.root.Stop(t.Context()), "")
			})
		})
	}
}

// The end of the root's ctx reaches each child when its turn comes.
func TestS91_TheEndOfTheRootsCtxStopsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bed
		slow := func(name string) *child {
			c := named(name)
			c.onStart = func(ctx context.Context, _ int) error {
				if _, limited := ctx.Deadline(); limited {
					t.Errorf("%s: its ctx has the deadline of the root's", name)
				}
				return nil
			}
			c.onStop = func(ctx context.Context) error {
				b.add("ctx of " + name + " ends: " + context.Cause(ctx).Error())
				return takes(time.Second)(ctx)
			}
			return c
		}
		b = newBed(t, supervisor.Policy{}, slow("a"), supervisor.New("sub", supervisor.Policy{}, slow("b"), slow("c")), slow("d"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		checkError(t, "run", b.root.Run(ctx), "")
		for b.lines[0].at == 0 {
			b.lines = b.lines[1:] // the start
		}
		b.wantAt(t, "1m0s ctx of d ends: shutdown", "1m1s stop d", "1m1s ctx of c ends: shutdown", "1m2s stop sub/c",
			"1m2s ctx of b ends: shutdown", "1m3s stop sub/b", "1m3s stop sub", "1m3s ctx of a ends: shutdown", "1m4s stop a", "1m4s stop root")
	})
}

// A child has its shutdown time, and not a moment more: in the last tenth, a
// second at most, the contexts of the work in hand have ended too.
func TestS192_TheGraceIsInsideTheShutdownTime(t *testing.T) {
	for _, test := range []struct{ shutdown, kill time.Duration }{
		{time.Second, 900 * time.Millisecond},
		{10 * time.Second, 9 * time.Second},
		{time.Hour, time.Hour - time.Second},
	} {
		t.Run(test.shutdown.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				began := time.Now()
				var killed time.Duration
				stuck := actor.New("stuck", func(context.Context) (actor.Behavior[int], error) {
					return actor.Behavior[int]{Receive: func(ctx context.Context, _ int) error {
						<-ctx.Done()
						killed = time.Since(began)
						<-released
						return nil
					}}, nil
				})
				b := start(t, supervisor.Policy{}, supervisor.Spec{Child: stuck, Shutdown: supervisor.Timeout(test.shutdown)})
				checkError(t, "send", stuck.Send(t.Context(), 1), "")
				synctest.Wait()
				check(t, "stuck", len(reported(t, b.stop())), 1)
				check(t, "stopped after", time.Since(began), test.shutdown)
				synctest.Wait()
				check(t, "killed after", killed, test.kill)
				close(released)
			})
		})
	}
}
