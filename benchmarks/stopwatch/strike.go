package stopwatch

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// crashAll makes victims crash, so many in all.
func (r *round) crashAll(crashes int) error {
	if len(r.victims) == 0 {
		return nil
	}
	for done := 0; done < crashes && !r.timeOver(); {
		n := min(r.options.Burst, crashes-done)
		b := newBurst(r.clock, r.choose(n), r.fail)
		full, err := r.strike(b)
		r.counts.Full += full
		done += r.record(b)
		r.tellProgress()
		if err != nil {
			return err
		}
		if done < crashes {
			if err := r.pause(); err != nil {
				return err
			}
		}
	}
	return nil
}

// pause lets time pass between two crashes.
func (r *round) pause() error {
	if r.options.Pause == 0 {
		return nil
	}
	over := time.NewTimer(r.options.Pause)
	defer over.Stop()
	err := r.await(nil, over.C, "")
	if _, late := err.(*lateError); late { // as it was to
		return nil
	}
	return err
}

// choose gives n different victims.
func (r *round) choose(n int) []*victim {
	for i := range n {
		j := i + r.random.IntN(len(r.victims)-i)
		r.victims[i], r.victims[j] = r.victims[j], r.victims[i]
	}
	return slices.Clone(r.victims[:n])
}

// record takes what was measured of a burst, and says how many crashes there were.
func (r *round) record(b *burst) (crashes int) {
	for _, c := range b.crashes {
		at, crashed := c.at.get()
		if !crashed {
			continue
		}
		if ready, set := c.ready.get(); set {
			crashes++
			r.counts.Crashes++
			r.ready.Add(at, ready-at)
			r.slowReady.add(Slow{Path: c.victim.path, Took: ready - at})
		}
		if handled, set := c.handled.get(); set {
			r.handled.Add(at, handled-at)
		}
	}
	return crashes
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
			return 0, r.late([]*crash{c}, err)
		}
	}
	full = r.fillAll(b)
	r.open(b)
	if err := r.await(b.done, patience.C, "is not up again"); err != nil {
		return full, r.late(b.crashes, err)
	}
	return full, r.settle(patience.C)
}

// settle waits until the siblings are up again that were restarted too, so that the
// next crash finds the supervisor idle.
func (r *round) settle(patience <-chan time.Time) error {
	for r.watch.down.Load() > 0 {
		err := r.await(r.watch.news, patience, "")
		if _, late := err.(*lateError); late {
			return r.watch.because(fmt.Errorf("%s is not up again after %v", r.whoIsDown(), r.options.Patience))
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
func (r *round) late(crashes []*crash, err error) error {
	late, ok := err.(*lateError)
	if !ok {
		return err
	}
	for _, c := range crashes {
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
		return r.watch.because(fmt.Errorf("%s %s after %v", c.victim.path, what, r.options.Patience))
	}
	return fmt.Errorf("%w after %v", err, r.options.Patience)
}
