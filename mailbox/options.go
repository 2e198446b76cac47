package mailbox

import (
	"errors"
	"fmt"
)

// The errors of a send. A send whose context has ended fails with that
// context's error and cause instead.
var (
	// ErrClosed refuses a message because nobody will receive it: the mailbox
	// has not been opened yet, or is sealed or closed.
	ErrClosed = errors.New("mailbox closed")

	// ErrFull refuses a message because the mailbox is full and its overflow
	// policy is [Reject].
	ErrFull = errors.New("mailbox full")
)

// DefaultCapacity is the capacity of a mailbox whose options name none.
const DefaultCapacity = 16

// MaxCapacity is the largest capacity. The room is taken when the first message
// comes, 16 bytes and more for each.
const MaxCapacity = 1 << 24

// Unbuffered as a capacity makes a mailbox in which no message waits: a sender
// hands its message to a receiver that is waiting.
const Unbuffered = -1

// Options describe a mailbox. The zero value is a mailbox with 16 places whose
// senders wait when it is full, which is drained at a stop and kept when the
// actor restarts.
type Options struct {
	// Capacity is how many sends may wait: a message alone and a batch of SendAll
	// take one place each, and one batch that was begun waits besides. MaxCapacity at
	// most; 0 means DefaultCapacity, Unbuffered none.
	Capacity int

	// Overflow is what happens to a message for which there is no room; the
	// zero value is Block.
	Overflow Overflow

	// Drain is what happens to the waiting messages when the actor is stopped
	// for good; the zero value is DrainAll.
	Drain Drain

	// Fresh gives every incarnation an empty mailbox, as in OTP (S8): what still
	// waits when the next one begins to start becomes dead letters, with Renewed as
	// the reason. The zero value keeps the queue.
	Fresh bool
}

// Overflow is what happens to a message for which there is no room.
type Overflow uint8

// The overflow policies.
const (
	Block      Overflow = iota // the sender waits for room until its context ends
	Reject                     // the sender gets ErrFull
	DropNewest                 // the message becomes a dead letter; the sender gets nil
	DropOldest                 // the message that has waited longest becomes a dead letter
)

// Drain is what happens to the messages of an actor that is stopped for good.
// New ones are refused from the moment of the stop in each case. A stop that is
// part of a restart leaves the queue to the next incarnation.
type Drain uint8

// The drain policies.
const (
	DrainAll     Drain = iota // handle all that wait while the shutdown time lasts; the rest become dead letters
	FinishInHand              // finish the message in hand; those that wait become dead letters
	Discard                   // also end the context of the handler of the message in hand at once
)

var (
	overflowNames = [...]string{"block", "reject", "drop newest", "drop oldest"}
	drainNames    = [...]string{"drain all", "finish in hand", "discard"}
)

// String names the policy.
func (o Overflow) String() string { return name("overflow", overflowNames[:], uint8(o)) }

// String names the policy.
func (d Drain) String() string { return name("drain", drainNames[:], uint8(d)) }

func name(of string, names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", of, i)
}

// Check says what is wrong with the options, all of it, each fault with the
// name of its field. It is nil if they can be used.
func (o Options) Check() error {
	var faults []error
	if o.Capacity < Unbuffered {
		faults = append(faults, fmt.Errorf("Capacity: %d is negative", o.Capacity))
	}
	if o.Capacity > MaxCapacity {
		faults = append(faults, fmt.Errorf("Capacity: %d is more than %d", o.Capacity, MaxCapacity))
	}
	if int(o.Overflow) >= len(overflowNames) {
		faults = append(faults, fmt.Errorf("Overflow: %v is neither Block, Reject, DropNewest nor DropOldest", o.Overflow))
	}
	if o.Overflow == DropOldest && o.Capacity == Unbuffered {
		faults = append(faults, errors.New("Overflow: an unbuffered mailbox has no oldest message to drop"))
	}
	if int(o.Drain) >= len(drainNames) {
		faults = append(faults, fmt.Errorf("Drain: %v is neither DrainAll, FinishInHand nor Discard", o.Drain))
	}
	return errors.Join(faults...)
}

func (o Options) capacity() int {
	switch o.Capacity {
	case 0:
		return DefaultCapacity
	case Unbuffered:
		return 0
	}
	return o.Capacity
}

// Why says why a message was not handled.
type Why uint8

// The reasons for a dead letter.
const (
	Overflowed  Why = iota // there was no room
	Discarded              // it still waited when the mailbox was closed
	Renewed                // it still waited when the next incarnation began, and the mailbox is Fresh
	Crashed                // it was in hand at a crash
	CallerGone             // it was a request, and its caller has left
	Interrupted            // it was in hand when the incarnation was abandoned, or on its way to it
)

var whyNames = [...]string{"overflow", "discarded", "waiting at a restart", "in hand at a crash", "caller gone", "in hand of an abandoned incarnation"}

// String names the reason.
func (w Why) String() string { return name("why", whyNames[:], uint8(w)) }
