package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/cli"
)

type result struct {
	status   int
	out, err string
}

func run(ctx context.Context, arguments ...string) result {
	var out, err bytes.Buffer
	status := cli.Run(ctx, arguments, cli.Streams{Out: &out, Err: &err})
	return result{status, out.String(), err.String()}
}

// expect checks the status and that outputs match regular expressions.
func expect(t *testing.T, got result, status int, out, err string) {
	t.Helper()
	if got.status != status || !regexp.MustCompile(`(?s)^`+out+`$`).MatchString(got.out) || !regexp.MustCompile(`(?s)^`+err+`$`).MatchString(got.err) {
		t.Errorf("status %d\nout: %s\nerr: %s\nwant status %d\nout: %s\nerr: %s", got.status, got.out, got.err, status, out, err)
	}
}

// busy is what is said first if the machine has other work.
const busy = `(the load average was [^\n]*\n)?`

// quick are two workloads that take no time, one of them with another.
var quick = []string{"-short", "-reps", "2", "-only", "stop-1000,restart-p99"}

func TestATable(t *testing.T) {
	got := run(t.Context(), quick...)
	row := func(name string) string {
		return `\| ` + name + ` +\| [^|]+ [µm]?s, \*\*[.\d]+x\*\* \| [^|x]+ [nµm]?s \| [^|]+ [µm]?s, \*\*[.\d]+x\*\* \|[^\n]+\| +(reached|held|missed) \|\n`
	}
	expect(t, got, cli.OK,
		`\d+ x [^\n]*; median \(least–most\) of 2 processes, \*\*ratio to raw\*\*\n\nA short run.*- restart-p50, restart-p99: 5,000 crashes instead of 20,000 crashes\n\n\| workload +\| +coppice \| +raw \| +suture \|[^\n]*\n[^\n]*\n`+
			row("restart-p99")+row("stop-1000")+`\nAbove 1x is better for msg/s, below 1x for times and bytes; reached: the goal; held: "not worse than"; missed: neither\.\n`,
		busy+`repetition 1 of 2: 6 processes\nrepetition 2 of 2: 6 processes\n`)
}

func TestJSON(t *testing.T) {
	got := run(t.Context(), append(quick, "-json", "-contenders", "raw,coppice")...)
	expect(t, got, cli.OK, `(\{[^\n]*\}\n){4}`, busy+`repetition 1 .*`)
	var names []string
	for line := range strings.Lines(got.out) {
		var f struct {
			Workload, Contender, Unit string
			Median, Min, Max          float64
			N                         int
			RatioToRaw                float64 `json:"ratio_to_raw"`
			Short                     bool
			Commit                    string
			Time                      time.Time
		}
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&f); err != nil {
			t.Fatal(err)
		}
		names = append(names, f.Workload+" "+f.Contender)
		if f.Unit != "s" || f.N != 2 || !f.Short || f.Min <= 0 || f.Min > f.Median || f.Median > f.Max ||
			f.RatioToRaw <= 0 || f.Contender == "raw" && f.RatioToRaw != 1 {
			t.Errorf("got %s", line)
		}
	}
	if got, want := strings.Join(names, ", "), "restart-p99 raw, restart-p99 coppice, stop-1000 raw, stop-1000 coppice"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRepetitions(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no Erlang, which would have to be compiled first
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{nil, "5"},
		{[]string{"-short"}, "3"},
		{[]string{"-short", "-peers"}, "2"},
		{[]string{"-peers"}, "5"},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		interrupt()
		expect(t, run(ctx, append(test.arguments, "-only", "call")...), cli.Interrupted, "", `(erlang takes no part: [^\n]*\n)?`+busy+`repetition 1 of `+test.want+": .*")
	}
}

// A workload whose ratio is to another one's figure has that measured too.
func TestABaselineIsMeasuredToo(t *testing.T) {
	got := run(t.Context(), "-short", "-reps", "1", "-only", "bytes-hibernated", "-json", "-contenders", "coppice,raw")
	expect(t, got, cli.OK, `\{"workload":"bytes-hibernated","contender":"coppice",[^\n]*"ratio_to_raw":\d[^\n]*\}\n`, ".*")
}

