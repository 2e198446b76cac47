package stopwatch

import (
	"context"
	"errors"
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

// room is how long a victim may hold back its crash because its mailbox has no
// room for the messages that are to wait.
const room = 10 * time.Millisecond

// errStopped means that the measuring is to end, and that this is no failure.
var errStopped = errors.New("stopped")

// strike makes the victims of a burst crash, and waits until each is ready and has
// handled a message. full is how many mailboxes had no room for all that was to
// wait.
func (r *round) strike(b *burst) (full int, err error) {
	defer r.open(b)
	patience := time.NewTimer(r.options.Patience)
	defer patience.Stop()
	for _, c := range b.crashes {
		r.background.Go(func() { c.ask(r.ctx) })
		r.background.Go(func() { c.fill(r.ctx, r.options.Waiting) })
	}
	for _, c := range b.crashes {
		if err := r.await(c.held, patience.C, "has not begun its crash"); err != nil {
			return 0, r.late(b, err)
		}
	}
	full = r.fillAll(b)
	r.open(b)
	if err := r.await(b.done, patience.C, "is not up again"); err != nil {
		return full, r.late(b, err)
	}
	return full, r.settle(patience.C)
}

// settle waits until the siblings are up again that were restarted too, so that the
// next crash finds the supervisor idle.
func (r *round) settle(patience <-chan time.Time) error {
	for r.watch.down.Load() > 0 {
		err := r.await(r.watch.news, patience, "")
		if _, late := err.(*lateError); late {
			return fmt.Errorf("%s is not up again after %v", r.whoIsDown(), r.options.Patience)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *round) whoIsDown() string {
	for _, v := range r.victims {
		if v.down.Load() {
			return v.path
		}
	}
	return "a victim"
}

// fillAll waits until all mailboxes are filled, as far as they have room.
func (r *round) fillAll(b *burst) (full int) {
	enough := time.NewTimer(room)
	defer enough.Stop()
	over := false
	for _, c := range b.crashes {
		if !over {
			select {
			case <-c.filled:
				continue
			case <-enough.C:
				over = true
			}
		}
		select {
		case <-c.filled:
		default:
			full++
		}
	}
	return full
}

// open lets the crashes happen.
func (r *round) open(b *burst) {
	select {
	case <-b.gate:
	default:
		close(b.gate)
	}
}

// lateError is what took longer than the patience.
type lateError struct{ what string }

func (e *lateError) Error() string { return e.what }

// await waits for something of a burst.
func (r *round) await(event <-chan struct{}, patience <-chan time.Time, what string) error {
	select {
	case <-event:
		return nil
	case err := <-r.failures:
		return err
	case err := <-r.ended:
		return r.endedEarly(err)
	case <-r.ctx.Done():
		return errStopped
	case <-patience:
		return &lateError{what}
	}
}

// late says which victim was too slow, if that is the error.
func (r *round) late(b *burst, err error) error {
	var late *lateError
	if !errors.As(err, &late) {
		return err
	}
	for _, c := range b.crashes {
		_, crashed := c.at.get()
		_, ready := c.ready.get()
		_, handled := c.handled.get()
		what := late.what
		switch {
		case crashed && ready && (handled || c.victim.Ping == nil):
			continue
		case crashed && ready:
			what = "has handled no message since its crash"
		}
		return fmt.Errorf("%s %s after %v", c.victim.path, what, r.options.Patience)
	}
	return fmt.Errorf("%w after %v", err, r.options.Patience)
}
