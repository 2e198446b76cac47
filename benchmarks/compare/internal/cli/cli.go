// Package cli is the compare command: its flags, its messages, and its exit
// status.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/progress"
	"github.com/coppice-go/coppice/benchmarks/internal/machine"
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
// exit status. A process that measures is this command too: its first argument
// is "measure".
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
	switch err := options.run(ctx, streams); {
	case err == nil:
		return OK
	case errors.Is(err, errInterrupted):
		return streams.fail(Interrupted, err)
	default:
		return streams.fail(Failed, err)
	}
}

func (s Streams) fail(status int, err error) int {
	fmt.Fprintln(s.Err, "compare:", err)
	return status
}

// errInterrupted means that the user did not want to wait for the end.
var errInterrupted = errors.New("interrupted")

// run measures, and tells the figures that there are even if some are missing, or
// if it was interrupted. A run that has none leaves an earlier one's files alone.
func (o options) run(ctx context.Context, streams Streams) (err error) {
	if err := o.makeDirectories(); err != nil {
		return err
	}
	plan, cleanUp, err := o.plan(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%w; there are no figures", errInterrupted)
		}
		return err
	}
	defer func() { err = errors.Join(err, cleanUp()) }()
	if o.missing != "" {
		fmt.Fprintln(streams.Err, o.missing)
	}
	busy := machine.Busy()
	if busy != "" {
		fmt.Fprintln(streams.Err, busy)
	}
	shown := progress.New(streams.Err, streams.Terminal, plan.Jobs())
	plan.Begin, plan.End = shown.Begin, shown.End
	outcome, err := plan.Run(ctx)
	shown.Close()
	r := o.report(outcome)
	r.Busy, r.Contenders = busy, plan.Contenders
	switch {
	case err != nil && len(r.Figures) == 0:
		return fmt.Errorf("%w; there are no figures", errInterrupted)
	case err != nil:
		err = fmt.Errorf("%w %s; this is what was measured by then", errInterrupted, r.Extent())
	}
	return errors.Join(err, errors.Join(outcome.Failed...), o.tell(r, streams))
}
