package supervisor

import (
	"bufio"
	"bytes"
	"runtime/pprof"
	"strconv"
	"strings"
)

// incarnationKey names an incarnation in a tree.
type incarnationKey struct {
	path   string
	number int
}

// goroutineStacks gives the stacks of the goroutines of a tree, found by their
// pprof labels. It stops the world for a moment, longer the more goroutines
// there are.
func goroutineStacks(treeID string) map[incarnationKey]string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return nil
	}
	return parseStacks(&profile, treeID)
}

// parseStacks reads a goroutine profile in its text form. A group of goroutines
// with the same stack is a block of lines that an empty line ends, with their
// number in front:
//
//	2 @ 0x47c5ee 0x40ab4d
//	# labels: {"coppice.path":"bank/alice", "coppice.tree":"1"}
//	#	0x47c5ed	main.work+0x2d	/src/main.go:12
func parseStacks(profile *bytes.Buffer, treeID string) map[incarnationKey]string {
	stacks := make(map[incarnationKey]string)
	var count string
	var labels map[string]string
	var stack strings.Builder
	flush := func() {
		number, err := strconv.Atoi(labels[labelIncarnation])
		if labels[labelTree] == treeID && err == nil {
			key := incarnationKey{labels[labelPath], number}
			if stacks[key] != "" {
				stacks[key] += "\n"
			}
			if count != "1" {
				stacks[key] += count + " goroutines:\n"
			}
			stacks[key] += stack.String()
		}
		labels = nil
		stack.Reset()
	}
	lines := bufio.NewScanner(profile)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "":
			flush()
		case !strings.HasPrefix(line, "#"):
			count, _, _ = strings.Cut(line, " @ ")
		case strings.HasPrefix(line, "# labels: "):
			labels = parseLabels(line[len("# labels: "):])
		case strings.HasPrefix(line, "#\t"):
			// Tabs align the columns, so there may be several in a row.
			fields := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' })
			if len(fields) == 4 {
				stack.WriteString(fields[2] + "\n\t" + fields[3] + "\n")
			}
		}
	}
	flush()
	return stacks
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
