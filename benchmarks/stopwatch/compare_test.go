package stopwatch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/benchmarks/stopwatch"
)

func limit(t *testing.T, text string) stopwatch.Limit {
	t.Helper()
	l, err := stopwatch.ParseLimit(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLimits(t *testing.T) {
	for text, want := range map[string]stopwatch.Limit{
		"ready.p99=10%":        {Latency: "ready", Figure: "p99", Growth: .1},
		"message.p99.99=0%":    {Latency: "message", Figure: "p99.99", Growth: 0},
		"p99.9=12.5%":          {Figure: "p99.9", Growth: .125},
		"stopped.mean=100%":    {Latency: "stopped", Figure: "mean", Growth: 1},
		"max=300%":             {Figure: "max", Growth: 3},
		"handled.p50=0.00001%": {Latency: "handled", Figure: "p50", Growth: 1e-7},
	} {
		got, err := stopwatch.ParseLimit(text)
		if err != nil || got.Latency != want.Latency || got.Figure != want.Figure || math.Abs(got.Growth-want.Growth) > 1e-12 || got.String() != text {
			t.Errorf("%s: got %+v (%v), %v, want %+v", text, got, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                "want something like",
		"p99":             "want something like",
		"p99=10":          "want something like",
		"p99=x%":          "no percentage",
		"p99=-1%":         "no percentage",
		"p99=NaN%":        "no percentage",
		"p99=Inf%":        "no percentage",
		"p98=1%":          `no figure "p98"; there are mean, p50`,
		"restart.p99=1%":  `no figure "restart.p99"`,
		"ready.p99.8=10%": `no figure "p99.8"`,
	} {
		if _, err := stopwatch.ParseLimit(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// reportOf is a report with 1000 values of ready, of which the p99 is given.
func reportOf(p99 time.Duration) *stopwatch.Report {
	values := make([]time.Duration, 1000)
	for i := range values {
		if values[i] = min(100, p99); i >= 980 {
			values[i] = p99
		}
	}
	return &stopwatch.Report{Parameters: map[string]string{"depth": "2"}, Ready: latencyOf(values...)}
}

func TestALimitIsCrossedAboveItsGrowth(t *testing.T) {
	for _, test := range []struct {
		before, after time.Duration
		limit         string
		want          bool
	}{
		{1000, 1100, "ready.p99=10%", false},
		{1000, 1101, "ready.p99=10%", true},
		{1000, 1101, "p99=10%", true},
		{1000, 1101, "ready.p50=0%", false},
		{1000, 500, "ready.p99=0%", false},
		{0, 0, "ready.p99=0%", false},
		{0, 101, "ready.p99=1000000%", true}, // from nothing to something is more than any ratio
	} {
		c, err := stopwatch.Compare(reportOf(test.before), reportOf(test.after), limit(t, test.limit))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(c.Crossed()) > 0; got != test.want {
			t.Errorf("%v to %v with %s: got crossed %v, want %v:\n%v", test.before, test.after, test.limit, got, test.want, c)
		}
		if got := strings.Contains(c.String(), "CROSSED"); got != test.want {
			t.Errorf("got a table that says so %v, want %v", got, test.want)
		}
	}
}

func TestReportsOfDifferentTreesAreNotCompared(t *testing.T) {
	before, after := reportOf(1000), reportOf(1000)
	after.Parameters = map[string]string{"depth": "3", "load": "5"}
	c, err := stopwatch.Compare(before, after, limit(t, "ready.p99=10%"))
	different, ok := errors.AsType[*stopwatch.DifferentError](err)
	want := `depth was "2", is "3"; load was not given, is "5"`
	if !ok || !strings.Contains(err.Error(), want) || len(different.Parameters) != 2 {
		t.Errorf("got %v, want a *DifferentError with %s", err, want)
	}
	if len(c.Rows) == 0 || c.Rows[0].Ratio() != 1 {
		t.Errorf("got %v, want the figures even so", c)
	}
	if err := stopwatch.Different(after.Parameters, before.Parameters); err == nil || !strings.Contains(err.Error(), `load was "5", is ""`) {
		t.Errorf("got %v, want it to tell of the load that is gone", err)
	}
}

func TestALimitOnNothingIsAnError(t *testing.T) {
	for _, l := range []stopwatch.Limit{limit(t, "message.p99=10%"), {Figure: "p98"}, {Latency: "x", Figure: "p99"}, {Figure: "p99", Growth: -1}} {
		if _, err := stopwatch.Compare(reportOf(1), reportOf(1), l); err == nil || !strings.Contains(err.Error(), l.String()) {
			t.Errorf("limit %v: got %v, want an error that names it", l, err)
		}
	}
}

func TestALimitOnNothingSaysWhereThatIs(t *testing.T) {
	full, empty := reportOf(1), &stopwatch.Report{Parameters: map[string]string{"depth": "2"}}
	for _, test := range []struct {
		before, after *stopwatch.Report
		limit, want   string
	}{
		{full, empty, "ready.p99=10%", "limit ready.p99=10%: ready was measured before, but not after"},
		{empty, full, "ready.p99=10%", "limit ready.p99=10%: ready was measured after, but not before"},
		{full, full, "message.p99=10%", "limit message.p99=10%: message was measured neither before nor after"},
		{full, empty, "p99=10%", "limit p99=10%: nothing was measured both before and after"},
	} {
		if _, err := stopwatch.Compare(test.before, test.after, limit(t, test.limit)); err == nil || err.Error() != test.want {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

func TestWarningsOfAComparison(t *testing.T) {
	before, after := reportOf(1000), reportOf(1000)
	before.Machine.CPU, after.Machine.CPU = "Fast", "Slow"
	after.Failure = "interrupted"
	after.Ready = latencyOf(1, 2, 3)
	c, err := stopwatch.Compare(before, after, limit(t, "ready.p99=10%"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`another machine: the CPU was "Fast", is "Slow"`,
		"the report after is not complete: interrupted",
		"1000 values of ready before, 3 after",
		"limit ready.p99=10%: fewer than 10 of the 3 values of ready lie above it",
	} {
		if !strings.Contains(c.String(), "warning: "+want) {
			t.Errorf("got\n%v\nwant the warning %q", c, want)
		}
	}
	if c, _ := stopwatch.Compare(reportOf(1), reportOf(1), limit(t, "ready.p99=10%")); len(c.Warnings) != 0 {
		t.Errorf("got %q, want no warning of what is the same", c.Warnings)
	}
}

func TestAReportIsReadBackAsItWas(t *testing.T) {
	r := reportOf(5000)
	r.Counts = stopwatch.Counts{Trees: 1, Crashes: 1000, Sent: 5}
	r.Took = time.Minute
	var file bytes.Buffer
	if err := json.NewEncoder(&file).Encode(r); err != nil {
		t.Fatal(err)
	}
	back, err := stopwatch.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if back.String() != r.String() || back.Counts != r.Counts || back.Took != r.Took {
		t.Errorf("got\n%v, want\n%v", back, r)
	}
	for _, text := range []string{"", "{}", `{"parameters": {}, "what": 1}`, "[1]"} {
		if _, err := stopwatch.Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "not a report of the stopwatch") {
			t.Errorf("%q: got %v, want it refused", text, err)
		}
	}
}

// What looks like an error of the tool is explained where it is seen.
func TestAReportExplainsWhatLooksWrong(t *testing.T) {
	const less, late = "handled may be less than ready", "a large p90 of message may come from the measuring"
	for _, test := range []struct {
		handled, message []time.Duration
		less, late       bool
	}{
		{nil, nil, false, false},
		{[]time.Duration{2000}, nil, false, false},
		{[]time.Duration{500}, []time.Duration{1}, true, true},
	} {
		r := stopwatch.Report{Ready: latencyOf(1000), Handled: latencyOf(test.handled...), Message: latencyOf(test.message...)}
		if got := r.String(); strings.Contains(got, less) != test.less || strings.Contains(got, late) != test.late {
			t.Errorf("handled %v, message %v: got\n%s", test.handled, test.message, got)
		}
	}
}
