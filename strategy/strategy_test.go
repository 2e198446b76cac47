package strategy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
)

func TestS35S36_SpanCoversTheRangeOfTheStrategy(t *testing.T) {
	for _, test := range []struct {
		strategy   strategy.Strategy
		failed, n  int
		wantLo, hi int
	}{
		{strategy.OneForOne, 0, 1, 0, 1},
		{strategy.OneForOne, 0, 4, 0, 1},
		{strategy.OneForOne, 3, 4, 3, 4},
		{strategy.OneForAll, 0, 1, 0, 1},
		{strategy.OneForAll, 0, 4, 0, 4},
		{strategy.OneForAll, 3, 4, 0, 4},
		{strategy.RestForOne, 0, 1, 0, 1},
		{strategy.RestForOne, 0, 4, 0, 4},
		{strategy.RestForOne, 2, 4, 2, 4},
		{strategy.RestForOne, 3, 4, 3, 4},
		{strategy.Strategy(9), 2, 4, 2, 3}, // invalid: the failed child only
	} {
		t.Run(fmt.Sprintf("%v/%d of %d", test.strategy, test.failed, test.n), func(t *testing.T) {
			if lo, hi := test.strategy.Span(test.failed, test.n); lo != test.wantLo || hi != test.hi {
				t.Errorf("got [%d, %d), want [%d, %d)", lo, hi, test.wantLo, test.hi)
			}
		})
	}
}

func TestS35S36_SpanIsInsideAndHoldsTheFailedChild(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 1_000).Draw(t, "n")
		failed := rapid.IntRange(0, n-1).Draw(t, "failed")
		s := strategy.Strategy(rapid.Uint8().Draw(t, "strategy"))
		if lo, hi := s.Span(failed, n); lo < 0 || lo > failed || hi <= failed || hi > n {
			t.Fatalf("%v.Span(%d, %d): got [%d, %d), want 0 <= lo <= failed < hi <= n", s, failed, n, lo, hi)
		}
	})
}

// restart is the sequence of S37-S39 as a supervisor derives it from Span.
func restart(s strategy.Strategy, children []child, failed string) string {
	var steps []string
	at := slices.IndexFunc(children, func(c child) bool { return c.name == failed })
	if !children[at].Restarts(&exit.Failure{Err: errors.New("crash")}) {
		return "remove " + failed
	}
	lo, hi := s.Span(at, len(children))
	for i := hi - 1; i >= lo; i-- {
		if i != at {
			steps = append(steps, "stop "+children[i].name)
		}
	}
	for _, c := range children[lo:hi] {
		if c.Restart != strategy.Temporary {
			steps = append(steps, "start "+c.name)
		}
	}
	return strings.Join(steps, ", ")
}

type child struct {
	name string
	strategy.Restart
}

func TestS46S47_RestartSequences(t *testing.T) {
	const perm, temp = strategy.Permanent, strategy.Temporary
	abcd := []child{{"a", perm}, {"b", perm}, {"c", perm}, {"d", perm}}
	atbu := []child{{"a", perm}, {"t", temp}, {"b", perm}, {"u", temp}}
	for _, test := range []struct {
		name     string
		strategy strategy.Strategy
		children []child
		failed   string
		want     string
	}{
		{"S46 one for one", strategy.OneForOne, abcd, "b", "start b"},
		{"S46 rest for one", strategy.RestForOne, abcd, "b", "stop d, stop c, start b, start c, start d"},
		{"S46 one for all", strategy.OneForAll, abcd, "b", "stop d, stop c, stop a, start a, start b, start c, start d"},
		{"S47 permanent crashes", strategy.RestForOne, atbu, "a", "stop u, stop b, stop t, start a, start b"},
		{"S47 temporary crashes", strategy.RestForOne, atbu, "u", "remove u"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := restart(test.strategy, test.children, test.failed); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestS29S30S31_RestartsByTypeAndReason(t *testing.T) {
	reasons := []struct {
		name   string
		reason exit.Reason
		// permanent and temporary do not depend on the reason
		transient bool
	}{
		{"normal", exit.Normal, false},
		{"shutdown", exit.Shutdown, false},
		{"shutdown with detail", exit.ShutdownFor(errors.New("upgrade")), false},
		{"S62 gave up", &exit.GaveUp{Supervisor: "root", Child: "a", Cause: exit.Killed}, false},
		{"nil", nil, false},
		{"failure", &exit.Failure{Err: errors.New("disk full")}, true},
		{"panic", &exit.Panic{Value: "boom"}, true},
		{"panic with a clean reason", &exit.Panic{Value: exit.Shutdown}, true},
		{"killed", exit.Killed, true},
		{"goexit", exit.Goexit, true},
	}
	for _, test := range reasons {
		t.Run(test.name, func(t *testing.T) {
			for restart, want := range map[strategy.Restart]bool{
				strategy.Permanent:  true,
				strategy.Transient:  test.transient,
				strategy.Temporary:  false,
				strategy.Restart(3): false, // invalid
			} {
				if got := restart.Restarts(test.reason); got != want {
					t.Errorf("%v: got %v, want %v", restart, got, want)
				}
			}
		})
	}
}

func TestS92S95_AutoShutdownEnds(t *testing.T) {
	for _, test := range []struct {
		auto           strategy.AutoShutdown
		two, one, none bool // with so many significant children left
	}{
		{strategy.Never, false, false, false},
		{strategy.AnySignificant, true, true, true},
		{strategy.AllSignificant, false, false, true},
		{strategy.AutoShutdown(3), false, false, false}, // invalid
	} {
		for left, want := range []bool{test.none, test.one, test.two} {
			if got := test.auto.Ends(left); got != want {
				t.Errorf("%v with %d left: got %v, want %v", test.auto, left, got, want)
			}
		}
	}
}

func TestNamesAndValidity(t *testing.T) {
	type named interface {
		fmt.Stringer
		Valid() bool
	}
	for _, test := range []struct {
		value named
		want  string
		valid bool
	}{
		{strategy.Strategy(0), "one_for_one", true},
		{strategy.OneForOne, "one_for_one", true},
		{strategy.OneForAll, "one_for_all", true},
		{strategy.RestForOne, "rest_for_one", true},
		{strategy.Strategy(3), "strategy(3)", false},
		{strategy.Strategy(255), "strategy(255)", false},
		{strategy.Restart(0), "permanent", true},
		{strategy.Permanent, "permanent", true},
		{strategy.Transient, "transient", true},
		{strategy.Temporary, "temporary", true},
		{strategy.Restart(3), "restart(3)", false},
		{strategy.Restart(255), "restart(255)", false},
		{strategy.AutoShutdown(0), "never", true},
		{strategy.Never, "never", true},
		{strategy.AnySignificant, "any_significant", true},
		{strategy.AllSignificant, "all_significant", true},
		{strategy.AutoShutdown(3), "auto_shutdown(3)", false},
		{strategy.AutoShutdown(255), "auto_shutdown(255)", false},
	} {
		if got := test.value.String(); got != test.want {
			t.Errorf("%#v: got %q, want %q", test.value, got, test.want)
		}
		if got := test.value.Valid(); got != test.valid {
			t.Errorf("%v: got valid %v, want %v", test.value, got, test.valid)
		}
	}
}
