// Package stacks finds the goroutines of a tree: each carries pprof labels that
// say which incarnation of which child it belongs to, and so does what such a
// goroutine starts.
package stacks

import (
	"bytes"
	"fmt"
	"runtime/pprof"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"
)

// Incarnation names an incarnation in a tree.
type Incarnation struct {
	Path   string
	Number int
}

// Of gives the stacks of the goroutines of a tree, from a profile with the given
// name: "goroutine" for all that are there. A profile that the runtime does not
// offer has none. It stops the world for a moment, longer the more goroutines
// there are.
//
// Several stacks of one incarnation have an empty line between them, and equal
// ones their number in front.
func Of(tree, name string) map[Incarnation]string {
	p := read(name)
	if p == nil {
		return nil
	}
	found := make(map[Incarnation]string)
	for _, s := range p.Sample {
		if !s.HasLabel(labelTree, tree) {
			continue
		}
		path, number := s.Label[labelPath], s.Label[labelIncarnation]
		if len(path) != 1 || len(number) != 1 {
			continue
		}
		n, err := strconv.Atoi(number[0])
		if err != nil {
			continue
		}
		key := Incarnation{path[0], n}
		if found[key] != "" {
			found[key] += "\n"
		}
		if count := s.Value[0]; count != 1 {
			found[key] += fmt.Sprintf("%d goroutines:\n", count)
		}
		found[key] += stack(s)
	}
	return found
}

// read takes a profile in its binary form: to make the text form takes longer,
// because each frame of each goroutine is looked up by itself.
func read(name string) *profile.Profile {
	p := pprof.Lookup(name)
	if p == nil {
		return nil
	}
	var data bytes.Buffer
	if err := p.WriteTo(&data, 0); err != nil {
		return nil
	}
	parsed, err := profile.ParseData(data.Bytes())
	if err != nil {
		return nil
	}
	return parsed
}

// stack is the text of a stack, the innermost call first: for each the function
// and, on a line of its own, where in it. What the runtime does at its inner end
// is left out.
func stack(s *profile.Sample) string {
	var text strings.Builder
	for _, location := range s.Location {
		for _, line := range location.Line {
			f := line.Function
			if f.Name == "runtime.goexit" || text.Len() == 0 && ofRuntime(f.Name) {
				continue
			}
			fmt.Fprintf(&text, "%s\n\t%s:%d\n", f.Name, f.Filename, line.Line)
		}
	}
	return text.String()
}

func ofRuntime(function string) bool {
	return strings.HasPrefix(function, "runtime.") || strings.HasPrefix(function, "internal/runtime/")
}
