package cli

import (
	"context"
	"errors"
	"fmt"
	"go/doc"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
)

// maxHits is how many answers fit on a screen.
const maxHits = 10

// answer searches the index and prints what it finds, best first.
func answer(ctx context.Context, question string, place place, streams Streams) (status int) {
	stored, err := index.OpenExisting(ctx, place.database)
	if err != nil {
		return streams.fail(Failed, fmt.Errorf("%w%s", err, remedy(err, place)))
	}
	defer stored.Close() // only read from: nothing can be lost
	stats, err := stored.Stats(ctx)
	if err != nil {
		return streams.fail(Failed, fmt.Errorf("%w%s", err, remedy(err, place)))
	}
	if !stats.Complete {
		fmt.Fprintln(streams.Err, "codesearch: the index is not complete: a run is at work, or the last one did not finish")
	}
	found, err := stored.Search(ctx, question, maxHits)
	if err != nil {
		return streams.fail(Failed, fmt.Errorf("%w%s", err, remedy(err, place)))
	}
	if len(found.Hits) == 0 {
		return streams.fail(Failed, fmt.Errorf("nothing about %q in %d declarations of %s", question, stats.Declarations, stats.Root))
	}
	if found.Loose {
		fmt.Fprintf(streams.Out, "No declaration has all of %q. These have some of it:\n", question)
	}
	for _, hit := range found.Hits {
		fmt.Fprintf(streams.Out, "%s:%d: %s %s, package %s\n", printable(filepath.Join(stats.Root, filepath.FromSlash(hit.Path))), hit.Line, hit.Kind, hit.Name, hit.Package)
		if sentence := new(doc.Package).Synopsis(hit.Doc); sentence != "" {
			fmt.Fprintf(streams.Out, "\t%s\n", printable(sentence))
		}
	}
	if found.Total > len(found.Hits) {
		fmt.Fprintf(streams.Out, "%d of %d hits\n", len(found.Hits), found.Total)
	}
	return OK
}

// remedy is what the user can do about an error of the index, as the end of
// the message.
func remedy(err error, place place) string {
	command := "codesearch " + place.root
	switch {
	case errors.Is(err, index.ErrMissing), errors.Is(err, index.ErrOutdated):
		return "; run " + command
	case errors.Is(err, index.ErrDamaged):
		return "; run " + command + " -fresh"
	}
	if _, ok := errors.AsType[*index.OtherTreeError](err); ok {
		return "; choose another path with -db, or replace that index with -fresh"
	}
	return ""
}

// printable keeps text from a file from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
