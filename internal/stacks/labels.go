package stacks

import (
	"context"
	"runtime/pprof"
	"strconv"
)

// The names of the pprof labels that the goroutines of a tree carry.
const (
	labelTree        = "coppice.tree"
	labelPath        = "coppice.path"
	labelIncarnation = "coppice.incarnation"
)

// Labels are those of the goroutines of an incarnation. tree tells two trees with
// the same names apart. They stand in the order of their names: if not, pprof sorts
// them, which takes as long as all the rest.
func Labels(tree, path string, incarnation int) pprof.LabelSet {
	return pprof.Labels(labelIncarnation, strconv.Itoa(incarnation), labelPath, path, labelTree, tree)
}

// Wanted says whether it is for its pprof labels that a context is asked. A context
// that knows this makes them when somebody asks, and need not keep them: they
// would be a quarter of what an idle child costs.
func Wanted(key any) bool { return key == labelsKey }

// labelsKey is private to package pprof, which tells it to each context that it
// asks.
var labelsKey = func() any {
	var asked asked
	pprof.Label(&asked, "")
	return asked.key
}()

type asked struct {
	context.Context
	key any
}

func (a *asked) Value(key any) any {
	a.key = key
	return nil
}
