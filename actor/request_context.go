package actor

import (
	"context"
	"sync"
	"time"
)

// requestContext is the context of the handler of a call: it has the values of
// the server's incarnation and ends with it, and it ends with the caller's, as
// if it were derived from that, and when the time for the message is over. A
// caller whose ctx cannot end needs none: its handler has the server's.
//
// Only when a handler asks for Done or derives from it, a real context is made
// inside, which the standard library finds through Value, as with
// incarnation.Lazy.
type requestContext struct {
	caller context.Context
	server context.Context // set before the handler begins; a *limited if there is a limit

	mu      sync.Mutex
	real    context.Context // nil until needed
	release func()          // ends real and lets go of the server
	ended   bool            // the call is answered, or nobody will answer it
}

// requestKey finds the requestContext itself.
type requestKey struct{}

// Deadline is the caller's, or the limit of the message if that is earlier.
func (r *requestContext) Deadline() (time.Time, bool) {
	deadline, ok := r.caller.Deadline()
	if limit := r.limit(); !limit.IsZero() && (!ok || limit.Before(deadline)) {
		return limit, true
	}
	return deadline, ok
}

func (r *requestContext) Done() <-chan struct{} { return r.materialize().Done() }

func (r *requestContext) Err() error {
	r.mu.Lock()
	real, ended := r.real, r.ended
	r.mu.Unlock()
	if real == nil && !ended && !r.limit().IsZero() {
		real = r.materialize() // only that knows the time
	}
	switch {
	case real != nil:
		return real.Err()
	case ended:
		return context.Canceled
	}
	if err := r.caller.Err(); err != nil {
		return err
	}
	return r.server.Err()
}

// Value gives what the server has. The real context is found with a key that
// only the standard library has: the one for which it gives itself.
func (r *requestContext) Value(key any) any {
	if key == (requestKey{}) {
		return r
	}
	r.mu.Lock()
	real := r.real
	r.mu.Unlock()
	if real == nil && r.Err() != nil {
		real = r.materialize()
	}
	if real != nil && real.Value(key) == any(real) {
		return real
	}
	return r.server.Value(key)
}

func (r *requestContext) materialize() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.real == nil {
		r.materializeLocked()
	}
	return r.real
}

func (r *requestContext) materializeLocked() {
	if r.ended { // what server and caller do now is too late
		real, cancel := context.WithCancel(context.Background())
		cancel()
		r.real = real
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

// end ends the context. It may be called again.
func (r *requestContext) end() {
	r.mu.Lock()
	if r.server != nil && r.real == nil && !r.ended && (r.caller.Err() != nil || r.overdue()) {
		r.materializeLocked() // it has ended already, and goes on saying why
	}
	r.ended = true
	release := r.release
	r.release = nil
	r.mu.Unlock()
	if release != nil {
		release()
	}
}
