package actor

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
)

// Reply is the right to answer one call later, from anywhere.
type Reply[R any] struct {
	call interface{ reply(R, error) bool } // nil if nobody waits
}

// Defer takes the answer of the call that is being handled out of its handler's
// hands: the server goes on with other messages, and whoever holds the Reply
// answers with [Reply.Give]. What the handler returns then is not the answer,
// unless it is an error. If the server ends first, the caller hears that with
// its reason (S148).
//
// ctx is the handler's. It lives until the call is answered, at most until
// [Options].HandlerTimeout is over, so that it can be used for the work that leads
// to the answer. A handler may give the answer and
// work on, before any other message (S145), but not with that ctx, and its error
// is nobody's then: [Continue] is for that.
//
// It is an error to call Defer twice for one call, when its handler has
// returned, on a goroutine that a handler has started, with another R than that of its
// message, or with a ctx that is not of a server. In a handler that was cast the
// Reply answers nobody. A server that has the ctx of another one's handler is taken
// for that one, as with [Call]: it can defer the answer of this call, as long as the
// handler has not returned, and of no other.
func Defer[R any](ctx context.Context) (Reply[R], error) {
	cell := incarnation.From(ctx)
	if cell == nil {
		return Reply[R]{}, errors.New("defer: not in a handler")
	}
	if _, ok := cell.Self().(interface{ isServer() }); !ok {
		return Reply[R]{}, errors.New("defer: not in a handler of a server")
	}
	if !onOwnGoroutine() {
		return Reply[R]{}, errors.New("defer: not on the goroutine of the handler")
	}
	its, ok := ctx.Value(requestKey{}).(*handlerContext)
	if !ok || incarnation.From(its.request.server) != cell { // of a cast, of something else that the server does, or of a server above
		return Reply[R]{}, nil
	}
	return deferThat[R](its)
}

// deferThat defers the answer of the call that the context is of. That is another
// server's if the handler has its ctx: so nothing is known but what the context says
// under its lock.
func deferThat[R any](its *handlerContext) (Reply[R], error) {
	if !its.lock() {
		return Reply[R]{}, errOver
	}
	defer its.request.mu.Unlock()
	of, ok := its.request.call.(interface{ laterLocked() (Reply[R], error) })
	if !ok {
		return Reply[R]{}, fmt.Errorf("defer: the answer to this call is not a %v", reflect.TypeFor[R]())
	}
	return of.laterLocked()
}

var errOver = errors.New("defer: the call is over")

// Give answers the call. It reports whether that was the answer: a call is
// answered once, and a caller who has left is not answered at all. It may be
// called from any goroutine.
func (r Reply[R]) Give(value R, err error) bool {
	return r.call != nil && r.call.reply(value, err)
}

// laterLocked defers the answer. The lock is that of the handler's context.
func (c *call[S, R, M]) laterLocked() (Reply[R], error) {
	if c.deferred.Load() {
		return Reply[R]{}, errors.New("defer: the answer has been deferred already")
	}
	if !c.serving.answerLater(c) {
		return Reply[R]{}, nil // abandoned: the caller has been told
	}
	c.deferred.Store(true)
	c.own.request.deferred = true
	if c.state.Load() == left { // and has not seen that it is deferred
		c.serving.answered(c)
	}
	return Reply[R]{c}, nil
}

// forgo is for a caller who has left: a deferred answer is not awaited any more,
// whether or not anybody gives it.
func (c *call[S, R, M]) forgo() {
	if c.deferred.Load() {
		c.settle()
	}
}

func (c *call[S, R, M]) reply(value R, err error) bool {
	given := c.give(value, err)
	c.settle()
	return given
}

// settle says that a deferred answer is given, or nobody waits for it any more.
func (c *call[S, R, M]) settle() {
	c.serving.answered(c)
	c.own.end(c.late())
}

func (c *call[S, R, M]) serverEnded(path string, reason exit.Reason, _ bool) {
	c.fail(path, failure{ErrEnded, reason})
	c.own.end(c.lateAtAnEnd())
}
