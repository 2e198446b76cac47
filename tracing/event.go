package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/coppice-go/coppice/exit"
)

// Event is one act of the runtime (S198).
//
// Only this package implements it: an Event is one of the struct types below, by
// value, never a pointer to one. Values may be shared between goroutines.
type Event interface {
	// Where is the part that all events have.
	Where() Head

	// String is the event as one line for people. It names the type of a
	// message, never its contents.
	fmt.Stringer

	// LogValue is the event as a group of attributes, with the stack of a panic.
	slog.LogValuer

	stamped(path string) Event
	entry() (string, slog.Level)
}

// Head says when an event happened, and to whom.
type Head struct {
	Time        time.Time // when; the zero time means now, filled in when the event is emitted
	Path        string    // of the child, such as bank/accounts/alice; empty means the path of the [Life] that emits
	Incarnation int       // of the child, from 1; 0 when the act has none
}

// Where is the head itself.
func (h Head) Where() Head { return h }

func (h Head) stamped(path string) Head {
	if h.Time.IsZero() {
		h.Time = time.Now()
	}
	if h.Path == "" {
		h.Path = path
	}
	return h
}

// Started tells of a child that runs for the first time or was started by hand.
type Started struct {
	Head
	Took time.Duration // from the decision until the child was ready
}

// StartFailed tells of a child that would not start, at first, at a restart or
// by hand.
type StartFailed struct {
	Head
	Reason exit.Reason
	Took   time.Duration
}

// Exited tells of an incarnation that ended by itself.
type Exited struct {
	Head
	Reason exit.Reason
	Lived  time.Duration
}

// Terminated tells of an incarnation that its supervisor stopped.
type Terminated struct {
	Head
	Reason  exit.Reason   // what it ended with (S85)
	Took    time.Duration // from the request until the end
	Killed  bool          // it was killed: because it was overdue, because that is its shutdown, or with everything above it
	Overdue bool          // it did not end within its shutdown time; false for a child whose shutdown is a kill (S86)
}

// orderly is S86: what a stop need not report.
func (e Terminated) orderly() bool {
	return !e.Overdue && (clean(e.Reason) || e.Killed && e.Reason == exit.Killed)
}

// Restarting tells of the decision to restart a child. The attempt follows after
// the delay, unless the child is stopped before (S189).
type Restarting struct {
	Head
	Attempt int           // consecutive attempts to get the child going again, from 1
	Delay   time.Duration // backoff before the attempt; 0 means at once (S187)
	Reason  exit.Reason   // why the last incarnation ended or would not start
}

// Restarted tells of a restart that succeeded.
type Restarted struct {
	Head
	Attempt int
	Took    time.Duration // of the successful attempt alone, without the delay
	Reason  exit.Reason   // why there had to be a restart
}

// GaveUp tells of a supervisor that could not restart a child once more (S56).
// The Head is the supervisor's.
type GaveUp struct {
	Head
	Child  string      // name of the child that wanted the restart
	Reason exit.Reason // why it wanted it
	Why    error       // what ruled it out; nil means too many restarts
}

// why is the text of Why.
func (e GaveUp) why() string {
	if e.Why == nil {
		return "too many restarts"
	}
	return text(e.Why)
}

// AutoShutdown tells of a supervisor that ends by itself because a significant
// child has ended for good, or the last one has (S92). It comes before the stops
// of the other children. The Head is the supervisor's.
type AutoShutdown struct {
	Head
	Child  string      // name of the significant child
	Reason exit.Reason // what it ended with
}

// Abandoned tells of an incarnation that did not end even when killed. It is
// declared dead, but its goroutine is still there (S193).
type Abandoned struct {
	Head
	Waited time.Duration // since it was asked to stop
}

// Returned tells of an abandoned incarnation whose goroutine has ended at last.
type Returned struct {
	Head
	Reason exit.Reason // what it ended with; without further effect (S194)
}

// Doing is what a child is stuck with.
type Doing string

