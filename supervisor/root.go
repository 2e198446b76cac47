package supervisor

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
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
	act    tracing.Act               // its start
	acted  atomic.Bool               // somebody has told how that went, or does
	asked  atomic.Pointer[time.Time] // when it was first asked to stop

	unhook   func() bool // of the function that passes the end of the user's ctx on
	unhooked chan struct{}
	finished sync.Once

	up        chan struct{} // closed when all children are up
	done      chan struct{} // closed when the tree has ended; what follows is set before
	concluded sync.Once
	reason    exit.Reason
	report    error // what would not stop; a *StopError or nil
}

// startRoot starts a tree and returns when it is up, or has ended before.
func (n *node) startRoot(ctx context.Context) (*root, error) {
	if err := n.Check(); err != nil {
		return nil, err
	}
	if n.placed() { // elsewhere, or it still runs: nothing begins, and nobody is told that it failed
		return nil, &ChildError{Path: n.path(), Op: "start", Err: ErrAlreadyStarted}
	}
	r, err := n.newRoot(ctx)
	if err != nil {
		return nil, err
	}
	r.runner.launch()
	select {
	case <-r.up:
	case <-r.done:
	}
	return r, nil
}

// started is for Start: the tree is up, or else there is an error.
func (r *root) started() (wait func() error, err error) {
	if closed(r.up) { // even if it has ended since
		return r.wait, nil
	}
	if err := r.wait(); err != nil {
		return nil, err
	}
	return nil, &ChildError{Path: r.node.name, Op: "start", Err: exit.Shutdown} // stopped in order before it was up
}

