package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// One entry for each spec, in start order, with what it is and does.
func TestS105_SnapshotIsInStartOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		children, byName := nursery("b a trans:trans waits")
		b := start(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)},
			append(children, supervisor.New("sub", supervisor.Policy{}), supervisor.NewDynamic("pool", supervisor.Policy{}))...)
		byName["trans"].end(returns(nil))
		byName["waits"].crash()
		checkError(t, "start", b.root.StartChild(ctx, named("0")), "")
		checkError(t, "terminate", b.root.TerminateChild(ctx, "b"), "")
		checkError(t, "restart", b.root.RestartChild(ctx, "b"), "")
		var got []string
		for _, s := range b.root.Snapshot().Children {
			got = append(got, fmt.Sprintf("%s %s %v", s.Name, s.State, s.Supervisor))
		}
		checkList(t, "children", got, []string{"b running false", "a running false", "trans stopped false",
			"waits restarting false", "sub running true", "pool running true", "0 running false"})
		b.stopInOrder()
	})
}

func TestS72S106S127S201_Count(t *testing.T) {
	count := func(t *testing.T, what string, s supervisor.Snapshot, want supervisor.Count) {
		t.Helper()
		check(t, what, s.Count(), want)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		children, byName := nursery("a trans:trans temp:temp waits slow")
		pool := supervisor.NewDynamic("pool", supervisor.Policy{Backoff: strategy.Constant(time.Hour)})
		sub := supervisor.New("sub", supervisor.Policy{}, named("deep"), named("deeper"))
		around := decorated{supervisor.New("around", supervisor.Policy{}, named("deep")), func() {}}
		b := newBed(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)},
			append(children, sub, supervisor.Spec{Child: pool, Restart: strategy.Transient}, around)...)
		count(t, "before", b.root.Snapshot(), supervisor.Count{Specs: 8, Active: 0, Supervisors: 2, Workers: 6})
		b.wait, _ = b.root.Start(context.Background())
		count(t, "all run", b.root.Snapshot(), supervisor.Count{Specs: 8, Active: 8, Supervisors: 3, Workers: 5})

		byName["trans"].end(returns(nil))
		count(t, "one is done", b.root.Snapshot(), supervisor.Count{Specs: 8, Active: 7, Supervisors: 3, Workers: 5})
		byName["temp"].end(returns(nil))
		count(t, "one is gone", b.root.Snapshot(), supervisor.Count{Specs: 7, Active: 6, Supervisors: 3, Workers: 4})
		byName["waits"].crash()
		count(t, "one waits for its restart", b.root.Snapshot(), supervisor.Count{Specs: 7, Active: 5, Supervisors: 3, Workers: 4})
		checkError(t, "terminate", b.root.TerminateChild(ctx, "sub"), "")
		count(t, "a supervisor is down", b.root.Snapshot(), supervisor.Count{Specs: 7, Active: 4, Supervisors: 3, Workers: 4})

		// S127, S106: for a Dynamic the specs are the entries.
		x, y := named("x"), named("y")
		added(t, pool, x)
		added(t, pool, supervisor.Spec{Child: y, Restart: strategy.Transient})
		added(t, pool, supervisor.New("z", supervisor.Policy{}))
		count(t, "pool", pool.Snapshot(), supervisor.Count{Specs: 3, Active: 3, Supervisors: 1, Workers: 2})
		x.crash()
		count(t, "pool, one waits", pool.Snapshot(), supervisor.Count{Specs: 3, Active: 2, Supervisors: 1, Workers: 2})
		y.end(returns(nil))
		count(t, "pool, one is done", pool.Snapshot(), supervisor.Count{Specs: 2, Active: 1, Supervisors: 1, Workers: 1})
		checkError(t, "terminate", pool.TerminateChild(ctx, "x#1"), "") // S201: not below zero
		count(t, "pool, one was terminated", pool.Snapshot(), supervisor.Count{Specs: 1, Active: 1, Supervisors: 1, Workers: 0})

		byName["slow"].onStop = takes(time.Second)
		stopped := make(chan error)
		go func() { stopped <- b.root.Stop(ctx) }()
		synctest.Wait()
		count(t, "while slow stops", b.root.Snapshot(), supervisor.Count{Specs: 7, Active: 2, Supervisors: 2, Workers: 5})
		checkError(t, "stop", <-stopped, "")
		count(t, "afterwards", b.root.Snapshot(), supervisor.Count{Specs: 7, Active: 0, Supervisors: 2, Workers: 5})
		checkError(t, "wait", b.wait(), "")
	})
}

