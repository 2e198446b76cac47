// Package stacks finds the goroutines of a tree: each carries pprof labels that
// say which incarnation of which child it belongs to, and so does what such a
// goroutine starts.
package stacks

import (
	"bytes"
	"runtime/pprof"
	"strconv"
	"strings"
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
	var text bytes.Buffer
	p := pprof.Lookup(profile)
	if p == nil {
		return nil
	}
	if err := p.WriteTo(&text, 1); err != nil {
		return nil
	}
	return parse(text.Bytes(), tree)
}

// parse reads a goroutine profile in its text form. A group of goroutines
// with the same stack is a block of lines that an empty line ends, with their
// number in front:
//
//	2 @ 0x47c5ee 0x40ab4d
//	# labels: {"coppice.path":"bank/alice", "coppice.tree":"1"}
//	#	0x47c5ed	main.work+0x2d	/src/main.go:12
func parse(profile []byte, tree string) map[Incarnation]string {
	found := make(map[Incarnation]string)
	// Most goroutines of a large program are not of the tree: they cost a glance.
	mark := []byte(strconv.Quote(labelTree) + ":" + strconv.Quote(tree))
	for len(profile) > 0 {
		var group []byte
		group, profile, _ = bytes.Cut(profile, []byte("\n\n"))
		if !bytes.Contains(group, mark) {
			continue
		}
		count, labels, stack := parseGroup(string(group))
		number, err := strconv.Atoi(labels[labelIncarnation])
		if labels[labelTree] != tree || err != nil {
			continue
		}
		key := Incarnation{labels[labelPath], number}
		if found[key] != "" {
			found[key] += "\n"
		}
		if count != "1" {
			found[key] += count + " goroutines:\n"
		}
		found[key] += stack
	}
	return found
}

func parseGroup(group string) (count string, labels map[string]string, stack string) {
	var text strings.Builder
	for line := range strings.SplitSeq(group, "\n") {
		switch {
		case !strings.HasPrefix(line, "#"):
			count, _, _ = strings.Cut(line, " @ ")
		case strings.HasPrefix(line, "# labels: "):
			labels = parseLabels(line[len("# labels: "):])
		case strings.HasPrefix(line, "#\t"):
			// Tabs align the columns, so there may be several in a row.
			fields := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' })
			if len(fields) == 4 {
				text.WriteString(fields[2] + "\n\t" + fields[3] + "\n")
			}
		}
	}
	return count, labels, text.String()
}

// parseLabels reads {"key":"value", "key":"value"}, quoted as in Go.
func parseLabels(text string) map[string]string {
	labels := make(map[string]string)
	var key string
	for isKey := true; ; isKey = !isKey {
		text = strings.TrimLeft(text, "{:, ")
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil { // the end
			return labels
		}
		text = text[len(quoted):]
		plain, _ := strconv.Unquote(quoted)
		if isKey {
			key = plain
		} else {
			labels[key] = plain
		}
	}
}
