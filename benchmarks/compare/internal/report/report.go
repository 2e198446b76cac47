// Package report tells figures: as lines of JSON, as a table, as a plot, and as
// a document of all that.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/figures"
	"github.com/coppice-go/coppice/benchmarks/internal/machine"
)

// Subject is the contender that the goals are for.
const Subject = "coppice"

// Report is the outcome of a run.
type Report struct {
	Command      string // that has measured
	Machine      machine.Machine
	Busy         string // a sentence, if the machine had other work when the run began
	Contenders   []bench.Contender
	Measurements []bench.Measurement // of which Figures are
	Short        bool                // they were of the short sizes
	Repetitions  int                 // that were to be
	Complete     int                 // that are; fewer if the run was interrupted
	Figures      []figures.Figure
	Failures     []string // processes that failed, if any
}

// JSON writes a line for each figure.
func (r Report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	for _, f := range r.Figures {
		line := struct {
			figures.Figure
			Short       bool      `json:"short,omitempty"`
			Interrupted bool      `json:"interrupted,omitempty"`
			Commit      string    `json:"commit"`
			Time        time.Time `json:"time"`
		}{f, r.Short, r.Interrupted(), r.Machine.Commit, r.Machine.Time}
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// Interrupted says whether the run ended before all was measured.
func (r Report) Interrupted() bool { return r.Complete < r.Repetitions }

// Extent says how far the run has come.
func (r Report) Extent() string {
	return fmt.Sprintf("after %d of %d repetitions", r.Complete, r.Repetitions)
}

// Processes says how many of them each figure is of: not as many for all, if some
// have failed or the run was interrupted.
func (r Report) Processes() string {
	if len(r.Figures) == 0 {
		return "no process"
	}
	of := func(a, b figures.Figure) int { return cmp.Compare(a.N, b.N) }
	least, most := slices.MinFunc(r.Figures, of).N, slices.MaxFunc(r.Figures, of).N
	switch {
	case least < most:
		return fmt.Sprintf("%d to %d processes", least, most)
	case most == 1:
		return "one process"
	}
	return fmt.Sprintf("%d processes", most)
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

// present are the contenders who have a figure. The others had nothing to show for
// what was measured, or failed each time.
func (r Report) present() []bench.Contender {
	var all []bench.Contender
	for _, c := range r.Contenders {
		if r.has(c) {
			all = append(all, c)
		}
	}
	return all
}

func (r Report) has(c bench.Contender) bool {
	return slices.ContainsFunc(r.Figures, func(f figures.Figure) bool { return f.Contender == c.Name })
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
