package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/examples/codesearch/internal/cli"
	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
	"github.com/coppice-go/coppice/examples/codesearch/internal/pipeline"
	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
)

// bench is a place to run the command at: a tree, and a cache of its own.
type bench struct {
	testing.TB
	tree    string
	indexer cli.Indexer
}

func newBench(t testing.TB, files map[string]string) *bench {
	t.Helper()
	cache := t.TempDir()
	// The go command would leave a process behind that writes its telemetry to
	// a home that is new to it.
	telemetry := filepath.Join(cache, "go", "telemetry")
	if err := os.MkdirAll(telemetry, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(telemetry, "mode"), []byte("off"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HOME", "LocalAppData"} {
		t.Setenv(variable, cache)
	}
	b := &bench{TB: t, tree: t.TempDir(), indexer: sequential}
	for path, text := range files {
		b.write(path, text)
	}
	return b
}

func (b *bench) write(path, text string) {
	b.Helper()
	path = filepath.Join(b.tree, filepath.FromSlash(path))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		b.Fatal(err)
	}
}

type result struct {
	status   int
	out, err string
}

func (b *bench) run(arguments ...string) result {
	b.Helper()
	return b.runIn(b.Context(), arguments...)
}

func (b *bench) runIn(ctx context.Context, arguments ...string) result {
	var out, err bytes.Buffer
	status := cli.Run(ctx, arguments, cli.Streams{Out: &out, Err: &err}, b.indexer)
	return result{status, out.String(), err.String()}
}

// expect checks the status and that outputs match regular expressions.
func (b *bench) expect(got result, status int, out, err string) {
	b.Helper()
	if got.status != status || !regexp.MustCompile(`(?s)^`+out+`$`).MatchString(got.out) || !regexp.MustCompile(`(?s)^`+err+`$`).MatchString(got.err) {
		b.Errorf("status %d\nout: %s\nerr: %s\nwant status %d\nout: %s\nerr: %s", got.status, got.out, got.err, status, out, err)
	}
}

var library = map[string]string{
	"http/server.go": "// Package http serves.\npackage http\n\n// A ServeMux matches patterns. It is a multiplexer.\ntype ServeMux struct{}\n\n// Handle handles.\nfunc (*ServeMux) Handle(pattern string) {}\n",
	"broken.go":      "package broken\n\nfunc Whole() {}\nfunc (",
	"README":         "no Go",
}

func TestIndexAndAsk(t *testing.T) {
	b := newBench(t, library)
	b.expect(b.run("-q", "ServeMux", b.tree), cli.Failed, "", `codesearch: .*: there is no index yet; run codesearch \S+\n`)
	b.expect(b.run(b.tree), cli.OK, `\S+: 2 files, 4 declarations; 1 with syntax errors\n2 stored, 0 unchanged, 0 removed in .* s; the index is \S+\.db\n`, "")

	b.expect(b.run("-q", "ServeMux pattern", b.tree), cli.OK,
		`\S+/http/server.go:5: type ServeMux, package http\n\tA ServeMux matches patterns.\n`, "")
	b.expect(b.run(b.tree, "-q", "whole"), cli.OK, `\S+/broken.go:3: func Whole, package broken\n`, "")
	b.expect(b.run("-q", "serve teapots", b.tree), cli.OK, `No declaration has all of "serve teapots". These have some of it:\n.*`, "")
	b.expect(b.run("-q", "teapots", b.tree), cli.Failed, "", `codesearch: nothing about "teapots" in 4 declarations of \S+\n`)
	b.expect(b.run("-q", "", b.tree), cli.Failed, "", `codesearch: nothing to search for.*\n`)
}

func TestASecondRunIndexesWhatHasChanged(t *testing.T) {
	b := newBench(t, map[string]string{"a.go": "package a\nvar A int", "b.go": "package b\nvar B int", "c.go": "package c\nvar C int", "d.go": "package d\nvar D int"})
	b.run(b.tree)
	b.expect(b.run(b.tree), cli.OK, `.*4 files, 4 declarations\n0 stored, 4 unchanged, 0 removed .*`, "")

	b.write("b.go", "package b\nvar Changed, Too int")
	if err := errors.Join(os.Remove(filepath.Join(b.tree, "c.go")), os.Chtimes(filepath.Join(b.tree, "d.go"), time.Time{}, time.Unix(0, 0))); err != nil {
		t.Fatal(err)
	}
	b.expect(b.run(b.tree), cli.OK, `.*3 files, 4 declarations\n1 stored, 2 unchanged, 1 removed .*`, "")
	b.expect(b.run("-q", "C", b.tree), cli.Failed, "", `.*nothing about "C".*`)
	b.expect(b.run(b.tree), cli.OK, `.*\n0 stored, 3 unchanged, 0 removed .*`, "")
	b.expect(b.run("-fresh", b.tree), cli.OK, `.*\n3 stored, 0 unchanged, 0 removed .*`, "")
}

