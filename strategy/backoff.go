package strategy

import (
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Backoff makes the delays before the restarts of one child. It is a factory,
// called once per child, because a [backoff.BackOff] has state and is not safe
// for concurrent use:
//
//	func() backoff.BackOff { return backoff.NewExponentialBackOff(backoff.WithMaxElapsedTime(0)) }
//
// A nil Backoff restarts at once, as OTP does (S187).
//
// The delay and the intensity of the supervisor ([Window]) know nothing of each
// other: delays longer than the period divided by the number of restarts keep a
// child that always crashes below the intensity for ever (S191). The default
// intensity, 3 within 5 s, is out of reach of delays above 1.67 s.
type Backoff func() backoff.BackOff

// Exponential makes random delays between 0 and an interval that is initial for
// the first one and doubles with each up to max ("full jitter"). The average
// delay is half the interval. No delay is negative or above max, and they never
// end. An initial of 1 ns is rounded up to 2 ns.
//
// It needs 0 < initial <= max; otherwise [Backoff.Check] says so, and
// [Delays.Next] fails.
func Exponential(initial, max time.Duration) Backoff {
	switch {
	case initial <= 0:
		return invalid("exponential: initial %v is not positive", initial)
	case max < initial:
		return invalid("exponential: max %v is less than initial %v", max, initial)
	}
	return func() backoff.BackOff { return newFullJitter(initial, max) }
}

// Constant makes delays that are all the same. It needs delay >= 0; otherwise
// [Backoff.Check] says so, and [Delays.Next] fails.
func Constant(delay time.Duration) Backoff {
	if delay < 0 {
		return invalid("constant: delay %v is negative", delay)
	}
	return func() backoff.BackOff { return backoff.NewConstantBackOff(delay) }
}

// Check says what is wrong with b: it is an [Exponential] or a [Constant] of
// invalid arguments, or a factory that gives nil or panics. It calls the factory
// once, and not the BackOff. A nil Backoff is right. If the factory leaves
// through [runtime.Goexit], so does Check.
func (b Backoff) Check() error {
	if b == nil {
		return nil
	}
	_, err := b.make()
	return err
}

// make calls the factory, guarded.
func (b Backoff) make() (made backoff.BackOff, err error) {
	if err = guarded(func() { made = b() }); err != nil {
		return nil, err
	}
	switch made := made.(type) {
	case nil:
		return nil, errors.New("backoff: the factory gave nil")
	case *faulty:
		return nil, made.fault
	}
	return made, nil
}

// fullJitter is cenkalti's exponential backoff, which takes a random value
// around its interval: half of ours plus or minus that half.
type fullJitter struct {
	*backoff.ExponentialBackOff
	max time.Duration
}

func newFullJitter(initial, limit time.Duration) fullJitter {
	return fullJitter{
		max: limit,
		ExponentialBackOff: backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(max(initial/2, 1)), // 0 would never grow
			backoff.WithMaxInterval(max(limit/2, 1)),
			backoff.WithRandomizationFactor(1),
			backoff.WithMultiplier(2),
			backoff.WithMaxElapsedTime(0), // the default stops after 15 minutes
		),
	}
}

func (j fullJitter) NextBackOff() time.Duration {
	delay := j.ExponentialBackOff.NextBackOff()
	if delay < 0 || delay > j.max { // its floats overflow when max is next to the largest Duration
		return j.max
	}
	return delay
}

// faulty stands for a BackOff that could not be made: a Backoff has no other
// way to carry an error to Check.
type faulty struct {
	backoff.StopBackOff
	fault error
}

func invalid(format string, arguments ...any) Backoff {
	fault := fmt.Errorf("backoff: "+format, arguments...)
	return func() backoff.BackOff { return &faulty{fault: fault} }
}
