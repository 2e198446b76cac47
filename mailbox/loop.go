package mailbox

import (
	"context"
	"iter"
)

// What a receiver does for a loop of the user's, which receives from C itself.

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
	if in.watch.Begun != nil {
		in.watching, in.ctx = true, in.watch.Begun(message)
	}
}

// unwatch ends what the watch sees of a message, once. The word cannot tell
// that: in an abandoned incarnation it does not change any more.
func (in *Receiver[M]) unwatch() {
	if in.watching {
		in.watching, in.ctx = false, nil
		in.watch.Done()
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
func (in *Receiver[M]) Watch(w Watch[M]) { in.watch = w }

// Context is that of [Inbox].
func (in *Receiver[M]) Context() context.Context {
	if in.ctx != nil {
		return in.ctx
	}
	return in.watch.Ctx
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
	if ctx := in.watch.Ctx; ctx != nil && ctx.Err() != nil {
		<-in.stopped
	}
	return in.stop.Load()
}

// turn makes C what a loop is to receive from next: the channel, or one with an
// envelope that stands for what comes before all that waits there.
func (in *Receiver[M]) turn(first bool) {
	if !first {
		in.C = in.box.channel
		return
	}
	if in.more == nil {
		in.more = make(chan Envelope[M], 1)
	}
	select {
	case in.more <- Envelope[M]{note: onward}:
	default:
	}
	in.C = in.more
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
