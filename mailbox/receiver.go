package mailbox

import (
	"context"
	"sync/atomic"
	"time"
)

// Receiver is the end of a mailbox at which one incarnation receives. It is the
// actor's; a loop of the user's gets the [Inbox] of it.
//
// Its methods belong to the goroutine of that incarnation, except Stop, Freeze
// and Begun, which anybody may call.
type Receiver[M any] struct {
	// C is the channel itself; nil after Prepare, until Next is called. Open changes
	// it while there is more of a batch to be opened.
	C <-chan Envelope[M]

	// Incarnation is what the notes of dead letters say had them in hand. Set it
	// before the first message.
	Incarnation int

	mailbox *Mailbox[M]
	box     *box[M]

	watch Watch[M]         // of a loop; the zero value watches nothing
	ctx   context.Context  // of the message that the watch has seen begin
	more  chan Envelope[M] // of a loop: what C is while there is more of the batch in hand; nil before the first

	// word is the one thing that is stored for every message: the number of
	// messages begun, above the flags. The hand of a side is written before the word
	// turns to that side, and written again only after the word has turned to the
	// other one, so whoever has frozen the word can read what is in hand. Of a batch
	// the number says which message that is.
	word atomic.Uint64
	last uint64 // what the owner stored there last
	hand [2]Envelope[M]
	ends atomic.Uint64 // the number of the last message of the batch in hand

	stop     atomic.Uint32
	pokes    bool          // the receiver waits in Next, where a poke wakes it
	watching bool          // the watch has seen a message begin, and not yet be done
	stopped  chan struct{} // closed by Stop; only where a poke cannot tell of it: an unbuffered mailbox, a loop
}

const (
	idle    uint64 = 1 << iota // nothing is in hand
	frozen                     // the incarnation is abandoned: nothing is begun any more
	side                       // which hand
	partial                    // there is more of the batch there
	one                        // one message in the count
)

const (
	stopAsked uint32 = 1 << iota // take nothing more
	stopDrain                    // take what is there
)

// Receive gives the next incarnation its end of the mailbox, which must have
// been opened; the incarnation before must have ended or been frozen. With pokes
// it waits in Next; otherwise it selects on C, and must end when its context does.
func (m *Mailbox[M]) Receive(pokes bool) *Receiver[M] {
	m.mu.Lock()
	defer m.mu.Unlock()
	in := m.receiveLocked(pokes)
	in.readyLocked()
	if m.held != nil && !pokes {
		in.turn(true)
	}
	return in
}

// Prepare is Receive for an incarnation that has no use for C, and may park before
// there is a message: the channel is made when one comes.
func (m *Mailbox[M]) Prepare() *Receiver[M] {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.receiveLocked(true)
}

func (m *Mailbox[M]) receiveLocked(pokes bool) *Receiver[M] {
	if m.receiver != nil {
		n, _ := m.receiver.Begun()
		m.begun += n
	}
	b := m.current.Load()
	in := &Receiver[M]{mailbox: m, box: b, pokes: pokes, last: idle}
	in.word.Store(idle)
	if m.options.capacity() == 0 || !pokes {
		in.stopped = make(chan struct{})
	}
	m.receiver = in
	return in
}

// ready makes the channel, if there is none. Before the receiver waits for it, it
// looks for a stop once more: a poke would have found no channel.
func (in *Receiver[M]) ready() {
	if in.C == nil {
		in.mailbox.mu.Lock()
		defer in.mailbox.mu.Unlock()
		in.readyLocked()
	}
}

func (in *Receiver[M]) readyLocked() {
	in.box.fillLocked()
	in.C = in.box.channel
}

// Got says what Next came back with.
type Got uint8

// What Next comes back with.
const (
	Message Got = iota // a message, which is now in hand
	Stopped            // nothing: the incarnation is to end
	Idle               // nothing: no message came for the given time
)

// Next waits for a message and takes it in hand; what was in hand counts as
// handled. With patience above 0 it comes back idle after that time.
func (in *Receiver[M]) Next(patience time.Duration) (message M, got Got) {
	for {
		if stop := in.stop.Load(); stop != 0 {
			return in.drain(stop)
		}
		in.ready()
		if message, got, ok := in.first(); ok {
			return message, got
		}
		if !in.rest() {
			return message, Stopped
		}
		// After rest a stop sends a poke; before it, the stop is seen here.
		if in.stop.Load() != 0 {
			continue
		}
		e, got := in.wait(patience)
		if got == Idle {
			return message, Idle
		}
		if got == Message && !in.box.poked(e) {
			return in.begin(e)
		}
	}
}

func (in *Receiver[M]) wait(patience time.Duration) (e Envelope[M], got Got) {
	if patience <= 0 && in.stopped == nil {
		return <-in.box.channel, Message
	}
	return in.waitFor(patience)
}

// waitFor is apart so that an idle actor, which waits for a message alone, does
// not have what it needs on its stack.
func (in *Receiver[M]) waitFor(patience time.Duration) (e Envelope[M], got Got) {
	var expired <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case e = <-in.box.channel:
		return e, Message
	case <-in.stopped:
		return e, Stopped
	case <-expired:
		return e, Idle
	}
}

