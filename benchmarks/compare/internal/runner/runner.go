// Package runner measures in processes: a fresh one for each measurement of a
// contender in a repetition, with the contenders taking turns.
package runner

import (
	"context"
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/figures"
)

// Plan is what is to be measured.
type Plan struct {
	Contenders   []bench.Contender
	Measurements []bench.Measurement
	Repetitions  int
	Size         func(bench.Measurement) bench.Size

	// Process does a job in a process of its own. Begin and End, if set, are told
	// of each.
	Process    func(ctx context.Context, job Job) ([]float64, error)
	Begin, End func(job Job)
}

// Job is what one process measures.
type Job struct {
	Measurement bench.Measurement
	Contender   bench.Contender
	Size        bench.Size
	Repetition  int // from 1
}

// String names the job.
func (j Job) String() string {
	return fmt.Sprintf("%s of %s, repetition %d", strings.Join(j.Measurement.Of(), " and "), j.Contender.Name, j.Repetition)
}

// Jobs are all of them, in order: who is first changes with the repetition.
func (p Plan) Jobs() []Job {
	var jobs []Job
	for r := range p.Repetitions {
		for _, m := range p.Measurements {
			for i := range p.Contenders {
				c := p.Contenders[(i+r)%len(p.Contenders)]
				if m.Can(c) {
					jobs = append(jobs, Job{m, c, p.Size(m), r + 1})
				}
			}
		}
	}
	return jobs
}

// Outcome is what a run has measured.
type Outcome struct {
	Samples  figures.Samples
	Failed   []error // processes whose figures are missing, and why
	Complete int     // repetitions in which all have had their turn
}

// Run runs the plan. A process that fails is no reason to stop. When ctx ends, the
// process that runs is killed, no other is started, and the error is the cause; the
// Outcome has what was measured by then.
func (p Plan) Run(ctx context.Context) (Outcome, error) {
	var o Outcome
	for _, job := range p.Jobs() {
		tell(p.Begin, job)
		values, err := p.Process(ctx, job)
		if ctx.Err() != nil {
			o.Complete = job.Repetition - 1
			return o, context.Cause(ctx)
		}
		tell(p.End, job)
		if err != nil {
			o.Failed = append(o.Failed, fmt.Errorf("%v: %w", job, err))
			continue
		}
		for i, workload := range job.Measurement.Of() {
			o.Samples.Add(workload, job.Contender.Name, values[i])
		}
	}
	o.Complete = p.Repetitions
	return o, nil
}

func tell(who func(Job), job Job) {
	if who != nil {
		who(job)
	}
}
