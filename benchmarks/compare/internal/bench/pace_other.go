//go:build !linux

package bench

import "time"

// pacer is what the catalogue calls a pace.
const pacer = "sleeps, which may end a millisecond late"

// pace sleeps until it is time, which may be a millisecond late.
type pace struct {
	every time.Duration
	next  time.Time
}

// newPace begins to count: the first turn comes after the time given.
func newPace(every time.Duration) (*pace, error) {
	return &pace{every: every, next: time.Now()}, nil
}

// turn waits for the next turn. Who comes late does not wait for those that were missed.
func (p *pace) turn() error {
	p.next = p.next.Add(p.every)
	time.Sleep(time.Until(p.next))
	return nil
}

func (p *pace) stop() error { return nil }
