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
	cause  atomic.Pointer[error]
	real   atomic.Pointer[realContext]
}

type realContext struct {
	context.Context
	cancel context.CancelCauseFunc
}

// Init makes l a descendant of parent.
func (l *Lazy) Init(parent context.Context) { l.parent = parent }

// Cancel ends l with cause, if it has not ended yet: only the first cause
// counts, be it given here or inherited from the parent.
func (l *Lazy) Cancel(cause error) {
	if l.cause.Load() == nil {
		l.cancel(shared(cause))
	}
}

// cancel is Cancel for a cause that may be shared with others.
func (l *Lazy) cancel(cause *error) {
	if l.cause.Load() != nil || l.real.Load() == nil && l.parent.Err() != nil || !l.cause.CompareAndSwap(nil, cause) {
		return
	}
	if real := l.real.Load(); real != nil {
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
func (l *Lazy) Done() <-chan struct{} { return l.materialize().Done() }

// Err is [context.Canceled] from the end on, like that of any cancel context;
// if the parent ended first it is the parent's.
func (l *Lazy) Err() error {
	real := l.real.Load()
	if real != nil {
		if err := real.Err(); err != nil {
			return err
		}
	}
	if l.cause.Load() != nil {
		return context.Canceled
	}
	if real == nil && l.parent.Err() != nil {
		return l.materialize().Err() // from now on the parent was first
	}
	return nil
}

// Value is how context.Cause and derived contexts find the real context.
func (l *Lazy) Value(key any) any {
	real := l.real.Load()
	if real == nil && l.Err() == nil {
		return l.parent.Value(key)
	}
	if real == nil || l.cause.Load() != nil {
		real = l.materialize()
	}
	return real.Value(key)
}

func (l *Lazy) materialize() *realContext {
	real := l.real.Load()
	if real == nil {
		made := new(realContext)
		parent := l.parent
		if l.cause.Load() != nil {
			parent = context.WithoutCancel(parent) // it may have ended since, but l was first
		}
		made.Context, made.cancel = context.WithCancelCause(parent)
		if l.real.CompareAndSwap(nil, made) {
			real = made
		} else {
			made.cancel(nil)
			real = l.real.Load()
		}
	}
	// Cancel may have come between its two steps and ours: whoever sees the
	// real context also sees it ended.
	if cause := l.cause.Load(); cause != nil {
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
