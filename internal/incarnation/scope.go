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

	mu     sync.Mutex
	sealed bool                    // the child is being stopped for good
	queue  Queue                   // the latest it was given; nil if it has none
	cause  exit.Reason             // nil while the child is there
	after  func(cause exit.Reason) // all that AfterGone was given; nil if nothing
}

// NewScope begins the life of the child with the given path.
func NewScope(path string) *Scope {
	s := new(Scope)
	s.Init(path)
	return s
}

// Init is NewScope for a scope that is part of something else. It must not be copied
// from then on.
func (s *Scope) Init(path string) { s.path = path }

// Path is the child's path from the root, its own name last.
func (s *Scope) Path() string { return s.path }

// Queue is the mailbox of a child.
type Queue interface {
	// Queue is how many messages have left it so far, and how many wait in it.
	Queue() (left uint64, waiting int)

	// Seal refuses new messages; what waits can still be received. It must not
	// wait, nor call the scope.
	Seal()

	// Gone is called once when the child is gone. It must not wait.
	Gone(cause exit.Reason)
}

// SetQueue says that the child has a mailbox, which lives as long as it does: it is
// told of the end like what [Scope.AfterGone] was given.
func (s *Scope) SetQueue(q Queue) {
	s.mu.Lock()
	cause := s.cause
	if cause == nil {
		if s.queue != nil { // of an actor whose Start has failed before
			s.after = inOrder(s.after, s.queue.Gone)
		}
		if s.queue = q; s.sealed {
			q.Seal()
		}
	}
	s.mu.Unlock()
	if cause != nil {
		q.Gone(cause)
	}
}

// Seal says that no incarnation of the child will follow. Its mailbox, also one
// that it is still to get, refuses new messages. It is under the lock that it
// does, because after the end of the scope the mailbox may be another child's.
func (s *Scope) Seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return
	}
	if s.sealed = true; s.queue != nil {
		s.queue.Seal()
	}
}

// Sealed says whether Seal was called: an incarnation that follows all the same
// needs a scope of its own.
func (s *Scope) Sealed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sealed
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
	after, queue := s.after, s.queue
	s.after = nil
	s.mu.Unlock()
	if queue != nil {
		defer queue.Gone(cause)
	}
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
