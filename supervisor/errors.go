package supervisor

import (
	"errors"
	"fmt"
	"strings"

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
	ErrReentrant      = errors.New("the request would wait for itself")                  // it comes from inside something that the supervisor is starting or stopping (S110); see StartChild
	ErrNested         = errors.New("a nested supervisor is stopped by the one above it") // Stop is for the root of a tree
)

// What StartChild says of a name that is taken.
var (
	errNameStarted = fmt.Errorf("Name: a sibling has it: %w", ErrAlreadyStarted)
	errNamePresent = fmt.Errorf("Name: a sibling has it: %w", ErrAlreadyPresent)
)

// ErrUnsupervised is the refusal of [Go] to start a goroutine that would belong
// to nobody.
var ErrUnsupervised = errors.New("supervisor.Go: the ctx is not that of a child")

// ChildError is the error of something that was asked of a supervisor for one
// of its children, or a failed start.
type ChildError struct {
	Path string // of the child, or of the supervisor if it could not be asked
	Op   string // start, stop, restart, terminate, delete, find, go; may be empty
	Err  error  // wraps one of the errors above, or is the reason why the child did not start

	// Reason, with ErrNotRunning, is why the supervisor ended before it could
	// answer (S111); nil if nobody was there to ask. errors.Is does not see it.
	Reason exit.Reason
}

// Error names the act and the child and says what went wrong. Of several faults
// each has a line of its own.
func (e *ChildError) Error() string {
	place := e.Path + ": "
	if e.Op != "" {
		place = e.Op + " " + place
	}
	if e.Reason != nil {
		return fmt.Sprintf("%s%v any more: %v", place, e.Err, e.Reason)
	}
	faults := split(e.Err)
	if len(faults) < 2 {
		return fmt.Sprint(place, e.Err)
	}
	lines := make([]string, len(faults))
	for i, fault := range faults {
		lines[i] = fmt.Sprint(place, fault)
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives Err.
func (e *ChildError) Unwrap() error { return e.Err }
