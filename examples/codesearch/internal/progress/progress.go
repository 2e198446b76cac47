// Package progress shows how far a run has come: as a bar on a terminal, as a
// line every few seconds elsewhere.
package progress

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
)

// How often a bar is redrawn and a line is written.
const (
	RedrawEvery = 100 * time.Millisecond
	LineEvery   = 3 * time.Second
)

// Snapshot is the state of a run at one moment.
type Snapshot struct {
	Files        int // found so far, or in all
	Done         int // files among them that are stored or need not be
	Declarations int // stored
	Faults       int
	Restarts     int
}

func (s Snapshot) counts() string {
	var words strings.Builder
	fmt.Fprintf(&words, "%d declarations", s.Declarations)
	if s.Faults > 0 {
		fmt.Fprintf(&words, ", %d faults", s.Faults)
	}
	if s.Restarts > 0 {
		fmt.Fprintf(&words, ", %d restarts", s.Restarts)
	}
	return words.String()
}

// Progress draws snapshots. It asks for them, so that the work that it shows
// never waits for a slow terminal.
type Progress struct {
	out      io.Writer
	terminal bool
	read     func() Snapshot
}

// New gives a Progress that writes to out, which is a terminal or not, what
// read tells. Read is called from the goroutine of [Progress.Serve].
func New(out io.Writer, terminal bool, read func() Snapshot) *Progress {
	return &Progress{out: out, terminal: terminal, read: read}
}

// Serve draws until ctx ends, and once more then, and returns nil. What cannot
// be written is not shown: that is no reason to stop the work. It may be called
// again after it has returned.
func (p *Progress) Serve(ctx context.Context) error {
	draw, every := p.line, LineEvery
	if p.terminal {
		draw, every = p.bar(), RedrawEvery
		defer fmt.Fprintln(p.out)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			draw(p.read())
			return nil
		case <-ticker.C:
			draw(p.read())
		}
	}
}

func (p *Progress) line(s Snapshot) {
	fmt.Fprintf(p.out, "%d of %d files, %s\n", s.Done, s.Files, s.counts())
}

func (p *Progress) bar() func(Snapshot) {
	// A length from the start: without one the bar would start a goroutine of
	// its own, to turn a spinner that nobody stops.
	bar := progressbar.NewOptions(1,
		progressbar.OptionSetWriter(p.out),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionSetItsString("files"),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionUseANSICodes(true),
	)
	return func(s Snapshot) {
		if s.Files == 0 {
			return
		}
		// The bar's only errors are those of out.
		bar.ChangeMax(s.Files)
		bar.Describe(s.counts())
		_ = bar.Set(min(s.Done, s.Files))
	}
}
