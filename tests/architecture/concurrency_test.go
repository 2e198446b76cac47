package architecture_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const concurrency = "docs/concurrency.md"

// construct is what a node is by which goroutines meet or a panic goes another
// way, empty if it is none of that. A select counts if it has no default, so that
// it may wait; what is sent and received in it counts by itself.
func construct(node ast.Node) string {
	switch node := node.(type) {
	case *ast.GoStmt:
		return "go"
	case *ast.SendStmt:
		return "send"
	case *ast.SelectStmt:
		if !slices.ContainsFunc(node.Body.List, func(s ast.Stmt) bool { return s.(*ast.CommClause).Comm == nil }) {
			return "select"
		}
	case *ast.UnaryExpr:
		if node.Op == token.ARROW {
			return "receive"
		}
	case *ast.CallExpr:
		switch called := node.Fun.(type) {
		case *ast.Ident:
			if called.Name == "recover" || called.Name == "panic" || called.Name == "close" && len(node.Args) == 1 {
				return called.Name
			}
		case *ast.SelectorExpr:
			if of, ok := called.X.(*ast.Ident); ok && of.Name == "time" && called.Sel.Name == "After" { // not the method of times
				return "timer"
			}
			return byMethod[called.Sel.Name]
		}
	}
	return ""
}

// byMethod are the constructs that are known by the name that is called.
var byMethod = map[string]string{
	"Go": "go", "Lock": "lock", "RLock": "lock", "TryLock": "lock", "Do": "once", "Wait": "wait", "Goexit": "goexit",
	"AfterFunc": "AfterFunc", "NewTimer": "timer", "NewTicker": "timer", "Tick": "timer", "Sleep": "timer",
}

// Each of them has a sentence that says who is at the other end, why it does not
// wait for ever and does not panic, and who waits for the goroutine. A new one
// needs a new sentence; a sentence without its construct is out of date.
func TestEveryConstructOfConcurrencyIsExplained(t *testing.T) {
	found := map[string]map[string]int{}
	for _, s := range parse(t, token.NewFileSet()) {
		name, _ := roomOf(module + "/" + path.Dir(s.path))
		if _, known := rooms[name]; !known || s.isTest() {
			continue
		}
		for node := range ast.Preorder(s.file) {
			if what := construct(node); what != "" {
				count(found, s.path, what, 1)
			}
		}
	}
	explained := explanations(t)
	files := slices.Concat(slices.Collect(maps.Keys(found)), slices.Collect(maps.Keys(explained)))
	slices.Sort(files)
	for _, file := range slices.Compact(files) {
		if got, want := summary(explained[file]), summary(found[file]); got != want {
			t.Errorf("%s: explains in %s: %s; want what is there: %s", concurrency, file, got, want)
		}
	}
}

func count(counts map[string]map[string]int, file, what string, n int) {
	if counts[file] == nil {
		counts[file] = map[string]int{}
	}
	counts[file][what] += n
}

func summary(counts map[string]int) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[what], what))
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// explanations reads the rows of the tables: file, what is there ("1 select, 2
// receive"), sentence.
func explanations(t *testing.T) map[string]map[string]int {
	t.Helper()
	text, err := os.ReadFile(path.Join(root, concurrency))
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]map[string]int{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 5 || !strings.HasSuffix(strings.TrimSpace(cells[1]), ".go`") {
			continue
		}
		file := strings.Trim(cells[1], " `")
		if len(strings.Fields(cells[3])) < 5 {
			t.Errorf("%s: %s, %s: has no sentence", concurrency, file, cells[2])
		}
		for part := range strings.SplitSeq(cells[2], ",") {
			number, what, _ := strings.Cut(strings.TrimSpace(part), " ")
			n, err := strconv.Atoi(number)
			if err != nil {
				t.Errorf("%s: %s: got %q, want a number and a construct", concurrency, file, part)
			}
			count(explained, file, what, n)
		}
	}
	return explained
}
