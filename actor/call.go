package actor

import (
	"context"
	"sync/atomic"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/tracing"
)

// Call sends a message to a server and waits for the answer. All type arguments
// are inferred; a message for another kind of server does not compile.
//
// Exactly one of these happens: the handler's value and error are returned as
// they are, or a [*SendError] says
//
//   - [ErrNoProc]: the server is not started or gone for good; at once.
//   - [ErrEnded]: it ended while it had the message in hand, at once; or before
//     a deferred answer, when its cleanup is done. With its reason. Or the message
//     still waits in a Fresh mailbox when the next incarnation begins: then without a
//     reason, and no handler has seen it.
//   - [ErrCallCycle]: the caller is a server, and the callee waits for it: it is
//     the caller itself, or is in a call to it, directly or through others; at
//     once, before anything is sent, also if ctx has a deadline.
//   - [mailbox.ErrFull]: by the server's overflow policy.
//   - what ctx said when it ended; [errors.Is] finds it and its cause. The
//     message may still be handled if its handler has begun; its answer is
//     dropped. If not, it becomes a dead letter.
//
// A cycle is one of servers that wait: a goroutine that a handler has started
// does not hold its server up and may call it, whichever ctx it has; nor does a
// call wait for its callee whose answer was deferred. Of several servers that
// close a cycle at the same moment more than one may be refused. A server that
// calls with the ctx of another one's handler is taken for that one, also when that
// handler has returned: a call to that one may be refused then although it waits for
// nobody, and a cycle of the server itself is not seen. Call with the handler's own ctx.
//
// A call that waits behind a crash is answered by the next incarnation, unless the
// mailbox is Fresh. There is no default time limit: give ctx a deadline unless you are
// ready to wait for as long as the server restarts. The deadline and the end of ctx
// reach the handler's ctx. A call is never handed to a handler twice.
func Call[S, R any, M Message[S, R]](ctx context.Context, to Target[S], message M) (R, error) {
	s, _ := to.(*Server[S])
	if s == nil {
		return callBehind[S, R](ctx, to, message)
	}
	caller := incarnation.Own(ctx)
	if caller != nil && caller.Waits() || s.actor.life.Load().Traces() {
		return askSlowly[S, R](ctx, s, message, caller)
	}
	done := ctx.Done()
	c := newCall[S, R](ctx, done, s, message)
	if err := s.actor.box.Send(ctx, c); err != nil {
		return c.refused(err)
	}
	if done == nil {
		<-c.told // nobody asks it anything
		return c.outcome()
	}
	select { // here, as each function that a goroutine comes back to costs time
	case <-c.told:
		return c.outcome()
	case <-done:
		return c.leave(ctx, s)
	}
}

// Cast sends a message to a server and does not wait for it to be handled. nil
// means that it was accepted, as with [Actor.Send], which also tells the
// errors. What the handler returns is lost, but for an error, which is reported
// as an event.
func Cast[S, R any, M Message[S, R]](ctx context.Context, to Target[S], message M) error {
	s, _ := to.(*Server[S])
	if s == nil {
		return castBehind[S, R](ctx, to, message)
	}
	return s.actor.box.Send(ctx, cast[S, R, M]{message})
}

// callBehind is Call for a target that is not a server itself, but may have one embedded.
// It is apart, so that those that are do not make room for it.
//
//go:noinline
func callBehind[S, R any, M Message[S, R]](ctx context.Context, to Target[S], message M) (R, error) {
	if s := behind(to); s != nil {
		return Call[S, R](ctx, s, message)
	}
	var none R
	return none, nowhere()
}

// castBehind is Cast for such a target.
//
//go:noinline
func castBehind[S, R any, M Message[S, R]](ctx context.Context, to Target[S], message M) error {
	if s := behind(to); s != nil {
		return Cast[S, R](ctx, s, message)
	}
	return nowhere()
}

// behind is the server of a target, nil if there is none.
func behind[S any](to Target[S]) *Server[S] {
	if to == nil {
		return nil
	}
	return to.server()
}

// nowhere is the error of a message to a target that is nil.
func nowhere() error { return &SendError{Path: "nil", Err: ErrNoProc} }

// answer is the place where the one outcome of a call is put: by the server, or
// by the caller who leaves.
type answer[R any] struct {
	state atomic.Uint32
	told  chan struct{} // the caller is to look at the state; has room for all that is told
	value R
	err   error

	settled bool // it was answered after its message was handled: nobody but the caller has it any more
}

