package stopwatch

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Comparison is what has become of the figures of an earlier report.
type Comparison struct {
	Rows     []Row
	Warnings []string // why the figures may not mean what they seem to
}

// Row is one figure before and after.
type Row struct {
	Latency, Figure string
	Before, After   time.Duration
	Limits          []Limit // on this figure
	Crossed         bool    // one of these
}

// Ratio is After over Before: above 1 is slower. It is 1 if both are 0.
func (r Row) Ratio() float64 {
	if r.Before == r.After {
		return 1
	}
	return float64(r.After) / float64(r.Before) // +Inf if it was 0
}

// Compare compares what was measured of the same tree, before and after some
// change. Its error is a [*DifferentError] if the parameters are not the same, or
// says which limits make no sense or are about something that was not measured. The
// Comparison is valid with an error too, as far as there is something to compare.
func Compare(before, after *Report, limits ...Limit) (Comparison, error) {
	c := Comparison{Warnings: warnings(before, after)}
	faults := []error{Different(before.Parameters, after.Parameters)}
	used := make([]bool, len(limits))
	for _, name := range names {
		old, now := before.Latency(name), after.Latency(name)
		if old.N == 0 || now.N == 0 {
			continue
		}
		for _, f := range figures {
			row := Row{Latency: name, Figure: f.name, Before: old.figure(f.share), After: now.figure(f.share)}
			for i, l := range limits {
				if l.about(name, f.name) {
					used[i] = true
					row.limit(l)
					c.fewer(l, name, f.share, min(old.N, now.N))
				}
			}
			c.Rows = append(c.Rows, row)
		}
	}
	for i, l := range limits {
		if err := l.check(); err != nil {
			faults = append(faults, fmt.Errorf("limit %v: %w", l, err))
		} else if !used[i] {
			faults = append(faults, fmt.Errorf("limit %v: %s", l, unmeasured(before, after, l)))
		}
	}
	return c, errors.Join(faults...)
}

// unmeasured says where a limit finds nothing to compare.
func unmeasured(before, after *Report, l Limit) string {
	if l.Latency == "" {
		return "nothing was measured both before and after"
	}
	was, is := before.Latency(l.Latency).N > 0, after.Latency(l.Latency).N > 0
	switch {
	case was:
		return l.Latency + " was measured before, but not after"
	case is:
		return l.Latency + " was measured after, but not before"
	}
	return l.Latency + " was measured neither before nor after"
}

func (r *Row) limit(l Limit) {
	r.Limits = append(r.Limits, l)
	r.Crossed = r.Crossed || r.Ratio() > 1+l.Growth
}

// fewest is how many values must lie above a percentile for it to mean something.
const fewest = 10

// fewer warns of a limit on a percentile of too few values.
func (c *Comparison) fewer(l Limit, name string, share float64, n int64) {
	if above := float64(n) * (1 - share); share < 1 && above < fewest {
		c.Warnings = append(c.Warnings, fmt.Sprintf("limit %v: fewer than %d of the %d values of %s lie above it", l, fewest, n, name))
	}
}

// Crossed are the rows in which a limit was crossed.
func (c Comparison) Crossed() []Row {
	return slices.DeleteFunc(slices.Clone(c.Rows), func(r Row) bool { return !r.Crossed })
}

// String is the comparison as a table, with the warnings below.
func (c Comparison) String() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "latency\tfigure\tbefore\tafter\tratio\tmay grow by\t")
	for _, r := range c.Rows {
		allowed := make([]string, len(r.Limits))
		for i, l := range r.Limits {
			_, allowed[i], _ = strings.Cut(l.String(), "=")
		}
		verdict := strings.Join(allowed, ", ")
		if verdict == "" {
			verdict = "-"
		}
		if r.Crossed {
			verdict += " CROSSED"
		}
		fmt.Fprintf(table, "%-7s\t%-6s\t%s\t%s\t%.2f\t%s\t\n", r.Latency, r.Figure, Short(r.Before), Short(r.After), r.Ratio(), verdict)
	}
	_ = table.Flush() // to memory
	if len(c.Rows) > 0 {
		text.WriteString("ratio above 1: slower now\n")
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(&text, "warning: %s\n", w)
	}
	return text.String()
}

// DifferentError says that two reports are not about the same tree.
type DifferentError struct {
	Parameters []string // each with both values
}

// Error names all parameters that differ.
func (e *DifferentError) Error() string {
	return "the reports are of different trees: " + strings.Join(e.Parameters, "; ")
}

// Different compares the parameters of two reports. It is nil, or a
// [*DifferentError].
func Different(before, after map[string]string) error {
	var e DifferentError
	for name, old := range before {
		if now := after[name]; old != now {
			e.Parameters = append(e.Parameters, fmt.Sprintf("%s was %q, is %q", name, old, now))
		}
	}
	for name, now := range after {
		if _, was := before[name]; !was {
			e.Parameters = append(e.Parameters, fmt.Sprintf("%s was not given, is %q", name, now))
		}
	}
	if len(e.Parameters) == 0 {
		return nil
	}
	slices.Sort(e.Parameters)
	return &e
}

// warnings say what else is not the same.
func warnings(before, after *Report) []string {
	var all []string
	old, now := before.Machine, after.Machine
	for _, part := range []struct{ name, old, now string }{
		{"CPU", old.CPU, now.CPU},
		{"number of CPUs", fmt.Sprint(old.CPUs), fmt.Sprint(now.CPUs)},
		{"system", old.OS + "/" + old.Arch, now.OS + "/" + now.Arch},
		{"Go version", old.Go, now.Go},
	} {
		if part.old != part.now {
			all = append(all, fmt.Sprintf("another machine: the %s was %q, is %q", part.name, part.old, part.now))
		}
	}
	for i, r := range []*Report{before, after} {
		if r.Failure != "" {
			all = append(all, fmt.Sprintf("the report %s is not complete: %s", [...]string{"before", "after"}[i], r.Failure))
		}
	}
	const twice = 2
	for _, name := range names {
		old, now := before.Latency(name).N, after.Latency(name).N
		if ratio := float64(old) / float64(now); old > 0 && now > 0 && math.Abs(math.Log(ratio)) > math.Log(twice) {
			all = append(all, fmt.Sprintf("%d values of %s before, %d after", old, name, now))
		}
	}
	return all
}
