package actor

import (
	"context"

	"github.com/coppice-go/coppice/internal/incarnation"
)

// Continue is an error for a handler to return: it gives the caller the value
// and a nil error at once, and the server goes on with rest before it handles
// any other message (S145). A nil rest means that there is nothing left to do.
//
// The ctx of rest is the server's, which does not end with the call. The message
// is in hand until rest returns: an error or a panic in it is a crash, an
// [exit.Reason] ends the server on purpose; the caller has the answer by then.
// If the answer was deferred ([Defer]) it stays so. It does not run in an
// incarnation that was abandoned.
func Continue(rest func(ctx context.Context) error) error {
	if rest == nil {
		return nil
	}
	return &continuation{rest}
}

// continuation is used by pointer: compared as a value it would panic.
type continuation struct {
	rest func(context.Context) error
}

func (*continuation) Error() string { return "continue, where no handler of a server returns it" }

// goOn does what a handler has left to be done after its answer.
func (sv *serving[S]) goOn(ctx context.Context, c *continuation) error {
	if incarnation.From(ctx).Abandoned() { // it has no message in hand any more
		return nil
	}
	sv.outcome = c.rest(ctx)
	return sv.outcome
}

// proceed does what open has left to be done after the start.
func (r *running[M]) proceed(ctx context.Context) error {
	if r.more == nil || r.more.Continue == nil {
		return nil
	}
	rest := r.more.Continue
	r.more.Continue = nil // not once more when it was parked
	if ctx.Err() != nil {
		return context.Cause(ctx) // no message may come before it
	}
	r.cell.Enter(incarnation.Continuing)
	defer r.cell.Enter(incarnation.Running) // also after a panic
	return rest(ctx)
}
