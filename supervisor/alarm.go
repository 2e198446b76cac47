package supervisor

import (
	"sync/atomic"
	"time"
)

// alarm wakes a loop that waits for a point in time. One that is set already and
// rings before that is left as it is: the loop looks, and waits again. So a stop of
// a thousand children, each of which has a time of its own to end, sets it once.
type alarm struct {
	timer *time.Timer // nil until needed
	at    time.Time   // for when it is set; zero if it is not
	rang  atomic.Bool
}

// set nudges the loop at a time, or before; zero means never.
func (a *alarm) set(at time.Time, loop *queue) {
	if a.rang.Load() && a.rang.Swap(false) {
		a.at = time.Time{}
	}
	if at.IsZero() || !a.at.IsZero() && !at.Before(a.at) {
		return
	}
	a.at = at
	if a.timer != nil {
		a.timer.Reset(time.Until(at))
		return
	}
	a.timer = time.AfterFunc(time.Until(at), func() {
		a.rang.Store(true)
		loop.nudge()
	})
}

func (a *alarm) off() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
