package actor

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/tracing"
)

// Call sends a message to a server and waits for the answer. All type arguments
// are inferred; a message for another kind of server does not compile.
//
// Exactly one of these happens: the handler's value and error are returned as
// they are, or a [*SendError] says
//
//   - [ErrNoProc]: the server is not started or gone for good; at once.
//   - [ErrEnded]: it ended while it had the message in hand, or before a
//     deferred answer; at once, with its reason.
//   - [ErrSelfCall]: the server calls itself; at once.
//   - [mailbox.ErrFull]: by the server's overflow policy.
//   - what ctx said when it ended; [errors.Is] finds it and its cause. The
//     message may still be handled if its handler has begun; its answer is
//     dropped. If not, it becomes a dead letter.
//
// A call that waits behind a crash is answered by the next incarnation. There
// is no default time limit: give ctx a deadline unless you are ready to wait
// for as long as the server restarts. The deadline and the end of ctx reach the
// handler's ctx. A call is never handed to a handler twice.
func Call[S, R any, M Message[S, R]](ctx context.Context, to Target[S], message M) (R, error) {
	var none R
	if to == nil {
		return none, &SendError{Path: "nil", Err: ErrNoProc}
	}
	s := to.server()
	if caller := incarnation.From(ctx); caller != nil && caller.Scope() == s.actor.scope.Load() {
		return none, &SendError{Path: s.Path(), Err: ErrSelfCall}
	}
	c := &call[S, R, M]{message: message}
	c.done = make(chan struct{})
	if ctx.Done() != nil {
		c.caller = ctx
	}
	life := s.actor.life.Load()
	if !life.Traces() {
		return c.ask(ctx, s, nil)
	}
	ctx, sent := life.Sending(ctx, tracing.Call, message)
	value, err := c.ask(ctx, s, &mailbox.Note{Trace: sent.Carrier()})
	sent.End(err)
	return value, err
}

// Cast sends a message to a server and does not wait for it to be handled. nil
// means that it was accepted, as with [Actor.Send], which also tells the
// errors. What the handler returns is lost, but for an error, which is reported
// as an event.
func Cast[S, R any, M Message[S, R]](ctx context.Context, to Target[S], message M) error {
	if to == nil {
		return &SendError{Path: "nil", Err: ErrNoProc}
	}
	s := to.server()
	j := cast[S, R, M]{message}
	life := s.actor.life.Load()
	if !life.Traces() {
		return s.actor.post(ctx, j, nil)
	}
	ctx, sent := life.Sending(ctx, tracing.Cast, message)
	err := s.actor.post(ctx, j, &mailbox.Note{Trace: sent.Carrier()})
	sent.End(err)
	return err
}

// answer is the place where the one outcome of a call is put: by the server, or
// by the caller who leaves.
type answer[R any] struct {
	state  atomic.Uint32
	done   chan struct{}   // closed when value and err are there
	caller context.Context // nil if it cannot end
	value  R
	err    error
}

const (
	unanswered uint32 = iota
	answered
	left
)

// give answers the call; only the first answer counts.
func (a *answer[R]) give(value R, err error) bool {
	if !a.state.CompareAndSwap(unanswered, answered) {
		return false
	}
	a.value, a.err = value, err
	close(a.done)
	return true
}

func (a *answer[R]) fail(path string, f failure) {
	var none R
	a.give(none, &SendError{Path: path, Err: f.err, Reason: f.reason})
}

func (a *answer[R]) gone() bool {
	return a.state.Load() == left || a.caller != nil && a.caller.Err() != nil
}

// call is a message that somebody waits for.
type call[S, R any, M Message[S, R]] struct {
	answer[R]
	message M
	result  error // of the handler
}

func (c *call[S, R, M]) ask(ctx context.Context, s *Server[S], note *mailbox.Note) (R, error) {
	if err := s.actor.post(ctx, c, note); err != nil {
		return c.value, err
	}
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
	}
	if c.state.CompareAndSwap(unanswered, left) {
		return c.value, &SendError{Path: s.Path(), Err: contextError(ctx)}
	}
	<-c.done // being answered this moment
	return c.value, c.err
}

func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == err {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

func (c *call[S, R, M]) operation() tracing.Operation { return tracing.Call }
func (c *call[S, R, M]) payload() any                 { return c.message }
func (c *call[S, R, M]) outcome() error               { return c.result }

func (c *call[S, R, M]) serve(ctx context.Context, sv *serving[S]) error {
	if c.caller != nil {
		request := newRequestContext(ctx, c.caller)
		defer request.end()
		ctx = request
	}
	sv.begin(&c.answer)
	value, err := c.message.Handle(ctx, sv.state)
	sv.done()
	c.result = err

	reason, reply := chosenEnd(err)
	if reply {
		sv.answerLater(&afterCleanup[R]{&c.answer, value})
	}
	if reason != nil {
		return reason
	}
	if sv.later != nil {
		if err == nil {
			return nil
		}
		sv.answered(sv.later)
	}
	c.give(value, err)
	return nil
}

func (c *call[S, R, M]) again() job[S] { return cast[S, R, M]{c.message} }

// afterCleanup is a call that is answered when the server has cleaned up.
type afterCleanup[R any] struct {
	*answer[R]
	reply R
}

func (a *afterCleanup[R]) end() { a.give(a.reply, nil) }

// cast is a message that nobody waits for. It is no pointer, so that a pointer
// message costs no allocation.
type cast[S, R any, M Message[S, R]] struct{ message M }

func (c cast[S, R, M]) operation() tracing.Operation { return tracing.Cast }
func (c cast[S, R, M]) payload() any                 { return c.message }
func (c cast[S, R, M]) gone() bool                   { return false }
func (c cast[S, R, M]) fail(string, failure)         {}
func (c cast[S, R, M]) outcome() error               { return nil }

func (c cast[S, R, M]) serve(ctx context.Context, sv *serving[S]) error {
	sv.begin(nil)
	_, err := c.message.Handle(ctx, sv.state)
	sv.done()
	if err == nil {
		return nil
	}
	if reason, _ := chosenEnd(err); reason != nil {
		return reason
	}
	sv.castFailed(c.message, err)
	return nil
}

func (c cast[S, R, M]) again() job[S] { return c }
