package actortest_test

import (
	"strings"
	"testing"

	"github.com/coppice-go/coppice/actortest"
	"github.com/coppice-go/coppice/supervisor"
)

// A complaint is read in full once.
func TestComplaintsAreToldOnce(t *testing.T) {
	for name, test := range map[string]struct {
		scenarios [][]string
		want      []string
	}{
		"in one scenario": {
			[][]string{{"odd", "even", "odd"}},
			[]string{"2 times: odd", "even"},
		},
		"in a later one, without advice": {
			[][]string{{"it fails: odd; it must not"}, {"it fails: odd; it must not", "it hangs"}},
			[]string{"it fails: odd; it must not", "the same as in scenario_1: it fails: odd", "it hangs"},
		},
		"with other numbers": {
			[][]string{{"took 1h0m0.5s:\n1 of 3"}, {"took 50µs:\n12 of 4"}},
			[]string{"took 1h0m0.5s:\n1 of 3", "the same as in scenario_1: took 50µs"},
		},
		"from the same place by another way": {
			[][]string{{"panic:\n\tf(...)\n\t\tf.go:7\n\tg(...)", "panic:\n\tf(...)\n\t\tf.go:7\n\th(...)"}},
			[]string{"2 times: panic:\n\tf(...)\n\t\tf.go:7\n\tg(...)"},
		},
		"from another place": {
			[][]string{{"panic:\n\tf(...)"}, {"panic:\n\tg(...)"}},
			[]string{"panic:\n\tf(...)", "panic:\n\tg(...)"},
		},
		"of another cause": {
			[][]string{{"it fails: odd"}, {"it fails: even"}},
			[]string{"it fails: odd", "it fails: even"},
		},
	} {
		check(t, name, strings.Join(actortest.Told(test.scenarios), "\n"), strings.Join(test.want, "\n"))
	}
}

func TestRunTellsAComplaintOnce(t *testing.T) {
	if played(t) {
		actortest.Run(t, func() supervisor.Child { return badChildren["panics in cleanup"].make(nil) })
		return
	}
	output := play(t, t.Name())
	const text = "it must return when it is asked to stop, but left by a panic: not today"
	check(t, "with its stack", strings.Count(output, "actortest_test.init.func"), 1)
	if got := strings.Count(output, "the same as in starts_and_stops: "+text); got < 10 {
		t.Errorf("in brief: got %d, want one for most scenarios, in %s", got, output)
	}
}

// What only follows from a complaint is none.
func TestConsequencesAreNotComplainedOf(t *testing.T) {
	for name, want := range map[string]string{
		"keeps state that cannot be started again": "it cannot be started again: port taken; ",
		"fails by itself":                          "odd",
	} {
		got := actortest.Complaints(t, actortest.Options{}, func() (supervisor.Child, func()) {
			return badChildren[name].make(nil), func() {}
		})
		for scenario, complaints := range got {
			for _, complaint := range complaints {
				if !strings.Contains(complaint, want) || strings.Contains(complaint, "gave up") {
					t.Errorf("%s, in %q: got %q, want only %q", name, scenario, complaint, want)
				}
			}
		}
	}
}
