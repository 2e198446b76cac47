package actor

import (
	"context"
	"errors"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/tracing"
)

// What surrounds the handlers of an incarnation: spans, time limits, interceptors.

// intercepted is a watch that shows the interceptor each message. A loop cannot
// be handed an error there: it becomes a panic.
func (r *running[M]) intercepted(watch mailbox.Watch[M]) mailbox.Watch[M] {
	begun, done := watch.Begun, watch.Done
	watch.Begun = func(message M) context.Context {
		ctx := watch.Ctx
		if begun != nil {
			ctx = begun(message)
		}
		if err := r.cell.Interceptor()(r.cell, r.actor.payload(message)); err != nil {
			panic(err)
		}
		return ctx
	}
	watch.Done = func() {
		if done != nil {
			done()
		}
	}
	return watch
}

// errCallerGone is what the handler of a server makes of a request that nobody
// waits for any more.
var errCallerGone = errors.New("the caller has gone")

// around puts around the handler what is to surround it: spans, a time limit, and
// the interceptor of a test that injects faults. That is done once, when the
// incarnation begins, so that what is not there costs a message nothing. A server
// sees to its time limit itself: an answer may be deferred.
func (r *running[M]) around(receive func(context.Context, M) error) func(context.Context, M) error {
	bare := true
	if limit := r.actor.options.HandlerTimeout; limit > 0 && r.actor.server == nil {
		inner := receive
		receive = func(ctx context.Context, message M) error {
			return within(ctx, time.Now().Add(limit), func(ctx context.Context) error { return inner(ctx, message) })
		}
	}
	if intercept := r.cell.Interceptor(); intercept != nil {
		bare = false
		inner := receive
		receive = func(ctx context.Context, message M) error {
			if err := intercept(r.cell, r.actor.payload(message)); err != nil {
				return err
			}
			return inner(ctx, message)
		}
	}
	if r.actor.life.Load().Traces() {
		bare = false
		inner := receive
		receive = func(ctx context.Context, message M) error {
			ctx = r.trace(ctx, r.actor.operation(message), message)
			err := inner(ctx, message)
			if _, chosen := exit.Chosen(err); err == nil || chosen || err == errCallerGone {
				r.endSpan(err)
			}
			return err
		}
	}
	if bare || r.actor.server == nil {
		return receive
	}
	return func(ctx context.Context, message M) error { // nobody is to see what will be skipped
		if r.actor.server.asked(message).gone() {
			return errCallerGone
		}
		return receive(ctx, message)
	}
}

func (r *running[M]) trace(ctx context.Context, operation tracing.Operation, message M) context.Context {
	var carrier *tracing.Carrier
	if note := r.in.Note(); note != nil {
		carrier, _ = note.Trace.(*tracing.Carrier)
	}
	ctx, span := r.actor.life.Load().Processing(ctx, operation, carrier, r.actor.payload(message))
	r.more.span = &span
	return ctx
}

func (r *running[M]) endSpan(outcome error) {
	if r.more.serving != nil {
		outcome = r.more.serving.takeOutcome()
	}
	if r.cell.Abandoned() { // the message has become a dead letter
		outcome = exit.Killed
	}
	r.more.span.End(outcome)
	r.more.span = nil
}

// crashSpan ends the span of the message in hand, if there is one, after a crash.
func (r *running[M]) crashSpan(reason exit.Reason) {
	switch {
	case r.more == nil || r.more.span == nil:
	case r.cell.Abandoned(): // no restart follows from what it does now (S194)
		r.endSpan(reason)
	default:
		r.more.span.Crashed(reason)
	}
}
