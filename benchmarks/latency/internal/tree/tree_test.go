package tree_test

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/benchmarks/latency/internal/tree"
	"github.com/coppice-go/coppice/benchmarks/stopwatch"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func flagged(flag string) string { return "-" + flag }

func shape() tree.Shape {
	return tree.Shape{Depth: 2, FanOut: 3, Within: time.Second, Capacity: 16, Shutdown: time.Second}
}

func TestATreeHasTheShapeThatIsDescribed(t *testing.T) {
	for _, test := range []struct{ depth, fanOut, supervisors, servers int }{
		{1, 1, 1, 1}, {1, 5, 1, 5}, {2, 3, 4, 9}, {3, 10, 111, 1000},
	} {
		s := shape()
		s.Depth, s.FanOut = test.depth, test.fanOut
		made := s.Make(nil)
		supervisors, servers := 0, 0
		for _, below := range made.Root.(*supervisor.Supervisor).Snapshot().All() {
			if below.Supervisor {
				supervisors++
			} else {
				servers++
			}
		}
		if supervisors != test.supervisors || servers != test.servers || len(made.Victims) != servers {
			t.Errorf("%d levels of %d: got %d supervisors, %d servers, %d victims, want %d, %d, %d", test.depth, test.fanOut, supervisors, servers, len(made.Victims), test.supervisors, test.servers, test.servers)
		}
		if n, m := s.Size(); n != supervisors || m != servers || s.Check(flagged) != nil {
			t.Errorf("%d levels of %d: got size %d, %d, check %v, want %d, %d, nil", test.depth, test.fanOut, n, m, s.Check(flagged), supervisors, servers)
		}
		if err := made.Root.(*supervisor.Supervisor).Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestAllFaultsOfAShapeAreTold(t *testing.T) {
	bad := tree.Shape{
		Depth: 0, FanOut: 0, Backoff: -1, BackoffMax: -1, Restarts: -1, Within: 0, Capacity: 0, Shutdown: -1,
		Stubborn: math.NaN(), StubbornFor: -1,
	}
	err := bad.Check(flagged)
	for _, flag := range []string{"depth", "fanout", "backoff", "backoff-max", "restarts", "within", "capacity", "shutdown", "stubborn", "stubborn-for"} {
		if err == nil || !strings.Contains(err.Error(), "-"+flag+": ") {
			t.Errorf("got %v, want it to name -%s", err, flag)
		}
	}
	for name, test := range map[string]struct {
		change func(*tree.Shape)
		want   string
	}{
		"large":              {func(s *tree.Shape) { s.Depth, s.FanOut = 7, 10 }, "-depth: 7 with -fanout 10 makes more than 2000000 nodes"},
		"deep":               {func(s *tree.Shape) { s.Depth, s.FanOut = math.MaxInt, 1 }, "more than 2000000 nodes"},
		"a limit below":      {func(s *tree.Shape) { s.Backoff, s.BackoffMax = 2, 1 }, "-backoff-max: 1ns needs a -backoff"},
		"a limit of nothing": {func(s *tree.Shape) { s.BackoffMax = 1 }, "-backoff-max: 1ns needs a -backoff"},
	} {
		s := shape()
		test.change(&s)
		if err := s.Check(flagged); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// measure measures a tree in virtual time.
func measure(t *testing.T, s tree.Shape, o stopwatch.Options) (r *stopwatch.Report) {
	t.Helper()
	if err := s.Check(flagged); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		o.Patience = s.Patience()
		var err error
		if r, err = stopwatch.Measure(t.Context(), s.Make, o); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

func TestAShareOfTheServersIsStubborn(t *testing.T) {
	for _, test := range []struct {
		share, want      float64 // of nine servers, which are stopped one after the other
		linger, shutdown time.Duration
		stopped          time.Duration
		abandoned        int
	}{
		{0, 0, time.Hour, time.Second, 0, 0},
		{1, 9, 300 * time.Millisecond, time.Second, 2700 * time.Millisecond, 0},
		{1. / 3, 3, 300 * time.Millisecond, time.Second, 900 * time.Millisecond, 0},
		{.5, 4, 500 * time.Millisecond, time.Second, 2 * time.Second, 0},
		{.5, 4, time.Hour, 2 * time.Second, 8 * time.Second, 4},
	} {
		s := shape()
		s.Stubborn, s.StubbornFor, s.Shutdown = test.share, test.linger, test.shutdown
		r := measure(t, s, stopwatch.Options{Crashes: stopwatch.NoCrashes, Trees: 2})
		if r.Stopped.Min != test.stopped || r.Stopped.Max != test.stopped || r.Counts.Abandoned != 2*test.abandoned || r.Counts.Returned != 2*test.abandoned {
			t.Errorf("share %v for %v: got stops of %v to %v, %+v, want %v, %d abandoned each", test.share, test.linger, r.Stopped.Min, r.Stopped.Max, r.Counts, test.stopped, test.abandoned)
		}
		if s.Stubborns() != int(test.want) {
			t.Errorf("share %v: got %d, want %v", test.share, s.Stubborns(), test.want)
		}
	}
}

func TestTheStubbornHoldUpAGroup(t *testing.T) {
	for _, test := range []struct {
		strategy strategy.Strategy
		least    time.Duration
		most     time.Duration
	}{
		{strategy.OneForOne, time.Second, time.Second},
		{strategy.OneForAll, 5 * time.Second, 5 * time.Second},  // two siblings of two seconds, then the delay
		{strategy.RestForOne, 1 * time.Second, 5 * time.Second}, // none to two
	} {
		s := shape()
		s.Strategy, s.Backoff, s.Stubborn, s.StubbornFor, s.Shutdown = test.strategy, time.Second, 1, 2*time.Second, 4*time.Second
		r := measure(t, s, stopwatch.Options{Crashes: 40, Trees: 1})
		if r.Ready.Min != test.least || r.Ready.Max != test.most {
			t.Errorf("%v: got %v to %v, want %v to %v", test.strategy, r.Ready.Min, r.Ready.Max, test.least, test.most)
		}
	}
}

func TestARandomBackoff(t *testing.T) {
	s := shape()
	s.Backoff, s.BackoffMax = 100*time.Millisecond, 200*time.Millisecond
	r := measure(t, s, stopwatch.Options{Crashes: 500, Trees: 1})
	if r.Ready.Min >= 50*time.Millisecond || r.Ready.Max <= 100*time.Millisecond || r.Ready.Max > 200*time.Millisecond {
		t.Errorf("got %v to %v, want anything up to 200ms", r.Ready.Min, r.Ready.Max)
	}
}

func TestRestartsAreLimitedIfTheShapeSaysSo(t *testing.T) {
	s := shape()
	s.Depth, s.Restarts, s.Within = 1, 5, time.Minute
	synctest.Test(t, func(t *testing.T) {
		r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree { return s.Make(events) }, stopwatch.Options{Crashes: 10, Trees: 1})
		if err == nil || !strings.Contains(err.Error(), "more often than its policy allows") || r.Counts.Crashes != 5 {
			t.Errorf("got %v after %d crashes, want the budget exceeded after 5", err, r.Counts.Crashes)
		}
	})
}