// rest says that nothing is in hand, and forgets the last messages so that they
// can be collected, unless there is more of a batch. It is false if the incarnation
// is abandoned.
func (in *Receiver[M]) rest() bool {
	if in.last&idle != 0 {
		return true
	}
	if !in.word.CompareAndSwap(in.last, in.last|idle) {
		return false
	}
	in.last |= idle
	if in.last&partial == 0 {
		in.letGo(in.last)
		in.hand = [2]Envelope[M]{}
	}
	return true
}

// drain takes what is there in hand, if the stop says so, without waiting.
func (in *Receiver[M]) drain(stop uint32) (message M, got Got) {
	if stop&stopDrain != 0 {
		in.ready()
		if message, got, ok := in.first(); ok {
			return message, got
		}
	}
	in.rest()
	return message, Stopped
}

// first takes in hand what waits first, without waiting for it.
func (in *Receiver[M]) first() (message M, got Got, ok bool) {
	if in.last&partial != 0 {
		message, got = in.next(in.parcel())
		return message, got, true
	}
	e, ok := in.waiting()
	if ok {
		message, got = in.begin(e)
	}
	return message, got, ok
}

// waiting takes out of the queue what waits there first, without waiting for it.
func (in *Receiver[M]) waiting() (e Envelope[M], ok bool) {
	if in.last == idle { // nothing was begun yet
		if e, ok := in.takeHeld(); ok {
			return e, true
		}
	}
	for {
		select {
		case e = <-in.box.channel:
			if !in.box.poked(e) {
				return e, true
			}
		default:
			return e, false
		}
	}
}

// begin takes a message in hand. What an abandoned incarnation has got hold of
// becomes a dead letter: its successor has later messages of the same senders.
func (in *Receiver[M]) begin(e Envelope[M]) (message M, got Got) {
	next := (in.last&^idle + one) ^ side
	p := e.parcel()
	if p != nil {
		next |= partial
		in.unpack(p, next/one)
	}
	in.hand[next/side&1] = e
	if !in.word.CompareAndSwap(in.last, next) {
		if p != nil {
			in.repack(p)
		}
		in.mailbox.drop(in.noted(e), Interrupted)
		return message, Stopped
	}
	in.letGo(in.last)
	in.last = next
	return in.current(), Message
}

// InHand is the message in hand, if there is one.
func (in *Receiver[M]) InHand() (message M, ok bool) {
	if in.last&idle != 0 {
		return message, false
	}
	return in.current(), true
}

// Note is the note of the message in hand, nil if it has none.
func (in *Receiver[M]) Note() *Note { return in.held(in.last).note }

// Stop makes Next end: after what is waiting if drain is set, else at once. A
// later call without drain ends a drain; nothing begins one again. If it is true
// the receiver was parked, and who has called must call Wake.
func (in *Receiver[M]) Stop(drain bool) (parked bool) {
	stop := stopAsked
	if drain {
		stop |= stopDrain
	}
	if !in.stop.CompareAndSwap(0, stop) {
		if !drain {
			in.stop.Store(stop)
		}
		return false
	}
	if in.stopped != nil {
		close(in.stopped)
	}
	if in.pokes && in.word.Load()&idle != 0 {
		if in.box.claim() {
			return true
		}
		in.box.putPoke()
	}
	return false
}

// Wake starts a receiver that was parked when it was stopped. With here it may run
// on the goroutine of who calls, if there is nothing to drain; a message that comes
// even so will not be handled.
func (in *Receiver[M]) Wake(here bool) {
	if here && in.stop.Load()&stopDrain != 0 {
		if here = in.box.depth() == 0; here { // and nothing was held back when it parked
			in.stop.Store(stopAsked)
		}
	}
	in.box.wake(here)
}

// Over says whether the receiver was stopped, with nothing in hand and nothing to be
// drained: all that Next could say is Stopped.
func (in *Receiver[M]) Over() bool {
	return in.stop.Load() == stopAsked && in.last&(idle|partial) == idle
}

// Park lets the goroutine of an idle incarnation go: wake will be called once,
// on the goroutine of whoever brings work or a stop, and told whether the
// incarnation may go on right there. It is false, and wake will
// not be called, if there is work already, or if the mailbox is unbuffered: its
// senders need a receiver that waits.
func (in *Receiver[M]) Park(wake func(here bool)) bool {
	b := in.box
	if in.mailbox.options.capacity() == 0 || in.last&partial != 0 || in.last == idle && in.mailbox.holds() {
		return false
	}
	b.wake = wake
	if state := b.state.Load() & (traced | hollow); !b.state.CompareAndSwap(state, state|parked) {
		return false
	}
	if (b.isHollow() || len(b.channel) == 0) && in.stop.Load() == 0 {
		return true
	}
	return b.state.And(^parked)&parked == 0
}

// Done says that the message in hand is handled.
func (in *Receiver[M]) Done() {
	in.unwatch()
	in.rest()
}

// End is Done for an incarnation that has come to its end in order. What is left of
// a batch waits for the next one.
func (in *Receiver[M]) End() {
	in.Done()
	if in.last&partial != 0 {
		in.Crash(0) // with nothing in hand
	}
}

// Settle is Done for a message whose handler goes on for a moment. It is false if
// the incarnation is abandoned: then the message is a dead letter already.
func (in *Receiver[M]) Settle() bool { return in.rest() }

// Begun is the number of messages that this incarnation has begun, and whether
// the last of them is in hand.
func (in *Receiver[M]) Begun() (n uint64, busy bool) {
	word := in.word.Load()
	return word / one, word&(idle|frozen) == 0
}
