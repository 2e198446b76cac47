package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/erlang"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/runner"
)

// plan is what a run does. What it needs for that is there until cleanUp.
func (o options) plan(ctx context.Context) (plan runner.Plan, cleanUp func() error, err error) {
	executable, err := os.Executable()
	if err != nil {
		return plan, nil, err
	}
	command := func(job runner.Job) (string, []string) { return executable, o.arguments(job) }
	cleanUp = func() error { return nil }
	who := slices.Clone(o.contenders)
	if i := slices.Index(o.names(), erlang.Contender.Name); i >= 0 {
		program, err := erlang.Compile(ctx)
		if err != nil {
			return plan, nil, err
		}
		cleanUp = program.Remove
		who[i] = program.Contender(ctx)
		own := command
		command = func(job runner.Job) (string, []string) {
			if job.Contender.Name == erlang.Contender.Name {
				return program.Command(job.Measurement, job.Size)
			}
			return own(job)
		}
	}
	plan = runner.Plan{Contenders: who, Measurements: o.measurements, Repetitions: o.repetitions, Size: o.size}
	plan.Process = func(ctx context.Context, job runner.Job) ([]float64, error) {
		path, arguments := command(job)
		return runner.Output(ctx, job, path, arguments...)
	}
	return plan, cleanUp, nil
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
