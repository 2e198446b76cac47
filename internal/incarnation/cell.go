// Package incarnation is where the runtime's two halves meet: what a supervisor
// hands to a child's Start in its context, and what the child hangs into it.
//
// A [Scope] is the child's life, a [Cell] one incarnation of it. The cell is
// the context itself, found again with [From] in every context derived from it.
package incarnation

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/exit"
)

// Cell is one incarnation of a child and the context that its Start receives.
// That context ends when the incarnation is asked to stop; [Cell.Work] is the
// one that ends only when it is killed.
type Cell struct {
	Lazy
	work   ending // of the context for the work, whose parent is the same
	scope  *Scope
	number uint32
	terms  Terms

	asked  request // whether Hooks.Stop has been or will be called, and with what; is changed once
	killed bool    // both are guarded by mu; here there is room for them

	fate  atomic.Uint32 // live, ended or abandoned; leaves live once
	phase atomic.Uint32 // a Phase, and whether there are hooks

	mu    sync.Mutex            // guards what follows against writers; never held while a hook runs
	hooks Hooks                 // nil until attached, and not changed any more
	aside atomic.Pointer[aside] // nil until needed; what is there is guarded
}

// attached is set in a cell's phase once its hooks can be read.
const attached uint32 = 1 << 8

// aside is what most incarnations never have.
type aside struct {
	interceptor Interceptor // of its messages, and of those below

	since   time.Time // when it entered the phase, unless that is Starting or Running
	crashed bool      // and last says what it had
	last    Last
	failure exit.Reason // what it has failed with, if it cleans up after that
}

const (
	live uint32 = iota
	ended
	abandoned
)

type request uint8

const (
	notAsked request = iota
	asked
	askedFinally
)

// workContext is a cell as the context for its work.
type workContext Cell

type (
	key    struct{}
	ownKey struct{} // finds only whom the goroutine of a context holds up
)

// New makes the cell of the child's incarnation with the given number. Its
// contexts descend from parent, which gives the values and, when it ends, kills
// the incarnation.
func New(parent context.Context, scope *Scope, number int, terms Terms) *Cell {
	c := new(Cell)
	c.Init(parent, scope, number, terms)
	return c
}

// Init is New for a cell that is part of something else. It must not be copied
// from then on.
func (c *Cell) Init(parent context.Context, scope *Scope, number int, terms Terms) {
	c.scope, c.number, c.terms = scope, uint32(number), terms
	c.Lazy.Init(parent)
}

// From gives the incarnation whose context ctx is or descends from, nil if
// there is none.
func From(ctx context.Context) *Cell {
	c, _ := ctx.Value(key{}).(*Cell)
	return c
}

// Own is From, but nil if ctx belongs to a goroutine beside that of the
// incarnation, which does not hold it up by waiting.
func Own(ctx context.Context) *Cell {
	c, _ := ctx.Value(ownKey{}).(*Cell)
	return c
}

// Value finds the cell itself, then what Lazy finds.
func (c *Cell) Value(k any) any {
	if k == (key{}) || k == (ownKey{}) {
		return c
	}
	return c.Lazy.Value(k)
}

func (w *workContext) Deadline() (time.Time, bool) { return w.parent.Deadline() }
func (w *workContext) Done() <-chan struct{}       { return w.work.materialize(w.parent).Done() }
func (w *workContext) Err() error                  { return w.work.err(w.parent) }

func (w *workContext) Value(k any) any {
	if k == (key{}) || k == (ownKey{}) {
		return (*Cell)(w)
	}
	return w.work.value(w.parent, k)
}

// Work is the context for the work of the incarnation: it ends at the end of
// the shutdown time or when the incarnation is killed, not when it is asked to
// stop, so that messages can still be handled during an orderly stop.
func (c *Cell) Work() context.Context { return (*workContext)(c) }

// Scope is the life of the child that c is an incarnation of.
func (c *Cell) Scope() *Scope { return c.scope }

// Number is 1 for the first incarnation of the child, 2 for the next.
func (c *Cell) Number() int { return int(c.number) }

