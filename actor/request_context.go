package actor

import (
	"context"
	"sync"
	"time"
)

// requestContext is what is behind a handlerContext: the call that it is for, and how
// that ends. The server has one for one call after the other, and gives it away only to
// a call whose answer was deferred.
type requestContext struct {
	server context.Context  // a *limited if there is a limit
	names  []handlerContext // for one call each; they belong to the server's own goroutine
	next   uint32           // which is for the next call
	once   bool             // it is for one call
	few    bool             // names are made at a time: they have to keep real contexts

	// What follows is guarded by mu.
	deferred bool // the answer of the call
	told     bool // the real context made last hears of the end of the caller's from whoever sees it

	mu     sync.Mutex
	caller context.Context         // only for who has a name that is not over; nil for a plain one
	call   teller                  // as caller; for Defer besides
	dated  *dated                  // what was said of the deadline; nil if nothing
	cancel context.CancelCauseFunc // ends the real context; nil if there is none
	unhook func() bool             // lets go of the server, which cancels when it ends; nil if it does not
}

// teller is a call, whose caller waits for its own ctx to end.
type teller interface{ tell(*handlerContext) }

// handlerContext makes the context of a handler, of the server's and the caller's.
func (sv *serving[S]) handlerContext(server, caller context.Context, call teller) *handlerContext {
	r := sv.spare
	if r == nil || int(r.next) == len(r.names) {
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
	switch {
	case r == nil && !sv.spares:
		made := new(struct { // one allocation for both
			requestContext
			name [1]handlerContext
		})
		r = &made.requestContext
		r.server, r.names, r.once = server, made.name[:], true
	case r == nil:
		r = &requestContext{server: server, names: make([]handlerContext, 1)} // many are not used again
		sv.spare = r
	default:
		most := manyNames
		if r.few {
			most = fewNames
		}
		r.names, r.next = make([]handlerContext, max(1, min(2*len(r.names), most))), 0
	}
	for i := range r.names {
		r.names[i].request = r
		if !r.limit().IsZero() { // the end is to look at the time
			r.names[i].stage.Store(asked)
		}
	}
	return r
}

const (
	manyNames = 16
	fewNames  = 4
)

// deadlineLocked says the same for ever to who has the name, also when it is over.
func (r *requestContext) deadlineLocked() (deadline time.Time, ok bool) {
	if r.dated != nil {
		return r.dated.deadline, true
	}
	deadline, ok = r.caller.Deadline()
	if limit := r.limit(); !limit.IsZero() && (!ok || limit.Before(deadline)) {
		deadline, ok = limit, true
	}
	if ok {
		r.dated = &dated{canceled, deadline}
	}
	return deadline, ok
}

// materializeLocked makes a real context for the name, which ends with the caller's and
// the server's, and when the time is over.
//
// To hang it below the caller's costs as much as all the rest, and that lock is shared
// by all calls with the same ctx. But the caller waits for the end of its ctx anyway, and
// tells of it; who asks the name before sees it as well. All that cannot be told is an
// Err other than Canceled, so where there is a deadline it does hang there.
func (r *requestContext) materializeLocked(h *handlerContext) context.Context {
	parent := r.caller
	if limit := r.limit(); !limit.IsZero() {
		return r.limitLocked(limit)
	}
	if _, timed := parent.Deadline(); !timed {
		r.call.tell(h)
		if r.told = parent.Err() == nil; r.told { // else it is too late to be told
			parent, r.few = context.Background(), true
		}
	}
	real, cancel := context.WithCancelCause(parent)
	r.hookLocked(cancel)
	return real
}

// limitLocked makes one with a time limit inside. That one would not do: Value can find
// only what WithCancelCause makes.
func (r *requestContext) limitLocked(limit time.Time) context.Context {
	parent, stop := context.WithDeadlineCause(r.caller, limit, ErrHandlerTimeout)
	real, cancel := context.WithCancelCause(parent)
	r.hookLocked(func(cause error) {
		cancel(cause)
		stop()
	})
	return real
}

// hookLocked cancels when the server's context ends. One hook there is for all calls.
func (r *requestContext) hookLocked(cancel context.CancelCauseFunc) {
	r.cancel = cancel
	if r.unhook == nil {
		r.unhook = context.AfterFunc(r.server, r.serverEnded)
	}
}

func (r *requestContext) serverEnded() {
	r.mu.Lock()
	cancel := r.cancel
	r.mu.Unlock()
	if cancel != nil {
		cancel(context.Cause(r.server))
	}
}

// clearLocked makes it free for the next call, and gives what has to be done without the
// lock for this one.
func (r *requestContext) clearLocked() (cancel context.CancelCauseFunc, unhook func() bool) {
	cancel = r.cancel
	r.caller, r.call, r.dated, r.cancel = nil, nil, nil, nil
	if r.once || r.deferred {
		unhook, r.unhook = r.unhook, nil
	}
	return cancel, unhook
}
