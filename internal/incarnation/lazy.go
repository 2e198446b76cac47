package incarnation

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/exit"
)

// Lazy is a context that costs 32 bytes until somebody needs more of it.
//
// Most incarnations never look at their context's channel: an actor is told to
// stop by a flag. A Lazy therefore makes a real cancel context inside only when
// somebody asks for Done, derives from it, or asks anything after its end. From
// then on its Value delegates to the real one, so that the standard library
// recognises that one as ours: causes and children work, and no goroutine is
// needed to tie them together.
//
// A Lazy must not be copied after its first use.
type Lazy struct {
	parent context.Context // gives values; its end is ours
	ending
}

// ending is what a Lazy is besides its parent, which is asked for by each method.
type ending struct {
	cause atomic.Pointer[error]
	real  atomic.Pointer[realContext]
}

type realContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

// Init makes l a descendant of parent.
func (l *Lazy) Init(parent context.Context) { l.parent = parent }

// Cancel ends l with cause, if it has not ended yet: only the first cause
// counts, be it given here or inherited from the parent.
func (l *Lazy) Cancel(cause error) { l.cancel(l.parent, cause) }

func (e *ending) cancel(parent context.Context, cause error) {
	if e.cause.Load() == nil {
		e.share(parent, shared(cause))
	}
}

// share is cancel with a cause that may be that of others too.
func (e *ending) share(parent context.Context, cause *error) {
	if e.cause.Load() != nil || e.real.Load() == nil && parent.Err() != nil || !e.cause.CompareAndSwap(nil, cause) {
		return
	}
	if real := e.real.Load(); real != nil {
		real.cancel(*cause)
	}
}

// shared is where a cause can be found: the common ones stand there once, for a
// million contexts that end at the same time.
func shared(cause error) *error {
	for i := range common {
		if common[i] == cause {
			return &common[i]
		}
	}
	own := cause // or every cause would be moved there
	return &own
}

var common = [...]error{exit.Shutdown, exit.Normal, exit.Killed}

// Cause is [context.Cause] of l. It makes no real context.
func (l *Lazy) Cause() error {
	if cause := l.cause.Load(); cause != nil && l.real.Load() == nil {
		return *cause
	}
	return context.Cause(l)
}

// Deadline is the parent's.
func (l *Lazy) Deadline() (time.Time, bool) { return l.parent.Deadline() }

// Done makes the real context.
func (l *Lazy) Done() <-chan struct{} { return l.materialize(l.parent).Done() }

// Err is [context.Canceled] from the end on, like that of any cancel context;
// if the parent ended first it is the parent's.
func (l *Lazy) Err() error { return l.err(l.parent) }

func (e *ending) err(parent context.Context) error {
	real := e.real.Load()
	if real != nil {
		if err := real.Err(); err != nil {
			return err
		}
	}
	if e.cause.Load() != nil {
		return context.Canceled
	}
	if real == nil && parent.Err() != nil {
		return e.materialize(parent).Err() // from now on the parent was first
	}
	return nil
}

// Value is how context.Cause and derived contexts find the real context.
func (l *Lazy) Value(key any) any { return l.value(l.parent, key) }

func (e *ending) value(parent context.Context, key any) any {
	real := e.real.Load()
	if real == nil && e.err(parent) == nil {
		return parent.Value(key)
	}
	if real == nil || e.cause.Load() != nil {
		real = e.materialize(parent)
	}
	return real.Value(key)
}

func (e *ending) materialize(parent context.Context) *realContext {
	real := e.real.Load()
	if real == nil {
		made := new(realContext)
		if e.cause.Load() != nil {
			parent = context.WithoutCancel(parent) // it may have ended since, but this was first
		}
		made.Context, made.cancel = context.WithCancelCause(parent)
		if e.real.CompareAndSwap(nil, made) {
			real = made
		} else {
			made.cancel(nil)
			real = e.real.Load()
		}
	}
	// Cancel may have come between its two steps and ours: whoever sees the
	// real context also sees it ended.
	if cause := e.cause.Load(); cause != nil {
		real.cancel(*cause)
	}
	return real
}

// Ended is the error of somebody whose ctx has ended: what ctx says, and its
// cause if that says more.
func Ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
