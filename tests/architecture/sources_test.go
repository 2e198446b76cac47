package architecture_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// source is one Go file of the repository, in whatever module.
type source struct {
	path string // from the root, with slashes
	file *ast.File
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) imports(want string) bool {
	return slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool {
		path, err := strconv.Unquote(i.Path.Value)
		return err == nil && path == want
	})
}

// calls reports whether node is a call of the qualified name, as it is written.
func calls(node ast.Node, qualifier, name string) bool {
	call, ok := node.(*ast.CallExpr)
	if !ok {
		return false
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	x, ok := selector.X.(*ast.Ident)
	return ok && x.Name == qualifier
}

// files knows the positions in the sources.
var files = token.NewFileSet()

// parse gives all sources, which are read once.
func parse(t *testing.T) []source {
	t.Helper()
	sources, err := parseOnce()
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

var parseOnce = sync.OnceValues(func() (sources []source, err error) {
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := entry.Name(); entry.IsDir() && (base == "testdata" || base == "vendor" || len(base) > 2 && base[0] == '.') {
			return fs.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		sources = append(sources, source{path: filepath.ToSlash(relative), file: file})
		return err
	})
	return sources, err
})

func TestPanicsAreCaughtAndGoroutinesStartedInFewPlaces(t *testing.T) {
	recovers, goroutines := map[string][]string{}, map[string][]string{}
	for _, s := range parse(t) {
		name, _ := roomOf(module + "/" + path.Dir(s.path))
		if _, known := rooms[name]; !known || s.isTest() {
			continue
		}
		for node := range ast.Preorder(s.file) {
			at := files.Position(node.Pos()).String()
			switch node := node.(type) {
			case *ast.GoStmt:
				goroutines[name] = append(goroutines[name], at)
			case *ast.CallExpr:
				if called, ok := node.Fun.(*ast.Ident); ok && called.Name == "recover" {
					recovers[name] = append(recovers[name], at)
				}
				if called, ok := node.Fun.(*ast.SelectorExpr); ok && called.Sel.Name == "Go" { // a WaitGroup's
					goroutines[name] = append(goroutines[name], at)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rooms)) {
		want := rooms[name]
		if got := recovers[name]; len(got) != want.recovers {
			t.Errorf("%s: got %d calls of recover at %v, want %d: %s", name, len(got), got, want.recovers, want.why)
		}
		if got := goroutines[name]; len(got) != want.goroutines {
			t.Errorf("%s: got %d goroutines started at %v, want %d: %s", name, len(got), got, want.goroutines, want.why)
		}
	}
}

func TestTestsSleepInBubblesOnly(t *testing.T) {
	for _, s := range parse(t) {
		if !s.isTest() || s.imports("testing/synctest") || s.imports(module+"/actortest") { // which makes bubbles
			continue
		}
		for node := range ast.Preorder(s.file) {
			if calls(node, "time", "Sleep") {
				t.Errorf("%v: sleeps outside of a testing/synctest bubble", files.Position(node.Pos()))
			}
		}
	}
}

func TestEveryTestPackageLooksForLeaks(t *testing.T) {
	looks := map[string]bool{}
	for _, s := range parse(t) {
		room, _ := roomOf(module + "/" + path.Dir(s.path))
		if _, known := rooms[room]; !known || !s.isTest() { // other modules decide for themselves
			continue
		}
		directory := path.Dir(s.path)
		looks[directory] = looks[directory] || slices.ContainsFunc(slices.Collect(ast.Preorder(s.file)), func(node ast.Node) bool {
			return calls(node, "goleak", "VerifyTestMain")
		})
	}
	for _, directory := range slices.Sorted(maps.Keys(looks)) {
		if !looks[directory] {
			t.Errorf("%s: has tests without goleak.VerifyTestMain in a TestMain", directory)
		}
	}
}
