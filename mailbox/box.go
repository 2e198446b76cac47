package mailbox

import (
	"context"
	"runtime"
	"sync/atomic"
)

// Envelope is a message on its way: what the channel of a mailbox carries. It
// shows its message to [Inbox.Open] only.
type Envelope[M any] struct {
	message M
	note    *Note
}

// Note is what the runtime writes on an envelope.
type Note struct {
	Trace       any // the sender's trace, as the room of tracing knows it
	Crashes     int // how often a handler of this message has crashed
	Incarnation int // of a dead letter: which had it in hand, as the Receiver says; 0 if none
}

// poke is the note of the envelope that wakes a waiting receiver so that it
// looks at its flags. It is no message and is counted nowhere.
var poke = new(Note)

// A box is one channel and its state. It goes from open over sealed to closed
// and never back; an actor that is started again gets a new one.
//
// The rule that loses nothing: a sender looks for "not open" before it puts its
// message into the channel and for "closed" after. Sealed means that senders
// are refused while the receiver still drains. Only in a closed box, whose
// receiver is gone, may a sender empty the channel.
type box[M any] struct {
	channel chan Envelope[M]
	state   atomic.Uint32
	mailbox *Mailbox[M]
	pokes   atomic.Int32 // pokes in the channel; each takes the room of a message until it is received

	around func(context.Context, M, func(context.Context, *Note) error) error // of the owner

	gate atomic.Pointer[chan struct{}] // made by the first sender that must wait; closed by seal
	wake func()                        // starts the parked receiver; set before the state says parked
}

// The bits of a box's state. None of them is taken back, save parked.
const (
	sealed uint32 = 1 << iota
	closed
	moved  // and a successor has taken over what waited
	parked // the receiver has given its goroutine back
	traced // there is something around each send; set from the beginning
)

func newBox[M any](m *Mailbox[M]) *box[M] {
	b := &box[M]{channel: make(chan Envelope[M], m.options.capacity()), mailbox: m}
	if b.around = m.owner.Around(); b.around != nil {
		b.state.Store(traced)
	}
	return b
}

// deliver puts e into an open box by the overflow policy. It is errNotOpen if
// the box was sealed meanwhile.
func (b *box[M]) deliver(ctx context.Context, e Envelope[M]) error {
	select {
	case b.channel <- e:
		b.delivered()
		return nil
	default:
	}
	switch b.mailbox.options.Overflow {
	case Reject:
		return ErrFull
	case DropNewest:
		b.mailbox.bury(e, Overflowed)
		return nil
	case DropOldest:
		b.replaceOldest(e)
		return nil
	}
	return b.waitForRoom(ctx, e)
}

func (b *box[M]) replaceOldest(e Envelope[M]) {
	for {
		select {
		case oldest := <-b.channel:
			if !b.poked(oldest) { // a poke may go: the message that takes its place wakes as well
				b.mailbox.drop(oldest, Overflowed)
			}
		default:
		}
		select {
		case b.channel <- e:
			b.delivered()
			return
		default: // another sender was faster
		}
	}
}

// waitForRoom first gives the receiver its turn, once: often that is all it needs.
func (b *box[M]) waitForRoom(ctx context.Context, e Envelope[M]) error {
	runtime.Gosched()
	select {
	case b.channel <- e:
		b.delivered()
		return nil
	default:
	}
	gate := b.gate.Load()
	if gate == nil {
		made := make(chan struct{})
		b.gate.CompareAndSwap(nil, &made)
		gate = b.gate.Load()
	}
	if b.state.Load()&sealed != 0 { // seal may not have seen the gate
		return errNotOpen
	}
	select {
	case b.channel <- e:
		b.delivered()
		return nil
	case <-ctx.Done():
		return refused(ctx, "send: mailbox full")
	case <-*gate:
		return errNotOpen
	}
}

// delivered is the second look of a sender.
func (b *box[M]) delivered() {
	state := b.state.Load()
	if state == 0 {
		return
	}
	if state&parked != 0 {
		b.unpark()
	}
	if state&closed != 0 {
		b.mailbox.late(b)
	}
}

// seal refuses senders, those that wait included, and says so in the state.
func (b *box[M]) seal(with uint32) {
	before := b.state.Or(sealed | with)
	if before&sealed != 0 {
		return
	}
	if gate := b.gate.Load(); gate != nil {
		close(*gate)
	}
}

// empty makes dead letters of what is there.
func (b *box[M]) empty() {
	for {
		select {
		case e := <-b.channel:
			if !b.poked(e) {
				b.mailbox.drop(e, Discarded)
			}
		default:
			return
		}
	}
}

// poke wakes the receiver so that it looks at its flags.
func (b *box[M]) poke() {
	if !b.unpark() {
		b.putPoke()
	}
}

// putPoke puts a poke into the channel. If that is full there is no need: the
// receiver will come to look.
func (b *box[M]) putPoke() {
	b.pokes.Add(1)
	select {
	case b.channel <- Envelope[M]{note: poke}:
	default:
		b.pokes.Add(-1)
	}
}

// poked tells a poke that was taken out of the channel from a message.
func (b *box[M]) poked(e Envelope[M]) bool {
	if e.note != poke {
		return false
	}
	b.pokes.Add(-1)
	return true
}

// unpark starts a parked receiver. It is false if there is none.
func (b *box[M]) unpark() bool {
	if b.state.And(^parked)&parked == 0 {
		return false
	}
	b.wake()
	return true
}

// pourInto moves what is there into next, without waiting, and gives back what
// did not fit. It leaves a poke for an abandoned receiver: the one meant for it
// may have been among the messages, or have found no room between them.
func (b *box[M]) pourInto(next *box[M]) (lost []Envelope[M]) {
	defer b.putPoke()
	for {
		select {
		case e := <-b.channel:
			if b.poked(e) {
				continue
			}
			select {
			case next.channel <- e:
			default:
				lost = append(lost, e)
			}
		default:
			return lost
		}
	}
}