func TestS107_ChildSpecHasItsDefaultsFilledIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		sub := supervisor.New("sub", supervisor.Policy{})
		given := supervisor.Spec{Child: named("given"), Restart: strategy.Transient, Shutdown: supervisor.BrutalKill,
			Backoff: strategy.Constant(time.Hour), Significant: true}
		b := start(t, supervisor.Policy{Backoff: strategy.Constant(time.Minute), AutoShutdown: strategy.AnySignificant}, c, sub, given)
		for _, test := range []struct {
			name    string
			child   supervisor.Child
			want    string
			backoff time.Duration
		}{
			{"c", c, "permanent 5s false", time.Minute},
			{"sub", sub, "permanent infinity false", time.Minute},
			{"given", given.Child, "transient brutal kill true", time.Hour},
		} {
			spec, err := b.root.ChildSpec(test.name)
			checkError(t, "spec of "+test.name, err, "")
			check(t, "child", spec.Child, test.child)
			check(t, "spec of "+test.name, fmt.Sprintf("%v %v %v", spec.Restart, spec.Shutdown, spec.Significant), test.want)
			check(t, "backoff of "+test.name, spec.Backoff().NextBackOff(), test.backoff)
		}
		b.stopInOrder()
	})
}

// Whatever the child does: the last line of the error table (S112).
func TestS72S107S112_ChildSpecInEveryState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		children, byName := nursery("c:trans slow:trans")
		slow := byName["slow"]
		slow.onStart = func(_ context.Context, n int) error { time.Sleep(time.Second); return nil }
		slow.onStop = takes(time.Second)
		b := newBed(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)}, children...)
		find := func(state, name string, want error) {
			t.Helper()
			spec, err := b.root.ChildSpec(name)
			if want == nil {
				checkError(t, state, err, "")
				check(t, "restart type of one that is "+state, spec.Restart, strategy.Transient)
				return
			}
			var childError *supervisor.ChildError
			if !errors.Is(err, want) || !errors.As(err, &childError) {
				t.Errorf("%s: got %v, want a *ChildError with %v", state, err, want)
			}
			checkError(t, state, err, fmt.Sprintf("find root/%s: %v", name, want))
			check(t, "child of one that is "+state, spec.Child, nil)
		}
		find("not running", "c", supervisor.ErrNotRunning)
		go b.root.Start(context.Background())
		synctest.Wait()
		find("being started", "slow", nil) // it does not wait for the supervisor's turn
		time.Sleep(time.Second)
		find("running", "c", nil)
		byName["c"].crash()
		find("restarting", "c", nil)
		checkError(t, "terminate", b.root.TerminateChild(ctx, "c"), "")
		find("stopped", "c", nil)
		checkError(t, "delete", b.root.DeleteChild(ctx, "c"), "")
		find("deleted", "c", supervisor.ErrNotFound)
		find("unknown", "x", supervisor.ErrNotFound)
		stopped := make(chan error)
		go func() { stopped <- b.root.Stop(ctx) }()
		synctest.Wait()
		find("being stopped", "slow", nil)
		checkError(t, "stop", <-stopped, "")
		find("not running any more", "slow", supervisor.ErrNotRunning)
	})
}

func TestS107_ChildSpecOfADynamic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := supervisor.NewDynamic("pool", supervisor.Policy{})
		_, err := pool.ChildSpec("c#1")
		checkError(t, "before", err, "find pool/c#1: the supervisor is not running")
		b := start(t, supervisor.Policy{}, pool)
		c := named("c")
		name := added(t, pool, supervisor.Spec{Child: c, Restart: strategy.Transient})
		spec, err := pool.ChildSpec(name)
		checkError(t, "spec", err, "")
		check(t, "child", spec.Child, supervisor.Child(c))
		check(t, "shutdown", spec.Shutdown, supervisor.Timeout(supervisor.DefaultShutdown))
		_, err = pool.ChildSpec("c")
		checkError(t, "by the name alone", err, "find root/pool/c: no such child: the name is what StartChild gave back, such as c#1")
		c.end(returns(nil))
		_, err = pool.ChildSpec(name)
		checkError(t, "gone", err, "find root/pool/c#1: no such child")
		b.stopInOrder()
	})
}
