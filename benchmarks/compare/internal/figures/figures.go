// Package figures makes figures of what processes have measured: medians, the
// spread around them, and ratios to raw Go.
package figures

import (
	"slices"

	"golang.org/x/perf/benchmath"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
)

// Baseline is the contender that all ratios are to.
const Baseline = "raw"

// Figure is what was found out about one contender at one workload.
type Figure struct {
	Workload  string  `json:"workload"`
	Contender string  `json:"contender"`
	Unit      string  `json:"unit"`
	Median    float64 `json:"median"`
	Min       float64 `json:"min"`
	Max       float64 `json:"max"`
	N         int     `json:"n"` // processes that measured it

	// RatioToRaw is this median over that of raw Go: above 1 is better for
	// throughputs and worse for times and bytes. nil means that raw Go was not
	// measured.
	RatioToRaw *float64 `json:"ratio_to_raw"`
}

// Samples are the values that processes have measured, in no order.
type Samples struct{ values map[key][]float64 }

type key struct{ workload, contender string }

// Add adds a value.
func (s *Samples) Add(workload, contender string, value float64) {
	if s.values == nil {
		s.values = make(map[key][]float64)
	}
	k := key{workload, contender}
	s.values[k] = append(s.values[k], value)
}

// Figures are the figures of the samples, by workload, in the order of
// [bench.Workloads], and by contender in the given order.
func (s *Samples) Figures(contenders []string) []Figure {
	var all []Figure
	for _, w := range bench.Workloads {
		for _, c := range contenders {
			values := s.values[key{w.Name, c}]
			if len(values) == 0 {
				continue
			}
			f := Figure{
				Workload: w.Name, Contender: c, Unit: w.Unit, N: len(values),
				Median: median(values), Min: slices.Min(values), Max: slices.Max(values),
			}
			base := w.Name
			if w.Baseline != "" {
				base = w.Baseline
			}
			if raw := s.values[key{base, Baseline}]; len(raw) > 0 {
				ratio := f.Median / median(raw)
				f.RatioToRaw = &ratio
			}
			all = append(all, f)
		}
	}
	return all
}

func median(values []float64) float64 {
	sample := benchmath.NewSample(values, &benchmath.DefaultThresholds)
	return benchmath.AssumeNothing.Summary(sample, 0.95).Center
}