// Parent is the incarnation below whose context c was made: that of the child's
// supervisor. A root has none, unless it runs inside of a child of another tree.
func (c *Cell) Parent() *Cell { return From(c.parent) }

// Above is the context that c was made below. It has the values of c, and is asked for
// them faster.
func (c *Cell) Above() context.Context { return c.parent }

// Terms are those that c was made with.
func (c *Cell) Terms() Terms { return c.terms }

// Attach hangs the hooks that prepare gives into the cell, once, during Start.
// If a stop or a kill came before, the hooks are called at once. It is false, and prepare is
// not called, if the incarnation was abandoned before: then it must touch
// nothing that a successor may be using. So it is if somebody else was faster, in a
// Start that starts two children with its ctx.
func (c *Cell) Attach(prepare func() Hooks) bool {
	c.mu.Lock()
	if c.Abandoned() || c.Attached() {
		c.mu.Unlock()
		return false
	}
	hooks := prepare()
	c.hooks = hooks
	c.phase.Or(attached)
	asked, killed := c.asked, c.killed
	c.mu.Unlock()
	if asked != notAsked {
		hooks.Stop(asked == askedFinally)
	}
	if killed {
		hooks.Kill()
	}
	return true
}

// Attached says whether hooks have been attached.
func (c *Cell) Attached() bool { return c.phase.Load()&attached != 0 }

// attachments are the hooks, such that do nothing if there are none. Who changes
// something under the lock has to tell these of it: Attach tells its hooks only of what
// came before them.
func (c *Cell) attachments() Hooks {
	if !c.Attached() {
		return NoHooks{}
	}
	return c.hooks
}

// Runs says whether what Start has returned is the Run of the hooks, because nothing
// stands around the child: then nobody needs to keep it.
func (c *Cell) Runs() bool {
	self := c.Self()
	if self == nil {
		return false
	}
	_, alone := c.Is(self)
	return alone
}

// ByHooks is what the Start of a child may return if [Cell.Runs]: its run function is
// the Run of the hooks, and nobody calls what Start has returned.
func ByHooks() error { return errByHooks }

var errByHooks = errors.New("the run function of an incarnation that runs by its hooks was called")

// Run is that of the hooks.
func (c *Cell) Run() error { return c.attachments().Run() }

// Self is what the incarnation said of itself in Attach, nil if nothing.
func (c *Cell) Self() any { return c.attachments().Self() }

// Handler is what the incarnation said of its handlers in Attach.
func (c *Cell) Handler() any { return c.attachments().Handler() }

// Stop asks the incarnation to stop, with the reason that its context will give
// as cause. Only the first call counts, but for the mailbox of the child: final
// says that no incarnation will follow this one, and then it is sealed at once. An
// abandoned incarnation has no say in that.
func (c *Cell) Stop(cause exit.Reason, final bool) {
	c.Cancel(cause)
	how := asked
	if final {
		how = askedFinally
	}
	c.mu.Lock()
	if final && !c.Abandoned() {
		c.scope.Seal()
	}
	first := c.asked == notAsked
	if first {
		c.asked = how
	}
	hooks := c.attachments()
	c.mu.Unlock()
	if first {
		hooks.Stop(final)
	}
}

// Kill ends the contexts of the incarnation, that for its work included.
func (c *Cell) Kill(cause exit.Reason) {
	c.work.cancel(c.parent, cause)
	c.Stop(cause, false)
	c.mu.Lock()
	first := !c.killed
	c.killed = true
	hooks := c.attachments()
	c.mu.Unlock()
	if first {
		hooks.Kill()
	}
}

// Interrupt ends the context for the work of an incarnation that was asked to
// stop, because its drain policy says so.
func (c *Cell) Interrupt() { c.work.cancel(c.parent, exit.Shutdown) }

// Asked says whether the incarnation was asked to stop.
func (c *Cell) Asked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked != notAsked
}

// Stopping says whether the incarnation is to end, because it was asked to or
// something above it was killed, and has not ended yet. An abandoned one goes on
// stopping for ever.
func (c *Cell) Stopping() bool {
	return c.Err() != nil && c.fate.Load() != ended // which End says before it ends the context
}

