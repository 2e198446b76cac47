package actortest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// Options are for [Run] and [Stress]. The zero value is the default of each field.
type Options struct {
	// Seed is that of the random numbers of Stress; Run needs none. 0 means that
	// of the environment variable ACTORTEST_SEED, or a new one. A test that fails
	// tells it.
	Seed uint64

	// Load, if set, gives the child work: it sends messages to it, or calls it,
	// again and again until ctx ends. child is what make gave: of a tree, let
	// that be a struct of the supervisor, embedded, and the addresses in it.
	// Load begins when the child is up, goes on while that crashes, restarts and
	// stops, and so must bear all errors. It must let time pass between its
	// messages, by time.Sleep, which costs nothing in a bubble: with the hundred
	// thousandth message at one moment the test has failed, ctx ends, and nothing
	// more is played. One that only gets errors is not found out so: without a
	// sleep the test hangs. The messages must not crash the child: the kit makes
	// some of them do that. Nor may Load wait by synctest.Wait, as the kit does.
	//
	// Without a Load, Run skips the scenarios in which a handler crashes. It
	// shows them as skipped if it sees an actor or server: as the child, or
	// below it if that is a supervisor.
	Load func(ctx context.Context, child supervisor.Child)
}

// Run finds out whether a child behaves as a supervisor expects of one: it is
// started and stopped at every point of its life, crashes and is restarted, with
// its group and with the supervisor above, is terminated, killed, and used again
// after its tree has ended. After each scenario no goroutine of it may be left. A
// child that does not pass is told what it has done and what it should do; what it
// was told in an earlier scenario it is told again in brief. One that is not made
// right, or not afresh, is told so once, and nothing more is played.
//
// Each scenario is a subtest in a synctest bubble of its own: time is virtual,
// and nothing may depend on what is outside, such as a network connection. make
// is called in the bubble and gives a fresh child; a [supervisor.Spec] around it
// says how long its stop may take, and nothing else. A Start or a request that takes
// longer than an hour counts as stuck. The child must run by itself,
// and may end by itself when it is done. If it depends on others, make gives a
// supervisor of them all.
//
// At most one options value may be given.
func Run(t *testing.T, make func() supervisor.Child, options ...Options) {
	t.Helper()
	o := oneOf(t, make, options)
	var before supervisor.Child
	told, messages, over := told{}, false, false
	for _, s := range o.scenarios() {
		t.Run(s.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				child := make()
				if same(child, before) { // what it has of the bubble before would end the program
					over = true
					t.Fatal("make must give a fresh child each time, but gave the same twice")
				}
				before = child
				c := &script{child: child, load: o.Load}
				for _, complaint := range s.complaints(c) {
					t.Error(told.of(complaint, s.name))
				}
				messages, over = messages || c.messages, c.over
			})
		})
		if over {
			return
		}
	}
	if o.Load == nil && messages {
		skip(t)
	}
}

// skip shows the scenarios that need a load.
func skip(t *testing.T) {
	t.Helper()
	for _, s := range messageScenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Skip("no Options.Load: give one that sends messages to the child, so that it also crashes with one in hand")
		})
	}
}

// oneOf is the options value that was given, if one was.
func oneOf(t *testing.T, make func() supervisor.Child, options []Options) (o Options) {
	t.Helper()
	if make == nil {
		t.Fatal("make: nil")
	}
	if len(options) > 1 {
		t.Fatalf("options: %d values, at most one is taken", len(options))
	}
	if len(options) == 1 {
		o = options[0]
	}
	return o
}

// scenarios are those that are to be played.
func (o Options) scenarios() []scenario {
	if o.Load == nil {
		return scenarios
	}
	return slices.Concat(scenarios, messageScenarios)
}

// same says whether two children are one value that can have a state.
func same(a, b supervisor.Child) bool {
	v, w := reflect.ValueOf(inside(a)), reflect.ValueOf(inside(b))
	return v.Kind() == reflect.Pointer && w.Kind() == reflect.Pointer && v.Type() == w.Type() &&
		v.Pointer() == w.Pointer() && v.Type().Elem().Size() > 0
}

// inside is the child inside of a spec.
func inside(child supervisor.Child) supervisor.Child {
	if spec, ok := child.(supervisor.Spec); ok {
		return spec.Child
	}
	return child
}

// complaints plays the scenario with a fresh child, in the bubble of the caller,
// and gives what there is to complain of.
func (s scenario) complaints(c *script) (all complaints) {
	if all = faults(c.child); all != nil {
		c.over = true
		return all
	}
	s.play(c)
	for _, stage := range c.stages {
		for _, complaint := range stage.complained() {
			all.add(complaint.text, complaint.times)
		}
		c.over = c.over || stage.hasRushed()
	}
	if all != nil {
		stragglers()
	}
	return all
}

// stragglers lets what is only late come to its end, so that it does not hold up
// the end of the bubble.
func stragglers() { time.Sleep(patience) }

// faults are what is wrong with a child before anything has started.
func faults(child supervisor.Child) (all complaints) {
	if err := supervisor.New("actortest", supervisor.Policy{}, plain(child)).Check(); err != nil {
		all.add("it is not made right: "+err.Error(), 1)
	} else if before, now := child.Name(), child.Name(); before != now {
		all.add(fmt.Sprintf("its name must stay as it is: %q has become %q", before, now), 1)
	}
	return all
}

// plain leaves out of a spec what only counts under the right supervisor.
func plain(child supervisor.Child) supervisor.Child {
	if spec, ok := child.(supervisor.Spec); ok {
		spec.Significant = false
		return spec
	}
	return child
}

// bubble runs f in a synctest bubble of its own. A bubble panics if goroutines
// are left for ever when f has returned: the test goes on without them, and has
// failed.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer func() {
		if value := recover(); value != nil && !t.Failed() {
			t.Errorf("goroutines are left that belong to no tree: %v", value)
		}
	}()
	synctest.Test(t, f)
}
