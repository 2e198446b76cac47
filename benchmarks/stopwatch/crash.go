package stopwatch

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// victim is a Victim in its tree.
type victim struct {
	Victim
	path    string
	down    atomic.Bool           // it has ended, and is not up again
	current atomic.Pointer[crash] // the latest, nil if there was none
}

// burst are crashes at the same moment.
type burst struct {
	clock   clock
	crashes []*crash
	gate    chan struct{} // closed at the moment
	left    atomic.Int64  // marks that are still to be set
	done    chan struct{} // closed when all are
}

// crash is one crash of a victim: from its moment to the first message that the
// next incarnation has handled. It is also what the victim panics with.
type crash struct {
	burst  *burst
	victim *victim
	called atomic.Bool
	told   atomic.Bool   // the supervisor has told of it
	held   chan struct{} // closed when the victim waits for the gate
	filled chan struct{} // closed when the messages that are to wait were sent
	fail   func(error)

	at, ready, handled mark
}

func newBurst(clock clock, victims []*victim, fail func(error)) *burst {
	b := &burst{clock: clock, gate: make(chan struct{}), done: make(chan struct{})}
	for _, v := range victims {
		c := &crash{burst: b, victim: v, held: make(chan struct{}), filled: make(chan struct{}), fail: fail}
		b.left.Add(1)
		if v.Ping != nil {
			b.left.Add(1)
		}
		b.crashes = append(b.crashes, c)
	}
	for _, c := range b.crashes {
		c.victim.current.Store(c)
	}
	return b
}

// Error is what the crash is called in the log of the tree.
func (c *crash) Error() string { return "crash by the stopwatch" }

// now is called by the victim. It returns at the moment of the crash.
func (c *crash) now() error {
	if !c.called.CompareAndSwap(false, true) {
		c.fail(fmt.Errorf("%s was handed the message that it had crashed with: Retries of an actor to measure must be 0", c.victim.path))
		return c
	}
	close(c.held)
	<-c.burst.gate
	c.at.set(c.burst.clock.now())
	return c
}

// isTold is told when a supervisor tells of a crash of the victim, and says whether
// it is this one.
func (c *crash) isTold() bool {
	_, crashed := c.at.get()
	return crashed && c.told.CompareAndSwap(false, true)
}

// isReady is told when the victim is up. What comes before the supervisor has told of
// the crash is about the incarnation that has crashed: it can be that fast.
func (c *crash) isReady(at time.Duration) {
	if c.told.Load() && c.ready.set(at) {
		c.burst.marked()
	}
}

// hasHandled is told when the victim has handled a message.
func (c *crash) hasHandled(at time.Duration) {
	if _, crashed := c.at.get(); crashed && c.handled.set(at) {
		c.burst.marked()
	}
}

func (b *burst) marked() {
	if b.left.Add(-1) == 0 {
		close(b.done)
	}
}

// ask asks the victim to crash.
func (c *crash) ask(ctx context.Context) {
	if err := c.victim.Crash(ctx, c.now); err != nil && !c.called.Load() {
		c.fail(fmt.Errorf("%s cannot be made to crash: %w", c.victim.path, err))
	}
}

// fill sends the messages that are to wait, when the victim waits itself.
func (c *crash) fill(ctx context.Context, waiting int) {
	defer close(c.filled)
	if c.victim.Ping == nil {
		return
	}
	select {
	case <-c.held:
	case <-ctx.Done():
		return
	}
	for range waiting {
		if err := c.victim.ping(ctx, func() {}); err != nil {
			if ctx.Err() == nil {
				c.fail(fmt.Errorf("%s does not take a message: %w", c.victim.path, err))
			}
			return
		}
	}
}

// ping sends a message and tells when it was handled.
func (v *victim) ping(ctx context.Context, handled func()) error {
	return v.Ping(ctx, func() {
		if c := v.current.Load(); c != nil {
			c.hasHandled(c.burst.clock.now())
		}
		handled()
	})
}
