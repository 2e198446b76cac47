package supervisor_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func idle(context.Context) (*struct{}, error) { return new(struct{}), nil }

// crashAll crashes each server once.
func crashAll(t *testing.T, servers []*actor.Server[struct{}]) {
	t.Helper()
	for _, s := range servers {
		if err := actor.Cast(t.Context(), s, crashing{}); err != nil {
			t.Fatalf("cast: got %v, want nil", err)
		}
	}
	synctest.Wait()
}

func wantIncarnation(t *testing.T, children []supervisor.Snapshot, want int) {
	t.Helper()
	check(t, "children", len(children), many)
	for _, c := range children {
		if c.Incarnation != want || c.State != supervisor.Running {
			t.Fatalf("%s: got %v with incarnation %d, want running with %d", c.Path, c.State, c.Incarnation, want)
		}
	}
}

func TestManyChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, children := make([]*actor.Server[struct{}], many), make([]supervisor.Child, many)
		for i := range servers {
			servers[i] = actor.NewServer(fmt.Sprint("server", i), idle)
			children[i] = servers[i]
		}
		root := supervisor.New("root", supervisor.Policy{Restarts: strategy.Unlimited, Tracing: quiet()}, children...)
		wait, err := root.Start(context.Background())
		checkError(t, "start", err, "")
		crashAll(t, servers)
		wantIncarnation(t, root.Snapshot().Children, 2)
		checkError(t, "stop", root.Stop(context.Background()), "")
		checkError(t, "wait", wait(), "")
	})
}

func TestManyDynamicChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := supervisor.NewDynamic("pool", supervisor.Policy{Restarts: strategy.Unlimited})
		b := start(t, supervisor.Policy{}, pool)
		servers := make([]*actor.Server[struct{}], many)
		for i := range servers {
			servers[i] = actor.NewServer("server", idle)
			added(t, pool, servers[i])
		}
		crashAll(t, servers)
		wantIncarnation(t, pool.Snapshot().Children, 2)
		for i := range many / 2 {
			if err := pool.TerminateChild(t.Context(), fmt.Sprintf("server#%d", 2*i+1)); err != nil {
				t.Fatalf("terminate: got %v, want nil", err)
			}
		}
		check(t, "children left", len(pool.Children()), many/2)
		b.stopInOrder()
	})
}

// Few of many do not stop: all are waited for once, and each is reported.
func TestManyStuckChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		pool := supervisor.NewDynamic("pool", supervisor.Policy{})
		b := start(t, supervisor.Policy{}, pool)
		const stuck = 100
		for i := range 1000 {
			c := named("c")
			if i%10 == 0 {
				c.onStop = ignoresCtxUntil(released)
			}
			added(t, pool, c)
		}
		list := reported(t, b.stop())
		check(t, "stuck", len(list), stuck)
		for _, s := range list {
			if s.Stack == "" {
				t.Errorf("%s: got no stack, want one", s.Path)
			}
		}
		close(released)
	})
}
