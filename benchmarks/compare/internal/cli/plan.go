package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/runner"
)

// plan is what a run does. What it needs for that is there until cleanUp.
func (o options) plan(ctx context.Context, streams Streams) (plan runner.Plan, cleanUp func(), err error) {
	executable, err := os.Executable()
	if err != nil {
		return runner.Plan{}, nil, err
	}
	return runner.Plan{
		Contenders:   o.contenders,
		Measurements: o.measurements,
		Repetitions:  o.repetitions,
		Size:         o.size,
		Process: func(ctx context.Context, job runner.Job) ([]float64, error) {
			return runner.Output(ctx, job, executable, o.arguments(job)...)
		},
	}, func() {}, nil
}

func (o options) size(m bench.Measurement) bench.Size {
	if o.short {
		return m.Short
	}
	return m.Full
}

// arguments are those of a process that does a job.
func (o options) arguments(job runner.Job) []string {
	arguments := []string{
		measureWord,
		"-contender", job.Contender.Name,
		"-measurement", job.Measurement.Name,
		"-actors", strconv.Itoa(job.Size.Actors),
		"-times", strconv.Itoa(job.Size.Times),
	}
	if o.profiles != "" {
		name := fmt.Sprintf("%s-%s-%d.pprof", job.Measurement.Name, job.Contender.Name, job.Repetition)
		arguments = append(arguments, "-cpuprofile", filepath.Join(o.profiles, name))
	}
	return arguments
}
