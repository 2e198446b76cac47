package actortest

import (
	"errors"
	"fmt"
	"time"
)

// Kind is what goes wrong.
type Kind uint8

// The kinds of faults. The first five strike a message, before its handler has
// done anything: that of an actor or server, which may be below the child that was
// wrapped. A Func has no messages and is never struck by them. The others strike a
// Start or a stop of the wrapped child itself, not of one below it.
const (
	// Panic is a panic in the handler. Its value is an error that wraps
	// [ErrInjected].
	Panic Kind = iota + 1

	// Error is an error from the handler that wraps [ErrInjected]. It is a crash
	// also in a server, where an error of the handler itself would be an answer.
	// To a loop, which has no handler, it is a panic with that error.
	Error

	// Goexit is runtime.Goexit in the handler.
	Goexit

	// Hang is a handler that does not return, whatever its ctx says, before
	// [Injector.Release]. Then it is an Error.
	Hang

	// SlowMessage is a message that takes its time before its handler begins. It
	// takes less if the actor is killed meanwhile, or asked to stop and not to
	// handle what waits; not if a caller gives up. It is part of the
	// HandlerTimeout of an actor, but not of that of a server, which begins with
	// the handler.
	SlowMessage

	// FailStart is an error of Start that wraps [ErrInjected]; the child's own
	// Start is not called.
	FailStart

	// SlowStart is a Start that takes its time before it begins, whatever its
	// ctx says.
	SlowStart

	// SlowStop is a child that takes its time when it was asked to stop and has
	// done so, whatever its ctx says.
	SlowStop
)

var kinds = map[Kind]string{
	Panic: "panic", Error: "error", Goexit: "goexit", Hang: "hang", SlowMessage: "slow message",
	FailStart: "failing start", SlowStart: "slow start", SlowStop: "slow stop",
}

// String is the kind in words.
func (k Kind) String() string {
	if text := kinds[k]; text != "" {
		return text
	}
	return fmt.Sprintf("kind(%d)", k)
}

// ErrInjected is what errors.Is finds in the reason of a crash that was injected.
var ErrInjected = errors.New("injected")

// Fault is something that goes wrong, and when. Its occasions are messages for the
// kinds Panic to SlowMessage, starts for FailStart and SlowStart, stops for SlowStop.
// Each child counts its own, over all its incarnations.
type Fault struct {
	Kind Kind

	// At is the one occasion that the fault strikes, from 1. 0 leaves it to Rate.
	At int

	// Rate is the share of the occasions that the fault strikes, from 0 to 1, if
	// At is 0. Which numbers they have follows from the seed and the path of the
	// child alone. If several goroutines send to it, which message has such a
	// number is still up to the scheduler.
	Rate float64

	// For is how long a SlowMessage, SlowStart or SlowStop takes; 0 means a second.
	For time.Duration
}

func (f Fault) check() error {
	switch {
	case kinds[f.Kind] == "":
		return fmt.Errorf("Kind: %v is none of those from Panic to SlowStop", f.Kind)
	case f.At < 0:
		return fmt.Errorf("At: %d is negative", f.At)
	case !(f.Rate >= 0 && f.Rate <= 1): // nor is NaN
		return fmt.Errorf("Rate: %v is not from 0 to 1", f.Rate)
	case f.At == 0 && f.Rate == 0:
		return errors.New("neither At nor Rate: it would never strike")
	case f.For < 0:
		return fmt.Errorf("For: %v is negative", f.For)
	}
	return nil
}

// String is the fault in words.
func (f Fault) String() string {
	if f.At == 0 {
		return fmt.Sprintf("%v at a rate of %v", f.Kind, f.Rate)
	}
	return fmt.Sprintf("%v at %v %d", f.Kind, f.Kind.occasion(), f.At)
}

// occasion is where a fault may strike.
type occasion uint8

const (
	message occasion = iota
	start
	stop
)

func (o occasion) String() string { return [...]string{"message", "start", "stop"}[o] }

func (k Kind) occasion() occasion {
	switch k {
	case FailStart, SlowStart:
		return start
	case SlowStop:
		return stop
	}
	return message
}

// injectedError is what an injected fault ends with.
type injectedError struct {
	kind Kind
	at   string
}

func (e *injectedError) Error() string { return fmt.Sprintf("injected %v at %s", e.kind, e.at) }
func (e *injectedError) Unwrap() error { return ErrInjected }
