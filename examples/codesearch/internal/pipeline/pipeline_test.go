package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/coppice-go/coppice/examples/codesearch/internal/chaos"
	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
	"github.com/coppice-go/coppice/examples/codesearch/internal/pipeline"
	"github.com/coppice-go/coppice/examples/codesearch/internal/verify"
)

// files gives a tree of n small Go files.
func files(n int) fstest.MapFS {
	tree := make(fstest.MapFS)
	for i := range n {
		tree[fmt.Sprintf("p%d/f%d.go", i%7, i)] = &fstest.MapFile{
			Data: fmt.Appendf(nil, "package p\n\n// F%d is number %d.\nfunc F%d() {}\n\ntype T%d int\n", i, i, i, i),
		}
	}
	return tree
}

type problems struct {
	mu   sync.Mutex
	seen []string
}

func (p *problems) add(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, err.Error())
}

func (p *problems) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.seen, "\n")
}

func config(t *testing.T, tree fs.FS) (pipeline.Config, *problems) {
	t.Helper()
	seen := new(problems)
	cfg := pipeline.Config{
		Root:     "/tree",
		Tree:     tree,
		Database: filepath.Join(t.TempDir(), "index.db"),
		Workers:  2,
		Problem:  seen.add,
	}
	opened, err := index.Open(t.Context(), cfg.Database, cfg.Root)
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	return cfg, seen
}

// check compares what is stored with an independent pass.
func check(t *testing.T, cfg pipeline.Config, tree fs.FS) {
	t.Helper()
	stored, err := index.OpenExisting(t.Context(), cfg.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	verdict, err := verify.Compare(t.Context(), tree, stored)
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Lost != 0 || verdict.Duplicated != 0 {
		t.Errorf("lost %d, duplicated %d, want 0 and 0: %v", verdict.Lost, verdict.Duplicated, verdict.Examples)
	}
}

func TestIndexUnderChaos(t *testing.T) {
	tree := files(400)
	cfg, seen := config(t, tree)
	cfg.Chaos, _ = chaos.New(0.2, 7)
	report, err := pipeline.Index(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	faults := cfg.Chaos.Faults()
	if want := faults.Total(); faults.Total() < 50 || report.Restarts != want {
		t.Errorf("%d restarts after %v, want as many", report.Restarts, faults)
	}
	if report.Stored != 400 || !report.Complete || report.DeadLetters != 0 || seen.String() != "" {
		t.Errorf("got %+v and problems %q, want 400 stored and complete", report, seen)
	}
	check(t, cfg, tree)
}

func TestSecondRunTakesOnlyWhatChanged(t *testing.T) {
	tree := files(50)
	cfg, _ := config(t, tree)
	if _, err := pipeline.Index(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	delete(tree, "p1/f1.go")
	tree["p2/f2.go"] = &fstest.MapFile{Data: []byte("package p\n\nfunc Changed() {}\n")}
	same := *tree["p3/f3.go"]
	same.ModTime = same.ModTime.Add(1)
	tree["p3/f3.go"] = &same
	report, err := pipeline.Index(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := pipeline.Report{Stored: 1, Unchanged: 48, Removed: 1, Complete: true}
	if report != want {
		t.Errorf("got %+v, want %+v", report, want)
	}
	check(t, cfg, tree)
}

// interrupting is a tree that ends a context when a file is opened.
type interrupting struct {
	fs.FS
	at   string
	then func()
}

func (i interrupting) Open(name string) (fs.File, error) {
	if name == i.at {
		i.then()
	}
	return i.FS.Open(name)
}

func (i interrupting) Stat(name string) (fs.FileInfo, error) { return fs.Stat(i.FS, name) }

func (i interrupting) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(i.FS, name) }

func TestInterruptionDrainsAndASecondRunResumes(t *testing.T) {
	tree := files(300)
	cfg, _ := config(t, tree)
	ctx, interrupt := context.WithCancel(t.Context())
	cfg.Tree = interrupting{tree, "p3/f150.go", interrupt}
	first, err := pipeline.Index(ctx, cfg)
	if err != nil || first.Complete {
		t.Fatalf("got %+v and %v, want an incomplete run without an error", first, err)
	}
	cfg.Tree = tree
	second, err := pipeline.Index(t.Context(), cfg)
	if err != nil || !second.Complete {
		t.Fatalf("got %+v and %v, want a complete run", second, err)
	}
	if first.DeadLetters != 0 || first.Stored == 0 || second.Unchanged != first.Stored || second.Stored+second.Unchanged != 300 {
		t.Errorf("first %+v, second %+v: want the second to go on where the first was", first, second)
	}
	check(t, cfg, tree)
}

// crashing is a tree in which reading one file panics every time.
type crashing struct {
	fs.FS
	at string
}

func (c crashing) Open(name string) (fs.File, error) {
	if name == c.at {
		panic("a bug in the reader")
	}
	return c.FS.Open(name)
}

func (c crashing) Stat(name string) (fs.FileInfo, error) { return fs.Stat(c.FS, name) }

func (c crashing) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(c.FS, name) }

func TestAFileThatAlwaysCrashesItsParserIsAProblem(t *testing.T) {
	tree := files(60)
	cfg, seen := config(t, tree)
	cfg.Tree = crashing{tree, "p5/f5.go"}
	cfg.Chaos, _ = chaos.New(0, 1) // keeps the expected crashes out of the log
	report, err := pipeline.Index(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := pipeline.Report{Stored: 59, Restarts: 6, DeadLetters: 1, Complete: true}
	if report != want || !strings.Contains(seen.String(), "p5/f5.go: its parser crashed 6 times") {
		t.Errorf("got %+v and problems %q, want %+v and the file", report, seen, want)
	}
	delete(tree, "p5/f5.go")
	check(t, cfg, tree)
}

func TestADatabaseThatCannotBeWrittenEndsTheRun(t *testing.T) {
	cfg, _ := config(t, files(5))
	cfg.Chaos, _ = chaos.New(0, 1)
	if err := os.Remove(cfg.Database); err != nil {
		t.Fatal(err)
	}
	cfg.Database = filepath.Join(cfg.Database, "nowhere", "index.db")
	report, err := pipeline.Index(t.Context(), cfg)
	if !errors.Is(err, index.ErrUnwritable) || report.Complete {
		t.Errorf("got %+v and %v, want %v", report, err, index.ErrUnwritable)
	}
}