func TestWrite(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "new", "my results")
	got := run(t.Context(), append(quick, "-write", directory)...)
	expect(t, got, cli.OK, ".*", ".*")
	for name, part := range map[string]string{
		"RESULTS.md":  "Written by `go run ./benchmarks/compare -short -reps 2 -only stop-1000,restart-p99 -write '" + directory + "'`",
		"compare.svg": "</svg>",
	} {
		text, err := os.ReadFile(filepath.Join(directory, name))
		if err != nil || !strings.Contains(string(text), part) {
			t.Errorf("%s: %v; it lacks %q:\n%s", name, err, part, text)
		}
	}

	// What was measured is not lost with a file that cannot be written.
	if err := errors.Join(os.Remove(filepath.Join(directory, "compare.svg")), os.Mkdir(filepath.Join(directory, "compare.svg"), 0o700)); err != nil {
		t.Fatal(err)
	}
	expect(t, run(t.Context(), "-short", "-reps", "1", "-only", "stop-1000", "-contenders", "raw", "-write", directory), cli.Failed, `.*\| stop-1000 \|.*`, `.*compare: open [^\n]*compare.svg: is a directory\n`)

	file := filepath.Join(directory, "RESULTS.md")
	expect(t, run(t.Context(), append(quick, "-write", file)...), cli.Failed, "", `compare: mkdir [^\n]+: not a directory\n`)
}

// The first line that is printed to a pipe whose reader has gone ends the program.
func TestWhatIsWrittenIsThereBeforeAnythingIsPrinted(t *testing.T) {
	directory := t.TempDir()
	written := false
	out := &until{text: "median", then: func() {
		_, plot := os.Stat(filepath.Join(directory, "compare.svg"))
		_, document := os.Stat(filepath.Join(directory, "RESULTS.md"))
		written = plot == nil && document == nil
	}}
	cli.Run(t.Context(), []string{"-short", "-reps", "1", "-only", "stop-1000", "-contenders", "raw", "-write", directory}, cli.Streams{Out: out, Err: new(bytes.Buffer)})
	if !written || out.Len() == 0 {
		t.Errorf("got %q printed before the files were there", out.String())
	}
}

