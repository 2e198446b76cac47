package strategy

import (
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/coppice-go/coppice/exit"
)

// ErrStopped is what [Delays.Next] returns when the backoff of a child ends:
// there will be no further restart, and the supervisor gives up.
var ErrStopped = errors.New("the backoff allows no further restart")

// DefaultHealthy is how long an incarnation must live to reset the backoff of
// its child unless [NewDelays] is told otherwise. It is the default period of
// [Window]: a child that outlived it has none of its earlier restarts in a
// default window, so delay and intensity both begin anew.
const DefaultHealthy = DefaultWithin

// Delays are the delays of one child: how long to wait before its next restart,
// and when to begin anew (S191). The zero value restarts at once, always.
//
// Delays must not be copied after its first use, and is not safe for concurrent
// use.
type Delays struct {
	factory Backoff
	healthy time.Duration
	backoff backoff.BackOff // nil until the first use
}

// NewDelays makes the delays of one child out of its backoff; b may be nil. An
// incarnation that lived for healthy or longer resets the backoff; 0 means
// [DefaultHealthy], and with a negative time, which supervisors refuse, every
// incarnation resets it.
func NewDelays(b Backoff, healthy time.Duration) Delays {
	return Delays{factory: b, healthy: healthy}
}

// Healthy says whether a life of this length was a healthy one, after which
// delays and attempts begin anew.
func (d *Delays) Healthy(lived time.Duration) bool {
	if d.healthy == 0 {
		return lived >= DefaultHealthy
	}
	return lived >= d.healthy
}

// Next is the delay before the next restart of a child whose last incarnation
// lived for lived, which is 0 if it failed to start. A negative delay other
// than [backoff.Stop] counts as 0.
//
// The error is not nil when there is to be no restart. It is [ErrStopped] if the
// BackOff said Stop. Otherwise the backoff is at fault: see [Backoff.Check];
// if code of the user panicked, errors.As finds the *[exit.Panic], and errors.Is
// the value if that is an error.
//
// The BackOff is made at the first call and reset then, and made again after a
// panic. If it leaves through [runtime.Goexit], so does Next: that cannot be
// recovered.
func (d *Delays) Next(lived time.Duration) (delay time.Duration, err error) {
	if d.factory == nil {
		return 0, nil
	}
	anew := d.Healthy(lived)
	if d.backoff == nil {
		if d.backoff, err = d.factory.make(); err != nil {
			return 0, err
		}
		anew = true // some BackOffs, such as a literal of cenkalti's, do not work before a Reset
	}
	err = guarded(func() {
		if anew {
			d.backoff.Reset()
		}
		delay = d.backoff.NextBackOff()
	})
	switch {
	case err != nil:
		d.backoff = nil // it panicked half-way, so nothing is known of its state
		return 0, err
	case delay == backoff.Stop:
		return 0, ErrStopped
	}
	return max(delay, 0), nil
}

// guarded calls code of the user and makes an error of a panic in it.
func guarded(call func()) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("backoff: %w", exit.Recovered(value))
		}
	}()
	call()
	return nil
}
