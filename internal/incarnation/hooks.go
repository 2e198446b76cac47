package incarnation

import "time"

// Terms are what a supervisor has decided about an incarnation before it begins.
type Terms struct {
	CrashOnPanic bool // panics are left to end the program; the cells of a supervisor's children inherit it
	Permanent    bool // another incarnation follows, even after a clean end, unless the supervisor ends
}

// Hooks are how an incarnation that does not live by its context alone is told and
// asked. They are called on the supervisor's goroutine, or on one of the incarnation
// that has failed, and must not wait.
type Hooks interface {
	// Self is the child as its handlers know it, Handler what serves them in
	// this incarnation; nil if there is no such.
	Self() any
	Handler() any

	// Run is what Start returns to the supervisor, if there is a Self.
	Run() error

	// Stop is called when the incarnation is asked to stop, once, or at once
	// by Attach if that has happened before. final says that no incarnation
	// will follow.
	Stop(final bool)

	// Kill is called when the contexts of the incarnation have been ended
	// because its time is over.
	Kill()

	// Abandon is called when the incarnation has been given up while it still
	// runs: from now on nothing that it does may have an effect.
	Abandon()

	// Holding says what the incarnation has in hand, but for the phase.
	Holding() Hand
}

// NoHooks are the hooks of an incarnation that has attached none, to be embedded by
// those that need not all.
type NoHooks struct{}

// Self is nil.
func (NoHooks) Self() any { return nil }

// Handler is nil.
func (NoHooks) Handler() any { return nil }

// Run is not called, as there is no Self.
func (NoHooks) Run() error { return nil }

// Stop does nothing.
func (NoHooks) Stop(bool) {}

// Kill does nothing.
func (NoHooks) Kill() {}

// Abandon does nothing.
func (NoHooks) Abandon() {}

// Holding is nothing.
func (NoHooks) Holding() Hand { return Hand{} }

// Phase is the part of its life in which an incarnation is.
type Phase uint32

// The phases of an incarnation.
const (
	Starting   Phase = iota // Start has not returned
	Running                 // Start has returned; what is not one of the others
	Continuing              // in the rest of the start that an actor leaves for later
	Closing                 // in the cleanup of an actor
)

// Hand is what an incarnation has in hand at some moment.
type Hand struct {
	Phase   Phase     // in which it is
	Since   time.Time // when that began; zero unless it is Continuing or Closing
	Message string    // type of the message in hand; empty if there is none or it cannot be known safely
	Busy    bool      // a message is in hand, or the incarnation is in its Continue
	Begun   uint64    // messages begun by this incarnation; equal at two moments means the same message
	Depth   int       // messages waiting
	Parked  bool      // it has given its goroutine back
}

// Last is what an incarnation of an actor had when it crashed.
type Last struct {
	Message any  // in hand, as the user knows it
	InHand  bool // there was one
	Waiting int  // messages behind it
}
