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

// A test whose faults do not strike fails, unless that is a matter of chance.
func TestInjectorThatNeverStruckSaysWhy(t *testing.T) {
	panics := actortest.Fault{Kind: actortest.Panic, At: 3}
	rarely := actortest.Fault{Kind: actortest.Error, Rate: 1e-12}
	stops := actortest.Fault{Kind: actortest.SlowStop, At: 1}
	stopsRarely := actortest.Fault{Kind: actortest.SlowStop, Rate: 0.5}
	const (
		noThird = "the injector never struck: panic at message 3 (no child had more than 2)"
		noLuck  = "error at a rate of 1e-12 (there were only 3)"
		noStop  = "slow stop at stop 1 (there was no stop)"
	)
	for name, test := range map[string]struct {
		faults []actortest.Fault
		failed bool // the test has, for another reason
		want   string
		fails  bool
	}{
		"a number that was not reached": {faults: []actortest.Fault{panics}, want: noThird, fails: true},
		"no occasion":                   {faults: []actortest.Fault{panics, stops}, want: noThird + ", " + noStop, fails: true},
		"a rate without an occasion": {faults: []actortest.Fault{stopsRarely},
			want: "the injector never struck: slow stop at a rate of 0.5 (there was no stop)", fails: true},
		"a rate without luck":    {faults: []actortest.Fault{panics, rarely, stops}, want: noThird + ", " + noLuck + ", " + noStop},
		"a test that has failed": {faults: []actortest.Fault{panics}, failed: true, want: noThird + "\nthe seed was 7"},
		"one that has struck":    {faults: []actortest.Fault{panics, {Kind: actortest.SlowStart, At: 1}}},
		"no faults":              {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := &listener{TB: t, failed: test.failed}
				in := actortest.NewInjector(told, 7, test.faults...)
				one, two := newNumbers(actor.Options{}), named("two")
				plant(t, in.Child(supervisor.New("inner", supervisor.Policy{}, one, two)))
				for _, a := range []*actor.Actor[int]{one, two, two} {
					if err := a.Send(t.Context(), 1); err != nil {
						t.Error(err)
					}
				}
				synctest.Wait()
				told.end()
				check(t, "told", strings.Join(told.lines, "\n"), test.want)
				check(t, "fails", len(told.errors) > 0, test.fails)
			})
		})
	}
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
