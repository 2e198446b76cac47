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

	sealed bool // the child is being stopped for good; guarded by mu, and here for the room
	mu     sync.Mutex
	cause  *error // a reason; nil while the child is there
	tenant Tenant // nil if there is neither a mailbox nor a function to call
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

// Tenant is what has a mailbox as long as the child is there.
type Tenant interface {
	// Queue is how many messages have left the mailbox so far, and how many wait
	// in it.
	Queue() (left uint64, waiting int)

	// Seal refuses new messages; what waits can still be received. It must not
	// wait, nor call the scope.
	Seal()

	// Gone is called as a function that AfterGone was given.
	Gone(cause exit.Reason)
}

// SetTenant says that the child has a mailbox, which lives as long as it does. If it
// had another one before, that is asked no more; both hear when the child is gone.
func (s *Scope) SetTenant(t Tenant) {
	s.mu.Lock()
	cause := s.cause
	if s.sealed {
		t.Seal()
	}
	switch {
	case cause != nil:
	case s.tenant == nil:
		s.tenant = t
	default:
		s.tenant = inOrder{t, s.tenant.Gone, t.Gone}
	}
	s.mu.Unlock()
	if cause != nil {
		t.Gone((*cause).(exit.Reason))
	}
}

// AfterGone calls f once when the child is gone, at once if it is already. The
// functions run in the order in which they were given, on the goroutine that
// ends the scope; they must not wait.
func (s *Scope) AfterGone(f func(cause exit.Reason)) {
	s.mu.Lock()
	cause := s.cause
	switch {
	case cause != nil:
	case s.tenant == nil:
		s.tenant = inOrder{nobody{}, nobody{}.Gone, f}
	default:
		s.tenant = inOrder{s.tenant, s.tenant.Gone, f}
	}
	s.mu.Unlock()
	if cause != nil {
		f((*cause).(exit.Reason))
	}
}

// inOrder is for who has more to be called than one tenant, also if a sink that the
// first tells of a dead letter leaves by Goexit.
type inOrder struct {
	queue       Tenant                  // the one with the mailbox, which is asked and sealed
	first, then func(cause exit.Reason) // those who are told of the end
}

func (i inOrder) Queue() (left uint64, waiting int) { return i.queue.Queue() }
func (i inOrder) Seal()                             { i.queue.Seal() }

func (i inOrder) Gone(cause exit.Reason) {
	defer i.then(cause)
	i.first(cause)
}

// nobody has no mailbox.
type nobody struct{}

func (nobody) Queue() (left uint64, waiting int) { return 0, 0 }
func (nobody) Seal()                             {}
func (nobody) Gone(exit.Reason)                  {}

// Seal says that no incarnation of the child will follow. Its mailbox, also one
// that it is still to get, refuses new messages. It is under the lock that it
// does, because after the end of the scope the mailbox may be another child's.
func (s *Scope) Seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return
	}
	if s.sealed = true; s.tenant != nil {
		s.tenant.Seal()
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
	t := s.tenant
	s.mu.Unlock()
	if t == nil {
		return 0, 0
	}
	return t.Queue()
}

// End ends the scope. Only the first call counts.
func (s *Scope) End(cause exit.Reason) {
	s.mu.Lock()
	if s.cause != nil {
		s.mu.Unlock()
		return
	}
	s.cause = &endOf(cause).cause
	t := s.tenant
	s.mu.Unlock()
	if t != nil {
		t.Gone(cause)
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