const (
	unanswered uint32 = iota
	answering         // value and err are being written
	answered
	left
)

// give answers the call; only the first answer counts.
func (a *answer[R]) give(value R, err error) bool {
	if !a.state.CompareAndSwap(unanswered, answering) {
		return false
	}
	a.value, a.err = value, err
	a.state.Store(answered)
	a.told <- struct{}{}
	return true
}

func (a *answer[R]) fail(path string, f failure) {
	var none R
	a.give(none, &SendError{Path: path, Err: f.err, Reason: f.reason})
}

// call is a message that somebody waits for.
type call[S, R any, M Message[S, R]] struct {
	answer[R]
	message M
	caller  context.Context // nil if the handler's is no other than the server's
	own     *handlerContext // the handler's; nil until that begins
	serving *serving[S]     // that handles it; set before the handler begins
	home    *pool           // where it goes when it is over; nil if nowhere

	hears atomic.Pointer[handlerContext] // the handler's, if it is to be told when the caller's has ended

	deferred atomic.Bool // the answer is given later than the handler returns
	resident bool        // of its home; belongs to the caller
	returned bool        // the handler has returned; belongs to the server's own goroutine
}

// outcome is the answer, for its caller to read once.
func (c *call[S, R, M]) outcome() (R, error) {
	if c.settled {
		return c.recycle()
	}
	c.lose()
	return c.value, c.err
}

// refused is the outcome of a call that the mailbox has not taken.
func (c *call[S, R, M]) refused(err error) (R, error) {
	c.lose()
	return c.value, err
}

// leave ends the wait for the answer, unless that is there.
func (c *call[S, R, M]) leave(ctx context.Context, s *Server[S]) (R, error) {
	c.lose()
	if c.state.CompareAndSwap(unanswered, left) {
		if c.home != nil { // else it may be Ask that has told
			select {
			case <-c.told: // by conclude, which does not ask for the state
				return c.value, c.err
			default:
			}
		}
		if hears := c.hears.Load(); hears != nil {
			hears.materialize()
		}
		c.forgo()
		var none R // the value is the server's, who may be about to write it
		return none, &SendError{Path: s.actor.lastPath(), Err: incarnation.Ended(ctx)}
	}
	for c.state.Load() != answered { // it is this moment
		<-c.told
	}
	return c.value, c.err
}

func (c *call[S, R, M]) operation() tracing.Operation { return tracing.Call }
func (c *call[S, R, M]) payload() any                 { return c.message }

func (c *call[S, R, M]) gone() bool { return c.caller != nil && c.callerGone() }

// callerGone is for a call whose caller can leave.
func (c *call[S, R, M]) callerGone() bool { return c.state.Load() == left || c.caller.Err() != nil }

func (c *call[S, R, M]) serve(ctx context.Context, sv *serving[S]) error {
	c.serving = sv
	if c.gone() {
		sv.outcome = errCallerGone // if there is a span, it has begun a moment ago
		return errCallerGone
	}
	c.own = sv.handlerContext(ctx, c.caller, c)
	value, err := c.message.Handle(c.own, sv.state)
	c.returned = true
	switch {
	case err != nil || c.deferred.Load() || c.home == nil:
	case c.late() || !c.own.endUnasked() && c.own.leave(false):
	case !sv.in.Settle():
		return nil
	default: // nothing but an answer, which is given as conclude does
		c.value, c.settled = value, true
		c.told <- struct{}{}
		return nil
	}
	return c.finish(ctx, value, err)
}

// finish is the rest of serve for what most calls are not.
func (c *call[S, R, M]) finish(ctx context.Context, value R, err error) error {
	deferred := c.release(c.late())
	if err == nil && !deferred {
		c.conclude(value, nil)
		return nil
	}
	return c.ended(ctx, value, deferred, err)
}

// ended is for what a handler has returned that is not just an answer.
func (c *call[S, R, M]) ended(ctx context.Context, value R, deferred bool, err error) error {
	sv := c.serving
	if rest, ok := err.(*continuation); ok {
		if !deferred {
			c.give(value, nil)
		}
		if l, ok := ctx.(*limited); ok {
			return within(overOf(l.Context), l.limit, func(ctx context.Context) error { return sv.goOn(ctx, rest) })
		}
		return sv.goOn(overOf(ctx), rest)
	}
	reason, reply := c.chosenEnd(err)
	sv.outcome = err
	if reason != nil {
		sv.outcome = reason
	}
	if deferred {
		if err == nil {
			return nil
		}
		defer c.settle()
	}
	switch {
	case reply:
		sv.answerLater(&afterCleanup[R]{&c.answer, value})
	case reason != nil:
		c.fail(sv.server.Path(), failure{ErrEnded, reason})
	case deferred:
		c.give(value, err)
		return nil
	default:
		c.conclude(value, err)
		return nil
	}
	return reason
}