// Enter tells the phase that begins.
func (c *Cell) Enter(p Phase) {
	if p != Running { // the one that every incarnation enters
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asideLocked().since = time.Now()
	}
	for {
		before := c.phase.Load()
		if c.phase.CompareAndSwap(before, before&attached|uint32(p)) {
			return
		}
	}
}

// Phase is the one that the incarnation has entered last.
func (c *Cell) Phase() Phase { return Phase(c.phase.Load() &^ attached) }

// Starting says whether Start has not returned yet.
func (c *Cell) Starting() bool { return c.Phase() == Starting }

// End claims the end of the incarnation for its own goroutine and ends its
// contexts with the reason: what was started with them must not outlive it. It
// is false if the supervisor has abandoned the incarnation before.
func (c *Cell) End(reason exit.Reason) bool {
	if !c.fate.CompareAndSwap(live, ended) {
		return false
	}
	c.Finish(reason)
	return true
}

// Finish ends the contexts of an incarnation whose run has ended while other
// goroutines of it are still there. End follows when they are not.
func (c *Cell) Finish(reason exit.Reason) {
	by := endOf(reason)
	c.share(c.parent, by)
	c.work.share(c.parent, by)
}

// Abandon kills the incarnation and cuts its effects off. It is false if the
// incarnation has ended before.
func (c *Cell) Abandon() bool {
	c.Kill(exit.Killed)
	c.mu.Lock()
	given := c.fate.CompareAndSwap(live, abandoned)
	hooks := c.attachments()
	c.mu.Unlock()
	if given {
		hooks.Abandon()
	}
	return given
}

// Abandoned says whether the incarnation has been given up.
func (c *Cell) Abandoned() bool { return c.fate.Load() == abandoned }

// Holding says what the incarnation has in hand, as far as it tells.
func (c *Cell) Holding() Hand {
	if phase := c.phase.Load(); phase <= uint32(Running) { // and nothing is attached
		return Hand{Phase: Phase(phase)}
	}
	c.mu.Lock()
	hooks := c.attachments()
	phase := c.Phase()
	var since time.Time
	if phase == Continuing || phase == Closing {
		since = c.aside.Load().since
	}
	c.mu.Unlock()
	hand := hooks.Holding()
	hand.Phase, hand.Since = phase, since
	return hand
}

// Crashed is told by an incarnation what it had when it crashed, before its end
// or while it is being abandoned. If both happen, the one that had it in hand
// counts.
func (c *Cell) Crashed(last *Last) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.asideLocked(); !a.crashed || last.InHand {
		a.crashed, a.last = true, *last
	}
}

// Failed is Crashed for an incarnation that cleans up before it ends, which may
// take for ever: whoever abandons it meanwhile knows what has happened.
func (c *Cell) Failed(reason exit.Reason, last *Last) {
	c.Crashed(last)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aside.Load().failure = reason
}

// Failure is what Failed was told, nil if nothing.
func (c *Cell) Failure() exit.Reason {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.aside.Load()
	if a == nil {
		return nil
	}
	return a.failure
}

// Last gives what Crashed was told, once: the cell does not keep the message.
func (c *Cell) Last() (last Last) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.aside.Load(); a != nil {
		last, a.last, a.crashed = a.last, Last{}, false
	}
	return last
}

func (c *Cell) asideLocked() *aside {
	a := c.aside.Load()
	if a == nil {
		a = new(aside)
		c.aside.Store(a)
	}
	return a
}

// Reason is the reason that belongs to what the incarnation returned, given
// whether it was asked to stop (S3, S4).
func (c *Cell) Reason(err error) exit.Reason {
	if err == nil {
		return exit.Normal // asked or not
	}
	if c.Err() == nil {
		return exit.Of(err)
	}
	cause, ok := c.Cause().(exit.Reason)
	if !ok { // only contexts of ours are above; they end with reasons
		cause = exit.Killed
	}
	return exit.OfStopped(err, cause)
}
