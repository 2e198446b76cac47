package actor

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// handlerContext is the context of the handler of a call: it has the values of
// the server's incarnation and ends with it, and it ends with the caller's, as
// if it were derived from that, and when the time for the message is over. For a
// caller whose ctx cannot end it is just another name for the server's.
//
// Each call has one of its own, since a handler may keep it: no more than a name for
// what is behind it, which one call after the other has. Once its call is over it says
// that it has ended, and sees nothing of a later one.
type handlerContext struct {
	request *requestContext
	stage   atomic.Uint32
	plain   bool // it is the server's; belongs to the server's own goroutine until the handler begins
}

// The stages of a name. Whoever asks it anything says so first, and then looks behind
// it under the lock of that. So a name that nobody has asked anything, as most, is over
// with one atomic operation.
const (
	unasked uint32 = iota
	asked
	over
)

// requestContext is what is behind a handlerContext.
//
// Only when a handler asks for Done or derives from it, a real context is made
// inside, which the standard library finds through Value, as with
// incarnation.Lazy. Such a one, and one whose deadline was asked for, is not used again.
type requestContext struct {
	server context.Context   // a *limited if there is a limit
	names  []handlerContext  // for one call each; they belong to the server's own goroutine
	next   int               // which is for the next call
	first  [1]handlerContext // of them: many are not used again

	mu       sync.Mutex
	caller   context.Context // only for who has a name that is not over; nil for a plain one
	call     any             // as caller, for Defer
	real     context.Context // nil until needed
	release  func()          // ends real and lets go of the server
	kept     bool            // somebody has asked what must not change
	ended    bool            // the call is answered, or nobody will answer it; only of one that is not used again
	deferred bool            // the answer of the call; as ended
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
func (sv *serving[S]) handlerContext(server, caller context.Context, call any) *handlerContext {
	r := sv.spare
	if r == nil || r.next == len(r.names) {
		r = sv.moreNames(server)
	}
	h := &r.names[r.next]
	r.next++
	r.caller, r.call = caller, call
	h.plain = caller == nil
	return h
}

// overOf is the server's context under the name of a call that is over, for what a
// handler has left to be done: so Defer knows that there is nothing to defer.
func overOf(server context.Context) *handlerContext {
	h := &handlerContext{request: &requestContext{server: server}, plain: true}
	h.stage.Store(over)
	return h
}

// moreNames makes names, and what is behind them if there is none yet.
//
//go:noinline
func (sv *serving[S]) moreNames(server context.Context) *requestContext {
	r := sv.spare
	if r == nil {
		r = &requestContext{server: server}
		r.names = r.first[:]
		if sv.spares {
			sv.spare = r
		}
	} else {
		r.names, r.next = make([]handlerContext, min(2*len(r.names), maxNames)), 0
	}
	for i := range r.names {
		r.names[i].request = r
		if !r.limit().IsZero() { // the end is to look at the time
			r.names[i].stage.Store(asked)
		}
	}
	return r
}

const maxNames = 32

// Deadline is the caller's, or the limit of the message if that is earlier.
func (h *handlerContext) Deadline() (time.Time, bool) {
	r := h.request
	if h.plain {
		return r.server.Deadline()
	}
	if !h.lock() {
		return time.Time{}, false
	}
	defer r.mu.Unlock()
	r.kept = true
	deadline, ok := r.caller.Deadline()
	if limit := r.limit(); !limit.IsZero() && (!ok || limit.Before(deadline)) {
		return limit, true
	}
	return deadline, ok
}

func (h *handlerContext) Done() <-chan struct{} {
	if h.plain {
		return h.request.server.Done()
	}
	return h.materialize().Done()
}

func (h *handlerContext) Err() error {
	r := h.request
	if h.plain {
		return r.server.Err()
	}
	if !h.lock() {
		return context.Canceled
	}
	real, ended, caller := r.real, r.ended, r.caller
	r.mu.Unlock()
	switch {
	case real != nil:
		return real.Err()
	case ended:
		return context.Canceled
	case caller.Err() == nil && r.server.Err() == nil && r.limit().IsZero(): // only a real one knows the time
		return nil
	}
	return h.materialize().Err() // which says the same for ever, whatever ends next
}

// Value gives what the server has. The real context is found with a key that
// only the standard library has: the one for which it gives itself.
func (h *handlerContext) Value(key any) any {
	if key == (requestKey{}) {
		return h
	}
	r := h.request
	if h.plain {
		return r.server.Value(key)
	}
	real := canceled
	if h.lock() {
		real = r.real
		r.mu.Unlock()
	}
	if real == nil && h.Err() != nil {
		real = h.materialize()
	}
	if real != nil && real.Value(key) == any(real) {
		return real
	}
	return r.server.Value(key)
}

// String names it as the standard library does its contexts.
func (h *handlerContext) String() string { return Path(h.request.server) + ".Call" }

func (h *handlerContext) materialize() context.Context {
	r := h.request
	if !h.lock() {
		return canceled
	}
	defer r.mu.Unlock()
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

// end ends the context, of a call whose answer was deferred. late says that the
// caller's has ended. It may be called again.
func (h *handlerContext) end(late bool) { h.endAsked(late, true) }

// leave is end for a handler that has returned, unless the answer was deferred. It
// says whether what is behind it may be used again.
func (h *handlerContext) leave(late bool) (free, deferred bool) {
	if !late && h.endUnasked() {
		return true, false
	}
	return h.endAsked(late, false)
}

// endUnasked is end for one that nobody has asked anything.
func (h *handlerContext) endUnasked() bool {
	r := h.request
	if h.stage.Load() != unasked || !h.stage.CompareAndSwap(unasked, over) {
		return false
	}
	r.caller, r.call = nil, nil
	return true
}

func (h *handlerContext) endAsked(late, answered bool) (free, deferred bool) {
	r := h.request
	if late || r.overdue() {
		h.materialize() // it has ended already, and goes on saying why
	}
	r.mu.Lock()
	switch {
	case r.deferred && !answered: // it may have been answered since
		r.mu.Unlock()
		return false, true
	case h.stage.Load() == over:
		r.mu.Unlock()
		return false, false
	case r.real == nil && !r.kept:
		h.stage.Store(over)
		r.caller, r.call = nil, nil
		r.mu.Unlock()
		return true, false
	}
	release := r.release
	r.release, r.call, r.ended = nil, nil, true
	r.mu.Unlock()
	if release != nil {
		release()
	}
	return false, false
}

// lock is for who asks the name something: it locks what is behind it. It is false,
// and nothing is locked, if the call is over.
func (h *handlerContext) lock() bool {
	if h.stage.Load() == unasked {
		h.stage.CompareAndSwap(unasked, asked)
	}
	h.request.mu.Lock()
	if h.stage.Load() == over {
		h.request.mu.Unlock()
		return false
	}
	return true
}
