package actor

import (
	"context"
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
//
// Only when a handler asks for Done or derives from it, a real context is made, which
// the standard library finds through Value, as with incarnation.Lazy. That belongs to
// the name for ever.
type handlerContext struct {
	request *requestContext
	real    context.Context // may be read once stage says that it is known, and does not change then
	stage   atomic.Uint32
	plain   bool // it is the server's; belongs to the server's own goroutine until the handler begins
}

// What the stage of a name says. Whoever asks it anything says so first, and then looks
// behind it under the lock of that. So a name that nobody has asked anything, as most, is
// over with one atomic operation.
const (
	asked uint32 = 1 << iota
	known        // real is there
	over         // the call is answered, or nobody will answer it
)

// canceled is what a context that has ended has inside if nobody needed more before.
var canceled = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// dated is canceled for a context whose deadline was asked for before.
type dated struct {
	context.Context
	deadline time.Time
}

func (d *dated) Deadline() (time.Time, bool) { return d.deadline, true }

// requestKey finds the handlerContext itself.
type requestKey struct{}

// Deadline is the caller's, or the limit of the message if that is earlier.
func (h *handlerContext) Deadline() (time.Time, bool) {
	if h.plain {
		return h.request.server.Deadline()
	}
	if real := h.found(); real != nil {
		return real.Deadline()
	}
	if !h.lock() {
		return h.found().Deadline()
	}
	defer h.request.mu.Unlock()
	return h.request.deadlineLocked()
}

func (h *handlerContext) Done() <-chan struct{} {
	if h.plain {
		return h.request.server.Done()
	}
	return h.materialize().Done()
}

func (h *handlerContext) Err() error {
	if h.plain {
		return h.request.server.Err()
	}
	if h.found() == nil && !h.ending() {
		return nil
	}
	return h.materialize().Err() // which says the same for ever, whatever ends next
}

// ending says that one has ended that it ends with, or that only a real one knows: the
// time is limited.
func (h *handlerContext) ending() bool {
	if !h.lock() {
		return true
	}
	r, caller := h.request, h.request.caller
	r.mu.Unlock()
	return caller.Err() != nil || r.server.Err() != nil || !r.limit().IsZero()
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
	real := h.found()
	if real == nil && h.Err() != nil {
		real = h.materialize()
	}
	if real != nil {
		if found := real.Value(key); found == any(real) || found == any(canceled) {
			return found
		}
	}
	return r.server.Value(key)
}

// String names it as the standard library does its contexts.
func (h *handlerContext) String() string { return Path(h.request.server) + ".Call" }

// found is the real context, nil if there is none yet.
func (h *handlerContext) found() context.Context {
	switch stage := h.stage.Load(); {
	case stage&known != 0:
		return h.real
	case stage&over != 0:
		return canceled
	}
	return nil
}

// materialize is found that makes it, and ends it if that is due.
func (h *handlerContext) materialize() context.Context {
	if real := h.found(); real != nil && real.Err() != nil {
		return real
	}
	r := h.request
	real, cancel, caller := h.make()
	if caller != nil && caller.Err() != nil {
		cancel(context.Cause(caller))
	}
	if cancel != nil && r.server.Err() != nil {
		cancel(context.Cause(r.server))
	}
	return real
}

// make makes the real context if there is none, and tells what ends it: with the caller's
// ctx if that does not end it by itself, nil otherwise. A call that is over has no end to come.
func (h *handlerContext) make() (real context.Context, cancel context.CancelCauseFunc, caller context.Context) {
	if !h.lock() {
		return h.found(), nil, nil
	}
	r := h.request
	defer r.mu.Unlock() // also when the caller's ctx panics
	if h.stage.Load()&known == 0 {
		h.real = r.materializeLocked(h)
		h.stage.Or(known)
	}
	if r.told {
		caller = r.caller
	}
	return h.real, r.cancel, caller
}

// lock is for who asks the name something: it locks what is behind it. It is false,
// and nothing is locked, if the call is over.
func (h *handlerContext) lock() bool {
	if h.stage.Load() == 0 {
		h.stage.CompareAndSwap(0, asked)
	}
	h.request.mu.Lock()
	if h.stage.Load()&over != 0 {
		h.request.mu.Unlock()
		return false
	}
	return true
}

// end ends the context, of a call whose answer was deferred. late says that the
// caller's has ended. It may be called again.
func (h *handlerContext) end(late bool) { h.endAsked(late, true) }

// leave is end for a handler that has returned, unless the answer was deferred.
func (h *handlerContext) leave(late bool) (deferred bool) {
	if !late && h.endUnasked() {
		return false
	}
	if h.endAsked(late, false) {
		return true
	}
	if r := h.request; h.stage.Load()&known != 0 && !r.told {
		r.names, r.next = nil, 0 // a server that is idle keeps no caller's ctx
	}
	return false
}

// endUnasked is end for one that nobody has asked anything.
func (h *handlerContext) endUnasked() bool {
	r := h.request
	if h.stage.Load() != 0 || !h.stage.CompareAndSwap(0, over) {
		return false
	}
	r.caller, r.call = nil, nil
	return true
}

// awaitCaller is for a real context that hangs below the caller's, which has ended, but
// not yet what hangs there: who ends it closes Done first. It holds its lock until it
// has told all, and whoever asks for the cause waits for that lock.
func (h *handlerContext) awaitCaller() {
	if !h.lock() {
		return
	}
	caller := h.request.caller
	h.request.mu.Unlock()
	if caller != nil {
		_ = context.Cause(caller)
	}
}

func (h *handlerContext) endAsked(late, answered bool) (deferred bool) {
	r := h.request
	if late || r.overdue() {
		h.materialize() // it has ended already, and goes on saying why
	}
	if late && h.found().Err() == nil {
		h.awaitCaller()
	}
	r.mu.Lock()
	if r.deferred && !answered { // it may have been answered since
		r.mu.Unlock()
		return true
	}
	if h.stage.Load()&over != 0 {
		r.mu.Unlock()
		return false
	}
	if r.dated != nil && h.stage.Load()&known == 0 {
		h.real = r.dated
		h.stage.Or(known)
	}
	h.stage.Or(over)
	cancel, unhook := r.clearLocked()
	r.mu.Unlock()
	if unhook != nil {
		unhook()
	}
	if cancel == nil {
		return false
	}
	if r.server.Err() != nil { // that was before, and may not have come here yet
		cancel(context.Cause(r.server))
	}
	cancel(context.Canceled)
	return false
}
