package mailbox

import (
	"sync/atomic"
	"time"
)

// Receiver is the end of a mailbox at which one incarnation receives. It is the
// actor's; a loop of the user's gets the [Inbox] of it.
//
// Its methods belong to the goroutine of that incarnation, except Stop, Freeze
// and Begun, which anybody may call, and Wake, which is for who was told so by Stop.
type Receiver[M any] struct {
	mailbox *Mailbox[M]
	box     *box[M]     // nil until it is needed; written under the mailbox's lock
	hands   *hands[M]   // nil as long as box is
	loop    *looping[M] // nil if it waits for its channel alone
	waker   waker       // of one that is parked

	// word is the one thing that is stored for every message: the number of
	// messages begun, above the flags. The hand of a side is written before the word
	// turns to that side, and written again only after the word has turned to the
	// other one, so whoever has frozen the word can read what is in hand. Of a batch
	// the number says which message that is.
	word atomic.Uint64
	last uint64 // what the owner stored there last

	// Incarnation is what the notes of dead letters say had them in hand. Set it
	// before the first message.
	Incarnation int32

	// Keeps says that the channel stays while the receiver is parked, if there is one:
	// it is for a receiver that parks only until its first message, after a restart as
	// at the start. Set it before Park.
	Keeps bool

	pokes  bool // the receiver waits in Next, where a poke wakes it
	parked bool // it has no goroutine, and who brings work is to wake it; guarded by the mailbox

	stop atomic.Uint32
}

// hands are what a receiver has its messages in.
type hands[M any] struct {
	side [2]Envelope[M]
	ends atomic.Uint64 // the number of the last message of the batch in hand

	channel chan Envelope[M] // that of the box

	_ [16]byte // written for each message; see box
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

// Receive makes in, which is new, the next incarnation's end of the mailbox, which
// must have been opened; the incarnation before must have ended or been frozen. It may
// park before there is a message: the channel is made when one comes.
func (m *Mailbox[M]) Receive(in *Receiver[M]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.capacity == 0 {
		in.loop = &looping[M]{stopped: make(chan struct{})}
	}
	m.receiveLocked(in, true)
}

func (m *Mailbox[M]) receiveLocked(in *Receiver[M], pokes bool) {
	if m.receiver != nil {
		if n, _ := m.receiver.Begun(); n > 0 {
			m.books().begun += n
		}
	}
	in.mailbox, in.pokes, in.last = m, pokes, idle
	in.word.Store(idle)
	m.receiver = in
	if b := m.current.Load(); b != nil && b.hands == nil {
		b.hands = b.newHands()
	}
}

// ready makes the channel, if there is none. Before the receiver waits for it, it
// looks for a stop once more: a poke would have found no channel.
func (in *Receiver[M]) ready() {
	if in.box == nil {
		in.mailbox.mu.Lock()
		defer in.mailbox.mu.Unlock()
		in.readyLocked()
	}
}

// readyLocked leaves an abandoned incarnation, which is on its way out, with a box
// that nobody knows of.
func (in *Receiver[M]) readyLocked() {
	if in.word.Load()&frozen != 0 {
		in.box = newBox(in.mailbox)
	} else {
		in.box = in.mailbox.boxLocked()
	}
	if in.hands, in.box.hands = in.box.hands, nil; in.hands == nil {
		in.hands = in.box.newHands()
	}
	if in.loop != nil {
		in.turn(false)
	}
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
	if patience <= 0 && in.stopped() == nil {
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
	case <-in.stopped():
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
		hands := in.hands
		if !hands.side[in.last/side&1].alone() {
			in.letGo(in.last)
		}
		hands.side = [2]Envelope[M]{}
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
	in.hands.side[next/side&1] = e
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
	if stopped := in.stopped(); stopped != nil {
		close(stopped)
	}
	if in.pokes && in.word.Load()&idle != 0 {
		in.mailbox.mu.Lock()
		defer in.mailbox.mu.Unlock()
		if in.claimLocked() {
			return true
		}
		if in.box != nil { // else it looks for a stop before it waits
			in.box.putPoke()
		}
	}
	return false
}

// Wake starts a receiver that was parked, once. With here, for one that was stopped, it
// may run on the goroutine of who calls, if there is nothing to drain; a message that
// comes even so will not be handled, but wait.
func (in *Receiver[M]) Wake(here bool) {
	if here && in.stop.Load()&stopDrain != 0 {
		if here = !in.waits(); here {
			in.stop.Store(stopAsked)
		}
	}
	w := in.waker
	in.waker = nil
	w.Wake(here)
}

// waits says whether there is a message for a receiver that was parked: it has its
// channel again if that was not collected, and nothing is held back for one that parks.
func (in *Receiver[M]) waits() bool {
	b := in.mailbox.current.Load()
	return b != nil && b.depth() > 0
}

// Over says whether the receiver was stopped, with nothing in hand and nothing to be
// drained: all that Next could say is Stopped.
func (in *Receiver[M]) Over() bool {
	return in.stop.Load() == stopAsked && in.last&(idle|partial) == idle
}

// waker starts a receiver that was parked. It is told whether the incarnation may go on
// right there.
type waker = interface{ Wake(here bool) }

// Park lets the goroutine of an idle incarnation go: Wake of w will be called once,
// on the goroutine of whoever brings work or a stop. It is false, and Wake will
// not be called, if there is work already, or if the mailbox is unbuffered: its
// senders need a receiver that waits.
func (in *Receiver[M]) Park(w waker) bool {
	m := in.mailbox
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.capacity == 0 || m.door != open || in.stop.Load() != 0 || in.last&partial != 0 || in.last == idle && m.heldLocked() {
		return false
	}
	if b := m.current.Load(); b != nil {
		b.state.Or(parked)
		// On some processors len alone may look before others see the bit. A load does not.
		if b.state.Load(); len(b.channel) > 0 {
			b.state.And(^parked)
			return false
		}
		if in.hands != nil { // else those that wait in the box are still to be had
			b.hands = in.hands
		}
		if !in.Keeps {
			m.shedLocked(b)
		}
	}
	in.box, in.hands, in.waker, in.parked = nil, nil, w, true
	return true
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
		var rest Lost[M] // nothing was in hand
		in.Lose(0, &rest)
		in.Bury(&rest, true)
	}
}

// Settle says that the message in hand is handled, although its handler has not
// returned yet. It is false if the incarnation is abandoned: then the message is a dead
// letter already.
func (in *Receiver[M]) Settle() bool { return in.rest() }

// Begun is the number of messages that this incarnation has begun, and whether
// the last of them is in hand.
func (in *Receiver[M]) Begun() (n uint64, busy bool) {
	word := in.word.Load()
	return word / one, word&(idle|frozen) == 0
}
