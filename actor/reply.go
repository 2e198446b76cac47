package actor

import (
	"context"
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/internal/incarnation"
)

// Reply is the right to answer one call later, from anywhere.
type Reply[R any] struct {
	answer *answer[R] // nil if nobody waits
	done   func()
}

// Defer takes the answer of the call that is being handled out of its handler's
// hands: the server goes on with other messages, and whoever holds the Reply
// answers with [Reply.Give]. What the handler returns then is not the answer,
// unless it is an error.
//
// Defer must be called by the handler itself, with the handler's ctx, before it
// returns, and with the R of its message; otherwise it is an error. In a
// handler that was cast its Reply answers nobody. If the server ends first, the
// caller hears that with its reason (S148).
func Defer[R any](ctx context.Context) (Reply[R], error) {
	cell := incarnation.From(ctx)
	if cell == nil {
		return Reply[R]{}, errors.New("defer: not in a handler")
	}
	sv, ok := cell.Handler().(deferring)
	if !ok {
		return Reply[R]{}, errors.New("defer: not in a handler of a server")
	}
	call, err := sv.take()
	if call == nil || err != nil {
		return Reply[R]{}, err
	}
	a, ok := call.(*answer[R])
	if !ok {
		return Reply[R]{}, fmt.Errorf("defer: the answer to this call is not a %T", *new(R))
	}
	later := &laterAnswer[R]{a}
	if !sv.answerAfter(later) {
		return Reply[R]{}, nil // abandoned: the caller has been told
	}
	return Reply[R]{answer: a, done: func() { sv.answered(later) }}, nil
}

// Give answers the call. It reports whether that was the answer: a call is
// answered once, and a caller who has left is not answered at all. It may be
// called from any goroutine.
func (r Reply[R]) Give(value R, err error) bool {
	if r.answer == nil {
		return false
	}
	r.done()
	return r.answer.give(value, err)
}

// deferring is what Defer needs of a server, whatever its S.
type deferring interface {
	take() (call any, err error)
	answerAfter(waiting) bool
	answered(waiting)
}

// take gives the call being handled, nil for a cast.
func (sv *serving[S]) take() (any, error) {
	switch {
	case !sv.handling:
		return nil, errors.New("defer: the handler has returned")
	case sv.later != nil:
		return nil, errors.New("defer: the answer has been deferred already")
	}
	return sv.call, nil
}

func (sv *serving[S]) answerAfter(call waiting) bool {
	sv.later = call
	return sv.answerLater(call)
}

// laterAnswer is a call whose answer was deferred.
type laterAnswer[R any] struct{ *answer[R] }

func (laterAnswer[R]) end() {}
