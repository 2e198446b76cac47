// Package verify proves that an index holds exactly what its tree declares.
//
// The proof is a second pass over the tree, in one goroutine without queues,
// workers or restarts, whose rows are compared with those of the database one
// by one. What the two passes share is the definition of a row: the functions
// of package source.
package verify

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
)

// maxExamples is enough to see what kind of rows are wrong.
const maxExamples = 10

// Verdict says how an index differs from its tree. A row is a file or a
// declaration with everything that is known of it, so that a declaration with
// a wrong line is one lost row and one duplicated row.
type Verdict struct {
	Lost       int      // rows that should be there and are not, or that a search cannot find
	Duplicated int      // rows that are there twice or should not be there
	Examples   []string // some of them, in words, in the order of their paths
}

// Compare passes over the tree and compares it with what is stored. Files that
// cannot be read are not expected to be stored. A tree that changes meanwhile
// shows in the verdict.
//
// The error is that of the database, or the cause of ctx. A file system has no
// errors here, only files that cannot be read.
func Compare(ctx context.Context, tree fs.FS, stored *index.Index) (Verdict, error) {
	surplus, err := storedRows(ctx, stored)
	if err != nil {
		return Verdict{}, err
	}
	lost := make(count)
	for file, err := range source.Files(tree) {
		if ctx.Err() != nil {
			return Verdict{}, fmt.Errorf("verifying the index: %w", context.Cause(ctx))
		}
		if err != nil {
			continue
		}
		content, err := source.Read(tree, file)
		if err != nil {
			continue
		}
		for row := range rowsOf(content.Parse()) {
			if !surplus.take(row) {
				lost[row]++
			}
		}
	}
	health, err := stored.Check(ctx)
	if err != nil {
		return Verdict{}, err
	}
	verdict := Verdict{
		Lost:       lost.total() + health.Unsearchable,
		Duplicated: surplus.total() + health.Stray,
		Examples:   append(lost.examples("lost"), surplus.examples("duplicated")...),
	}
	if health != (index.Health{}) {
		verdict.Examples = append(verdict.Examples, fmt.Sprintf("search: %d declarations cannot be found, %d entries belong to nothing", health.Unsearchable, health.Stray))
	}
	return verdict, nil
}

func storedRows(ctx context.Context, stored *index.Index) (count, error) {
	rows := make(count)
	for parsed, err := range stored.Dump(ctx) {
		if err != nil {
			return nil, err
		}
		for row := range rowsOf(parsed) {
			rows[row]++
		}
	}
	return rows, nil
}

// row is all that the index says about a file or a declaration, but for the
// size and time of a file: those only save work, and a file may be touched
// while nothing about it changes.
type row struct {
	path, kind, name, text string
	line                   int
}

func rowsOf(parsed source.Parsed) iter.Seq[row] {
	return func(yield func(row) bool) {
		file := row{path: parsed.Path, kind: "file", name: parsed.Package, text: fmt.Sprintf("%x %s", parsed.Hash, parsed.Failure)}
		if !yield(file) {
			return
		}
		for _, declaration := range parsed.Declarations {
			if !yield(row{
				path: parsed.Path,
				kind: string(declaration.Kind),
				name: declaration.Name,
				text: declaration.Doc,
				line: declaration.Line,
			}) {
				return
			}
		}
	}
}

// count is a set in which a row may be more than once.
type count map[row]int

func (c count) take(r row) bool {
	if c[r] == 0 {
		return false
	}
	c[r]--
	return true
}

func (c count) total() int {
	total := 0
	for _, n := range c {
		total += n
	}
	return total
}

func (c count) examples(what string) []string {
	var left []row
	for r, n := range c {
		if n > 0 {
			left = append(left, r)
		}
	}
	slices.SortFunc(left, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.line, b.line), cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	var words []string
	for _, r := range left[:min(len(left), maxExamples)] {
		words = append(words, fmt.Sprintf("%s: %s:%d %s %s", what, r.path, r.line, r.kind, r.name))
	}
	return words
}
