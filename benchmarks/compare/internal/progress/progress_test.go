package progress_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/progress"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/runner"
)

func jobs(repetitions int) []runner.Job {
	var all []runner.Job
	for r := range repetitions {
		for _, name := range []string{"a", "b"} {
			all = append(all, runner.Job{Measurement: bench.Measurements[0], Contender: bench.Contender{Name: name}, Repetition: r + 1})
		}
	}
	return all
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	p := progress.New(&out, false, jobs(2))
	for _, j := range jobs(2) {
		p.Begin(j)
		p.End(j)
	}
	p.Close()
	if got, want := out.String(), "repetition 1 of 2: 2 processes\nrepetition 2 of 2: 2 processes\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBar(t *testing.T) {
	var out bytes.Buffer
	p := progress.New(&out, true, jobs(2))
	for _, j := range jobs(2) {
		p.Begin(j)
		p.End(j)
	}
	p.Close()
	got := out.String()
	for _, part := range []string{"(4/4", "send-1-1 of b", "100%"} {
		if !strings.Contains(got, part) {
			t.Errorf("the bar lacks %q: %q", part, got)
		}
	}
	if !strings.HasSuffix(got, "\n") {
		t.Errorf("the bar's line has no end: %q", got)
	}
}

func TestAClosedTerminalIsNoError(t *testing.T) {
	for _, terminal := range []bool{false, true} {
		for _, all := range [][]runner.Job{nil, jobs(1)} {
			p := progress.New(closed{}, terminal, all)
			for _, j := range all {
				p.Begin(j)
				p.End(j)
			}
			p.Close()
		}
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }
