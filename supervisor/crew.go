package supervisor

import (
	"context"
	"runtime/pprof"
	"sync"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
)

// Go calls f on a goroutine that belongs to the child which ctx comes from: ctx
// is what a supervisor handed to Start, what a Func or a handler of an actor was
// given, or derived from one of these, also in f itself. What f does is under
// supervision like all that the child does (S197):
//
//   - An error, a panic or runtime.Goexit in f is a crash of the child: its ctx
//     ends, an actor finishes the message in hand at most, and the supervisor
//     decides what follows. nil, or a clean [exit.Reason], just ends f.
//   - The child is over when its own goroutine and all those of Go have returned:
//     it is not restarted before, and a stop waits for them. They have its
//     [Shutdown] time, also when it has ended by itself; then what is left is
//     abandoned, and listed with its stacks in the report of a stop.
//
// The ctx of f has the values of ctx, such as its trace, and nothing else of it:
// the answer to a call does not end it, nor does a deadline. It ends when the
// child is asked to stop, so before an actor has drained its mailbox, when the
// child ends or fails, and when f returns; its cause says why.
//
// Go does not wait for f, and f is not tried again by itself: what must be
// restarted alone is a child of its own. What f returns is read as what a child
// returns: an error that only says that its ctx has ended is none. Of several
// failures the first is the reason why the child has ended. During a stop a
// failure changes nothing, but is reported.
//
// It is an error, and f is not called, if ctx does not come from a child
// ([ErrUnsupervised]), or if the child is stopping or has ended: a [*ChildError]
// in which [errors.Is] finds the reason.
func Go(ctx context.Context, f func(ctx context.Context) error) error {
	r, _ := ctx.Value(runnerKey{}).(*runner)
	if r == nil || nodeOf(r.member.child) != nil { // a supervisor has no work of its own
		return ErrUnsupervised
	}
	return r.spawn(ctx, f)
}

// crew are the goroutines of an incarnation: its own, and those that Go has
// started.
type crew struct {
	mu      sync.Mutex
	present int         // the own one counts until run has ended, also while it is parked
	failure exit.Reason // the first; nil while none has failed
	run     exit.Reason // what run, or Start, has ended with; nil while it has not
	phase   uint32      // that follows when nobody is present any more; set with run
}

// disbanded is the crew of an incarnation that was alone when it ended: nobody
// joins it any more.
var disbanded = new(crew)

func (r *runner) spawn(values context.Context, f func(context.Context) error) error {
	if r.crew.Load() == nil {
		r.crew.CompareAndSwap(nil, &crew{present: 1})
	}
	if r.cell.Err() != nil || !r.crew.Load().join() {
		<-r.cell.Done() // which is closed by now, or this moment
		return &ChildError{Path: r.cell.Scope().Path(), Op: "go", Err: incarnation.Ended(&r.cell)}
	}
	ctx, end := r.cell.Beside(values)
	go func() {
		pprof.SetGoroutineLabels(ctx) // those of the caller may be others
		r.cell.Protect(func() error { return f(ctx) }, func(reason exit.Reason) {
			end(reason)
			r.left(reason)
		})
	}()
	return nil
}

// left is told that a goroutine of Go has ended.
func (r *runner) left(reason exit.Reason) {
	crew := r.crew.Load()
	switch news, last := crew.leave(reason, r.fails(reason)); {
	case last:
		r.over(crew.outcome())
	case news:
		r.cell.Stop(reason, false) // its run is to end, with nothing more begun
		r.notify(r)
	}
}

// fails says whether a reason is a failure, and not just obedience.
func (r *runner) fails(reason exit.Reason) bool {
	return !reason.Clean() && error(reason) != r.cell.Cause()
}

// ending says whether the incarnation ends by itself, although goroutines of it
// are left.
func (r *runner) ending() bool {
	c := r.crew.Load()
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure != nil || c.run != nil
}

// failure is the first failure of its goroutines, if it has several, or what its
// own has failed with and cleans up after; nil if there is none.
func (r *runner) failure() exit.Reason {
	if c := r.crew.Load(); c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.failure != nil {
			return c.failure
		}
	}
	return r.cell.Failure()
}

// present is how many goroutines of the incarnation have not returned.
func (r *runner) present() int {
	c := r.crew.Load()
	if c == nil {
		return 1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.present
}

// ownReturned says whether the incarnation's own goroutine has returned before
// others.
func (r *runner) ownReturned() bool {
	c := r.crew.Load()
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.run != nil && c.present > 0
}

// join adds a goroutine, unless the incarnation is over.
func (c *crew) join() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.present == 0 {
		return false
	}
	c.present++
	return true
}

// leave takes a goroutine out. It says whether that is news, the first failure of
// an incarnation that was running, and whether nobody is left.
func (c *crew) leave(reason exit.Reason, fails bool) (news, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fails && c.failure == nil {
		c.failure = reason
		news = c.run == nil
	}
	c.present--
	return news, c.present == 0
}

// end is leave for the incarnation's own goroutine.
func (c *crew) end(phase uint32, reason exit.Reason, fails bool) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.phase, c.run = phase, reason
	if fails && c.failure == nil {
		c.failure = reason
	}
	c.present--
	return c.present == 0
}

// outcome is what has become of the incarnation: the first failure, else what
// its run has ended with.
func (c *crew) outcome() (phase uint32, reason exit.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.outcomeLocked()
}

func (c *crew) outcomeLocked() (phase uint32, reason exit.Reason) {
	switch {
	case c.failure == nil:
		return c.phase, c.run
	case c.run == nil || c.phase == declined:
		return failed, c.failure
	}
	return c.phase, c.failure
}

// settle is the outcome when the rest has been abandoned. What that ends with is
// another story, which begins now.
func (c *crew) settle() (phase uint32, reason exit.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	phase, reason = c.outcomeLocked()
	c.failure = nil
	if c.run != nil {
		c.run = exit.Normal
	}
	return phase, reason
}
