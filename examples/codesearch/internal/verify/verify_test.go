package verify_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
	"github.com/coppice-go/coppice/examples/codesearch/internal/verify"
)

const root = "/tree"

func tree() fstest.MapFS {
	return fstest.MapFS{
		"a.go":      {Data: []byte("package a\n\nfunc A() {}\nfunc B() {}\n")},
		"b/b.go":    {Data: []byte("// Package b is.\npackage b\n\nvar x, x int\n")},
		"broken.go": {Data: []byte("package c\nfunc (")},
		"notes.txt": {Data: []byte("no Go")},
	}
}

// indexed stores a tree, after change has changed what is stored.
func indexed(t *testing.T, tree fstest.MapFS, change func(parsed []source.Parsed) []source.Parsed) (path string) {
	t.Helper()
	var parsed []source.Parsed
	for file, err := range source.Files(tree) {
		if err != nil {
			t.Fatal(err)
		}
		content, err := source.Read(tree, file)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, content.Parse())
	}
	path = filepath.Join(t.TempDir(), "test.db")
	x, err := index.Open(t.Context(), path, root)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(x.Put(t.Context(), change(parsed)), x.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func compare(ctx context.Context, t *testing.T, tree fstest.MapFS, path string) (verify.Verdict, error) {
	t.Helper()
	x, err := index.OpenExisting(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	return verify.Compare(ctx, tree, x)
}

func TestCompare(t *testing.T) {
	tests := []struct {
		name   string
		change func(parsed []source.Parsed) []source.Parsed
		want   verify.Verdict
	}{
		{"the same", func(p []source.Parsed) []source.Parsed { return p }, verify.Verdict{}},
		{"touched files are the same", func(p []source.Parsed) []source.Parsed {
			p[0].ModTime = p[0].ModTime.AddDate(1, 0, 0)
			return p
		}, verify.Verdict{}},
		{"a declaration is missing", func(p []source.Parsed) []source.Parsed {
			p[0].Declarations = p[0].Declarations[:1]
			return p
		}, verify.Verdict{Lost: 1, Examples: []string{"lost: a.go:4 func B"}}},
		{"one of two equal declarations is missing", func(p []source.Parsed) []source.Parsed {
			p[1].Declarations = p[1].Declarations[:2]
			return p
		}, verify.Verdict{Lost: 1, Examples: []string{"lost: b/b.go:4 var x"}}},
		{"a declaration is there twice", func(p []source.Parsed) []source.Parsed {
			p[0].Declarations = append(p[0].Declarations, p[0].Declarations[1])
			return p
		}, verify.Verdict{Duplicated: 1, Examples: []string{"duplicated: a.go:4 func B"}}},
		{"a line is wrong", func(p []source.Parsed) []source.Parsed {
			p[0].Declarations[0].Line = 9
			return p
		}, verify.Verdict{Lost: 1, Duplicated: 1, Examples: []string{"lost: a.go:3 func A", "duplicated: a.go:9 func A"}}},
		{"a doc is wrong", func(p []source.Parsed) []source.Parsed {
			p[1].Declarations[0].Doc = ""
			return p
		}, verify.Verdict{Lost: 1, Duplicated: 1, Examples: []string{"lost: b/b.go:2 package b", "duplicated: b/b.go:2 package b"}}},
		{"a file is missing", func(p []source.Parsed) []source.Parsed { return p[1:] },
			verify.Verdict{Lost: 3, Examples: []string{"lost: a.go:0 file a", "lost: a.go:3 func A", "lost: a.go:4 func B"}}},
		{"a file has not been there for long", func(p []source.Parsed) []source.Parsed {
			return append(p, source.Parsed{File: source.File{Path: "gone.go"}, Package: "g"})
		}, verify.Verdict{Duplicated: 1, Examples: []string{"duplicated: gone.go:0 file g"}}},
		{"a content is outdated", func(p []source.Parsed) []source.Parsed {
			p[0].Hash[0]++
			return p
		}, verify.Verdict{Lost: 1, Duplicated: 1, Examples: []string{"lost: a.go:0 file a", "duplicated: a.go:0 file a"}}},
		{"a failure is forgotten", func(p []source.Parsed) []source.Parsed {
			p[2].Failure = ""
			return p
		}, verify.Verdict{Lost: 1, Duplicated: 1, Examples: []string{"lost: broken.go:0 file c", "duplicated: broken.go:0 file c"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := compare(t.Context(), t, tree(), indexed(t, tree(), test.change))
			if err != nil || got.Lost != test.want.Lost || got.Duplicated != test.want.Duplicated || !slices.Equal(got.Examples, test.want.Examples) {
				t.Errorf("got %+v, %v, want %+v", got, err, test.want)
			}
		})
	}
}

func TestWhatCannotBeFoundIsLost(t *testing.T) {
	path := indexed(t, tree(), func(p []source.Parsed) []source.Parsed { return p })
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.Exec(`DELETE FROM search WHERE rowid = 1; INSERT INTO search (rowid, name) VALUES (1000, 'stray')`)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := compare(t.Context(), t, tree(), path)
	if err != nil || got.Lost != 1 || got.Duplicated != 1 || len(got.Examples) != 1 {
		t.Errorf("got %+v, %v, want one lost and one duplicated", got, err)
	}
}

func TestCompareStops(t *testing.T) {
	path := indexed(t, tree(), func(p []source.Parsed) []source.Parsed { return p })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := compare(ctx, t, tree(), path); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}