func TestProfiles(t *testing.T) {
	directory := t.TempDir()
	got := run(t.Context(), "-short", "-reps", "1", "-only", "stop-1000", "-contenders", "coppice,raw", "-cpuprofile", directory)
	expect(t, got, cli.OK, ".*", ".*")
	for _, name := range []string{"stop-1000-coppice-1.pprof", "stop-1000-raw-1.pprof"} {
		if info, err := os.Stat(filepath.Join(directory, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// What could not be measured is said, and the status tells; what could be
// measured is there.
func TestAFailureIsTold(t *testing.T) {
	directory := t.TempDir()
	if err := os.Mkdir(filepath.Join(directory, "stop-1000-raw-1.pprof"), 0o700); err != nil { // in the way of that process
		t.Fatal(err)
	}
	got := run(t.Context(), "-short", "-reps", "1", "-only", "stop-1000", "-contenders", "coppice,raw", "-cpuprofile", directory, "-json")
	expect(t, got, cli.Failed, `\{"workload":"stop-1000","contender":"coppice",[^\n]*"ratio_to_raw":null[^\n]*\}\n`,
		`.*compare: stop-1000 of raw, repetition 1: exit status 1\ncompare: open \S+: is a directory\n`)
}

func TestInterruption(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	directory := t.TempDir()
	expect(t, run(ctx, append(quick, "-write", directory)...), cli.Interrupted, "", `.*compare: interrupted; there are no figures\n`)
	if left, err := os.ReadDir(directory); err != nil || len(left) > 0 {
		t.Errorf("got %v, %v in place of results, want nothing", left, err)
	}
}

// What was measured in minutes is not lost when somebody does not want to wait for
// the rest.
func TestAnInterruptedRunTellsWhatItHas(t *testing.T) {
	for _, test := range []struct{ flag, out string }{
		{"-reps=99", `\d+ x [^\n]*; median \(least–most\) of [^\n]+\n\nInterrupted after 1 of 99 repetitions\.\n.*\| stop-1000 \|.*`},
		{"-json", `(\{[^\n]*"n":[12],[^\n]*"interrupted":true[^\n]*\}\n){2}`},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		directory, out, err := t.TempDir(), new(bytes.Buffer), &until{text: "repetition 2 ", then: interrupt}
		arguments := []string{"-short", "-reps", "99", "-only", "stop-1000", "-contenders", "coppice,raw", test.flag, "-write", directory}
		status := cli.Run(ctx, arguments, cli.Streams{Out: out, Err: err})
		expect(t, result{status, out.String(), err.String()}, cli.Interrupted, test.out,
			`.*compare: interrupted after 1 of 99 repetitions; this is what was measured by then\n`)
		if text, err := os.ReadFile(filepath.Join(directory, "RESULTS.md")); err != nil || !strings.Contains(string(text), "**Interrupted after 1 of 99 ") {
			t.Errorf("%s: %v; RESULTS.md does not say that it was interrupted:\n%s", test.flag, err, text)
		}
	}
}

// until is a buffer that does something once a text comes.
type until struct {
	bytes.Buffer
	text string
	then func()
}

func (u *until) Write(text []byte) (int, error) {
	if bytes.Contains(text, []byte(u.text)) {
		u.then()
	}
	return u.Buffer.Write(text)
}

// A ^C reaches the process that measures too: it is no failure of that.
func TestAProcessThatMeasuresLeavesTheInterruptionToItsParent(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "begun")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd := exec.CommandContext(t.Context(), self, "measure", "-contender", "raw", "-measurement", "steady", "-actors", "100", "-times", "200000", "-cpuprofile", profile)
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for begun := false; !begun; {
		_, err := os.Stat(profile)
		begun = err == nil
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
			begun = true
		}
	}
	if err := errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil || !strings.HasPrefix(out.String(), "[") {
		t.Errorf("got %q, %v, want figures", out.String(), err)
	}
}

func TestMisuse(t *testing.T) {
	for _, test := range []struct {
		arguments []string
		says      string
	}{
		{[]string{"-nonsense"}, `flag provided but not defined: -nonsense`},
		{[]string{"send-1-1"}, `it takes flags only, not \["send-1-1"\]`},
		{[]string{"-reps", "0"}, `-reps 0: at least one is needed`},
		{[]string{"-reps", "many"}, `invalid value "many" for flag -reps.*`},
		{[]string{"-only", "send-1-1,sned"}, `-only: "sned" is not one of send-1-1, .*, steady-p99`},
		{[]string{"-only", ""}, `-only: "" is not one of .*`},
		{[]string{"-contenders", "raw,nobody"}, `-contenders: "nobody" is not one of coppice, raw, suture, protoactor, erlang`},
		{[]string{"-contenders", "raw,raw"}, `-contenders: raw twice`},
		{[]string{"-only", "call,cast,call"}, `-only: call twice`},
		{[]string{"-contenders", "suture", "-only", "call"}, `-only call: nothing to measure, nobody of suture takes part`},
		{[]string{"-contenders", "suture,raw", "-only", "bytes-hibernated"}, `-only bytes-hibernated: nothing to measure, nobody of suture, raw takes part`},
		{[]string{"-write", ""}, `-write: a directory is needed`},
		{[]string{"-cpuprofile="}, `-cpuprofile: a directory is needed`},
		{[]string{"-contenders", "raw", "-peers"}, `-contenders and -peers both say who takes part`},
		{[]string{"-reps", "-1", "-only", "x"}, `-reps -1: at least one is needed\n-only: "x" .*`},
		{[]string{"measure", "-contender", "nobody"}, `no contender is called "nobody"`},
		{[]string{"measure", "-contender", "raw", "-measurement", "x"}, `no measurement is called "x"`},
	} {
		expect(t, run(t.Context(), test.arguments...), cli.Misused, "", `compare: `+test.says+`\n`)
	}
	expect(t, run(t.Context(), "-h"), cli.OK, "", `compare measures Coppice .*-cpuprofile directory.*Contenders: coppice, raw, .*Workloads:\n  send-1-1          msg/s: one sender, one actor\n.*  steady-p99 .*`)
}

func TestErlangThatIsNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	expect(t, run(t.Context(), "-contenders", "raw,erlang"), cli.Misused, "", `compare: -contenders: erlang: erl and erlc are not installed\n`)
	got := run(t.Context(), "-peers", "-short", "-reps", "1", "-only", "stop-1000", "-json")
	expect(t, got, cli.OK, `(\{[^\n]*\}\n){4}`, "erlang takes no part: erl and erlc are not installed\n"+busy+"repetition 1 of 1: .*")
}

// What Erlang says that it is stands beside its figures.
func TestTheVersionOfErlangIsInTheResults(t *testing.T) {
	bin, directory := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"erl": `case "$*" in *version) echo "99.1 (ERTS 42, jit)";; *) echo "[0.5]"; esac`, "erlc": ""} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":/bin:/usr/bin")
	expect(t, run(t.Context(), "-contenders", "raw,erlang", "-short", "-reps", "1", "-only", "stop-1000", "-write", directory), cli.OK, ".*", ".*")
	const want = "- **erlang**: Erlang/OTP 99.1 (ERTS 42, jit). Messages and rings "
	if text, err := os.ReadFile(filepath.Join(directory, "RESULTS.md")); err != nil || !strings.Contains(string(text), want) {
		t.Errorf("%v; the results lack %q:\n%s", err, want, text)
	}
}