func (n *node) newRoot(ctx context.Context) (*root, error) {
	before := n.root.Load()
	if before != nil && !before.ended() {
		return nil, &ChildError{Path: n.name, Op: "start", Err: ErrAlreadyStarted}
	}
	var last *tree
	if before != nil {
		last = before.tree
	}
	r := &root{
		node:     n,
		tree:     newTree(ctx, last),
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
	r.runner = newRunner(&above{below, r.tree, r.notify, nil}, &member{child: n, life: *r.life}, incarnation.NewScope(n.name), 1,
		incarnation.Terms{CrashOnPanic: n.policy.CrashOnPanic})
	r.unhook = context.AfterFunc(ctx, func() {
		r.stop()
		close(r.unhooked)
	})
	if ctx.Err() != nil { // the function is on its way, but nothing is to start before it comes
		r.stop()
	}
	if !n.root.CompareAndSwap(before, r) { // another was faster
		if !r.unhook() {
			<-r.unhooked // the function has but its stop to go
		}
		r.act.End(nil)
		return nil, &ChildError{Path: n.name, Op: "start", Err: ErrAlreadyStarted}
	}
	return r, nil
}

// stop asks the tree to stop in order.
func (r *root) stop() {
	now := time.Now()
	r.asked.CompareAndSwap(nil, &now)
	r.runner.cell.Stop(exit.Shutdown, true)
}

// notify is told by the runner when the tree is up and when it has ended.
func (r *root) notify(runner *runner) {
	if runner.phase.Load() == up {
		if !r.acted.CompareAndSwap(false, true) {
			return // it was abandoned meanwhile
		}
		defer close(r.up)
		r.act.End(tracing.Started{Head: runner.head(), Took: runner.took()})
		return
	}
	r.finish(runner.reason)
}

// abandon gives the whole tree up when its root does not end: its loop is stuck
// in code of the user, such as a sink.
func (r *root) abandon() {
	if r.tree.abandon(r.runner, overdueNow(r.runner)) {
		r.finish(exit.Killed)
	}
}

// forsake concludes although the end cannot be told, because a sink does not
// return. All that is left is in the report then, the root itself included.
func (r *root) forsake() {
	if !r.ended() {
		r.tree.forsake(r.runner)
		r.conclude(exit.Killed)
	}
}

// finish ends the tree's life, once. It runs code of the user, who may hear of
// the end and of dead letters.
func (r *root) finish(reason exit.Reason) {
	r.finished.Do(func() {
		defer r.conclude(reason)
		if r.unhook() {
			close(r.unhooked)
		}
		<-r.unhooked
		r.runner.cell.Scope().End(reason)
		r.tell(reason)
		r.tree.told(r.runner)
	})
}

// tell emits the event of the tree's end.
func (r *root) tell(reason exit.Reason) {
	var event tracing.Event
	head, up := r.runner.head(), !r.acted.CompareAndSwap(false, true)
	_, gaveUp := reason.(*exit.GaveUp)
	asked := r.asked.Load()
	switch {
	case asked != nil && r.runner.cell.Abandoned():
		event = tracing.Abandoned{Head: head, Waited: time.Since(*asked)}
	case asked != nil && !gaveUp && (reason.Clean() || reason == exit.Killed):
		event = tracing.Terminated{Head: head, Reason: reason, Took: time.Since(*asked), Killed: reason == exit.Killed}
	case up:
		event = tracing.Exited{Head: head, Reason: reason, Lived: r.runner.upAt.since()}
	default:
		event = tracing.StartFailed{Head: head, Reason: reason, Took: r.runner.began.since()}
	}
	if up {
		r.life.Emit(event)
	} else {
		r.act.End(event)
	}
	r.tellCrash(event)
}

// tellCrash tells of the crash of the root itself, if its end was one: nobody is
// above who would decide.
func (r *root) tellCrash(end tracing.Event) {
	c := &tracing.Crash{Head: end.Where(), Decision: tracing.StayDown}
	switch e := end.(type) {
	case tracing.Exited:
		if c.Reason = e.Reason; c.Reason.Clean() {
			return
		}
	case tracing.StartFailed:
		c.Reason, c.Decision = e.Reason, tracing.Refuse
	default:
		return
	}
	if r.asked.Load() != nil {
		c.Decision = tracing.Stop
	}
	r.runner.describe(c, time.Now())
	r.life.Crash(c, r.tree.crashes.keep)
}

// conclude says that the tree has ended, once.
func (r *root) conclude(reason exit.Reason) {
	r.concluded.Do(func() {
		r.reason = reason
		r.report = report(r.tree)
		close(r.done)
	})
}

// holds says whether ctx comes from inside the tree.
func (r *root) holds(ctx context.Context) bool {
	cell := incarnation.From(ctx)
	for cell != nil && cell != &r.runner.cell {
		cell = cell.Parent()
	}
	return cell != nil
}

func (r *root) ended() bool { return closed(r.done) }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
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
// It returns nil after an orderly stop, be it asked for or an auto-shutdown (also
// one because a significant supervisor below gave up, which counts as shutdown); a
// [*exit.GaveUp] after giving up; the faults of [Supervisor.Check] before anything
// was started; the reason why a child did not start; and in addition, by
// errors.As, a [*StopError] that lists what would not stop. It is never just ctx's
// error. nil means that no goroutine of the tree runs code of yours any more, but
// for those that children started by themselves, without [Go]; its last goroutine,
// which has said so, is on its way out, and may be counted for a moment more.
//
// A tree whose children have all ended goes on running, unless its
// [Policy].AutoShutdown says otherwise: end ctx to end it. Run inside of a child's
// function makes a tree of its own, which the tree around it knows nothing of; a
// supervisor is put into a tree as a child.
func (n *node) Run(ctx context.Context) error {
	r, err := n.startRoot(ctx)
	if err != nil {
		return err
	}
	return r.wait()
}

// Stop stops the tree in order and returns when it has ended. If ctx ends
// first, the rest is killed, and Stop returns after a short grace: a tenth of a
// second for each level. nil means that nothing of the tree runs any more, as with
// Run; otherwise the error is a [*StopError].
//
// It may be called from anywhere but the tree itself, where it would wait for its
// own caller: with a ctx that a child of the tree was given it is refused with
// [ErrReentrant], and nothing is stopped. A child ends the tree by ending the ctx
// of Run or Start. An incarnation that was abandoned can stop nothing with its ctx,
// neither another tree nor the next life of its own (S194).
//
// It may be called any number of times. Calls during the stop join, and get the
// same report. One that comes later looks again: what has returned meanwhile is
// not reported any more, so nil means the same as ever. Each such look takes a
// profile as long as something is there; [Supervisor.Abandoned] takes none. A
// report is of one run of the tree; Abandoned tells of all.
//
// A supervisor that was never started has nothing to stop. One that is part of
// another tree refuses with [ErrNested].
func (n *node) Stop(ctx context.Context) error {
	r := n.root.Load()
	if r != nil && !r.ended() && r.holds(ctx) {
		return &ChildError{Path: n.name, Op: "stop", Err: ErrReentrant}
	}
	if from := incarnation.From(ctx); from != nil && from.Abandoned() {
		return &ChildError{Path: n.name, Op: "stop", Err: incarnation.Ended(from)}
	}
	if r == nil || r.ended() {
		switch placed := n.placed(); {
		case n.root.Load() != r: // started again this moment
			return n.Stop(ctx)
		case placed:
			return &ChildError{Path: n.path(), Op: "stop", Err: ErrNested}
		case r == nil:
			return nil
		}
		return report(r.tree)
	}
	r.stop()
	select {
	case <-r.done:
		return r.report
	case <-ctx.Done():
	}
	r.runner.cell.Kill(exit.Killed)
	// The root's own loop may be stuck, in code of the user such as a sink; and
	// then so may be whoever tells of that.
	grace := killGrace * time.Duration(2+r.runner.height())
	defer time.AfterFunc(grace, r.abandon).Stop()
	defer time.AfterFunc(grace+killGrace, r.forsake).Stop()
	<-r.done
	return r.report
}