// What a child may be stuck with: each has a limit of its own.
const (
	StuckInStart     Doing = "in Start"               // its Start has not returned
	StuckWithMessage Doing = "with a message in hand" // or in its Continue or Close: it handles nothing else
	StuckInQueue     Doing = "with a message waiting" // for its turn, in the mailbox
)

// Stuck tells of a child that is alive, but takes longer than its limit for
// something. That is all: nothing is done about it. It comes once, until an
// [Unstuck] or the end: of the incarnation, or for a message that waits of the
// child's life.
type Stuck struct {
	Head
	Doing   Doing
	For     time.Duration // at least
	Waiting int           // messages in the mailbox

	// Stack is that of the child's goroutines. It is empty if the child has none now,
	// if there were too many goroutines to look (200,000), and for messages that wait
	// in the mailbox while a Stuck of what they wait for tells it.
	Stack string
}

// Unstuck tells that what a [Stuck] told of is over: Start has returned, the
// message is not in hand any more, or no message in the mailbox is too old.
type Unstuck struct {
	Head
	Doing Doing
	For   time.Duration // it has lasted at least; for a message in the mailbox the longest age that was seen
}

// DeadLetter tells of a message that was accepted and will not be handled. The
// incarnation is the one that had it in hand, 0 if none had.
type DeadLetter struct {
	Head
	Message any
	Why     string // the text of a mailbox.Why, such as "overflow" or "in hand at a crash"

	// Resend sends the message to the same child once more, as a new one: it may
	// be called at any time, again too, and fails as a send does, such as with
	// actor.ErrNoProc when the child is gone. That of a call is handled, but
	// answers nobody. nil means that it is not possible.
	//
	// It may wait for room until ctx ends. So call it where you read a
	// [Subscription], not in a [Sink]: that runs on the goroutine which is to make
	// the room, or inside of the very send that found none.
	Resend func(ctx context.Context) error
}

// CastFailed tells of a handler that returned an error for which nobody waits.
// The child lives on.
type CastFailed struct {
	Head
	Message any
	Err     error
}

// Missed tells the reader of a [Subscription] that events were lost at this
// place. Sinks never see it, and its Head names no child.
type Missed struct {
	Head
	Count int // how many, at least 1
}

// whole says whether an event has nothing to be filled in, and is no pointer, so that
// stamped would give it as it is.
func whole(e Event) bool {
	if reflect.TypeOf(e).Kind() == reflect.Pointer {
		return false
	}
	head := e.Where()
	return head.Path != "" && !head.Time.IsZero()
}

func (e Started) stamped(path string) Event      { e.Head = e.Head.stamped(path); return e }
func (e StartFailed) stamped(path string) Event  { e.Head = e.Head.stamped(path); return e }
func (e Exited) stamped(path string) Event       { e.Head = e.Head.stamped(path); return e }
func (e Terminated) stamped(path string) Event   { e.Head = e.Head.stamped(path); return e }
func (e Restarting) stamped(path string) Event   { e.Head = e.Head.stamped(path); return e }
func (e Restarted) stamped(path string) Event    { e.Head = e.Head.stamped(path); return e }
func (e GaveUp) stamped(path string) Event       { e.Head = e.Head.stamped(path); return e }
func (e AutoShutdown) stamped(path string) Event { e.Head = e.Head.stamped(path); return e }
func (e Abandoned) stamped(path string) Event    { e.Head = e.Head.stamped(path); return e }
func (e Returned) stamped(path string) Event     { e.Head = e.Head.stamped(path); return e }
func (e Stuck) stamped(path string) Event        { e.Head = e.Head.stamped(path); return e }
func (e Unstuck) stamped(path string) Event      { e.Head = e.Head.stamped(path); return e }
func (e DeadLetter) stamped(path string) Event   { e.Head = e.Head.stamped(path); return e }
func (e CastFailed) stamped(path string) Event   { e.Head = e.Head.stamped(path); return e }
func (e Missed) stamped(string) Event            { e.Head = e.Head.stamped(""); return e }
