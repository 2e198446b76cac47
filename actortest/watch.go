package actortest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/supervisor"
)

// errCrash is the failure that the kit gives a child.
var errCrash = errors.New("crashed by actortest")

// watch stands around a child and sees how its incarnations begin and end.
type watch struct {
	incarnation.Wrapper
	child    supervisor.Child
	complain func(format string, args ...any)

	// beforeStart and beforeRun, if set, are called by the next incarnation
	// before the child's own Start, and when that has returned.
	beforeStart, beforeRun func()

	intercept incarnation.Interceptor // of the messages of the child and of those below; nil means none

	again   bool // the child was in a tree before
	goexits bool // are injected

	mu     sync.Mutex
	live   []*incarnation.Cell // whose Start has begun and whose run has not ended
	starts int
	failed bool // it was complained of that it does not run when it is started
}

// watchChild puts a watch around the child inside of a spec.
func watchChild(child supervisor.Child, complain func(string, ...any)) (supervisor.Child, *watch) {
	w := &watch{complain: complain}
	return rewrap(child, func(inner supervisor.Child) supervisor.Child {
		w.Wrapper, w.child = incarnation.Wrap(inner), inner
		return w
	}), w
}

// Name is the name of the child inside.
func (w *watch) Name() string { return w.child.Name() }

// Start is that of the child inside, under observation.
func (w *watch) Start(ctx context.Context) (func() error, error) {
	var run func() error
	var err error
	cell := incarnation.From(ctx)
	w.begin(cell)
	cell.Intercept(w.intercept)
	passGate(&w.beforeStart)
	cell.Protect(func() error {
		run, err = w.child.Start(ctx)
		return nil
	}, func(reason exit.Reason) {
		if reason != exit.Normal { // it has left by a panic or Goexit
			err = reason
		}
		w.started(cell, run, err)
	})
	if run == nil || err != nil {
		return nil, err
	}
	passGate(&w.beforeRun)
	return func() error { return w.run(cell, run) }, nil
}

func passGate(gate *func()) {
	if pass := *gate; pass != nil {
		*gate = nil
		pass()
	}
}

// begin counts an incarnation in: there must be no other that counts.
func (w *watch) begin(cell *incarnation.Cell) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, other := range w.live {
		if !other.Abandoned() {
			w.complain("incarnation %d began while incarnation %d was still there", cell.Number(), other.Number())
		}
	}
	w.live = append(w.live, cell)
	w.starts++
}

func (w *watch) over(cell *incarnation.Cell) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.live = slices.DeleteFunc(w.live, func(c *incarnation.Cell) bool { return c == cell })
}

// started judges how a Start has ended.
func (w *watch) started(cell *incarnation.Cell, run func() error, err error) {
	if run != nil && err == nil {
		return
	}
	w.over(cell)
	switch {
	case err == nil || errors.Is(err, ErrInjected):
	case crashes(err):
		w.misfit("Start must return an error instead of leaving by a %v", ending(err))
	case cell.Err() != nil: // it has heard of the stop
	case w.again || w.count() > 1:
		w.misfit("it cannot be started again: %v; what one Start takes, its run must give back, and state belongs to the incarnation", err)
	default:
		w.misfit("Start fails: %v; make must give a child that can run by itself", err)
	}
}

// run is one incarnation. What it ends with is left as it is.
func (w *watch) run(cell *incarnation.Cell, run func() error) (err error) {
	cell.Protect(func() error {
		err = run()
		return err
	}, func(reason exit.Reason) {
		if parks(err) {
			return
		}
		if crashes(reason) {
			err = reason
		}
		w.ended(cell, reason)
		w.over(cell)
	})
	return err
}

// ended judges what an incarnation has ended with.
func (w *watch) ended(cell *incarnation.Cell, reason exit.Reason) {
	asked := cell.Err() != nil
	switch {
	case errors.Is(reason, ErrInjected) || reason == context.Cause(cell) || w.goexits && reason == exit.Goexit:
	case crashes(reason) && asked:
		w.complain("it must return when it is asked to stop, but left by a %v", ending(reason))
	case crashes(reason):
		w.misfit("it ended by itself, by a %v", ending(reason))
	case reason.Clean():
	case asked:
		w.complain("it must return nil or what ctx says when it is asked to stop, but returned an error: %v", reason)
	default:
		w.misfit("it ended by itself: %v; make must give a child that can run by itself", reason)
	}
}

// misfit complains of a child that does not run when it is started.
func (w *watch) misfit(format string, args ...any) {
	w.complain(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = true
}

// unfit says whether misfit has complained.
func (w *watch) unfit() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// crashes says whether something left other than by returning.
func crashes(err error) bool {
	_, panicked := err.(*exit.Panic)
	return panicked || err == exit.Goexit
}

// ending describes a crash, with its stack.
func ending(err error) string {
	if p, ok := err.(*exit.Panic); ok {
		return fmt.Sprintf("%v\n\t%s", p, strings.ReplaceAll(strings.TrimRight(p.Stack(), "\n"), "\n", "\n\t"))
	}
	return "runtime.Goexit"
}

// count is how many incarnations have begun.
func (w *watch) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.starts
}

// crash makes the incarnation that is there fail, as if a goroutine of it had: one
// that it has started with [supervisor.Go]. It is false if there is none, or it
// is about to end.
func (w *watch) crash() bool {
	w.mu.Lock()
	var cell *incarnation.Cell
	for _, c := range w.live {
		if !c.Abandoned() {
			cell = c
		}
	}
	w.mu.Unlock()
	if cell == nil || cell.Err() != nil {
		return false
	}
	err := supervisor.Go(cell, func(context.Context) error { return errCrash })
	if errors.Is(err, supervisor.ErrUnsupervised) { // a supervisor has no goroutines of its own
		cell.Stop(&exit.Failure{Err: errCrash}, false)
		return true
	}
	return err == nil
}
