package bench_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
)

func TestTheWorkloadsAreThoseOfTheGoals(t *testing.T) {
	want := strings.Fields(`send-1-1 send-8-1 send-100-pairs cast batch-64 call call-deadline call-ctx ring-1000 spawn-100k
		spawn-1m bytes-idle bytes-warm bytes-hibernated stop-1m restart-p50 restart-p99 storm-1 storm-100 stop-tree-111k stop-1000 stop-1000-warm stop-100k-warm
		steady-cpu steady-p99`)
	var got []string
	for _, w := range bench.Workloads {
		got = append(got, w.Name)
		if w.About == "" || w.Unit == "" || w.Goal == 0 || w.Limit == 0 {
			t.Errorf("%s is not complete: %+v", w.Name, w)
		}
		if w.More != (w.Goal > w.Limit) {
			t.Errorf("%s: a goal of %v behind a limit of %v", w.Name, w.Goal, w.Limit)
		}
		if _, found := bench.Find(w.Baseline); w.Baseline != "" && !found {
			t.Errorf("%s: there is no %s to compare with", w.Name, w.Baseline)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEachWorkloadIsMeasuredOnce(t *testing.T) {
	times := make(map[string]int)
	for _, m := range bench.Measurements {
		for _, name := range m.Of() {
			times[name]++
		}
		if m.Short.Times > m.Full.Times || m.Short.Actors > m.Full.Actors {
			t.Errorf("%s: short is more: %+v, %+v", m.Name, m.Short, m.Full)
		}
		if found, err := bench.FindMeasurement(m.Name); err != nil || found.Name != m.Name {
			t.Errorf("FindMeasurement(%q): %q, %v", m.Name, found.Name, err)
		}
	}
	for _, w := range bench.Workloads {
		if times[w.Name] != 1 {
			t.Errorf("%s: got %d measurements, want 1", w.Name, times[w.Name])
		}
	}
	if len(times) != len(bench.Workloads) {
		t.Errorf("measurements of %d workloads, want %d", len(times), len(bench.Workloads))
	}
	if _, err := bench.FindMeasurement("nothing"); err == nil {
		t.Error("found nothing")
	}
}

func TestSizesInWords(t *testing.T) {
	for name, want := range map[string]string{
		"send-1-1":       "5,000,000 messages",
		"million":        "1,000,000 actors",
		"stop-tree-111k": "depth 5, fan-out 10",
		"steady":         "10,000 actors, 5,000,000 messages",
	} {
		m, err := bench.FindMeasurement(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Say(m.Full); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		workload string
		ratio    float64
		want     bench.Verdict
	}{
		{"send-1-1", 1.5, bench.Reached},
		{"send-1-1", 1.49, bench.Held},
		{"send-1-1", 1.3, bench.Held},
		{"send-1-1", 1.29, bench.Missed},
		{"call", 0.7, bench.Reached},
		{"call", 0.71, bench.Held},
		{"call", 0.85, bench.Held},
		{"call", 0.86, bench.Missed},
	} {
		w, _ := bench.Find(test.workload)
		if got := w.Judge(test.ratio); got != test.want {
			t.Errorf("%s at %vx: got %q, want %q", test.workload, test.ratio, got, test.want)
		}
	}
	if got := (bench.Workload{}).Judge(1); got != "" {
		t.Errorf("without a goal: got %q, want none", got)
	}
}
