package report_test

import (
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/figures"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/report"
	"github.com/coppice-go/coppice/benchmarks/internal/machine"
)

// example is a report of some figures.
func example() report.Report {
	var samples figures.Samples
	add := func(workload, contender string, values ...float64) {
		for _, v := range values {
			samples.Add(workload, contender, v)
		}
	}
	add("send-1-1", "coppice", 24.3e6, 25e6, 22e6)
	add("send-1-1", "raw", 16.2e6, 14.2e6, 17.8e6)
	add("call", "coppice", 419, 400, 450)
	add("call", "raw", 523, 499, 609)
	add("spawn-1m", "coppice", 1.5, 1.4, 1.6)
	add("spawn-1m", "raw", 1, 0.9, 2)
	add("spawn-1m", "suture", 30, 20, 40)
	add("bytes-idle", "coppice", 3400, 3400, 3401)
	add("bytes-idle", "raw", 3812, 3760, 3817)
	add("restart-p50", "coppice", 0.0000013)
	add("restart-p50", "raw", 0.00000053)
	add("bytes-hibernated", "coppice", 300)
	contenders := []bench.Contender{{Name: "coppice", About: "This."}, {Name: "raw", About: "By hand."}, {Name: "suture", About: "That."}}
	return report.Report{
		Command: "compare -write .",
		Machine: machine.Machine{CPU: "Fast", CPUs: 2, OS: "linux", Arch: "amd64", Go: "go1.26", Commit: "abc",
			Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		Contenders:   contenders,
		Measurements: bench.Measurements,
		Repetitions:  3,
		Complete:     3,
		Figures:      samples.Figures([]string{"coppice", "raw", "suture"}),
	}
}

func written(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var text strings.Builder
	if err := write(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestTable(t *testing.T) {
	got := written(t, example().Table)
	want := `| workload         |                            coppice |                     raw |                        suture | not worse than |  goal | verdict |
| ---------------- | ---------------------------------: | ----------------------: | ----------------------------: | -------------: | ----: | ------: |
| send-1-1         | 24.3 (22.0–25.0) Mmsg/s, **1.50x** | 16.2 (14.2–17.8) Mmsg/s |                             – |          1.30x | 1.50x | reached |
| call             |        419 (400–450) ns, **0.80x** |        523 (499–609) ns |                             – |          0.85x | 0.70x |    held |
| spawn-1m         |      1.50 (1.40–1.60) s, **1.50x** |      1.00 (0.90–2.00) s | 30.0 (20.0–40.0) s, **30.0x** |          0.90x | 0.70x |  missed |
| bytes-idle       |      3400 (3400–3401) B, **0.89x** |      3812 (3760–3817) B |                             – |          0.25x | 0.18x |  missed |
| bytes-hibernated |        300 (300–300) B, **0.079x** |                       – |                             – |          0.25x | 0.18x | reached |
| restart-p50      |     1.30 (1.30–1.30) µs, **2.45x** |        530 (530–530) ns |                             – |          3.50x | 2.50x | reached |
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A verdict does not contradict the ratio beside it: where two digits would, there are
// more.
func TestARatioIsShownAsExactlyAsItsVerdictNeeds(t *testing.T) {
	for _, test := range []struct {
		workload       string
		ratio          float64
		coppice, other string
		verdict        string
	}{
		{"call", 0.85, "0.85x", "0.85x", "held"},
		{"call", 0.8501, "0.8501x", "0.85x", "missed"},
		{"call", 0.854, "0.854x", "0.85x", "missed"},
		{"call", 0.8551, "0.86x", "0.86x", "missed"},
		{"call", 0.848, "0.85x", "0.85x", "held"},
		{"call", 0.7049, "0.705x", "0.70x", "held"},
		{"send-1-1", 1.2996, "1.2996x", "1.30x", "missed"},
		{"send-1-1", 1.304, "1.30x", "1.30x", "held"},
		{"bytes-hibernated", 0.0123, "0.012x", "0.012x", "reached"},
		{"call", math.Inf(1), "+Infx", "+Infx", "missed"},
		{"call", 9.994, "9.99x", "9.99x", "missed"},
		{"call", 15.816, "15.8x", "15.8x", "missed"},
		{"call", 209.09, "209x", "209x", "missed"},
	} {
		w, _ := bench.Find(test.workload)
		r := example()
		r.Figures = []figures.Figure{
			{Workload: w.Name, Contender: "coppice", Unit: w.Unit, RatioToRaw: &test.ratio},
			{Workload: w.Name, Contender: "suture", Unit: w.Unit, RatioToRaw: &test.ratio},
		}
		got := written(t, r.Table)
		for _, part := range []string{", **" + test.coppice + "** | ", ", **" + test.other + "** | ", " " + test.verdict + " |"} {
			if !strings.Contains(got, part) {
				t.Errorf("%s at %v: want %q, got\n%s", test.workload, test.ratio, part, got)
			}
		}
	}
}

func TestATableWithoutRatiosDoesNotJudge(t *testing.T) {
	r := example()
	var samples figures.Samples
	samples.Add("call", "coppice", 100)
	r.Contenders, r.Figures = r.Contenders[:1], samples.Figures([]string{"coppice"})
	if got := r.Legend(); got != "" {
		t.Errorf("got legend %q, want none", got)
	}
	want := "| workload |          coppice |\n| -------- | ---------------: |\n| call     | 100 (100–100) ns |\n"
	if got := written(t, r.Table); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Who has not a single figure has no column of dashes, but is not passed over.
func TestWhoHasNoFigureHasNoColumn(t *testing.T) {
	r := example()
	if got, want := r.Gaps(), "–: no such thing, or not measured"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var samples figures.Samples
	samples.Add("call", "coppice", 100)
	samples.Add("call", "raw", 100)
	r.Contenders = append(r.Contenders, bench.Contender{Name: "erlang"})
	r.Figures = samples.Figures([]string{"coppice", "raw"})
	if got, want := strings.SplitN(written(t, r.Table), "\n", 2)[0], "| workload |                     coppice |              raw | not worse than |  goal | verdict |"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := r.Gaps(), "without a figure: suture, erlang"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := written(t, r.Document); !strings.Contains(got, "times and bytes; without a figure: suture, erlang.\n") {
		t.Errorf("the document does not say who is missing:\n%s", got)
	}
	r.Contenders = r.Contenders[:2]
	if got := r.Gaps(); got != "" {
		t.Errorf("got %q where nothing is missing", got)
	}
}

func TestJSON(t *testing.T) {
	for _, short := range []bool{false, true} {
		r := example()
		r.Short = short
		lines := strings.Split(strings.TrimSuffix(written(t, r.JSON), "\n"), "\n")
		if len(lines) != len(r.Figures) {
			t.Fatalf("got %d lines, want %d", len(lines), len(r.Figures))
		}
		want := `{"workload":"send-1-1","contender":"coppice","unit":"msg/s","median":24300000,"min":22000000,"max":25000000,"n":3,"ratio_to_raw":1.5`
		if short {
			want += `,"short":true`
		}
		want += `,"commit":"abc","time":"2026-01-02T03:04:05Z"}`
		if lines[0] != want {
			t.Errorf("got %s\nwant %s", lines[0], want)
		}
		for _, line := range lines {
			if !json.Valid([]byte(line)) {
				t.Errorf("not JSON: %s", line)
			}
		}
	}
}

func TestDocument(t *testing.T) {
	r := example()
	got := written(t, r.Document)
	for _, part := range []string{
		"2 x Fast, linux/amd64, go1.26, commit abc, 2026-01-02 03:04 UTC.\n",
		"(compare.svg)",
		written(t, r.Table),
		"of 1 to 3 processes",
		"Written by `compare -write .`, on\n",
		"changes with the run, and with where the linker puts the functions: see docs/speed.md",
		"set before the work, on another machine",
		"\nThe steady load is paced by a timer of the kernel (timerfd) on Linux, ",
		"- **raw**: By hand.\n",
		"| send-1-1 | msg/s | one sender, one actor | 5,000,000 messages |\n",
		"| spawn-1m | s | start 1,000,000 idle actors, which have had no message yet, under one parent | 1,000,000 actors |\n",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("the document lacks %q:\n%s", part, got)
		}
	}
	for _, part := range []string{"short run", "quiet machine", "could be measured", "steady-p99 |", "<no value>", "%!"} {
		if strings.Contains(got, part) {
			t.Errorf("the document has %q:\n%s", part, got)
		}
	}

	r.Busy = "the load average was 9"
	r.Short, r.Failures = true, []string{"call of raw, repetition 2: too hot", "cast of raw, repetition 1: exit status 2\npanic: *no*\nmain()"}
	got = written(t, r.Document)
	for _, part := range []string{
		"UTC.\n\n**Not a quiet machine**: the load average was 9.\n\n",
		"**A short run, for a first look: it measured less than its names say.**",
		"- send-1-1, send-8-1, send-100-pairs, cast: 500,000 messages instead of 5,000,000 messages\n",
		"- spawn-1m, stop-1m: 100,000 actors instead of 1,000,000 actors\n",
		"| spawn-1m | s | start 1,000,000 idle actors, which have had no message yet, under one parent | 100,000 actors |\n",
		"Not everything could be measured:\n\n- call of raw, repetition 2: too hot\n- cast of raw, repetition 1: exit status 2\n\n      panic: *no*\n      main()\n",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("the document of a short run lacks %q:\n%s", part, got)
		}
	}
}

// What is as large in a short run as in any is not called less.
func TestAShortRunOfWhatIsNotShortened(t *testing.T) {
	r := example()
	m, err := bench.FindMeasurement("stop-1000")
	if err != nil {
		t.Fatal(err)
	}
	r.Short, r.Measurements = true, []bench.Measurement{m}
	if got, want := written(t, r.Document), "UTC.\n\n**A short run, for a first look.**\n\n![Ratios"; !strings.Contains(got, want) {
		t.Errorf("the document lacks %q:\n%s", want, got)
	}
}

// Half of a run is not taken for a whole one.
func TestAnInterruptedRunSaysSo(t *testing.T) {
	r := example()
	r.Complete = 2
	for name, text := range map[string]string{"document": written(t, r.Document), "JSON": written(t, r.JSON)} {
		want := map[string]string{"document": "**Interrupted after 2 of 3 repetitions.**", "JSON": `,"interrupted":true,`}[name]
		if !strings.Contains(text, want) {
			t.Errorf("the %s lacks %q:\n%s", name, want, text)
		}
	}
	r.Complete = 3
	if text := written(t, r.Document) + written(t, r.JSON); strings.Contains(text, "nterrupted") {
		t.Errorf("a whole run is called interrupted:\n%s", text)
	}
}

func TestHowManyProcesses(t *testing.T) {
	for want, processes := range map[string][]int{
		"no process": nil, "one process": {1, 1}, "3 processes": {3, 3}, "2 to 4 processes": {3, 2, 4},
	} {
		var r report.Report
		for _, n := range processes {
			r.Figures = append(r.Figures, figures.Figure{N: n})
		}
		if got := r.Processes(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
