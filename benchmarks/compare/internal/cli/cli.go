// Package cli is the compare command: its flags, its messages, and its exit
// status.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/figures"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/runner"
)

// The exit statuses of the command.
const (
	OK          = 0   // everything was measured
	Failed      = 1   // something was not; a message says what
	Misused     = 2   // flags or arguments make no sense
	Interrupted = 130 // by the user, as a shell would report it
)

// Streams are where a command writes to.
type Streams struct {
	Out      io.Writer // figures
	Err      io.Writer // progress, errors
	Terminal bool      // whether Err is a terminal
}

// Run runs the command with the arguments that follow its name, and returns its
// exit status. As a process that measures it is called with "measure" first.
func Run(ctx context.Context, arguments []string, streams Streams) int {
	if len(arguments) > 0 && arguments[0] == measureWord {
		return measure(arguments[1:], streams)
	}
	options, err := parse(arguments, streams.Err)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return OK
	case err != nil:
		return streams.fail(Misused, err)
	}
	executable, err := os.Executable()
	if err != nil {
		return streams.fail(Failed, err)
	}
	samples, err := options.plan(executable, streams).Run(ctx)
	if ctx.Err() != nil {
		return streams.fail(Interrupted, errors.New("interrupted; there are no figures"))
	}
	status := OK
	if err != nil {
		status = streams.fail(Failed, err)
	}
	if err := options.tell(samples, streams); err != nil {
		status = streams.fail(Failed, err)
	}
	return status
}

func (s Streams) fail(status int, err error) int {
	fmt.Fprintln(s.Err, "compare:", err)
	return status
}

func (o options) plan(executable string, streams Streams) runner.Plan {
	p := runner.Plan{
		Contenders:   o.contenders,
		Measurements: o.measurements,
		Repetitions:  o.repetitions,
		Size:         o.size,
		Process: func(ctx context.Context, job runner.Job) ([]float64, error) {
			return runner.Output(ctx, job, executable, o.arguments(job)...)
		},
	}
	p.Done = func(job runner.Job) { fmt.Fprintln(streams.Err, job) }
	return p
}

func (o options) tell(samples *figures.Samples, streams Streams) error {
	encoder := json.NewEncoder(streams.Out)
	for _, f := range samples.Figures(o.names()) {
		if err := encoder.Encode(f); err != nil {
			return err
		}
	}
	return nil
}