func TestJSON(t *testing.T) {
	b := newBench(t, library)
	for range 2 { // chaos and verification index everything each time
		got := b.run("-json", "-verify", "-chaos", "0.9", "-seed", "1", "-workers", "3", b.tree)
		b.expect(got, cli.OK,
			`\{"files":2,"declarations":4,"faults":\d+,"restarts":\d+,"dead_letters":0,"lost":0,"duplicated":0,"seconds":[\d.]+\}\n`,
			`chaos: rate 0.9, -seed 1\nverifying .*\n2 stored, 0 unchanged.*\n\d+ faults \(.*\n.*verified: 0 rows lost, 0 duplicated\n`)
		var summary struct{ Faults, Restarts int }
		if err := json.Unmarshal([]byte(got.out), &summary); err != nil || summary.Faults == 0 || summary.Faults != summary.Restarts {
			t.Errorf("faults and restarts: %+v, %v", summary, err)
		}
	}
}

func TestChaosWithoutASeedPrintsIts(t *testing.T) {
	b := newBench(t, library)
	b.expect(b.run("-chaos", "0.1", b.tree), cli.OK, ".*", `chaos: rate 0.1, -seed \d+\n`)
}

func TestWhatVerifyFindsIsAFailure(t *testing.T) {
	b := newBench(t, library)
	b.indexer = func(ctx context.Context, cfg pipeline.Config) (pipeline.Report, error) {
		report, err := sequential(ctx, cfg)
		x, openErr := index.Open(ctx, cfg.Database, cfg.Root)
		stray := source.Parsed{File: source.File{Path: "stray.go"}}
		return report, errors.Join(err, openErr, x.Put(ctx, []source.Parsed{stray}), x.Remove(ctx, []string{"broken.go"}), x.Close())
	}
	b.expect(b.run("-json", "-verify", b.tree), cli.Failed, `.*"lost":2,"duplicated":1,.*`,
		`.*verified: 2 rows lost, 1 duplicated\n\tlost: broken.go:0 file broken\n\tlost: broken.go:3 func Whole\n\tduplicated: stray.go:0 file \n`)
}

func TestAStopReportIsAFailure(t *testing.T) {
	b := newBench(t, library)
	b.indexer = func(ctx context.Context, cfg pipeline.Config) (pipeline.Report, error) {
		report, err := sequential(ctx, cfg)
		return report, errors.Join(err, errors.New("parser-3 would not stop"))
	}
	b.expect(b.run("-json", b.tree), cli.Failed, `\{"files":2,.*\}\n`, `.*\ncodesearch: parser-3 would not stop\n`)
	b.indexer = func(context.Context, pipeline.Config) (pipeline.Report, error) { return pipeline.Report{}, nil }
	b.expect(b.run(b.tree), cli.Failed, `.*`, `codesearch: the index of \S+ is not complete\n`)
}

func TestInterruption(t *testing.T) {
	b := newBench(t, library)
	ctx, interrupt := context.WithCancel(t.Context())
	b.indexer = func(ctx context.Context, cfg pipeline.Config) (pipeline.Report, error) {
		interrupt()
		return sequential(ctx, cfg)
	}
	b.expect(b.runIn(ctx, "-json", "-verify", b.tree), cli.Interrupted, `\{"files":0,.*\}\n`, `.*\ncodesearch: interrupted; .*\n`)
	b.expect(b.run("-q", "ServeMux", b.tree), cli.Failed, "", `codesearch: the index is not complete: .*\ncodesearch: nothing about .*\n`)
	b.indexer = sequential
	b.expect(b.run(b.tree), cli.OK, `.*2 files.*`, "")

	ctx, interrupt = context.WithCancel(t.Context())
	b.indexer = func(ctx context.Context, cfg pipeline.Config) (pipeline.Report, error) {
		defer interrupt() // everything is indexed, but not verified
		return sequential(ctx, cfg)
	}
	b.expect(b.runIn(ctx, "-verify", b.tree), cli.Interrupted, `.*`, `verifying .*\ncodesearch: interrupted; .*\n`)
}

