package runner_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/runner"
)

// contender can do some measurements.
func contender(name string, can ...string) bench.Contender {
	return bench.Contender{Name: name, Foreign: can}
}

func measurements(t *testing.T, names ...string) []bench.Measurement {
	t.Helper()
	all := make([]bench.Measurement, len(names))
	for i, name := range names {
		m, err := bench.FindMeasurement(name)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = m
	}
	return all
}

func plan(t *testing.T, process func(context.Context, runner.Job) ([]float64, error)) runner.Plan {
	return runner.Plan{
		Contenders:   []bench.Contender{contender("a", "call", "million"), contender("b", "call", "million"), contender("c", "call")},
		Measurements: measurements(t, "call", "million"),
		Repetitions:  3,
		Size:         func(bench.Measurement) bench.Size { return bench.Size{Actors: 7, Times: 8} },
		Process:      process,
	}
}

// The contenders take turns within a repetition, and another one is first in
// each.
func TestContendersTakeTurns(t *testing.T) {
	var got []string
	for _, j := range plan(t, nil).Jobs() {
		got = append(got, fmt.Sprint(j.Repetition, " ", j.Measurement.Name, " ", j.Contender.Name))
		if j.Size != (bench.Size{Actors: 7, Times: 8}) {
			t.Errorf("%v: size %+v", j, j.Size)
		}
	}
	want := []string{
		"1 call a", "1 call b", "1 call c", "1 million a", "1 million b",
		"2 call b", "2 call c", "2 call a", "2 million b", "2 million a",
		"3 call c", "3 call a", "3 call b", "3 million a", "3 million b",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestSamplesOfAllProcesses(t *testing.T) {
	n := 0.0
	p := plan(t, func(_ context.Context, j runner.Job) ([]float64, error) {
		n++
		return []float64{n, -n}[:len(j.Measurement.Of())], nil
	})
	var heard []string
	p.Begin = func(j runner.Job) { heard = append(heard, "begin "+j.String()) }
	p.End = func(j runner.Job) { heard = append(heard, "end "+j.String()) }
	outcome, err := p.Run(t.Context())
	if err != nil || outcome.Failed != nil || outcome.Complete != 3 {
		t.Fatal(outcome, err)
	}
	got := outcome.Samples.Figures([]string{"a", "b", "c"})
	want := []string{
		"call a 8 (1–12) 3", "call b 6 (2–13) 3", "call c 7 (3–11) 3",
		"spawn-1m a 10 (4–14) 3", "spawn-1m b 9 (5–15) 3", "stop-1m a -10 (-14–-4) 3", "stop-1m b -9 (-15–-5) 3",
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i, f := range got {
		if line := fmt.Sprintf("%s %s %v (%v–%v) %d", f.Workload, f.Contender, f.Median, f.Min, f.Max, f.N); line != want[i] {
			t.Errorf("got %s, want %s", line, want[i])
		}
	}
	if len(heard) != 30 || heard[0] != "begin call of a, repetition 1" || heard[1] != "end call of a, repetition 1" || heard[6] != "begin spawn-1m and stop-1m of a, repetition 1" {
		t.Errorf("heard %q", heard)
	}
}

func TestAProcessThatFailsIsNoReasonToStop(t *testing.T) {
	p := plan(t, func(_ context.Context, j runner.Job) ([]float64, error) {
		if j.Contender.Name == "b" && j.Repetition == 2 {
			return nil, errors.New("too hot")
		}
		return make([]float64, len(j.Measurement.Of())), nil
	})
	outcome, err := p.Run(t.Context())
	if failed := outcome.Failed; err != nil || len(failed) != 2 || failed[0].Error() != "call of b, repetition 2: too hot" {
		t.Errorf("got %q, %v", failed, err)
	}
	for _, f := range outcome.Samples.Figures([]string{"a", "b"}) {
		if want := map[string]int{"a": 3, "b": 2}[f.Contender]; f.N != want {
			t.Errorf("%s of %s: got %d processes, want %d", f.Workload, f.Contender, f.N, want)
		}
	}
}

// What was measured before an interruption is not lost with it.
func TestAnInterruptionEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why, ran := errors.New("enough"), 0
	p := plan(t, func(_ context.Context, j runner.Job) ([]float64, error) {
		ran++
		switch j.String() {
		case "call of a, repetition 1":
			return nil, errors.New("too hot")
		case "call of c, repetition 2": // the second one of its repetition
			cancel(why)
		}
		return make([]float64, len(j.Measurement.Of())), nil
	})
	outcome, err := p.Run(ctx)
	if len(outcome.Failed) != 1 || !errors.Is(err, why) || ran != 7 || outcome.Complete != 1 {
		t.Errorf("got %+v, %v after %d processes, want the cause, one repetition and one failure after 7", outcome, err, ran)
	}
	var got []string
	for _, f := range outcome.Samples.Figures([]string{"a", "b", "c"}) {
		got = append(got, fmt.Sprint(f.Workload, " ", f.Contender, " ", f.N))
	}
	want := []string{"call b 2", "call c 1", "spawn-1m a 1", "spawn-1m b 1", "stop-1m a 1", "stop-1m b 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// output runs this test binary as a process.
func output(ctx context.Context, t *testing.T, arguments ...string) ([]float64, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return runner.Output(ctx, runner.Job{Measurement: measurements(t, "million")[0]}, self, append([]string{"process"}, arguments...)...)
}

func TestOutput(t *testing.T) {
	got, err := output(t.Context(), t, "prints", "[1.5,2e-3]")
	if err != nil || !slices.Equal(got, []float64{1.5, 0.002}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, test := range []struct{ act, text, want string }{
		{"prints", "", "what it printed: unexpected end of JSON input"},
		{"prints", "panic: no", "what it printed: invalid character"},
		{"prints", "[1]", "1 figures, want 2"},
		{"fails", "it is broken", "exit status 3\nit is broken"},
	} {
		got, err := output(t.Context(), t, test.act, test.text)
		if err == nil || got != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %q: got %v, %v, want %q", test.act, test.text, got, err, test.want)
		}
	}
	if _, err := output(t.Context(), t, "fails", ""); err == nil || err.Error() != "exit status 3" {
		t.Errorf("got %q, want nothing but the status", err)
	}
	job := runner.Job{Measurement: measurements(t, "million")[0]}
	if _, err := runner.Output(t.Context(), job, filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is missing: got %v", err)
	}
}

// A program that crashes may list the stacks of a million goroutines. The reason comes
// before them.
func TestAProcessThatSaysTooMuchIsQuotedInPart(t *testing.T) {
	_, err := output(t.Context(), t, "fails", "panic: the reason\n"+strings.Repeat("goroutine 1 [running]:\n", 5000))
	if err == nil {
		t.Fatal("got no error")
	}
	got := err.Error()
	if len(got) > 2100 || !strings.HasPrefix(got, "exit status 3\npanic: the reason\n") || !strings.HasSuffix(got, "\n... and 113019 bytes more") {
		t.Errorf("got %d bytes:\n%s", len(got), got)
	}
}

// When the run ends its process does not stay behind.
func TestAProcessIsKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	go func() {
		for { // until the process is there
			if text, err := os.ReadFile(file); err == nil && len(text) > 0 {
				cancel(why)
				return
			}
			select {
			case <-t.Context().Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	if _, err := output(ctx, t, "hangs", file); !errors.Is(err, why) {
		t.Errorf("got %v, want the cause", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process %d is still there: %v", pid, err)
	}
}
