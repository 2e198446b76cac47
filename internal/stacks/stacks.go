// Package stacks finds the goroutines of a tree: each carries pprof labels that
// say which incarnation of which child it belongs to, and so does what such a
// goroutine starts.
package stacks

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
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
// the same names apart.
func Labels(tree, path string, incarnation int) pprof.LabelSet {
	return pprof.Labels(labelTree, tree, labelPath, path, labelIncarnation, strconv.Itoa(incarnation))
}

// Incarnation names an incarnation in a tree.
type Incarnation struct {
	Path   string
	Number int
}

// Of gives the stacks of the goroutines of a tree, from a profile with the given
// name: "goroutine" for all that are there. A profile that the runtime does not
// offer has none. It stops the world for a moment, longer the more goroutines
// there are.
func Of(tree, profile string) map[Incarnation]string {
	p := pprof.Lookup(profile)
	if p == nil {
		return nil
	}
	var compressed bytes.Buffer
	if err := p.WriteTo(&compressed, 0); err != nil {
		return nil
	}
	r, err := gzip.NewReader(&compressed)
	if err != nil {
		return nil
	}
	message, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	return decode(message).of(tree)
}

// of finds the stacks of a tree. Several of one incarnation have an empty line
// between them, and equal ones their number in front.
func (p *profile) of(tree string) map[Incarnation]string {
	found := make(map[Incarnation]string)
	for _, message := range p.samples {
		s := p.sample(message)
		number, err := strconv.Atoi(s.labels[labelIncarnation])
		if s.labels[labelTree] != tree || err != nil {
			continue
		}
		key := Incarnation{s.labels[labelPath], number}
		if found[key] != "" {
			found[key] += "\n"
		}
		if s.count != 1 {
			found[key] += fmt.Sprintf("%d goroutines:\n", s.count)
		}
		found[key] += p.stack(s.locations)
	}
	return found
}
