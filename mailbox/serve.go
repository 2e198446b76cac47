package mailbox

import (
	"context"
	"time"
)

// Serve hands one message after the other to handle, until that returns an error
// or there is nothing to do: as [Receiver.Next] says, got is then Stopped or Idle.
// After an error the message is in hand. What is drained once ctx has ended is
// not handed over any more, and becomes a dead letter.
//
// The inner loop is the hot path of an actor. As long as messages wait, each costs one
// receive that cannot block, a third of the price of a select that can, and one
// atomic operation, which takes it in hand. Everything else is left to Next: the first
// message, a stop, the rest of a batch, a wait that is for more than messages.
func (in *Receiver[M]) Serve(ctx context.Context, patience time.Duration, handle func(context.Context, M) error) (got Got, err error) {
	forMessages := patience <= 0 && in.stopped() == nil // is all it may wait for
	for {
		if err := in.serveRest(ctx, handle); err != nil {
			return Message, err
		}
		message, got := in.Next(patience)
		if got != Message {
			return got, nil
		}
		// The time for the drain may be over, though Next was not told. A kill that has
		// come meanwhile without a drain finds the message in hand, which is not lost.
		if in.stop.Load()&stopDrain != 0 && ctx.Err() != nil {
			in.Skip(Discarded)
			continue
		}
		if err := handle(ctx, message); err != nil {
			return Message, err
		}
		hands := in.hands
	messages:
		for in.stop.Load() == 0 && in.last&partial == 0 {
			var e Envelope[M]
			select {
			case e = <-hands.channel:
			default:
				if !forMessages || !in.restsToWait() {
					break messages
				}
				e = <-hands.channel
			}
			if e.alone() {
				next := (in.last&^idle + one) ^ side
				hands.side[next/side&1] = e
				if in.word.CompareAndSwap(in.last, next) {
					in.last = next
					if err := handle(ctx, e.message); err != nil {
						return Message, err
					}
					continue
				}
			}
			if in.box.poked(e) {
				continue
			}
			message, got := in.begin(e) // a batch, or an abandoned incarnation
			if got != Message {
				return Stopped, nil
			}
			if err := handle(ctx, message); err != nil {
				return Message, err
			}
		}
	}
}

// serveRest hands over what is left of the batch in hand, until a stop is asked. That
// costs a message one atomic operation and nothing else.
func (in *Receiver[M]) serveRest(ctx context.Context, handle func(context.Context, M) error) error {
	if in.last&partial == 0 {
		return nil
	}
	for p := in.parcel(); in.last&partial != 0 && in.stop.Load() == 0; {
		message, got := in.next(p)
		if got != Message {
			return nil
		}
		if err := handle(ctx, message); err != nil {
			return err
		}
	}
	return nil
}

// restsToWait rests. As in Next, a stop is either seen here or sends a poke later.
func (in *Receiver[M]) restsToWait() bool { return in.rest() && in.stop.Load() == 0 }
