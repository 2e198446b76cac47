package mailbox

import (
	"context"
	"runtime"
	"sync/atomic"
)

// Envelope is a message on its way, or a batch of them: what the channel of a
// mailbox carries. It shows them to [Inbox.Open] only.
type Envelope[M any] struct {
	message M
	note    *Note
}

// Note is what the runtime writes on an envelope.
type Note struct {
	Trace       any // the sender's trace, as the room of tracing knows it
	Crashes     int // how often a handler of this message has crashed
	Incarnation int // of a dead letter: which had it in hand, as the Receiver says; 0 if none

	content any // what the envelope holds instead of a message: a *parcel; nil for a message
}

// The notes of envelopes that are no message, and are counted nowhere.
var (
	poke   = &Note{content: "poke"}   // wakes a waiting receiver so that it looks at its flags
	onward = &Note{content: "onward"} // tells a loop that there is more of the batch in hand
)

// A box is one channel and its state. It goes from open over sealed to closed
// and never back; an actor that is started again gets a new one.
//
// The rule that loses nothing: a sender looks for "not open" before it puts its
// message into the channel and for "closed" after. Sealed means that senders
// are refused while the receiver still drains. Only in a closed box, whose
// receiver is gone, may a sender empty the channel.
//
// It is made when it is needed: the mailbox of an actor that waits for its first
// message, or has given its goroutine back, has none. See shed.go.
type box[M any] struct {
	channel chan Envelope[M]
	state   atomic.Uint32
	pokes   atomic.Int32 // pokes in the channel; each takes the room of a message until it is received
	mailbox *Mailbox[M]

	around func(context.Context, M, int, func(context.Context, *Note) error) error // of the owner

	gate atomic.Pointer[chan struct{}] // made by the first sender that must wait; closed by seal

	// hands are for the next receiver that has none: who brings the first message makes
	// them, because an idle receiver's stack has no room for that. The mailbox guards it.
	hands *hands[M]

	_ [16]byte // its senders read it for each message: so it shares its 64 bytes with nothing that is written as often
}

// The bits of a box's state. None of them is taken back, save parked.
const (
	sealed uint32 = 1 << iota
	closed
	moved   // and a successor has taken over what waited
	renewed // closed by Renew
	parked  // the receiver has given its goroutine back
	traced  // there is something around each send; set from the beginning
)

// newBox makes a box for the mailbox as it is now, which is locked.
func newBox[M any](m *Mailbox[M]) *box[M] {
	b := &box[M]{mailbox: m, channel: make(chan Envelope[M], m.capacity), around: m.owner.Around()}
	b.hands = b.newHands()
	state := [...]uint32{shut: sealed | closed, ajar: sealed, open: 0}[m.door]
	if b.around != nil {
		state |= traced
	}
	if m.receiver != nil && m.receiver.parked {
		state |= parked
	}
	b.state.Store(state)
	return b
}

func (b *box[M]) newHands() *hands[M] { return &hands[M]{channel: b.channel} }

// depth is how many messages are in the channel, a batch counted as one.
func (b *box[M]) depth() int {
	return max(0, len(b.channel)-int(b.pokes.Load()))
}

// deliver puts e into an open box by the overflow policy. It is errNotOpen if
// the box was sealed meanwhile.
func (b *box[M]) deliver(ctx context.Context, e Envelope[M]) error {
	if b.put(e) {
		return nil
	}
	switch b.mailbox.overflow {
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
		if b.put(e) {
			return
		} // otherwise another sender was faster
	}
}

// put puts e into the channel if there is room.
func (b *box[M]) put(e Envelope[M]) bool {
	more := e.size() - 1 // once it is in the channel it is the receiver's
	select {
	case b.channel <- e:
		b.delivered(more)
		return true
	default:
		return false
	}
}

// waitForRoom first gives the receiver its turn, once: often that is all it needs.
func (b *box[M]) waitForRoom(ctx context.Context, e Envelope[M]) error {
	runtime.Gosched()
	if b.state.Load()&sealed != 0 {
		return errNotOpen
	}
	if b.put(e) {
		return nil
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
	more := e.size() - 1
	select {
	case b.channel <- e:
		b.delivered(more)
		return nil
	case <-ctx.Done():
		return refused(ctx, "send: no room in the mailbox")
	case <-*gate:
		return errNotOpen
	}
}

// delivered is the second look of a sender, who has put in so many messages more
// than one.
func (b *box[M]) delivered(more int) {
	if more > 0 {
		b.mailbox.waitMore(more)
	}
	state := b.state.Load()
	if state == 0 {
		return
	}
	if state&parked != 0 {
		b.mailbox.unpark(b)
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

// why is the reason for the dead letters of a box that is closed, also for what a late
// sender brings.
func (b *box[M]) why() Why { return whyClosed(b.state.Load()) }

// whyClosed is why, of a box with such a state.
func whyClosed(state uint32) Why {
	if state&renewed != 0 {
		return Renewed
	}
	return Discarded
}

// empty makes dead letters of what is there.
func (b *box[M]) empty() {
	for {
		select {
		case e := <-b.channel:
			if !b.poked(e) {
				b.mailbox.drop(e, b.why())
			}
		default:
			return
		}
	}
}

// putPoke puts a poke into the channel. If that is full there is no need: the
// receiver will come to look.
func (b *box[M]) putPoke() bool {
	b.pokes.Add(1)
	select {
	case b.channel <- Envelope[M]{note: poke}:
		return true
	default:
		b.pokes.Add(-1)
		return false
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

// pourIntoLocked moves what is there into next, without waiting, and gives back what
// did not fit. The mailbox is locked. It leaves a poke for an abandoned receiver: the
// one meant for it may have been among the messages, or have found no room between
// them.
func (b *box[M]) pourIntoLocked(next *box[M]) (lost []Envelope[M]) {
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
