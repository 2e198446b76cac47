package actor

import (
	"context"
	"sync"
	"time"
)

// requestContext is the context of the handler of a call: it has the values of
// the server's incarnation and ends with it, and it ends with the caller's.
//
// It is one allocation until a handler asks for Done or derives from it; only
// then is a real context made inside, which the standard library finds through
// Value, as with incarnation.Lazy.
type requestContext struct {
	context.Context // the server's
	caller          context.Context

	mu       sync.Mutex
	real     context.Context // nil until needed
	release  func()
	finished bool // the handler has returned
}

func newRequestContext(server, caller context.Context) *requestContext {
	return &requestContext{Context: server, caller: caller}
}

func (r *requestContext) Deadline() (time.Time, bool) {
	own, ok := r.Context.Deadline()
	callers, has := r.caller.Deadline()
	if has && (!ok || callers.Before(own)) {
		return callers, true
	}
	return own, ok
}

func (r *requestContext) Done() <-chan struct{} { return r.materialize().Done() }

func (r *requestContext) Err() error {
	r.mu.Lock()
	real, finished := r.real, r.finished
	r.mu.Unlock()
	switch {
	case real != nil:
		return real.Err()
	case finished:
		return context.Canceled
	}
	if err := r.caller.Err(); err != nil {
		return err
	}
	return r.Context.Err()
}

func (r *requestContext) Value(key any) any {
	r.mu.Lock()
	real := r.real
	r.mu.Unlock()
	if real == nil {
		if r.Err() == nil {
			return r.Context.Value(key)
		}
		real = r.materialize()
	}
	return real.Value(key)
}

func (r *requestContext) materialize() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.real != nil {
		return r.real
	}
	parent, stopClock := r.Context, func() {}
	if deadline, ok := r.caller.Deadline(); ok {
		parent, stopClock = context.WithDeadline(parent, deadline)
	}
	real, cancel := context.WithCancelCause(parent)
	if r.finished {
		cancel(context.Canceled)
		stopClock()
		r.real = real
		return real
	}
	passed := make(chan struct{})
	unhook := context.AfterFunc(r.caller, func() {
		cancel(context.Cause(r.caller))
		close(passed)
	})
	r.real = real
	r.release = func() {
		if !unhook() {
			<-passed // its goroutine has only these two lines to go
		}
		cancel(context.Canceled)
		stopClock()
	}
	return real
}

// end ends the context, when the handler has returned.
func (r *requestContext) end() {
	r.mu.Lock()
	r.finished = true
	release := r.release
	r.mu.Unlock()
	if release != nil {
		release()
	}
}
