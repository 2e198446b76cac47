package index_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
)

const root = "/tree"

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "test.db") }

func open(t testing.TB, path string) *index.Index {
	t.Helper()
	opened, err := index.Open(t.Context(), path, root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeIt(t, opened) })
	return opened
}

func closeIt(t testing.TB, opened *index.Index) {
	t.Helper()
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
}

// file makes a file that declares functions with the given names. Its hash and
// time follow from the names.
func file(path string, names ...string) source.Parsed {
	parsed := source.Parsed{
		File:    source.File{Path: path, Size: int64(len(names)), ModTime: time.Unix(int64(len(names)), 42)},
		Package: "p",
	}
	copy(parsed.Hash[:], strings.Join(names, " "))
	for i, name := range names {
		parsed.Declarations = append(parsed.Declarations, source.Declaration{
			Kind: source.Func, Name: name, Line: i + 2, Doc: name + " does something.\n",
		})
	}
	return parsed
}

func put(t testing.TB, x *index.Index, batch ...source.Parsed) {
	t.Helper()
	if err := x.Put(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

// expect compares what is stored with what should be, and asks for the health.
func expect(t *testing.T, x *index.Index, want ...source.Parsed) {
	t.Helper()
	var got []source.Parsed
	for parsed, err := range x.Dump(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, parsed)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("stored:\n%+v\nwant:\n%+v", got, want)
	}
	if health, err := x.Check(t.Context()); err != nil || health != (index.Health{}) {
		t.Errorf("health: %+v, %v", health, err)
	}
}

func TestPut(t *testing.T) {
	full := file("a.go", "A", "B")
	full.Declarations[0] = source.Declaration{Kind: source.Method, Name: "T.A", Line: 7, Doc: "über\n\n\t\"quoted\" ' %\n"}
	broken := source.Parsed{File: source.File{Path: "dir/b.go", ModTime: time.Unix(0, 0)}, Failure: "dir/b.go:1:1: expected 'package'"}
	tests := []struct {
		name    string
		batches [][]source.Parsed
		want    []source.Parsed
	}{
		{"nothing", [][]source.Parsed{nil}, nil},
		{"everything about a file", [][]source.Parsed{{full, broken}}, []source.Parsed{full, broken}},
		{"again changes nothing", [][]source.Parsed{{full, broken}, {full, broken}, {full}}, []source.Parsed{full, broken}},
		{"again in one batch", [][]source.Parsed{{full, full}}, []source.Parsed{full}},
		{"other content replaces", [][]source.Parsed{{full, broken}, {file("a.go", "C")}}, []source.Parsed{file("a.go", "C"), broken}},
		{"in the order of paths", [][]source.Parsed{{file("c.go", "C")}, {file("a.go", "A")}, {file("b.go", "B")}},
			[]source.Parsed{file("a.go", "A"), file("b.go", "B"), file("c.go", "C")}},
		{"equal declarations are kept apart", [][]source.Parsed{{file("a.go", "A", "A")}}, []source.Parsed{file("a.go", "A", "A")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x := open(t, newPath(t))
			for _, batch := range test.batches {
				put(t, x, batch...)
			}
			expect(t, x, test.want...)
		})
	}
}

func TestReplacedNamesAreNotFound(t *testing.T) {
	x := open(t, newPath(t))
	put(t, x, file("a.go", "Before"))
	put(t, x, file("a.go", "After"))
	for name, want := range map[string]int{"Before": 0, "After": 1} {
		if answer, err := x.Search(t.Context(), name, 10); err != nil || answer.Total != want {
			t.Errorf("%s has %d hits, %v, want %d", name, answer.Total, err, want)
		}
	}
}

func TestPutStoresABatchOrNothing(t *testing.T) {
	x := open(t, newPath(t))
	before := file("a.go", "A")
	put(t, x, before)
	if _, err := x.DB().Exec(`PRAGMA max_page_count = 40`); err != nil { // as good as a full disk
		t.Fatal(err)
	}
	large := file("b.go", "B")
	for i := range 5000 {
		large.Declarations = append(large.Declarations, source.Declaration{Kind: source.Var, Name: fmt.Sprint("name", i), Line: i})
	}
	err := x.Put(t.Context(), []source.Parsed{file("a.go", "Changed"), large})
	if !errors.Is(err, index.ErrFull) || !strings.Contains(err.Error(), "b.go") {
		t.Fatalf("error %v, want ErrFull that names b.go", err)
	}
	expect(t, x, before)
	put(t, x, file("c.go", "C")) // what fits can still be stored
	expect(t, x, before, file("c.go", "C"))
}

func TestPutAtTheSameTime(t *testing.T) {
	path := newPath(t)
	indexes := []*index.Index{open(t, path), open(t, path)}
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			for range 5 {
				if err := indexes[i%2].Put(t.Context(), []source.Parsed{file("same.go", "S"), file(fmt.Sprint(i, ".go"), "N")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	var want []source.Parsed
	for i := range 8 {
		want = append(want, file(fmt.Sprint(i, ".go"), "N"))
	}
	expect(t, indexes[0], append(want, file("same.go", "S"))...)
}

func TestRemove(t *testing.T) {
	x := open(t, newPath(t))
	put(t, x, file("a.go", "A"), file("b.go", "B"), file("c.go", "C"))
	for _, paths := range [][]string{nil, {"a.go", "c.go", "never.go"}, {"a.go"}} {
		if err := x.Remove(t.Context(), paths); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, x, file("b.go", "B"))
}

func TestKnown(t *testing.T) {
	x := open(t, newPath(t))
	stored, changed := file("a.go", "A"), file("a.go", "A", "B")
	put(t, x, stored, file("b.go"))

	known, err := x.Known(t.Context())
	if err != nil || len(known) != 2 {
		t.Fatalf("known: %+v, %v", known, err)
	}
	stamp := known["a.go"]
	if stamp.Hash != stored.Hash || !stamp.Matches(stored.File) || stamp.Matches(changed.File) {
		t.Errorf("%+v does not recognize %+v", stamp, stored)
	}
	if (index.Stamp{}).Matches(stored.File) {
		t.Error("a file that is not stored is recognized")
	}

	if err := x.Touch(t.Context(), []source.File{changed.File, file("never.go").File}); err != nil {
		t.Fatal(err)
	}
	known, err = x.Known(t.Context())
	if err != nil || len(known) != 2 || !known["a.go"].Matches(changed.File) || known["a.go"].Hash != stored.Hash {
		t.Errorf("after a touch, known: %+v, %v", known, err)
	}
}

func TestStats(t *testing.T) {
	x := open(t, newPath(t))
	broken := file("b.go")
	broken.Failure = "b.go:1:1: expected 'package'"
	put(t, x, file("a.go", "A", "B"), broken)
	if err := x.SetComplete(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	want := index.Stats{Root: root, Files: 2, Broken: 1, Declarations: 2, Complete: true}
	if got, err := x.Stats(t.Context()); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestChangesStopWithTheirContext(t *testing.T) {
	x := open(t, newPath(t))
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if err := x.Put(ctx, []source.Parsed{file("a.go")}); !errors.Is(err, reason) {
		t.Errorf("error %v, want the cause of the context", err)
	}
	expect(t, x)
}
