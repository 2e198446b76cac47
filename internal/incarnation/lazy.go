package incarnation

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/exit"
)

// Lazy is a context that costs 24 bytes until somebody needs more of it.
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

// ending is what a Lazy is besides its parent, which is asked for by each method: nil
// as long as nothing was decided, then an end, then one with a real context. Each step
// is taken at once, so that whoever has heard of an end hears of the same for ever.
type ending struct{ decided atomic.Pointer[end] }

// end is what decides how a context ends: its real one if there is one, or else it has
// ended.
type end struct {
	cause error
	real  *realContext
}

type realContext struct {
	end // itself
	context.Context
	cancel context.CancelCauseFunc
}

// Init makes l a descendant of parent.
func (l *Lazy) Init(parent context.Context) { l.parent = parent }

// Cancel ends l with cause, if it has not ended yet: only the first cause
// counts, be it given here or inherited from the parent.
func (l *Lazy) Cancel(cause error) { l.cancel(l.parent, cause) }

func (e *ending) cancel(parent context.Context, cause error) {
	switch d := e.decided.Load(); {
	case d == nil:
		e.share(parent, endOf(cause))
	case d.real != nil:
		d.real.cancel(cause)
	}
}

// share is cancel with an end that may be that of others too.
func (e *ending) share(parent context.Context, by *end) {
	d := e.decided.Load()
	if d == nil {
		if parent.Err() != nil || e.decided.CompareAndSwap(nil, by) {
			return
		}
		d = e.decided.Load()
	}
	if d.real != nil {
		d.real.cancel(by.cause)
	}
}

// endOf is an end with the cause. The common ones stand in one place, for a million
// contexts that end at the same time.
func endOf(cause error) *end {
	for i := range common {
		if common[i].cause == cause {
			return &common[i]
		}
	}
	if cause == nil {
		cause = context.Canceled
	}
	return &end{cause: cause}
}

var common = [...]end{{cause: exit.Shutdown}, {cause: exit.Normal}, {cause: exit.Killed}}

// Cause is [context.Cause] of l. It makes no real context.
func (l *Lazy) Cause() error {
	if d := l.decided.Load(); d != nil && d.real == nil {
		return d.cause
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
	switch d := e.decided.Load(); {
	case d != nil && d.real != nil:
		return d.real.Err()
	case d != nil:
		return context.Canceled
	case parent.Err() == nil:
		return nil
	}
	return e.materialize(parent).Err() // this fixes that the parent ended first
}

// Value is how context.Cause and derived contexts find the real context.
func (l *Lazy) Value(key any) any { return l.value(l.parent, key) }

func (e *ending) value(parent context.Context, key any) any {
	if e.decided.Load() == nil && parent.Err() == nil {
		return parent.Value(key)
	}
	return e.materialize(parent).Value(key)
}

func (e *ending) materialize(parent context.Context) *realContext {
	for {
		d := e.decided.Load()
		if d != nil && d.real != nil {
			return d.real
		}
		made := newReal(parent, d)
		if e.decided.CompareAndSwap(d, &made.end) {
			return made
		}
		made.cancel(nil)
	}
}

// newReal makes a real context, which has ended if there is an end.
func newReal(parent context.Context, ended *end) *realContext {
	made := new(realContext)
	made.real = made
	if ended == nil {
		made.Context, made.cancel = context.WithCancelCause(parent)
		return made
	}
	made.Context, made.cancel = context.WithCancelCause(context.WithoutCancel(parent)) // it may have ended since, but this was first
	made.cancel(ended.cause)
	return made
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
