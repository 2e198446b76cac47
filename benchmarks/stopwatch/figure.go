package stopwatch

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// figures are the figures of a latency that can be compared, in their order. What
// is not a share has its own.
var figures = []struct {
	name  string
	share float64
}{
	{"mean", math.NaN()}, {"p50", .5}, {"p90", .9}, {"p99", .99}, {"p99.9", .999}, {"p99.99", .9999}, {"max", 1},
}

// figure is one of the figures of a latency.
func (l *Latency) figure(share float64) time.Duration {
	if math.IsNaN(share) {
		return l.Mean
	}
	return l.At(share)
}

// Limit says by how much a figure may grow from one report to the next.
type Limit struct {
	Latency string  // ready, handled, stopped or message; empty means each that was measured
	Figure  string  // mean, p50, p90, p99, p99.9, p99.99 or max
	Growth  float64 // 0.1 means by 10 %; at least 0
}

// ParseLimit reads a limit: "ready.p99=10%" means that the p99 of ready may grow by
// ten percent at most, "p99=10%" the same of each latency.
func ParseLimit(text string) (Limit, error) {
	what, growth, ok := strings.Cut(text, "=")
	percent, isPercent := strings.CutSuffix(growth, "%")
	if !ok || !isPercent {
		return Limit{}, fmt.Errorf("limit %q: want something like ready.p99=10%%", text)
	}
	n, err := strconv.ParseFloat(percent, 64)
	if err != nil || !(n >= 0) || math.IsInf(n, 1) {
		return Limit{}, fmt.Errorf("limit %q: %q is no percentage of at least 0", text, growth)
	}
	l := Limit{Figure: what, Growth: n / 100}
	if latency, figure, ok := strings.Cut(what, "."); ok && titles[latency] != "" {
		l.Latency, l.Figure = latency, figure
	}
	if err := l.check(); err != nil {
		return Limit{}, fmt.Errorf("limit %q: %w", text, err)
	}
	return l, nil
}

func (l Limit) check() error {
	if l.Latency != "" && titles[l.Latency] == "" {
		return fmt.Errorf("there is no latency %q; there are %s", l.Latency, strings.Join(names, ", "))
	}
	if !(l.Growth >= 0) {
		return fmt.Errorf("a growth of %v is not possible", l.Growth)
	}
	known := make([]string, len(figures))
	for i, f := range figures {
		if f.name == l.Figure {
			return nil
		}
		known[i] = f.name
	}
	return fmt.Errorf("there is no figure %q; there are %s, of %s", l.Figure, strings.Join(known, ", "), strings.Join(names, ", "))
}

// String is the limit as ParseLimit reads it.
func (l Limit) String() string {
	what := l.Figure
	if l.Latency != "" {
		what = l.Latency + "." + l.Figure
	}
	return what + "=" + strconv.FormatFloat(math.Round(l.Growth*1e8)/1e6, 'f', -1, 64) + "%"
}

// about says whether the limit is one of this figure.
func (l Limit) about(latency, figure string) bool {
	return l.Figure == figure && (l.Latency == "" || l.Latency == latency)
}
