package supervisor

import (
	"context"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/internal/stacks"
)

// runner is one incarnation of a child: its goroutine, or while the child is
// parked none, and those of [Go]. It tells its supervisor of three things, the
// end of Start, that it ends but goroutines are left, and its end, and is told by
// it through its cell.
//
// It is also the context that its cell descends from, so that [Go] finds it.
type runner struct {
	*above

	member *member // that it is an incarnation of
	cell   incarnation.Cell
	began  moment
	upAt   moment // set before the phase is up

	run func() error // set before the phase is up; nil if it runs itself
	// reason is why Start failed or the incarnation ended; set before the phase
	// says so.
	reason exit.Reason

	phase  atomic.Uint32
	listed atomic.Bool // by the tree, which must be told of the end
	done   atomic.Bool // it has ended, and told of it
	opened bool        // Start has returned without an error
	itself bool        // it runs by the hooks of its cell
	heard  bool        // what became of the one before was told; set before the goroutine begins

	// What only some have, or only at their end.
	crew        atomic.Pointer[crew] // nil while it has but one goroutine
	stop        *stopping            // belongs to whoever stops it
	abandonment *abandonment         // guarded by the tree
}

// above is what an incarnation knows of its supervisor. All of one supervisor share it,
// unless they are traced.
type above struct {
	context.Context // of the supervisor's work: the end of that is a kill

	tree    *tree
	notify  func(*runner) // started, ending, or ended; on a goroutine of the incarnation
	leaving *leaving      // nil above a root, which is never dismissed
}

// The phases of a runner, in their order.
const (
	starting uint32 = iota // Start has not returned
	up                     // Start has succeeded, run is running
	declined               // Start has declined; nothing is running
	failed                 // Start has failed; nothing is running
	over                   // run has ended
)

// newRunner makes the next incarnation of a member.
func newRunner(a *above, m *member, scope *incarnation.Scope, number int, terms incarnation.Terms) *runner {
	if m.life.Traces() {
		a = &above{m.life.Context(a.Context), a.tree, a.notify, a.leaving}
	}
	r := &runner{above: a, member: m, began: now()}
	r.cell.Init(r, scope, number, terms)
	return r
}

type runnerKey struct{}

// Value finds the incarnation itself, for those below, and what it does not keep
// a context of its own for: its life, and the labels of its goroutines.
func (r *runner) Value(key any) any {
	if key == (runnerKey{}) {
		return r
	}
	if key == (incarnation.LookedAfter{}) {
		return r.member.child
	}
	if stacks.Wanted(key) {
		return r.labelled().Value(key)
	}
	if value := r.member.life.Value(key); value != nil {
		return value
	}
	return r.Context.Value(key)
}

// labelled is a context with the labels of the incarnation's goroutines.
func (r *runner) labelled() context.Context {
	return pprof.WithLabels(r.tree.outside, stacks.Labels(r.tree.id, r.cell.Scope().Path(), r.cell.Number()))
}

// label marks the goroutine that calls. It is not to be part of who calls, who stays
// on the stack.
//
//go:noinline
func (r *runner) label() { pprof.SetGoroutineLabels(r.labelled()) }

// launch starts the incarnation's goroutine.
func (r *runner) launch() { go r.start() }

// start and what it calls are kept flat: an idle child keeps its goroutine's
// stack, which is two kilobytes unless it ever needs more.
func (r *runner) start() {
	r.label()
	r.begin()
	if !r.cell.Attached() && r.deep() { // an actor mostly parks now; if not, it says so
		deepen(r.cell.Number())
	}
	r.live()
}

// begin runs Start.
func (r *runner) begin() {
	if r.cell.Abandoned() { // before this goroutine came to run: a successor may be there
		r.end(failed, exit.Killed) // and never says that it runs
		return
	}
	reason := exit.Goexit
	defer r.opens(&reason)
	defer r.cell.Catch(&reason)()
	run, err := r.member.child.Start(&r.cell)
	if err != nil {
		reason = r.cell.Reason(err)
		return
	}
	r.run, r.opened, reason = run, true, exit.Normal
	if run != nil && r.cell.Runs() { // so that an idle actor does without the function
		r.run, r.itself = nil, true
	}
}

// opens tells how Start has ended, if there is something to tell.
func (r *runner) opens(reason *exit.Reason) {
	begun := false
	defer func() { // a sink may leave by Goexit when it is told that the root has started
		if !begun {
			r.live()
		}
	}()
	if *reason != nil {
		r.started(*reason)
	}
	begun = true
}

// started is told how Start has ended. One that returns an error has failed, also if
// that is a clean reason (S13).
func (r *runner) started(reason exit.Reason) {
	r.cell.Enter(incarnation.Running)
	switch {
	case !r.opened:
		r.end(failed, reason)
	case r.run == nil && !r.itself:
		r.end(declined, exit.Normal)
	default:
		r.upAt = now()
		r.phase.Store(up)
		r.notify(r)
	}
}

// live runs the incarnation, if its Start has succeeded, until it ends or parks.
func (r *runner) live() {
	if r.run != nil || r.itself {
		r.cell.Live(r.run)
	}
}

// Ended is for the cell to tell how run has ended.
func (r *runner) Ended(reason exit.Reason) { r.end(over, reason) }

// Works is told by an actor that has not parked after its start.
func (r *runner) Works() {
	if r.deep() {
		deepen(r.cell.Number())
	}
}

// Wake goes on with an incarnation that has parked.
func (r *runner) Wake(here bool) {
	if here { // it ends, by itself, which takes no time: the labels are those of who calls
		r.cell.Protect(r.cell.Run, r.Ended)
		return
	}
	go func() { // one frame fewer to walk over than with a method
		r.label() // the sender's were inherited
		if r.deep() {
			deepen(r.cell.Number())
		}
		r.live()
	}()
}

// Dismiss ends an incarnation whose goroutine leaves.
func (r *runner) Dismiss() {
	r.leaving.begin()
	r.Wake(true)
}

// Left is told by the goroutine of one that was dismissed.
func (r *runner) Left() { r.leaving.end() }

// end is told that Start has not succeeded, or that run has ended.
func (r *runner) end(phase uint32, reason exit.Reason) {
	if l, ok := r.cell.Handler().(*loop); ok {
		l.finish()
	}
	if r.crew.CompareAndSwap(nil, disbanded) { // it was alone
		r.over(phase, reason)
		return
	}
	crew := r.crew.Load()
	if crew.end(phase, reason, r.fails(reason)) {
		r.over(crew.outcome())
		return
	}
	r.cell.Finish(reason)
	r.notify(r)
}

// over tells that nothing of the incarnation is left.
func (r *runner) over(phase uint32, reason exit.Reason) {
	defer r.tree.done(r) // also if a sink leaves by Goexit
	if !r.cell.End(reason) {
		r.tree.returned(r, reason)
		return
	}
	r.reason = reason
	r.phase.Store(phase)
	r.notify(r)
}

// took is how long the Start of an incarnation that is up has taken.
func (r *runner) took() time.Duration { return time.Duration(r.upAt - r.began) }

// dead says whether the incarnation has ended, in whichever way.
func (r *runner) dead() bool { return r.phase.Load() > up }

// height is how many levels of supervisors an incarnation has, itself included:
// the levels that pass a kill on.
func (r *runner) height() int {
	l, ok := r.cell.Handler().(*loop)
	if !ok {
		return 0
	}
	highest := 0
	for _, below := range l.alive() {
		highest = max(highest, below.height())
	}
	return 1 + highest
}