// conclude gives the answer of a handler that has returned. The message is handled
// by then: whoever has an answer finds it counted, and the server knows nothing of
// the call any more, which may be used again. That is not so, and there is no
// answer to give, if the incarnation was abandoned meanwhile.
//
// Nobody else answers it then, so a call that nobody asks anything needs no state.
func (c *call[S, R, M]) conclude(value R, err error) {
	switch {
	case !c.serving.in.Settle():
	case c.home == nil:
		c.give(value, err)
	default:
		c.value, c.err, c.settled = value, err, true
		c.told <- struct{}{}
	}
}

// handled is told that the handler has crashed.
func (c *call[S, R, M]) handled() {
	if c.own != nil { // the handler has begun
		c.release(!c.returned && c.lateAtAnEnd()) // else it was the caller's ctx that has crashed
	}
}

// late says that the caller's context has ended.
func (c *call[S, R, M]) late() bool { return c.caller != nil && c.caller.Err() != nil }

// lateAtAnEnd is late where the end of an incarnation is seen to, perhaps by its
// supervisor: there a caller's context that panics must not do harm.
func (c *call[S, R, M]) lateAtAnEnd() (late bool) {
	if c.caller != nil {
		cell := incarnation.From(c.own.request.server)
		cell.Protect(func() error { late = c.late(); return nil }, func(exit.Reason) {})
	}
	return late
}

// release ends the context of a handler that is over, unless the answer was deferred.
// late says that the caller's has ended before.
func (c *call[S, R, M]) release(late bool) (deferred bool) {
	deferred = c.own.leave(late)
	if deferred { // it keeps what is behind its context
		c.serving.spare = nil
	}
	if deferred && c.state.Load() == left { // perhaps before that, and has not seen to it
		c.own.end(late)
	}
	return deferred
}

// chosenEnd is that of the handler, save that the reason for which the caller
// left is no reason for the server to end: a handler that returns the cause of
// its context only says that it obeyed.
func (c *call[S, R, M]) chosenEnd(err error) (reason exit.Reason, reply bool) {
	reason, reply = chosenEnd(err)
	if reason == nil || reply || c.caller == nil {
		return reason, reply
	}
	if c.caller.Err() != nil && reason == context.Cause(c.caller) {
		return nil, false
	}
	return reason, reply
}

// tell has the caller tell its handler's context when its own has ended.
func (c *call[S, R, M]) tell(hears *handlerContext) { c.hears.Store(hears) }

func (c *call[S, R, M]) again() job[S] { return cast[S, R, M]{c.message} }

// afterCleanup is a call that is answered when the server has cleaned up.
type afterCleanup[R any] struct {
	*answer[R]
	reply R
}

func (a *afterCleanup[R]) serverEnded(path string, reason exit.Reason, orderly bool) {
	if orderly {
		a.give(a.reply, nil)
		return
	}
	a.fail(path, failure{ErrEnded, reason})
}

// cast is a message that nobody waits for. It is no pointer, so that a pointer
// message costs no allocation.
type cast[S, R any, M Message[S, R]] struct{ message M }

func (c cast[S, R, M]) operation() tracing.Operation { return tracing.Cast }
func (c cast[S, R, M]) payload() any                 { return c.message }
func (c cast[S, R, M]) gone() bool                   { return false }
func (c cast[S, R, M]) fail(string, failure)         {}
func (c cast[S, R, M]) handled()                     {}

func (c cast[S, R, M]) serve(ctx context.Context, sv *serving[S]) error {
	_, err := c.message.Handle(ctx, sv.state)
	if err == nil {
		return nil
	}
	sv.outcome = err
	if rest, ok := err.(*continuation); ok {
		return sv.goOn(ctx, rest)
	}
	if reason, _ := chosenEnd(err); reason != nil {
		sv.outcome = reason
		return reason
	}
	if !incarnation.From(ctx).Abandoned() { // the message is a dead letter then
		head := tracing.Head{Incarnation: incarnation.From(ctx).Number()}
		sv.server.actor.life.Load().Emit(tracing.CastFailed{Head: head, Message: c.message, Err: err})
	}
	return nil
}

func (c cast[S, R, M]) again() job[S] { return c }
