// Package report tells figures: as lines of JSON, as a table, as a plot, and as
// a document of all that.
package report

import (
	"encoding/json"
	"io"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/figures"
	"github.com/coppice-go/coppice/benchmarks/internal/machine"
)

// Subject is the contender that the goals are for.
const Subject = "coppice"

// Report is the outcome of a run.
type Report struct {
	Machine      machine.Machine
	Contenders   []bench.Contender
	Measurements []bench.Measurement // of which Figures are
	Short        bool                // they were of the short sizes
	Repetitions  int
	Figures      []figures.Figure
	Failures     []string // processes that failed, if any
}

// JSON writes a line for each figure.
func (r Report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	for _, f := range r.Figures {
		line := struct {
			figures.Figure
			Short bool `json:"short,omitempty"`
		}{f, r.Short}
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// find finds a figure.
func (r Report) find(workload, contender string) (f figures.Figure, found bool) {
	for _, f := range r.Figures {
		if f.Workload == workload && f.Contender == contender {
			return f, true
		}
	}
	return figures.Figure{}, false
}

// workloads are those with a figure.
func (r Report) workloads() []bench.Workload {
	var all []bench.Workload
	for _, w := range bench.Workloads {
		for _, c := range r.Contenders {
			if _, found := r.find(w.Name, c.Name); found {
				all = append(all, w)
				break
			}
		}
	}
	return all
}

// size is the size that a measurement was made with.
func (r Report) size(m bench.Measurement) bench.Size {
	if r.Short {
		return m.Short
	}
	return m.Full
}
