// Package progress shows how far a run has come: as a bar on a terminal, as a
// line for each repetition elsewhere.
package progress

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/runner"
)

// Progress hears of the jobs of a run, from one goroutine. What cannot be
// written is not shown: that is no reason to stop.
type Progress struct {
	out  io.Writer
	jobs int
	each map[int]int // jobs of each repetition
	told int         // repetition
	bar  *progressbar.ProgressBar
}

// New gives a Progress of the jobs that writes to out, which is a terminal or
// not.
func New(out io.Writer, terminal bool, jobs []runner.Job) *Progress {
	p := &Progress{out: out, jobs: len(jobs), each: make(map[int]int)}
	for _, j := range jobs {
		p.each[j.Repetition]++
	}
	if terminal {
		// A length from the start: without one the bar would start a goroutine.
		p.bar = progressbar.NewOptions(len(jobs),
			progressbar.OptionSetWriter(out),
			progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(),
			progressbar.OptionSetElapsedTime(true),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(50*time.Millisecond),
			progressbar.OptionShowDescriptionAtLineEnd(),
			progressbar.OptionUseANSICodes(true),
		)
	}
	return p
}

// Begin tells that a job begins.
func (p *Progress) Begin(job runner.Job) {
	if p.bar != nil {
		p.bar.Describe(job.Measurement.Name + " of " + job.Contender.Name)
		return
	}
	if job.Repetition != p.told {
		p.told = job.Repetition
		fmt.Fprintf(p.out, "repetition %d of %d: %d processes\n", p.told, len(p.each), p.each[p.told])
	}
}

// End tells that a job is over.
func (p *Progress) End(runner.Job) {
	if p.bar != nil {
		_ = p.bar.Add(1)
	}
}

// Close ends the bar's line.
func (p *Progress) Close() {
	if p.bar != nil && p.jobs > 0 {
		p.bar.Describe("")
		fmt.Fprintln(p.out)
	}
}
