package mailbox

import (
	"context"
	"iter"
)

// What a receiver does for a loop of the user's, which receives from its channel
// itself.

// looping is what a receiver has besides if it does not wait for its channel alone: as
// it is that of a loop, or of an unbuffered mailbox, which only uses stopped.
type looping[M any] struct {
	C        <-chan Envelope[M] // that of the Inbox
	watch    Watch[M]           // the zero value watches nothing
	watching bool               // it has seen a message begin, and not yet be done
	ctx      context.Context    // of that message
	more     chan Envelope[M]   // what C is while there is more of the batch in hand; nil before the first
	stopped  chan struct{}      // closed by Stop, of which a poke cannot tell
}

// Loop is Receive for an incarnation that selects on C of its [Inbox]. It must end
// when its context does.
func (m *Mailbox[M]) Loop(in *Receiver[M]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	in.loop = &looping[M]{stopped: make(chan struct{})}
	m.receiveLocked(in, false)
	in.readyLocked()
	in.turn(m.heldLocked())
}

// stopped is closed when it is stopped; nil if a poke tells of that.
func (in *Receiver[M]) stopped() chan struct{} {
	if in.loop == nil {
		return nil
	}
	return in.loop.stopped
}

// Open is that of [Inbox].
func (in *Receiver[M]) Open(e Envelope[M]) (message M, ok bool) {
	if in.box.poked(e) {
		return message, false
	}
	in.unwatch()
	got := Stopped
	switch {
	case e.note != onward:
		in.skipRest()
		message, got = in.begin(e)
	case in.last == idle: // nothing was begun yet
		if e, ok := in.takeHeld(); ok {
			message, got = in.begin(e)
		}
	case in.last&partial != 0:
		message, got = in.next(in.parcel())
	}
	in.turn(got == Message && in.last&partial != 0)
	if got == Message {
		in.watched(message)
	}
	return message, got == Message
}

// watched shows a message that was begun to the watch.
func (in *Receiver[M]) watched(message M) {
	if l := in.loop; l.watch.Begun != nil {
		l.watching, l.ctx = true, l.watch.Begun(message)
	}
}

// unwatch ends what the watch sees of a message, once. The word cannot tell
// that: in an abandoned incarnation it does not change any more.
func (in *Receiver[M]) unwatch() {
	if l := in.loop; l != nil && l.watching {
		l.watching, l.ctx = false, nil
		l.watch.Done()
	}
}

// Watch surrounds each message that Open or Rest takes in hand.
type Watch[M any] struct {
	Ctx context.Context // what Context gives while nothing is in hand

	// Begun gives the ctx for the work on a message, Done is told that it is
	// over. Both are nil if there is nothing to see.
	Begun func(M) context.Context
	Done  func()
}

// Watch begins to watch. The actor calls it before it hands the inbox to a loop.
func (in *Receiver[M]) Watch(w Watch[M]) { in.loop.watch = w }

// Context is that of [Inbox].
func (in *Receiver[M]) Context() context.Context {
	if in.loop.ctx != nil {
		return in.loop.ctx
	}
	return in.loop.watch.Ctx
}

// Rest is that of [Inbox].
func (in *Receiver[M]) Rest() iter.Seq[M] {
	return func(yield func(M) bool) {
		for {
			if stop := in.told(); stop != 0 && stop&stopDrain == 0 {
				in.Done()
				return
			}
			in.unwatch()
			message, got, ok := in.first()
			if !ok {
				in.Done()
				return
			}
			if got != Message {
				return
			}
			in.watched(message)
			if !yield(message) {
				in.turn(in.last&partial != 0)
				return
			}
		}
	}
}

// told is what Stop has said to a loop. The loop may have seen its context end a
// moment before that was said.
func (in *Receiver[M]) told() uint32 {
	if ctx := in.loop.watch.Ctx; ctx != nil && ctx.Err() != nil {
		<-in.loop.stopped
	}
	return in.stop.Load()
}

// turn makes C what a loop is to receive from next: the channel, or one with an
// envelope that stands for what comes before all that waits there.
func (in *Receiver[M]) turn(first bool) {
	l := in.loop
	if !first {
		l.C = in.box.channel
		return
	}
	if l.more == nil {
		l.more = make(chan Envelope[M], 1)
	}
	select {
	case l.more <- Envelope[M]{note: onward}:
	default:
	}
	l.C = l.more
}

// skipRest makes dead letters of what comes before all that waits, because a loop
// opens something else: of what is left of a batch, of what was held back for it.
func (in *Receiver[M]) skipRest() {
	if in.last == idle { // nothing was begun yet
		if e, ok := in.takeHeld(); ok {
			in.mailbox.drop(e, Discarded)
		}
	}
	for in.last&partial != 0 {
		if _, got := in.next(in.parcel()); got != Message {
			return
		}
		in.Skip(Discarded)
	}
}
