package supervisor

import (
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
)

// What an administration call can be refused for (S100-S112). A [*ChildError]
// wraps one of these and names the child.
var (
	ErrNotFound       = errors.New("no such child")                                      // the supervisor has no child of that name
	ErrAlreadyStarted = incarnation.ErrAlreadyStarted                                    // a child of that name is running; or the supervisor itself is part of a tree already
	ErrAlreadyPresent = errors.New("present, but not running")                           // a child of that name is there without a process
	ErrRunning        = errors.New("running")                                            // the child has a process
	ErrRestarting     = errors.New("waiting for its restart")                            // the child has no process, but will get one
	ErrMaxChildren    = errors.New("the supervisor has MaxChildren children")            // a Dynamic is full (S123)
	ErrAbandoned      = errors.New("an abandoned incarnation of it is still there")      // and the policy is Exclusive (S196)
	ErrNotRunning     = errors.New("the supervisor is not running")                      // there is nobody to ask, or it ended or was abandoned before it could answer
	ErrReentrant      = errors.New("the request would wait for itself")                  // it comes from inside something that the supervisor is starting or stopping (S110)
	ErrNested         = errors.New("a nested supervisor is stopped by the one above it") // Stop is for the root of a tree
)

// ErrUnsupervised is the refusal of [Go] to start a goroutine that would belong
// to nobody.
var ErrUnsupervised = errors.New("the ctx is not that of a child")

// ChildError is the error of something that was asked of a supervisor for one
// of its children, or a failed start.
type ChildError struct {
	Path string // of the child, or of the supervisor if it could not be asked
	Op   string // start, stop, restart, terminate, delete, find, go; may be empty
	Err  error  // one of the errors above, or the reason why the child did not start

	// Reason, with ErrNotRunning, is why the supervisor ended before it could
	// answer (S111); nil if nobody was there to ask. errors.Is does not see it.
	Reason exit.Reason
}

// Error names the act and the child and says what went wrong.
func (e *ChildError) Error() string {
	text := fmt.Sprintf("%s: %v", e.Path, e.Err)
	if e.Op != "" {
		text = e.Op + " " + text
	}
	if e.Reason != nil {
		text += fmt.Sprintf(" any more: %v", e.Reason)
	}
	return text
}

// Unwrap gives Err.
func (e *ChildError) Unwrap() error { return e.Err }
