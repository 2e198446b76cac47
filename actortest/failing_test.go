package actortest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/actortest"
	"github.com/coppice-go/coppice/supervisor"
)

// listener is a test that only hears what it is told.
type listener struct {
	testing.TB
	lines    []string
	errors   []string // of these
	failed   bool
	cleanups []func()
}

func (l *listener) Helper() {}
func (l *listener) Logf(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}
func (l *listener) Cleanup(f func()) { l.cleanups = append(l.cleanups, f) }
func (l *listener) Failed() bool     { return l.failed }
func (l *listener) end() {
	for _, f := range slices.Backward(l.cleanups) {
		f()
	}
}
func (l *listener) Errorf(format string, args ...any) {
	l.Logf(format, args...)
	l.errors = append(l.errors, l.lines[len(l.lines)-1])
}

// played says whether this process is one that play has started.
func played(t *testing.T) bool { return os.Getenv(failingVariable) == t.Name() }

// play runs a test that must fail in a process of its own and gives its output.
func play(t *testing.T, name string, environment ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+name+"$", "-test.v", "-test.timeout=60s")
	command.Env = append(append(os.Environ(), failingVariable+"="+name), environment...)
	output, err := command.CombinedOutput()
	if err == nil {
		t.Errorf("%s passes, want it to fail:\n%s", name, output)
	}
	return string(output)
}

// A child that leaves something for ever leaves a bubble that cannot end. The test
// must tell of the child, and go on.
func TestRunTellsOfALeakAndGoesOn(t *testing.T) {
	tellsAndGoesOn(t, func(ctx context.Context) error {
		go func() { select {} }()
		<-ctx.Done()
		return nil
	}, "1 of its incarnations have started a goroutine that is still there after the stop")
}

func TestRunTellsOfWhatIsStuckAndGoesOn(t *testing.T) {
	tellsAndGoesOn(t, func(context.Context) error { select {} },
		"it does not stop: 1 did not stop:\n        actortest/parent/f (incarnation 1), stuck in run for at least 5s")
}

func tellsAndGoesOn(t *testing.T, f func(context.Context) error, told string) {
	t.Helper()
	if played(t) {
		actortest.Run(t, func() supervisor.Child { return supervisor.Func("f", f) })
		return
	}
	output := play(t, t.Name())
	for _, want := range []string{
		told,
		"--- FAIL: " + t.Name() + "/starts_and_stops",
		"--- FAIL: " + t.Name() + "/used_again",
	} {
		if !strings.Contains(output, want) {
			t.Errorf("got %s\nwant %q in it", output, want)
		}
	}
	for _, bad := range []string{"panic:", "deadlock"} {
		if strings.Contains(output, bad) {
			t.Errorf("got %s\nwant no %q in it", output, bad)
		}
	}
}

// A server of an earlier bubble has channels of that: to use it would end the
// program.
func TestRunTellsWhoMakesNoFreshChild(t *testing.T) {
	if played(t) {
		child := newCounter()
		actortest.Run(t, func() supervisor.Child { return supervisor.Spec{Child: child} })
		return
	}
	output := play(t, t.Name())
	for want, n := range map[string]int{
		"make must give a fresh child each time, but gave the same twice": 1, // and not for each of 17 scenarios
		"--- PASS: " + t.Name() + "/starts_and_stops":                     1,
	} {
		if got := strings.Count(output, want); got != n {
			t.Errorf("%q: got it %d times, want %d, in %s", want, got, n, output)
		}
	}
}

// What is wrong with a child before it starts is so in each scenario.
func TestRunTellsOnceWhatIsNotMadeRight(t *testing.T) {
	if played(t) {
		actortest.Run(t, func() supervisor.Child { return nil })
		return
	}
	output := play(t, t.Name())
	for _, want := range []string{"child 1: a nil Child", "--- FAIL: " + t.Name() + "/"} {
		check(t, want, strings.Count(output, want), 1)
	}
}

// Scenarios that need a load are shown if there is none, unless it has nothing to
// send to.
func TestRunShowsWhatItSkips(t *testing.T) {
	if played(t) {
		for name, make := range map[string]func() supervisor.Child{
			"server": newCounter,
			"spec":   func() supervisor.Child { return supervisor.Spec{Child: newNumbers(actor.Options{})} },
			"tree": func() supervisor.Child {
				inner := supervisor.New("inner", supervisor.Policy{}, newCounter())
				return supervisor.New("outer", supervisor.Policy{}, supervisor.Func("f", waits), inner)
			},
			"function": func() supervisor.Child { return supervisor.Func("f", waits) },
			"empty":    func() supervisor.Child { return supervisor.NewDynamic("empty", supervisor.Policy{}) },
		} {
			t.Run(name, func(t *testing.T) { actortest.Run(t, make) })
		}
		t.Fail() // play expects it
		return
	}
	output := play(t, t.Name())
	check(t, "reasons", strings.Count(output, ": no Options.Load: give one"), 3*4)
	for name, want := range map[string]int{"server": 4, "spec": 4, "tree": 4, "function": 0, "empty": 0} {
		check(t, name, strings.Count(output, "--- SKIP: "+t.Name()+"/"+name+"/"), want)
		check(t, name+", failed", strings.Count(output, "--- FAIL: "+t.Name()+"/"+name), 0)
	}
}

// A failing Stress tells its seed, and with that fails again in the same way.
func TestStressTellsItsSeed(t *testing.T) {
	if played(t) {
		actortest.Stress(t, func() supervisor.Child {
			starts := 0
			return supervisor.Func("f", func(ctx context.Context) error {
				if starts++; starts == 20 {
					return errOdd
				}
				<-ctx.Done()
				return nil
			})
		})
		return
	}
	output := play(t, t.Name())
	seed := regexp.MustCompile(`ACTORTEST_SEED=\d+`).FindString(output)
	if seed == "" || !strings.Contains(output, ": odd") {
		t.Fatalf("got %s\nwant a complaint and a seed", output)
	}
	if again := play(t, t.Name(), seed); !strings.Contains(again, seed) {
		t.Errorf("with %s: got %s\nwant the same seed", seed, again)
	}
}

func TestStressFindsWhatKeepsState(t *testing.T) {
	for name, want := range map[string]string{
		"keeps state that cannot be started again":  "it cannot be started again: port taken",
		"keeps what it took if it is stopped early": "it cannot be started again: port taken",
		"leaks a goroutine":                         "still there after the stop",
		"panics in cleanup":                         "left by a panic: not today",
		"has another name each time":                "its name must stay as it is",
	} {
		t.Run(name, func(t *testing.T) {
			complaints := actortest.StressComplaints(t, 1, nil, func() (supervisor.Child, func()) {
				let := make(chan struct{})
				return badChildren[name].make(let), func() { close(let) }
			})
			if text := strings.Join(complaints, "\n"); !strings.Contains(text, want) {
				t.Errorf("got %s\nwant %s", text, want)
			}
		})
	}
}
