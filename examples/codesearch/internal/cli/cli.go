// Package cli is the codesearch command: its flags, its messages, and its exit
// status. How an index is filled is not its business; that is an [Indexer].
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/coppice-go/coppice/examples/codesearch/internal/pipeline"
)

// The exit statuses of the command.
const (
	OK          = 0   // indexed completely and, if asked, verified; or found something
	Failed      = 1   // a message says why; or nothing was found
	Misused     = 2   // flags or arguments make no sense
	Interrupted = 130 // stopped in order by the user, as a shell would report it
)

// Indexer brings an index up to date with its tree: files that have not changed
// stay, files that have are replaced, files that are gone are removed. When ctx
// ends it stops in order; what is stored by then stays.
//
// Its error says what went wrong beyond the problems of single files: why it
// gave up, or what would not stop. The Report is valid with an error, too.
type Indexer func(context.Context, pipeline.Config) (pipeline.Report, error)

// Streams are where a command writes to.
type Streams struct {
	Out      io.Writer // answers, summaries, JSON
	Err      io.Writer // progress, problems, errors
	Terminal bool      // whether Err is a terminal
}

// Run runs the command with the arguments that follow its name, and returns
// its exit status.
func Run(ctx context.Context, arguments []string, streams Streams, indexer Indexer) int {
	options, err := parse(arguments, streams.Err)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return OK
	case err != nil:
		return streams.fail(Misused, err)
	}
	tree, err := locate(ctx, options)
	if err != nil {
		return streams.fail(Failed, err)
	}
	if options.asks {
		return answer(ctx, options.question, tree, streams)
	}
	r := run{options: options, place: tree, streams: streams, indexer: indexer}
	return r.index(ctx)
}

func (s Streams) fail(status int, err error) int {
	fmt.Fprintln(s.Err, "codesearch:", err)
	return status
}
