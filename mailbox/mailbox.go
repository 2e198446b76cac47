// Package mailbox is the queue between those who send and the actor that
// receives: a real Go channel, and around it what a channel leaves open.
//
//   - What happens when it is full: [Overflow].
//   - What happens to what waits when the actor stops: [Drain].
//   - What happens when it restarts: the queue is kept, or [Options.Fresh].
//   - Where a message is that was accepted: it is handled, in hand, waiting, or
//     a dead letter with a reason. Nothing vanishes: [Stats] adds up.
//
// Users of the actor package need only the [Options], and for a loop of their
// own the [Inbox]. The rest is what an actor is made of: a [Mailbox] is the
// address, which outlives the incarnations; a [Receiver] is the end at which one
// of them receives.
package mailbox

import (
	"context"
	"sync"
	"sync/atomic"
)

// Mailbox is the address of an actor. Messages can be sent to it by any number
// of goroutines; one incarnation at a time receives from it.
//
// The zero value, which has no owner, refuses all messages with [ErrClosed].
type Mailbox[M any] struct {
	owner   Owner[M]
	current atomic.Pointer[box[M]] // nil while there is none: before the first message, while the receiver is parked

	mu       sync.Mutex   // guards the steps from one box or receiver to the next; never held across a wait
	receiver *Receiver[M] // the latest
	shed     shed[M]      // the box of a parked receiver
	account  atomic.Pointer[account[M]]

	capacity int32
	overflow Overflow
	door     door // guarded by mu
}

// door is whether a mailbox accepts messages. Its box tells the senders.
type door uint8

const (
	shut door = iota // not opened, or closed
	ajar             // sealed: nothing new, but what waits may be received
	open
)

// New makes a mailbox, which accepts nothing before it is opened. Options that do
// not pass their Check have no defined meaning.
func New[M any](options Options, owner Owner[M]) *Mailbox[M] {
	m := new(Mailbox[M])
	m.Init(options, owner)
	return m
}

// Init is New for a mailbox that is part of something else. It must not be copied
// from then on.
func (m *Mailbox[M]) Init(options Options, owner Owner[M]) {
	m.owner, m.capacity, m.overflow = owner, int32(options.capacity()), options.Overflow
}

// Owner is the actor behind a mailbox.
type Owner[M any] interface {
	// DeadLetter is given every message that was accepted but will not be
	// handled, once, on whatever goroutine finds it. It must not wait.
	DeadLetter(message M, note *Note, why Why)

	// Refusal is the error that a sender gets instead of err.
	Refusal(err error) error

	// Around gives a function that stands around each Send without a note and calls
	// deliver once, or nil. It is shown the message and the count 1, or the first of a
	// batch and how many there are. Around is asked when a channel is made, and by each
	// Send as long as there is none; so it must be quick, and not call the mailbox,
	// which may be locked.
	Around() func(ctx context.Context, first M, count int, deliver func(context.Context, *Note) error) error
}

// DeadLetters is an owner that only wants to know what will not be handled.
type DeadLetters[M any] func(message M, note *Note, why Why)

// DeadLetter calls the function.
func (f DeadLetters[M]) DeadLetter(message M, note *Note, why Why) { f(message, note, why) }

// Refusal gives err.
func (f DeadLetters[M]) Refusal(err error) error { return err }

// Around gives nil.
func (f DeadLetters[M]) Around() func(context.Context, M, int, func(context.Context, *Note) error) error {
	return nil
}

// boxLocked is the box, which is made if there is none.
func (m *Mailbox[M]) boxLocked() *box[M] {
	if b := m.presentLocked(); b != nil {
		return b
	}
	b := newBox(m)
	m.current.Store(b)
	return b
}

// Open makes the mailbox accept messages. It does nothing if it does already.
func (m *Mailbox[M]) Open() {
	m.mu.Lock()
	if m.door == open {
		m.mu.Unlock()
		return
	}
	m.renew(open, closed)
}

// Renew gives a mailbox that accepts messages a new, empty channel; what waits
// becomes dead letters. It does not open a mailbox that was sealed or closed.
func (m *Mailbox[M]) Renew() {
	m.mu.Lock()
	if m.door != open {
		m.mu.Unlock()
		return
	}
	m.renew(open, closed|renewed)
}

// Seal refuses new messages; what waits can still be received.
func (m *Mailbox[M]) Seal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.door != open {
		return
	}
	m.door = ajar
	if b := m.presentLocked(); b != nil {
		b.seal(0)
	}
}

// Close refuses new messages for good and makes dead letters of those that
// wait. The receiver must be gone, or abandoned. Open makes the mailbox accept
// messages again.
func (m *Mailbox[M]) Close() {
	m.mu.Lock()
	m.renew(shut, closed)
}

// renew closes the box, and gives it these bits; another one is made when it is needed.
// It unlocks the mailbox before it makes dead letters of what waits.
func (m *Mailbox[M]) renew(door door, with uint32) {
	m.door = door
	old, held := m.presentLocked(), m.takeHeldLocked()
	if old != nil {
		m.current.Store(nil)
		old.seal(with)
	}
	m.mu.Unlock()
	if held != nil {
		m.drop(*held, whyClosed(with))
	}
	if old != nil {
		old.empty()
	}
}

// moveFromLocked moves the mailbox away from a frozen incarnation, if that is
// the latest and still has the mailbox's channel. It gives back that for which
// the new channel has no room: senders may have come in after the seal.
func (m *Mailbox[M]) moveFromLocked(in *Receiver[M]) (lost []Envelope[M]) {
	old := m.current.Load()
	if m.receiver != in || old == nil || old != in.box {
		return nil
	}
	next := newBox(m)
	old.seal(moved | closed)
	lost = old.pourIntoLocked(next)
	m.current.Store(next)
	return lost
}

// late is for a sender that finds its box closed after it has put its message
// in: what is there goes over to the successor if there is one, else into dead
// letters. That the senders go over one by one keeps the order of each.
func (m *Mailbox[M]) late(b *box[M]) {
	m.mu.Lock()
	if b.state.Load()&moved == 0 || m.door == shut {
		m.mu.Unlock()
		b.empty()
		return
	}
	next := m.boxLocked()
	lost := b.pourIntoLocked(next)
	m.mu.Unlock()
	m.buryAll(lost, Interrupted)
	next.delivered(0)
}

// buryAll makes dead letters of messages that could not go over to a successor.
func (m *Mailbox[M]) buryAll(lost []Envelope[M], why Why) {
	for _, e := range lost {
		m.drop(e, why)
	}
}

// drop makes a dead letter of each message that was taken out of the queue.
func (m *Mailbox[M]) drop(e Envelope[M], why Why) {
	size := e.size()
	if size > 1 {
		m.waitMore(1 - size)
	}
	m.books().dropped.Add(uint64(size))
	m.bury(e, why)
}

// bury makes a dead letter of each message.
func (m *Mailbox[M]) bury(e Envelope[M], why Why) {
	if p := e.parcel(); p != nil {
		m.buryParcel(p, why)
		return
	}
	m.books().buried.Add(1)
	m.owner.DeadLetter(e.message, e.note, why)
}

func (m *Mailbox[M]) buryParcel(p *parcel[M], why Why) {
	m.books().buried.Add(uint64(len(p.messages)))
	for at := range p.messages {
		one := p.at(at)
		m.owner.DeadLetter(one.message, one.note, why)
	}
}
