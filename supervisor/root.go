package supervisor

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/tracing"
)

// root is one life of a whole tree, from Run or Start to the end.
type root struct {
	node   *node
	tree   *tree
	runner *runner
	life   *tracing.Life
	act    tracing.Act // its start

	unhook   func() bool // of the function that passes the end of the user's ctx on
	unhooked chan struct{}

	up       chan struct{} // closed when all children are up
	done     chan struct{} // closed when the tree has ended; what follows is set before
	finished sync.Once
	reason   exit.Reason
	report   error // what would not stop; a *StopError or nil
}

// startRoot starts a tree.
func (n *node) startRoot(ctx context.Context) (wait func() error, err error) {
	r, err := n.newRoot(ctx)
	if err != nil {
		return nil, err
	}
	r.runner.launch()
	select {
	case <-r.up:
		return r.wait, nil
	case <-r.done:
	}
	if err := r.wait(); err != nil {
		return nil, err
	}
	return nil, exit.Shutdown // stopped in order before it was up
}

func (n *node) newRoot(ctx context.Context) (*root, error) {
	r := &root{
		node:     n,
		tree:     newTree(),
		unhooked: make(chan struct{}),
		up:       make(chan struct{}),
		done:     make(chan struct{}),
	}
	events := n.policy.Tracing
	if events == nil {
		events = tracing.New(tracing.Options{})
	}
	r.life = events.Life(n.name, n.name, nil)
	// The end of the user's ctx means: stop in order. It must not reach the
	// children by itself, all at once (S91).
	below := r.tree.context(context.WithoutCancel(ctx))
	r.act = r.life.Begin(below, tracing.ActStart)
	r.runner = newRunner(n, incarnation.NewScope(n.name), 1, below, r.tree, r.life, n.policy.CrashOnPanic, r.notify)
	if before := n.root.Load(); before != nil && !before.ended() || !n.root.CompareAndSwap(before, r) {
		return nil, &ChildError{Path: n.name, Op: "start", Err: ErrAlreadyStarted}
	}
	r.unhook = context.AfterFunc(ctx, func() {
		r.runner.cell.Stop(exit.Shutdown, true)
		close(r.unhooked)
	})
	return r, nil
}

// notify is told by the runner when the tree is up and when it has ended.
func (r *root) notify(runner *runner) {
	if runner.phase.Load() == up {
		r.act.End(tracing.Started{Head: runner.head(), Took: time.Since(runner.began)})
		close(r.up)
		return
	}
	r.finish(runner.reason)
}

// finish ends the tree's life, once.
func (r *root) finish(reason exit.Reason) {
	r.finished.Do(func() {
		if r.unhook() {
			close(r.unhooked)
		}
		<-r.unhooked
		r.runner.cell.Scope().End(reason)
		r.reason = reason
		r.report = report(r.tree)
		select {
		case <-r.up:
			r.life.Emit(tracing.Terminated{Head: r.runner.head(), Reason: reason})
		default:
			r.act.End(tracing.StartFailed{Head: r.runner.head(), Reason: reason, Took: time.Since(r.runner.began)})
		}
		close(r.done)
	})
}

func (r *root) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// wait waits for the end of the tree and says how it went.
func (r *root) wait() error {
	<-r.done
	err := error(r.reason)
	switch reason := r.reason.(type) {
	case *exit.GaveUp:
	case *exit.Failure:
		err = reason.Err
	default:
		if r.reason.Clean() {
			err = nil
		}
	}
	if r.report == nil {
		return err
	}
	return errors.Join(err, r.report)
}

// Run starts a tree with this supervisor as its root and waits for its end. The
// end of ctx means: stop in order. Its values reach all children.
//
// It returns nil after an orderly stop; a [*exit.GaveUp] after giving up; the
// faults of [Supervisor.Check] before anything was started; the reason why a
// child did not start; and in addition, by errors.As, a [*StopError] that lists
// what would not stop. It is never just ctx's error. nil means that every
// goroutine of the tree has returned, but for those that children started by
// themselves.
func (n *node) Run(ctx context.Context) error {
	if err := n.Check(); err != nil {
		return err
	}
	wait, err := n.startRoot(ctx)
	if err == exit.Shutdown {
		return nil
	}
	if err != nil {
		return err
	}
	return wait()
}

// Stop stops the tree in order and returns when it has ended. If ctx ends
// first, the rest is killed, and Stop returns after a short grace: a tenth of a
// second for each level. nil means that every goroutine of the tree has
// returned, as with Run; otherwise the error is a [*StopError].
//
// It may be called from anywhere but the tree itself, and any number of times:
// the calls join, and one that comes later gets the same report. A supervisor
// that was never started has nothing to stop. One that is part of another tree
// refuses with [ErrNested].
func (n *node) Stop(ctx context.Context) error {
	r := n.root.Load()
	if r == nil || r.ended() {
		switch {
		case n.loop.Load() != nil:
			return &ChildError{Path: n.path(), Op: "stop", Err: ErrNested}
		case r == nil:
			return nil
		}
		return r.report
	}
	r.runner.cell.Stop(exit.Shutdown, true)
	select {
	case <-r.done:
		return r.report
	case <-ctx.Done():
	}
	r.runner.cell.Kill(exit.Killed)
	grace := time.NewTimer(killGrace * time.Duration(2+height(n)))
	defer grace.Stop()
	select {
	case <-r.done:
	case <-grace.C:
		// The root's own loop is stuck, in code of the user such as a sink.
		r.runner.stop.asked = time.Now()
		if r.tree.abandon(r.runner) {
			r.finish(exit.Killed)
		}
		<-r.done
	}
	return r.report
}
