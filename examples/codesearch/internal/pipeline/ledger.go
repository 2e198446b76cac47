package pipeline

import (
	"sync"

	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
	"github.com/coppice-go/coppice/examples/codesearch/internal/progress"
)

// ledger knows which files are under way. It outlives the actors: when a part
// of the tree restarts, the walker finds out from the database what is left to
// do, and the ledger keeps count.
type ledger struct {
	over chan struct{} // closed when the run is complete, or cannot be

	mu       sync.Mutex
	closed   bool
	expected int                 // files that the walker has found
	open     map[string]struct{} // given out and not settled
	settled  map[string]given
	quiet    chan struct{} // closed when nothing is open; nil while nobody waits
	result   Report
	failed   error
}

// given is what became of a file.
type given struct {
	stored       bool // or unchanged, or else it could not be read
	unchanged    bool
	declarations int
}

func newLedger() *ledger {
	return &ledger{over: make(chan struct{}), open: make(map[string]struct{}), settled: make(map[string]given)}
}

// expect notes how many files there are.
func (l *ledger) expect(files int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expected = files
}

// begin notes that a file has been given out.
func (l *ledger) begin(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[path] = struct{}{}
}

// settle notes what became of a file.
func (l *ledger) settle(path string, g given) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, path)
	l.settled[path] = g
	if len(l.open) == 0 && l.quiet != nil {
		close(l.quiet)
		l.quiet = nil
	}
}

// unchanged notes a file that is stored already. One that this run has stored
// before a restart stays counted as stored.
func (l *ledger) unchanged(path string) {
	l.mu.Lock()
	_, seen := l.settled[path]
	l.mu.Unlock()
	if !seen {
		l.settle(path, given{unchanged: true})
	}
}

// keepStored takes the files that were stored in this run out of those that are
// to be forgotten.
func (l *ledger) keepStored(gone map[string]index.Stamp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for path := range gone {
		if g := l.settled[path]; g.stored || g.unchanged {
			delete(gone, path)
		}
	}
}

// allSettled is closed when no file is under way.
func (l *ledger) allSettled() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) == 0 {
		quiet := make(chan struct{})
		close(quiet)
		return quiet
	}
	if l.quiet == nil {
		l.quiet = make(chan struct{})
	}
	return l.quiet
}

// complete notes that the index holds the whole tree.
func (l *ledger) complete(removed int) { l.finish(nil, removed, true) }

// fail notes that the run cannot succeed.
func (l *ledger) fail(err error) { l.finish(err, 0, false) }

func (l *ledger) finish(err error, removed int, complete bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	l.failed, l.result.Removed, l.result.Complete = err, removed, complete
	close(l.over)
}

func (l *ledger) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

func (l *ledger) report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.result
	for _, g := range l.settled {
		switch {
		case g.stored:
			r.Stored++
		case g.unchanged:
			r.Unchanged++
		}
	}
	return r
}

func (l *ledger) progress() (s progress.Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Done, s.Files = len(l.settled), l.expected
	for _, g := range l.settled {
		s.Declarations += g.declarations
	}
	return s
}
