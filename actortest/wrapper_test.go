package actortest_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/actortest"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestWrapperChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := actortest.NewInjector(t, 0)
		build := func(wrap func(supervisor.Child) supervisor.Child) *supervisor.Supervisor {
			return supervisor.New("tree", supervisor.Policy{},
				wrap(supervisor.New("static", supervisor.Policy{}, supervisor.Func("f", waits))),
				wrap(supervisor.NewDynamic("dynamic", supervisor.Policy{})),
				wrap(supervisor.Spec{Child: supervisor.NewDynamic("spec", supervisor.Policy{}), Restart: strategy.Transient}),
				wrap(supervisor.Func("worker", waits)))
		}
		plain, wrapped := build(func(c supervisor.Child) supervisor.Child { return c }), build(in.Child)
		for _, moment := range []string{"before", "up", "after"} {
			check(t, moment, wrapped.Snapshot().String(), plain.Snapshot().String())
			for _, tree := range []*supervisor.Supervisor{plain, wrapped} {
				switch moment {
				case "before":
					if _, err := tree.Start(t.Context()); err != nil {
						t.Fatal(err)
					}
				case "up":
					specs(t, tree)
					if err := tree.Stop(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		}
	})
}

// specs checks the shutdown times, which are those of the child inside.
func specs(t *testing.T, tree *supervisor.Supervisor) {
	t.Helper()
	for name, want := range map[string]supervisor.Shutdown{
		"static": supervisor.Infinity, "dynamic": supervisor.Infinity, "spec": supervisor.Infinity,
		"worker": supervisor.Timeout(supervisor.DefaultShutdown),
	} {
		spec, err := tree.ChildSpec(name)
		if err != nil {
			t.Error(err)
		}
		check(t, "shutdown of "+name, spec.Shutdown, want)
		check(t, "restart of "+name, spec.Restart == strategy.Transient, name == "spec")
	}
}

// embedder is a type of the user's around a supervisor.
type embedder struct{ *supervisor.Supervisor }

func TestFaultsOfConstructionAreFoundInsideAWrapper(t *testing.T) {
	in := actortest.NewInjector(t, 0)
	shared := supervisor.New("shared", supervisor.Policy{Restarts: -7}, supervisor.Func("a/b", waits))
	circle := &embedder{}
	circle.Supervisor = supervisor.New("circle", supervisor.Policy{}, in.Child(circle))
	build := func(wrap func(supervisor.Child) supervisor.Child) error {
		return supervisor.New("tree", supervisor.Policy{},
			wrap(shared), wrap(supervisor.New("twice", supervisor.Policy{}, wrap(shared))),
			wrap(supervisor.Func("f", nil)), wrap(actor.NewServer[counter]("s", nil)),
			wrap(nil), wrap(supervisor.Spec{}), wrap(supervisor.Spec{Child: supervisor.Spec{}}), wrap(&supervisor.Spec{}),
			wrap(circle)).Check()
	}
	got, want := build(in.Child), build(func(c supervisor.Child) supervisor.Child { return c })
	if got == nil || got.Error() != want.Error() {
		t.Errorf("Check:\n got %v\nwant %v", got, want)
	}
}

func TestGoBelongsToTheWrappedChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := actortest.NewInjector(t, 0)
		ends := make(chan struct{})
		_, kept := plant(t, in.Child(supervisor.Func("f", func(ctx context.Context) error {
			_ = supervisor.Go(ctx, func(ctx context.Context) error {
				select {
				case <-ends:
					return exit.Killed
				case <-ctx.Done():
					return nil
				}
			})
			return waits(ctx)
		})))
		ends <- struct{}{}
		synctest.Wait()
		check(t, "events", kept.take(), "tree/f: killed")
	})
}
