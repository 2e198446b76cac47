package actortest_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/actortest"
	"github.com/coppice-go/coppice/supervisor"
)

func TestInjectorThatNeverStruckSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &listener{TB: t}
		never := actortest.NewInjector(told, 7,
			actortest.Fault{Kind: actortest.Panic, At: 3},
			actortest.Fault{Kind: actortest.Error, Rate: 1e-12},
			actortest.Fault{Kind: actortest.SlowStop, At: 1})
		once := actortest.NewInjector(told, 7, actortest.Fault{Kind: actortest.SlowStart, At: 1})
		one, two := newNumbers(actor.Options{}), named("two")
		plant(t, never.Child(supervisor.New("inner", supervisor.Policy{}, one, two)), once.Child(named("three")))
		for _, a := range []*actor.Actor[int]{one, two, two} {
			if err := a.Send(t.Context(), 1); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		told.end()
		check(t, "logged", strings.Join(told.lines, "\n"), "the injector never struck: "+
			"panic at message 3 (no child had more than 2), error at a rate of 1e-12 (there were only 3), slow stop at stop 1 (there was no stop)")
	})
}

// The environment has no say if the code gives the seed.
func TestSeedThatWasGivenIsOnlyTold(t *testing.T) {
	t.Setenv("ACTORTEST_SEED", "9")
	for given, want := range map[uint64]string{7: "the seed was 7", 0: "the seed was 9; to run it again: ACTORTEST_SEED=9"} {
		told := &listener{TB: t, failed: true}
		actortest.NewInjector(told, given)
		told.end()
		check(t, "logged", strings.Join(told.lines, "\n"), want)
	}
}

func TestSlowMessage(t *testing.T) {
	for name, test := range map[string]struct {
		shutdown supervisor.Shutdown
		cut      func(*actortest.Injector)
		took     time.Duration
	}{
		"handled":  {supervisor.Timeout(time.Minute), func(*actortest.Injector) {}, 10 * time.Second},
		"killed":   {supervisor.Timeout(3 * time.Second), func(*actortest.Injector) {}, 2700 * time.Millisecond},
		"released": {supervisor.Timeout(time.Minute), (*actortest.Injector).Release, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := actortest.NewInjector(t, 0, actortest.Fault{Kind: actortest.SlowMessage, At: 1, For: 10 * time.Second})
				var handled []time.Duration
				took := stopwatch()
				a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
					return actor.Behavior[int]{Receive: func(context.Context, int) error {
						handled = append(handled, took())
						return nil
					}}, nil
				})
				tree, kept := plant(t, in.Child(supervisor.Spec{Child: a, Shutdown: test.shutdown}))
				if err := a.Send(t.Context(), 1); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				test.cut(in)
				if err := tree.Stop(t.Context()); err != nil {
					t.Error(err)
				}
				if len(handled) != 1 || handled[0] != test.took {
					t.Errorf("handled after %v, want %v", handled, test.took)
				}
				check(t, "events", kept.take(), "")
				actortest.NoLeaks(t, tree)
			})
		})
	}
}
