// Package pipeline is the supervised tree that fills an index.
package pipeline

import (
	"io"
	"io/fs"

	"github.com/coppice-go/coppice/examples/codesearch/internal/chaos"
)

// Config says what to index, where to, and how.
type Config struct {
	Root     string       // of the tree, absolute
	Tree     fs.FS        // the tree itself
	Database string       // path of the index, which exists and belongs to Root
	Workers  int          // parsers at the same time; at least 1
	Chaos    *chaos.Chaos // strikes the workers; nil is no chaos
	Progress io.Writer    // where to show progress; nil is nowhere
	Terminal bool         // whether Progress is a terminal
	Problem  func(error)  // is told of each *source.Problem, from any goroutine
}

// Report is what a run did.
type Report struct {
	Stored      int  // files parsed and stored
	Unchanged   int  // files that were stored before and have not changed
	Removed     int  // files that were stored before and are gone
	Restarts    int  // of the tree's children
	DeadLetters int  // messages that nobody handled
	Complete    bool // the index holds the whole tree
}
