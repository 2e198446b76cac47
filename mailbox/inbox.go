package mailbox

import (
	"context"
	"iter"
)

// Inbox is what the loop of an actor receives from.
//
// Its methods belong to the goroutine of the loop. The zero value receives
// nothing, so it has nothing to open.
type Inbox[M any] struct {
	// C is the channel itself, to be selected on beside other channels. Give
	// each envelope to Open at once: only that shows its message. An envelope
	// that is not opened is lost, and no account knows of it.
	//
	// Do not keep a copy of C: when Open or Rest has given one message of a batch, C
	// is another channel, which is ready, until the last of the batch is opened.
	C <-chan Envelope[M]

	end *Receiver[M]
}

// Inbox is the part of r that the loop of an actor needs.
func (r *Receiver[M]) Inbox() *Inbox[M] { return &Inbox[M]{C: r.loop.C, end: r} }

// Open takes the message of an envelope from C in hand; what was in hand before
// counts as handled. It is false if there is nothing to do: the envelope only
// woke the receiver, or the incarnation has been abandoned and the message is a
// dead letter.
//
// Of a batch it takes the first message, and those that follow come through C as
// well, one by one, before all others. What is left of it becomes dead letters if an
// envelope is opened that was not received from C as it is now.
func (in *Inbox[M]) Open(e Envelope[M]) (message M, ok bool) {
	message, ok = in.end.Open(e)
	in.C = in.end.loop.C
	return message, ok
}

// Done says that the message in hand is handled. Without it the next Open says
// so, and until then the message counts as in hand.
func (in *Inbox[M]) Done() {
	if in.end != nil {
		in.end.Done()
	}
}

// Rest gives the messages that are waiting, each taken in hand in turn, and
// ends when none is left. It does not wait: it is for a loop that has seen its
// context end and drains. It gives nothing, or no more, when the messages are
// not to be drained: because they are kept for the next incarnation, by the
// drain policy, or because the shutdown time is over.
//
// A loop may break it off and go on with C.
func (in *Inbox[M]) Rest() iter.Seq[M] {
	return func(yield func(M) bool) {
		if in.end == nil {
			return
		}
		defer func() { in.C = in.end.loop.C }()
		in.end.Rest()(yield)
	}
}

// Context is the ctx for the work on the message in hand: the loop's own, with
// the trace of that message. Sends and calls with it belong to the trace.
func (in *Inbox[M]) Context() context.Context {
	if in.end == nil {
		return context.Background()
	}
	return in.end.Context()
}
