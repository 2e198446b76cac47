package actor

import (
	"context"
	"sync"
	"time"
)

// handlerContext is the context of the handler of a call: it has the values of
// the server's incarnation and ends with it, and it ends with the caller's, as
// if it were derived from that, and when the time for the message is over. A
// caller whose ctx cannot end needs none: its handler has the server's.
//
// Each call has one of its own, since a handler may keep it: no more than a name for
// what is behind it, which one call after the other has. Once its call is over it says
// that it has ended, and sees nothing of a later one.
type handlerContext struct {
	request *requestContext
	over    bool // guarded by request.mu
}

// requestContext is what is behind a handlerContext.
//
// Only when a handler asks for Done or derives from it, a real context is made
// inside, which the standard library finds through Value, as with
// incarnation.Lazy. Such a one, and one whose deadline was asked for, is not used again.
type requestContext struct {
	server context.Context   // a *limited if there is a limit
	names  []handlerContext  // for the next calls; belongs to the server's own goroutine
	first  [1]handlerContext // of them: many are not used again
	more   int               // how many were made at once; twice as many the next time

	mu      sync.Mutex
	caller  context.Context // only for who has a name that is not over
	real    context.Context // nil until needed
	release func()          // ends real and lets go of the server
	kept    bool            // somebody has asked what must not change
	ended   bool            // the call is answered, or nobody will answer it; only of one that is not used again
}

// canceled is what a context that has ended has inside if nobody needed more before.
var canceled = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// requestKey finds the handlerContext itself.
type requestKey struct{}

// handlerContext makes the context of a handler, of the server's and the caller's.
func (sv *serving[S]) handlerContext(server, caller context.Context) *handlerContext {
	r := sv.spare
	if r == nil {
		r = &requestContext{server: server, more: 1}
		r.names = r.first[:]
	}
	sv.spare = nil
	if len(r.names) == 0 {
		r.more = min(2*r.more, maxNames)
		r.names = make([]handlerContext, r.more)
	}
	h := &r.names[0]
	r.names = r.names[1:]
	h.request, r.caller = r, caller
	return h
}

const maxNames = 32

// Deadline is the caller's, or the limit of the message if that is earlier.
func (h *handlerContext) Deadline() (time.Time, bool) {
	r := h.request
	r.mu.Lock()
	defer r.mu.Unlock()
	if h.over {
		return time.Time{}, false
	}
	r.kept = true
	deadline, ok := r.caller.Deadline()
	if limit := r.limit(); !limit.IsZero() && (!ok || limit.Before(deadline)) {
		return limit, true
	}
	return deadline, ok
}

func (h *handlerContext) Done() <-chan struct{} { return h.materialize().Done() }

func (h *handlerContext) Err() error {
	r := h.request
	r.mu.Lock()
	if h.over {
		r.mu.Unlock()
		return context.Canceled
	}
	real, ended, caller := r.real, r.ended, r.caller
	r.mu.Unlock()
	if real == nil && !ended && !r.limit().IsZero() {
		real = h.materialize() // only that knows the time
	}
	switch {
	case real != nil:
		return real.Err()
	case ended:
		return context.Canceled
	}
	if err := caller.Err(); err != nil {
		return err
	}
	return r.server.Err()
}

// Value gives what the server has. The real context is found with a key that
// only the standard library has: the one for which it gives itself.
func (h *handlerContext) Value(key any) any {
	if key == (requestKey{}) {
		return h
	}
	r := h.request
	r.mu.Lock()
	real := r.real
	if h.over {
		real = canceled
	}
	r.mu.Unlock()
	if real == nil && h.Err() != nil {
		real = h.materialize()
	}
	if real != nil && real.Value(key) == any(real) {
		return real
	}
	return r.server.Value(key)
}

func (h *handlerContext) materialize() context.Context {
	r := h.request
	r.mu.Lock()
	defer r.mu.Unlock()
	if h.over {
		return canceled
	}
	if r.real == nil {
		r.materializeLocked()
	}
	return r.real
}

func (r *requestContext) materializeLocked() {
	if r.ended { // what server and caller do now is too late
		r.real = canceled
		return
	}
	parent := r.caller
	if parent.Done() == nil {
		parent = r.server
	}
	if limit := r.limit(); !limit.IsZero() {
		r.limitLocked(parent, limit)
		return
	}
	real, cancel := context.WithCancelCause(parent)
	r.real, r.release = real, r.releasing(cancel)
}

// limitLocked makes the real context around one that has a time limit. That one
// would not do: Value can find only what WithCancelCause makes.
func (r *requestContext) limitLocked(parent context.Context, limit time.Time) {
	parent, stop := context.WithDeadlineCause(parent, limit, ErrHandlerTimeout)
	real, cancel := context.WithCancelCause(parent)
	release := r.releasing(cancel)
	r.real, r.release = real, func() {
		release()
		stop()
	}
}

func (r *requestContext) releasing(cancel context.CancelCauseFunc) (release func()) {
	if r.caller.Done() == nil { // then the server is the parent
		return func() { cancel(context.Canceled) }
	}
	return endWith(r.server, cancel)
}

// endWith cancels when the server's context ends. What it returns cancels too,
// and lets go of the server.
func endWith(server context.Context, cancel context.CancelCauseFunc) (release func()) {
	passed := make(chan struct{})
	unhook := context.AfterFunc(server, func() {
		cancel(context.Cause(server))
		close(passed)
	})
	if server.Err() != nil { // Err may have said so: that cannot wait for AfterFunc
		cancel(context.Cause(server))
	}
	return func() {
		if !unhook() {
			<-passed // its goroutine has only these two lines to go
		}
		cancel(context.Canceled)
	}
}

// limited is the context of a server with the time limit of one message. It does
// not end with it.
type limited struct {
	context.Context
	limit time.Time
}

// within calls f with a ctx that has a time limit.
func within(ctx context.Context, limit time.Time, f func(context.Context) error) error {
	ctx, cancel := context.WithDeadlineCause(ctx, limit, ErrHandlerTimeout)
	defer cancel()
	return f(ctx)
}

// limit is when the time for the message is over; zero if it has no limit.
func (r *requestContext) limit() time.Time {
	if l, ok := r.server.(*limited); ok {
		return l.limit
	}
	return time.Time{}
}

// overdue says whether that time is over.
func (r *requestContext) overdue() bool {
	limit := r.limit()
	return !limit.IsZero() && !time.Now().Before(limit)
}

// end ends the context, and says whether what is behind it may be used again. late
// says that the caller's has ended. It may be called again.
func (h *handlerContext) end(late bool) (free bool) {
	r := h.request
	if late || r.overdue() {
		h.materialize() // it has ended already, and goes on saying why
	}
	r.mu.Lock()
	switch {
	case h.over:
		r.mu.Unlock()
		return false
	case r.real == nil && !r.kept:
		h.over, r.caller = true, nil
		r.mu.Unlock()
		return true
	}
	release := r.release
	r.release, r.ended = nil, true
	r.mu.Unlock()
	if release != nil {
		release()
	}
	return false
}
