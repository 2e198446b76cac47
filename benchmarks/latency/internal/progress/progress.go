// Package progress shows how far a measuring has come: as a bar on a terminal, as a
// line every few seconds elsewhere.
package progress

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/coppice-go/coppice/benchmarks/stopwatch"
)

// How often a bar is redrawn and a line is written.
const (
	RedrawEvery = 100 * time.Millisecond
	LineEvery   = 5 * time.Second
)

// Progress draws the latest that it was told, so that what it shows never waits for a
// slow terminal.
type Progress struct {
	out      io.Writer
	terminal bool
	latest   atomic.Pointer[stopwatch.Progress]
}

// New gives a Progress that writes to out, which is a terminal or not.
func New(out io.Writer, terminal bool) *Progress {
	return &Progress{out: out, terminal: terminal}
}

// Set is told how far it has come. It may be called concurrently with Serve.
func (p *Progress) Set(latest stopwatch.Progress) { p.latest.Store(&latest) }

// Serve draws until ctx ends, a bar once more then. What cannot be written is not
// shown.
func (p *Progress) Serve(ctx context.Context) {
	draw, every := p.line, LineEvery
	if p.terminal {
		draw, every = p.bar(), RedrawEvery
		defer fmt.Fprintln(p.out)
		defer p.draw(draw)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.draw(draw)
		}
	}
}

func (p *Progress) draw(draw func(stopwatch.Progress)) {
	if latest := p.latest.Load(); latest != nil {
		draw(*latest)
	}
}

func (p *Progress) line(s stopwatch.Progress) {
	fmt.Fprintf(p.out, "%d of %d crashes, %d of %d stops\n", s.Crashes, s.OfCrashes, s.Stops, s.OfStops)
}

func (p *Progress) bar() func(stopwatch.Progress) {
	// A length from the start: without one the bar would start a goroutine of its
	// own, to turn a spinner that nobody stops.
	bar := progressbar.NewOptions(1,
		progressbar.OptionSetWriter(p.out),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionUseANSICodes(true),
	)
	return func(s stopwatch.Progress) {
		// The bar's only errors are those of out.
		bar.ChangeMax(s.OfCrashes + s.OfStops)
		bar.Describe(fmt.Sprintf("%d crashes, %d stops", s.Crashes, s.Stops))
		_ = bar.Set(min(s.Crashes+s.Stops, s.OfCrashes+s.OfStops))
	}
}
