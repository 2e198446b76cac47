package incarnation

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/coppice-go/coppice/exit"
)

// ErrAlreadyStarted is the refusal of a child that has a life already.
var ErrAlreadyStarted = errors.New("already started")

// Scope is the life of a child, from its start until it is gone for good:
// removed, ended without a restart to come, or left behind by a supervisor that
// is gone for good itself. It spans all incarnations in between; a mailbox
// belongs to it. A child that is started again by hand gets a new one.
type Scope struct {
	path string

	// Its place in the graph of who waits for whom.
	wait     atomic.Pointer[Wait] // the call that it waits for
	callable atomic.Bool

	mu    sync.Mutex
	queue Queue                   // nil if it has none
	cause exit.Reason             // nil while the child is there
	after func(cause exit.Reason) // all that AfterGone was given; nil if nothing
}

// NewScope begins the life of the child with the given path.
func NewScope(path string) *Scope { return &Scope{path: path} }

// Path is the child's path from the root, its own name last.
func (s *Scope) Path() string { return s.path }

// Queue is the mailbox of a child: how many messages have left it so far, and how
// many wait in it.
type Queue interface {
	Queue() (left uint64, waiting int)
}

// SetQueue says that the child has a mailbox, which lives as long as it does.
func (s *Scope) SetQueue(q Queue) {
	s.mu.Lock()
	s.queue = q
	s.mu.Unlock()
}

// Queue asks the child's mailbox; without one nothing waits.
func (s *Scope) Queue() (left uint64, waiting int) {
	s.mu.Lock()
	q := s.queue
	s.mu.Unlock()
	if q == nil {
		return 0, 0
	}
	return q.Queue()
}

// AfterGone calls f once when the child is gone, at once if it is already. The
// functions run in the order in which they were given, on the goroutine that
// ends the scope; they must not wait.
func (s *Scope) AfterGone(f func(cause exit.Reason)) {
	s.mu.Lock()
	cause := s.cause
	if cause == nil {
		s.after = inOrder(s.after, f)
	}
	s.mu.Unlock()
	if cause != nil {
		f(cause)
	}
}

// End ends the scope. Only the first call counts.
func (s *Scope) End(cause exit.Reason) {
	s.mu.Lock()
	if s.cause != nil {
		s.mu.Unlock()
		return
	}
	s.cause = cause
	after := s.after
	s.after = nil
	s.mu.Unlock()
	if after != nil {
		after(cause)
	}
}

// inOrder calls f after before, also if a sink that before tells of a dead letter
// leaves by Goexit. before may be nil: most have one only, which is kept as it is.
func inOrder(before, f func(cause exit.Reason)) func(cause exit.Reason) {
	if before == nil {
		return f
	}
	return func(cause exit.Reason) {
		defer f(cause)
		before(cause)
	}
}

// Each calls f for all of them, in their order. f may make dead letters: if a sink
// that is told of one leaves by Goexit, the others still get their turn.
func Each[T any](all []T, f func(T)) {
	defer func() {
		if len(all) > 0 {
			Each(all, f)
		}
	}()
	for len(all) > 0 {
		one := all[0]
		all = all[1:]
		f(one)
	}
}
