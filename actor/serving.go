package actor

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/tracing"
)

// request is what the actor wants to know of a message that somebody may be
// waiting for.
type request interface {
	operation() tracing.Operation
	payload() any                // the message as the user knows it
	gone() bool                  // the caller has left: nobody wants the answer
	fail(path string, f failure) // answers with a failure, unless there is an answer
	handled()                    // is told that the handler has crashed
}

// job is a message to a server with state S, its types erased.
type job[S any] interface {
	request
	// serve runs the handler. A non-nil end is the reason to end the server.
	// The ctx of a call is a *limited if there is a time limit.
	serve(ctx context.Context, sv *serving[S]) (end error)
	// again is the message once more, for nobody to wait for.
	again() job[S]
}

// serving is the state of one incarnation of a server.
type serving[S any] struct {
	server  *Server[S]
	state   *S
	outcome error                     // what a handler has failed with, for its span
	in      *mailbox.Receiver[job[S]] // where its messages come from
	spare   *requestContext           // what is behind the contexts of one call after the other; nil if none may be used again
	spares  bool                      // the handlers' contexts are all made of the same one

	mu      sync.Mutex
	waiting map[waiting]struct{} // calls to be answered after their handler has returned; nil after the end
}

// waiting is a call whose handler has returned without answering it.
type waiting interface {
	// serverEnded is told that the server has ended, orderly if its cleanup did
	// not fail.
	serverEnded(path string, reason exit.Reason, orderly bool)
}

func (sv *serving[S]) receives(in *mailbox.Receiver[job[S]]) { sv.in = in }

func (sv *serving[S]) takeOutcome() error {
	outcome := sv.outcome
	sv.outcome = nil
	return outcome
}

// answerLater adds a call to those that are answered at the end at the latest.
// It is false if the incarnation has ended, as an abandoned one has.
func (sv *serving[S]) answerLater(call waiting) bool {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if sv.waiting == nil {
		return false
	}
	sv.waiting[call] = struct{}{}
	return true
}

func (sv *serving[S]) answered(call waiting) {
	sv.mu.Lock()
	delete(sv.waiting, call)
	sv.mu.Unlock()
}

func (sv *serving[S]) behavior(proceed func(context.Context, *S) error, close func(context.Context, *S, exit.Reason) error) Behavior[job[S]] {
	sv.waiting = make(map[waiting]struct{})
	sv.spares = sv.server.actor.options.HandlerTimeout <= 0 && !sv.server.actor.life.Load().Traces()
	b := Behavior[job[S]]{
		Receive: sv.receive(),
		serving: sv,
	}
	if proceed != nil {
		b.Continue = func(ctx context.Context) error { return proceed(ctx, sv.state) }
	}
	if close != nil {
		b.Close = func(ctx context.Context, reason exit.Reason) error { return close(ctx, sv.state, reason) }
	}
	return b
}

// receive is the Receive of the server's behavior, within its time limit for each
// message if there is one. That of a call is its own: it may be answered later.
func (sv *serving[S]) receive() func(context.Context, job[S]) error {
	timeout := sv.server.actor.options.HandlerTimeout
	if timeout <= 0 {
		return func(ctx context.Context, j job[S]) error { return j.serve(ctx, sv) }
	}
	return func(ctx context.Context, j job[S]) error {
		limit := time.Now().Add(timeout)
		if j.operation() == tracing.Call {
			return j.serve(&limited{ctx, limit}, sv)
		}
		return within(ctx, limit, func(ctx context.Context) error { return j.serve(ctx, sv) })
	}
}

// ended answers those who are still waiting.
func (sv *serving[S]) ended(reason exit.Reason, orderly bool) {
	sv.mu.Lock()
	left := sv.waiting
	sv.waiting = nil
	sv.mu.Unlock()
	if len(left) > 0 {
		incarnation.Each(slices.Collect(maps.Keys(left)), func(call waiting) { // also if a caller's ctx leaves by Goexit
			call.serverEnded(sv.server.Path(), reason, orderly)
		})
	}
}

// AfterReply is an error for a handler to return: it gives the caller the value
// and a nil error, but only after the server's cleanup, and ends the server
// with the given reason (S150). A nil reason means [exit.Normal].
//
// So the call is a stop that its caller waits for (S156). It fails with
// [ErrEnded] and the reason if the server ends otherwise, and with [ErrNoProc]
// if it is gone. Whether the server is restarted is up to its supervisor, which
// hears of the end right after the caller.
func AfterReply(reason exit.Reason) error {
	return afterReply{exit.Of(reason)} // as it is, unless it is not one of that package
}

type afterReply struct{ reason exit.Reason }

func (a afterReply) Error() string { return "after the reply: " + a.reason.Error() }

// chosenEnd tells whether a handler's error is the end of the server, and
// whether the caller gets the value first.
func chosenEnd(err error) (reason exit.Reason, reply bool) {
	if after, ok := err.(afterReply); ok {
		return after.reason, true
	}
	if chosen, ok := exit.Chosen(err); ok { // else what it gives may be nil inside
		return chosen, false
	}
	return nil, false
}
