// Package cli is the latency command: its flags, its output, and its exit status.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/coppice-go/coppice/benchmarks/stopwatch"
	"github.com/coppice-go/coppice/tracing"
)

// The exit statuses of the command.
const (
	OK          = 0   // measured, and no limit was crossed
	Failed      = 1   // a limit was crossed, or the tree could not be measured to the end
	Misused     = 2   // flags, the file, or the comparison make no sense
	Interrupted = 130 // stopped in order by the user, as a shell would report it
)

// Measure is stopwatch.Measure.
type Measure func(context.Context, func(*tracing.Tracing) stopwatch.Tree, stopwatch.Options) (*stopwatch.Report, error)

// Streams are where a command writes to.
type Streams struct {
	Out      io.Writer // tables, JSON
	Err      io.Writer // progress, errors
	Terminal bool      // whether Err is a terminal
}

// Run runs the command with the arguments that follow its name, and returns its
// exit status.
func Run(ctx context.Context, arguments []string, streams Streams, measure Measure) int {
	o, err := parse(arguments, streams.Err)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return OK
	case err != nil:
		return streams.fail(Misused, err)
	}
	r := run{options: o, streams: streams}
	if err := r.prepare(); err != nil {
		return streams.fail(Misused, err)
	}
	report, err := r.measure(ctx, measure)
	if report == nil { // the options were refused
		return streams.fail(Misused, err)
	}
	return r.conclude(ctx, report, err)
}

func (s Streams) fail(status int, err error) int {
	fmt.Fprintln(s.Err, "latency:", err)
	return status
}
