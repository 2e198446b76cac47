package cli_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/benchmarks/latency/internal/cli"
	"github.com/coppice-go/coppice/benchmarks/stopwatch"
	"github.com/coppice-go/coppice/tracing"
)

// ran is what a run of the command left behind.
type ran struct {
	status   int
	out, err string
}

// command runs the command in virtual time.
func command(t *testing.T, arguments ...string) ran {
	t.Helper()
	return commandWithin(t, time.Hour, stopwatch.Measure, arguments...)
}

// commandWithin runs the command, which the user interrupts after some time.
func commandWithin(t *testing.T, limit time.Duration, measure cli.Measure, arguments ...string) (r ran) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		var out, err bytes.Buffer
		r.status = cli.Run(ctx, arguments, cli.Streams{Out: &out, Err: &err}, measure)
		r.out, r.err = out.String(), err.String()
	})
	return r
}

func (r ran) check(t *testing.T, status int, out, err string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.out, out) || !strings.Contains(r.err, err) {
		t.Errorf("got status %d, output\n%s\nand errors\n%s\nwant status %d, output %q and errors %q", r.status, r.out, r.err, status, out, err)
	}
}

func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) *stopwatch.Report {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() // only read from
	r, err := stopwatch.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestATable(t *testing.T) {
	r := command(t, "-backoff", "100ms", "-crashes", "50", "-trees", "5")
	r.check(t, cli.OK, "ready    50  100ms  100ms  100ms  100ms   100ms  100ms\n", "a tree of 11 supervisors and 100 servers, 0 of them stubborn\n")
	r.check(t, cli.OK, "stopped   5     0s", "")
	r.check(t, cli.OK, "50 crashes, 5 stops\n", "")
}

func TestAFileDescribesTheTreeAndFlagsCountMore(t *testing.T) {
	path := write(t, `{"depth": 1, "fanout": 4, "strategy": "one_for_all", "backoff": "1s", "stubborn": 0.5, "stubborn-for": "2s", "crashes": 10, "trees": 2, "for": "0s"}`)
	out := filepath.Join(t.TempDir(), "out.json")
	r := command(t, "-fanout", "2", "-tree", path, "-json", out, "-short")
	r.check(t, cli.OK, "10 crashes, 2 stops", "a tree of 1 supervisor and 2 servers, 1 of them stubborn")
	report := read(t, out)
	for name, want := range map[string]string{"depth": "1", "fanout": "2", "strategy": "one_for_all", "backoff": "1s", "stubborn": "0.5", "shutdown": "5s", "burst": "1"} {
		if got := report.Parameters[name]; got != want {
			t.Errorf("parameter %s: got %q, want %q", name, got, want)
		}
	}
	// The second server is the stubborn one: it holds up the restart of the first.
	if report.Ready.Min != time.Second || report.Ready.Max != 3*time.Second || report.Stopped.Min != 2*time.Second {
		t.Errorf("got restarts of %v to %v, stops of %v, want 1s to 3s, 2s", report.Ready.Min, report.Ready.Max, report.Stopped.Min)
	}
}

func TestMisuseIsToldAllAtOnce(t *testing.T) {
	dir, tree := t.TempDir(), write(t, "{}")
	for _, test := range []struct {
		arguments []string
		want      []string
	}{
		{[]string{"-depth", "x"}, []string{"-depth"}},
		{[]string{"-what"}, []string{"-what"}},
		{[]string{"-strategy", "all"}, []string{"-strategy", "one_for_one, one_for_all, rest_for_one"}},
		{[]string{"-limit", "p98=1%"}, []string{"-limit", `no figure "p98"`}},
		{[]string{"-tree", filepath.Join(dir, "none")}, []string{"-tree"}},
		{[]string{"-tree", write(t, "[]")}, []string{"-tree"}},
		{[]string{"-tree", write(t, `{"levels": 1, "depth": [1], "load": "x", "json": "y", "fanout": "0"}`)},
			[]string{`no field "levels"`, "depth: [1] is neither", "load: x: want a number\n", `no field "json"`, ": fanout: 0: at least one child"}},
		{[]string{"-tree", write(t, `{"backoff": 10, "depth": "two", "seed": -1}`)},
			[]string{`: backoff: 10: want a duration such as "10ms"`, ": depth: two: want a whole number\n", ": seed: -1: want a whole number"}},
		{[]string{"-tree", write(t, `{"crashes": -1, "pause": "-1s", "load": -1, "waiting": 99, "burst": 1000}`)},
			[]string{"file.json: crashes: -1", "file.json: pause: -1s", "file.json: load: -1", "file.json: waiting: 99", "file.json: burst: 1000"}},
		{[]string{"-tree", write(t, `{"depth": 2, "depth": 3}`)}, []string{"file.json: depth: it is there twice"}},
		{[]string{"-tree", write(t, "[1]")}, []string{`file.json: want a JSON object with the names of flags, such as {"depth": 3}`}},
		{[]string{"-tree", write(t, "null")}, []string{"want a JSON object"}},
		{[]string{"-tree", write(t, `{"depth": 2} 3`)}, []string{"invalid character '3' after top-level value"}},
		{[]string{"-backoff", "1"}, []string{`invalid value "1" for flag -backoff: want a duration such as "10ms"`}},
		{[]string{"-depth", "0", "-capacity", "4", "-waiting", "5", "-crashes", "-1", "-trees", "0", "-burst", "0", "-load", "-1", "-pause", "-1s", "-for", "-1s", "-limit", "p99=1%", "there"},
			[]string{"-depth: 0", "-waiting: 5 messages do not fit into a mailbox of 4", "-crashes: -1", "-trees: 0", "-burst: 0", "-load: -1", "-pause: -1s", "-for: -1s", "-limit and -anyway need -compare file", `"there"`}},
		{[]string{"-depth", "1", "-fanout", "3", "-burst", "4"}, []string{"-burst: 4 is more than the servers that there are (3)"}},
		{[]string{"-json", filepath.Join(dir, "no", "where"), "-html", filepath.Join(dir, "no", "where"), "-compare", filepath.Join(dir, "none")},
			[]string{"-json: there is no directory", "-html: there is no directory", "-compare"}},
		{[]string{"-html", filepath.Join(dir, "report"), "-json", filepath.Join(dir, ".", "report")}, []string{"-html and -json are the same file"}},
		{[]string{"-html", tree, "-json", tree, "-tree", tree, "-compare", tree},
			[]string{"-html and -json are", "-html and -compare are", "-html and -tree are", "-json and -tree are"}},
		{[]string{"-html", "-"}, []string{"-html: only -json can go to the standard output"}},
		{[]string{"-compare", write(t, "{}")}, []string{"not a report of the stopwatch"}},
	} {
		r := command(t, test.arguments...)
		for _, want := range test.want {
			r.check(t, cli.Misused, "", want)
		}
		if r.out != "" {
			t.Errorf("%q: got output %q, want none", test.arguments, r.out)
		}
		for _, never := range []string{"parse error", "-depth: 0: at least", "%!"} {
			if test.arguments[0] == "-tree" && strings.Contains(r.err, never) {
				t.Errorf("%q: got %q in %s", test.arguments, never, r.err)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	command(t, "-h").check(t, cli.OK, "", "The exit status is 0; 1 if a limit was crossed")
	command(t, "-h").check(t, cli.OK, "", "-stubborn share")
}

func TestALimitThatIsCrossedIsTheExitStatus(t *testing.T) {
	before := filepath.Join(t.TempDir(), "before.json")
	tree := []string{"-depth", "1", "-crashes", "200", "-trees", "20"}
	with := func(backoff string, more ...string) []string {
		return append(append(more, "-backoff", backoff), tree...)
	}
	command(t, with("100ms", "-json", before)...).check(t, cli.OK, "", "")

	// The backoff is what makes it slower here; it is a parameter, too.
	r := command(t, with("120ms", "-compare", before)...)
	r.check(t, cli.Misused, "", `backoff was "100ms", is "120ms"; -anyway compares even so`)

	r = command(t, with("120ms", "-compare", before, "-anyway", "-limit", "ready.p90=19%", "-limit", "p50=21%")...)
	r.check(t, cli.Failed, "19% CROSSED", "latency: the p90 of ready is 120ms, was 100ms: more than its limit allows\n")
	r.check(t, cli.Failed, "", `warning: the reports are of different trees: backoff was "100ms", is "120ms"`)
	if strings.Contains(r.err, "p50 of ready") {
		t.Errorf("got %s, want p50 within its limit", r.err)
	}

	html := filepath.Join(t.TempDir(), "report.html")
	r = command(t, with("100ms", "-compare", before, "-limit", "p99=0%", "-html", html, "-json", before)...)
	r.check(t, cli.OK, "1.00", "")
	if text, err := os.ReadFile(html); err != nil || !bytes.Contains(text, []byte("Before and after")) {
		t.Errorf("got %v and %d bytes, want a page that compares", err, len(text))
	}
	if left, err := filepath.Glob(before + ".*"); err != nil || len(left) > 0 {
		t.Errorf("got %q left behind, %v, want nothing", left, err)
	}

	r = command(t, with("100ms", "-compare", before, "-load", "1", "-limit", "message.p99=10%")...)
	r.check(t, cli.Misused, "", "-limit message.p99=10%: the report of -compare has no message")

	r = command(t, "-backoff", "100ms", "-depth", "1", "-crashes", "0", "-trees", "1", "-compare", before, "-limit", "ready.p99=10%")
	r.check(t, cli.Misused, "", "-limit ready.p99=10%: ready is measured with -crashes only")

	r = command(t, with("100ms", "-compare", before, "-anyway", "-limit", "message.p50=10%")...)
	r.check(t, cli.Misused, "", "-limit message.p50=10%: message is measured with a -load only")
}

func TestJSONOnTheStandardOutput(t *testing.T) {
	r := command(t, "-json", "-", "-crashes", "0", "-trees", "2")
	r.check(t, cli.OK, "", "0 crashes, 2 stops")
	report, err := stopwatch.Read(strings.NewReader(r.out))
	if err != nil || report.Stopped.N != 2 || strings.Count(r.out, "\n") != 1 {
		t.Errorf("got %v and %v, want one line with 2 stops", report, err)
	}
}

func TestAnOutputThatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err bytes.Buffer
		arguments := []string{"-crashes", "0", "-trees", "1"}
		status := cli.Run(t.Context(), arguments, cli.Streams{Out: full{}, Err: &err}, stopwatch.Measure)
		if status != cli.Failed || !strings.Contains(err.String(), "latency: full\n") {
			t.Errorf("got status %d and %s, want %d and that it is full", status, &err, cli.Failed)
		}
	})
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestAnInterruptedRunTellsWhatItHas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	r := commandWithin(t, 550*time.Millisecond, stopwatch.Measure, "-backoff", "100ms", "-crashes", "50", "-trees", "1", "-json", path)
	r.check(t, cli.Interrupted, "ready    5  100ms", "latency: interrupted")
	if report := read(t, path); report.Ready.N != 5 || report.Failure == "" {
		t.Errorf("got %d restarts and failure %q, want 5, and that it is not complete", report.Ready.N, report.Failure)
	}
}

func TestATreeThatCrashesMoreOftenThanItMay(t *testing.T) {
	r := command(t, "-restarts", "3", "-depth", "1", "-crashes", "5", "-trees", "1")
	r.check(t, cli.Failed, "3 crashes", "the tree was made to crash more often than its policy allows")
}

func TestAFileThatCannotBeWritten(t *testing.T) {
	target := filepath.Join(t.TempDir(), "taken")
	meanwhile := func(ctx context.Context, make func(*tracing.Tracing) stopwatch.Tree, options stopwatch.Options) (*stopwatch.Report, error) {
		if err := os.MkdirAll(filepath.Join(target, "x"), 0o700); err != nil {
			t.Error(err)
		}
		return stopwatch.Measure(ctx, make, options)
	}
	commandWithin(t, time.Hour, meanwhile, "-crashes", "0", "-trees", "1", "-json", target).check(t, cli.Failed, "1 stops", "taken")
	command(t, "-json", target).check(t, cli.Misused, "", "taken is a directory")
	if left, err := filepath.Glob(target + ".*"); err != nil || len(left) > 0 {
		t.Errorf("got %q left behind, %v, want nothing", left, err)
	}
}

func TestWhatTheStopwatchRefuses(t *testing.T) {
	refuse := func(context.Context, func(*tracing.Tracing) stopwatch.Tree, stopwatch.Options) (*stopwatch.Report, error) {
		return nil, errors.New("refused")
	}
	commandWithin(t, time.Hour, refuse).check(t, cli.Misused, "", "latency: refused")
}
