package actor

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/mailbox"
)

// Options describe how an actor deals with its messages. The zero value is the
// default of each field.
type Options struct {
	// Mailbox is the queue: capacity, overflow, drain, and whether it is kept
	// across restarts.
	Mailbox mailbox.Options

	// Retries is how often a message whose handler crashed is handed to the
	// next incarnation before it becomes a dead letter; 0 means never. Requests
	// of a Call are never retried: their callers hear of the crash at once. Not
	// for a Fresh mailbox, nor for a Loop.
	Retries int

	// ParkAfter gives the actor's goroutine and the room of its mailbox back when no
	// message came for this long; the next message, like the first, starts a new
	// goroutine, which costs that message about a microsecond, more if its handlers
	// need a deep stack. 0 means the goroutine is kept. The state stays in either
	// case. Not for an unbuffered mailbox, nor for a Loop. A type of yours around the
	// actor must return exactly what the actor's run function returned, and not wrap
	// it: with ParkAfter that returns each time the goroutine is given back.
	ParkAfter time.Duration

	// HandlerTimeout is how long a message may be in hand before the ctx of its
	// handler ends, with [ErrHandlerTimeout] as its cause; 0 means no limit. It
	// kills nothing: a handler that does not look at its ctx goes on, which the
	// Watch of a supervisor can tell. What the handler returns then is read as
	// ever: an error of a Receive is a crash, that of a message to a server is
	// the answer.
	//
	// The limit is part of the ctx: of a [Continue] it covers the rest too, and
	// after a [Defer] it still ends the ctx, while the answer may be given later.
	// Of the limit and the deadline of a caller the earlier one counts. Not for
	// what comes without a message, [Behavior.Continue] and Close, nor for a Loop.
	HandlerTimeout time.Duration
}

func (o Options) check() error {
	var faults []error
	if joined, ok := o.Mailbox.Check().(interface{ Unwrap() []error }); ok {
		for _, fault := range joined.Unwrap() {
			faults = append(faults, fmt.Errorf("Mailbox: %w", fault))
		}
	}
	if o.Retries < 0 {
		faults = append(faults, fmt.Errorf("Retries: %d is negative", o.Retries))
	}
	if o.Retries > 0 && o.Mailbox.Fresh {
		faults = append(faults, errors.New("Retries: a Fresh mailbox keeps no message for the next incarnation"))
	}
	if o.ParkAfter < 0 {
		faults = append(faults, fmt.Errorf("ParkAfter: %v is negative", o.ParkAfter))
	}
	if o.HandlerTimeout < 0 {
		faults = append(faults, fmt.Errorf("HandlerTimeout: %v is negative", o.HandlerTimeout))
	}
	if o.ParkAfter > 0 && o.Mailbox.Capacity == mailbox.Unbuffered {
		faults = append(faults, errors.New("ParkAfter: an unbuffered mailbox needs a receiver that waits"))
	}
	return errors.Join(faults...)
}

// settings are the options of an actor. They are shared by those that are made one
// after the other with equal ones: a million need them once.
type settings struct {
	Options
	faults error
}

var (
	defaults = new(settings)
	usual    atomic.Pointer[settings] // those that were made last
)

func settingsOf(options []Options) *settings {
	if len(options) == 0 {
		return defaults
	}
	if last := usual.Load(); last != nil && last.Options == options[0] && len(options) == 1 {
		return last
	}
	s := &settings{Options: options[0], faults: options[0].check()}
	if len(options) > 1 {
		s.faults = errors.Join(fmt.Errorf("options: %d values, at most one is taken", len(options)), s.faults)
		return s
	}
	usual.Store(s)
	return s
}
