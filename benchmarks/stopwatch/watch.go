package stopwatch

import (
	"fmt"
	"sync/atomic"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// watch sees the events of one tree.
type watch struct {
	clock   clock
	fail    func(error)
	victims atomic.Pointer[map[string]*victim] // by path; nil until the tree is up

	seen      atomic.Bool // there was an event at all
	unasked   atomic.Int64
	abandoned atomic.Int64
	returned  atomic.Int64
	back      chan struct{} // has room for one: something abandoned has returned
}

func newWatch(clock clock, fail func(error)) *watch {
	return &watch{clock: clock, fail: fail, back: make(chan struct{}, 1)}
}

// see is the sink. Whoever emits waits for it.
func (w *watch) see(e tracing.Event) {
	switch e := e.(type) {
	case tracing.Started: // also of a child whose supervisor was restarted
		w.seen.Store(true)
		w.up(e.Head)
	case tracing.Restarted:
		w.up(e.Head)
	case tracing.Crash:
		w.crashed(e)
	case tracing.GaveUp:
		w.fail(gaveUpError(&exit.GaveUp{Supervisor: e.Path, Child: e.Child, Cause: e.Reason, Why: e.Why}))
	case tracing.Abandoned:
		w.abandoned.Add(1)
	case tracing.Returned:
		w.returned.Add(1)
		select {
		case w.back <- struct{}{}:
		default:
		}
	}
}

// gaveUpError says what to do about a tree that crashes more often than it may.
func gaveUpError(err error) error {
	return fmt.Errorf("the tree was made to crash more often than its policy allows (%w); measure with a longer Pause, or with more Restarts", err)
}

// latest is the latest crash of a child, nil if there was none.
func (w *watch) latest(path string) *crash {
	victims := w.victims.Load()
	if victims == nil {
		return nil
	}
	if v := (*victims)[path]; v != nil {
		return v.current.Load()
	}
	return nil
}

func (w *watch) up(head tracing.Head) {
	if c := w.latest(head.Path); c != nil {
		c.isReady(w.clock.of(head.Time))
	}
}

// crashed looks whether a crash was one of the stopwatch's, and will be over.
func (w *watch) crashed(e tracing.Crash) {
	c := w.latest(e.Path)
	if c != nil {
		_, happened := c.at.get()
		if _, ready := c.ready.get(); !happened || ready {
			c = nil
		}
	}
	if c == nil {
		w.unasked.Add(1)
		return
	}
	if e.Decision == tracing.StayDown {
		w.fail(fmt.Errorf("%s stays down after its crash: a temporary child is no victim", e.Path))
	}
}
