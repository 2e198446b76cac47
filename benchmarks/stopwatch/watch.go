package stopwatch

import (
	"errors"
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

	failed atomic.Pointer[tracing.StartFailed] // the latest, until who has failed is up

	seen      atomic.Bool   // there was an event at all
	unasked   atomic.Int64  // crashes
	down      atomic.Int64  // victims
	abandoned atomic.Int64  // incarnations
	returned  atomic.Int64  // of these
	news      chan struct{} // has room for one: down is less, or returned more

	stopping atomic.Bool // the tree, at the end
	stops    stops
}

func newWatch(clock clock, fail func(error)) *watch {
	return &watch{clock: clock, fail: fail, news: make(chan struct{}, 1)}
}

// see is the sink. Whoever emits waits for it.
func (w *watch) see(e tracing.Event) {
	switch e := e.(type) {
	case tracing.Started: // also of a child whose supervisor was restarted
		w.seen.Store(true)
		w.isUp(e.Head)
	case tracing.Restarted:
		w.isUp(e.Head)
	case tracing.StartFailed:
		w.failed.Store(&e)
	case tracing.Exited:
		w.isDown(e.Path)
	case tracing.Terminated:
		w.isStopped(Slow{Path: e.Path, Took: e.Took})
		w.isDown(e.Path)
	case tracing.Abandoned:
		w.abandoned.Add(1)
		w.isStopped(Slow{Path: e.Path, Took: e.Waited, Abandoned: true})
		w.isDown(e.Path)
	case tracing.Returned:
		w.returned.Add(1)
		w.tell()
	case tracing.Crash:
		w.crashed(e)
	case tracing.GaveUp:
		w.fail(gaveUpError(&exit.GaveUp{Supervisor: e.Path, Child: e.Child, Cause: e.Reason, Why: e.Why}))
	}
}

func gaveUp(err error) bool {
	_, yes := errors.AsType[*exit.GaveUp](err)
	return yes
}

// gaveUpError says what to do about a tree that crashes more often than it may.
func gaveUpError(err error) error {
	return fmt.Errorf("the tree was made to crash more often than its policy allows (%w); measure with a longer Pause, or with more Restarts (of the command: -pause, -restarts 0)", err)
}

// victim is the victim of that path, nil if there is none.
func (w *watch) victim(path string) *victim {
	victims := w.victims.Load()
	if victims == nil {
		return nil
	}
	return (*victims)[path]
}

func (w *watch) isUp(head tracing.Head) {
	if f := w.failed.Load(); f != nil && f.Path == head.Path {
		w.failed.CompareAndSwap(f, nil)
	}
	v := w.victim(head.Path)
	if v == nil {
		return
	}
	if c := v.current.Load(); c != nil {
		c.isReady(w.clock.of(head.Time))
	}
	if v.down.CompareAndSwap(true, false) {
		w.down.Add(-1)
		w.tell()
	}
}

// because adds to the error that somebody is not up which start has failed. That need
// not be its own: siblings and supervisors are in its way too.
func (w *watch) because(err error) error {
	f := w.failed.Load()
	if f == nil {
		return err
	}
	return fmt.Errorf("%w; the last start that failed, of %s: %w", err, f.Path, f.Reason)
}

func (w *watch) isDown(path string) {
	if v := w.victim(path); v != nil && v.down.CompareAndSwap(false, true) {
		w.down.Add(1)
	}
}

// isStopped is told of the stops in a restart too, which are part of that.
func (w *watch) isStopped(one Slow) {
	if w.stopping.Load() {
		w.stops.add(one)
	}
}

// tell wakes whoever waits for news.
func (w *watch) tell() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// crashed looks whether a crash was one of the stopwatch's, and will be over.
func (w *watch) crashed(e tracing.Crash) {
	if v := w.victim(e.Path); v != nil {
		if c := v.current.Load(); c != nil && c.isTold() {
			if e.Decision == tracing.StayDown {
				w.fail(fmt.Errorf("%s stays down after its crash: a temporary child is no victim", e.Path))
			}
			return
		}
	}
	w.unasked.Add(1)
}
