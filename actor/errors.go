package actor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/mailbox"
)

var (
	// ErrNoProc says that there is nobody to receive: the actor has not been
	// started, or is gone for good (S146).
	ErrNoProc = errors.New("no such process: not started, or gone for good")

	// ErrEnded says that the callee ended before it answered; [SendError] has
	// its reason. The call may or may not have had an effect. It had none if there is
	// no reason: then the message still waited in a Fresh mailbox when the next
	// incarnation began.
	ErrEnded = errors.New("callee ended before it replied")

	// ErrCallCycle refuses a call that could not be answered because the caller
	// would wait for itself, directly (S146) or through other servers;
	// [SendError] has the cycle.
	ErrCallCycle = errors.New("the call would wait for itself")

	// ErrHandlerTimeout is the cause with which the ctx of a handler ends that
	// takes longer than [Options.HandlerTimeout]. By errors.Is it is
	// [context.DeadlineExceeded] too, which ctx.Err returns.
	ErrHandlerTimeout = fmt.Errorf("handler timeout: %w", context.DeadlineExceeded)

	// ErrAlreadyStarted refuses to start an actor that is part of a tree
	// already: one child value has one place. It is that of package supervisor.
	ErrAlreadyStarted = incarnation.ErrAlreadyStarted

	// ErrUnsupervised refuses to start an actor without a supervisor.
	ErrUnsupervised = errors.New("an actor is started by a supervisor")
)

// Ignore is what open returns to decline to start. It is an error by type only,
// no failure: the supervisor carries on without the actor (S14).
var Ignore error = ignore{}

type ignore struct{}

func (ignore) Error() string { return "the actor declines to start" }

// SendError is the error of a Send, Cast or Call that did not succeed. An error
// that a handler returned to its caller is not wrapped in it.
type SendError struct {
	Path string // of the receiver, if it is gone the last; its name if it was never part of a tree

	// Err is ErrNoProc, ErrEnded, ErrCallCycle, [mailbox.ErrFull], or wraps what
	// the sender's own context said.
	Err error

	// Cycle is who would have waited for whom: the paths of the caller, of the
	// callee and of those after it, and of the caller again. nil unless Err is
	// ErrCallCycle.
	Cycle []string

	// Reason is why the callee ended; nil unless Err is ErrEnded, and then too if the
	// message only waited, in a Fresh mailbox. It is not part of the error's chain: a
	// caller whose callee was shut down in order has not been shut down itself.
	Reason exit.Reason
}

// Error names the receiver and what went wrong.
func (e *SendError) Error() string {
	if e.Cycle != nil {
		return fmt.Sprintf("%s: %v: %s", e.Path, e.Err, strings.Join(e.Cycle, " → "))
	}
	if e.Reason != nil {
		return fmt.Sprintf("%s: %v: %v", e.Path, e.Err, e.Reason)
	}
	return fmt.Sprintf("%s: %v", e.Path, e.Err)
}

// Unwrap gives Err.
func (e *SendError) Unwrap() error { return e.Err }

// failure is what a caller hears who gets no answer.
type failure struct {
	err    error
	reason exit.Reason // of the callee, if err is ErrEnded
}

// failures are what the caller hears when its request becomes a dead letter. A
// crash has told its reason before. What waited in a Fresh mailbox may have come after
// that end, in the backoff, or wait for an incarnation that never ran: it has no reason.
var failures = map[mailbox.Why]failure{
	mailbox.Overflowed:  {err: mailbox.ErrFull},
	mailbox.Discarded:   {err: ErrNoProc},
	mailbox.Renewed:     {err: ErrEnded},
	mailbox.Crashed:     {err: ErrEnded},
	mailbox.Interrupted: {err: ErrEnded, reason: exit.Killed},
}