func TestProblemsAreListedAndTheRestIsIndexed(t *testing.T) {
	b := newBench(t, library)
	for _, name := range strings.Fields("a b c d e f g h i j k l m n o p q r s t u v w") {
		if err := os.Symlink("nowhere", filepath.Join(b.tree, name+".go")); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	b.expect(b.run(b.tree), cli.OK, `.*2 files.*`, `not indexed: a.go: .*not indexed: t.go: [^\n]*\nnot indexed: 3 more\n`)
}

func TestATreeWithoutGoFiles(t *testing.T) {
	b := newBench(t, map[string]string{"README": "no Go"})
	b.expect(b.run(b.tree), cli.OK, `.*: 0 files, 0 declarations\n.*`, `codesearch: there are no Go files in \S+\n`)
}

func TestTreesDoNotMix(t *testing.T) {
	b := newBench(t, library)
	other := filepath.Join(b.tree, "http")
	b.run(b.tree)
	b.expect(b.run(other), cli.OK, `.*1 files, 3 declarations.*`, "")
	b.expect(b.run(b.tree), cli.OK, `.*2 files, 4 declarations.*`, "")

	db := filepath.Join(t.TempDir(), "my.db")
	b.expect(b.run("-db", db, b.tree), cli.OK, `.*2 files.*the index is \S+/my\.db\n`, "")
	b.expect(b.run("-db", db, other), cli.Failed, "", `codesearch: \S+/my\.db: holds the index of another tree, \S+; choose another path with -db, or replace that index with -fresh\n`)
	b.expect(b.run("-db", db, "-fresh", other), cli.OK, `.*1 files.*`, "")
}

func TestBadInput(t *testing.T) {
	b := newBench(t, library)
	db := filepath.Join(t.TempDir(), "my.db")
	b.expect(b.run(filepath.Join(b.tree, "missing")), cli.Failed, "", `codesearch: cannot index \S+/missing: no such file or directory\n`)
	b.expect(b.run(filepath.Join(b.tree, "README")), cli.Failed, "", `codesearch: cannot index \S+/README: a file, not a directory\n`)
	b.expect(b.run("-db", filepath.Join(b.tree, "README"), "-fresh", b.tree), cli.Failed, "", `codesearch: \S+/README: .*: not a codesearch index; .*\n`)
	b.expect(b.run("-db", filepath.Join(b.tree, "missing", "my.db"), b.tree), cli.Failed, "", `codesearch: \S+/my\.db: .*cannot be opened or written: .*`)

	lock, err := index.Acquire(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	b.expect(b.run("-db", db, b.tree), cli.Failed, "", `codesearch: \S+/my\.db: .*in use by another process.*`)
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}

	b.run("-db", db, b.tree)
	data, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	for i := 100; i < len(data); i++ { // behind the header that says whose it is
		data[i] ^= 0xff
	}
	if err := os.WriteFile(db, data, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{{"-db", db, b.tree}, {"-db", db, b.tree, "-q", "x"}} {
		b.expect(b.run(arguments...), cli.Failed, "", `codesearch: \S+/my\.db: .*damaged.*; run codesearch \S+ -fresh\n`)
	}
	b.expect(b.run("-db", db, "-fresh", b.tree), cli.OK, `.*2 files.*`, "")
}

func TestMisuse(t *testing.T) {
	b := newBench(t, nil)
	for _, test := range []struct {
		arguments []string
		says      string
	}{
		{[]string{"-nonsense"}, `flag provided but not defined: -nonsense`},
		{[]string{"a", "b"}, `one tree at a time, not 2: \["a" "b"\]`},
		{[]string{"-workers", "0"}, `-workers 0: at least one is needed`},
		{[]string{"-chaos", "1.5"}, `-chaos: .* 1.5 is not between 0 and 1`},
		{[]string{"-chaos", "NaN"}, `-chaos: .* NaN is not between 0 and 1`},
		{[]string{"-q", "x", "-fresh", "-json"}, `.*cannot go with -json\n.*cannot go with -fresh`},
	} {
		b.expect(b.run(test.arguments...), cli.Misused, "", `codesearch: `+test.says+`\n`)
	}
	b.expect(b.run("-h"), cli.OK, "", `codesearch indexes .*-chaos rate.*`)
}

func TestTheDefaultTreeIsTheToolchains(t *testing.T) {
	b := newBench(t, nil)
	b.expect(b.run("-q", "ServeMux"), cli.Failed, "", `codesearch: .*there is no index yet; run codesearch \S+/src\n`)
}

// BenchmarkToolchain is the work of the command on its default tree, done one
// thing after the other.
func BenchmarkToolchain(b *testing.B) {
	bench := newBench(b, nil)
	for b.Loop() {
		b.Log(bench.run("-fresh"))
	}
}
