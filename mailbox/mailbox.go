// Package mailbox is the queue between those who send and the actor that
// receives: a real Go channel, and around it what a channel leaves open.
//
//   - What happens when it is full: [Overflow].
//   - What happens to what waits when the actor stops: [Drain].
//   - What happens when it restarts: the queue is kept, or [Options.Fresh].
//   - Where a message is that was accepted: it is handled, in hand, waiting, or
//     a dead letter with a reason. Nothing vanishes: [Stats] adds up.
//
// Users of the actor package need only the options. The rest is what an actor
// is made of: a [Mailbox] is the address, which outlives the incarnations; an
// [Inbox] is the end at which one incarnation receives.
package mailbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Mailbox is the address of an actor. Messages can be sent to it by any number
// of goroutines; one incarnation at a time receives from it.
type Mailbox[M any] struct {
	options Options
	dead    func(message M, note *Note, why Why)
	current atomic.Pointer[box[M]] // nil before the first Open

	mu    sync.Mutex // guards the steps from one box or inbox to the next; never held across a wait
	inbox *Inbox[M]  // the latest
	held  *Envelope[M]
	begun uint64 // messages begun by earlier inboxes

	unhandled atomic.Uint64 // messages begun that did not end as handled
	buried    atomic.Uint64 // dead letters
}

// New makes a mailbox, which accepts nothing before it is opened. Every message
// that was accepted but will not be handled is given to dead once, on whatever
// goroutine finds it; dead must not wait. Options that do not pass their Check
// have no defined meaning.
func New[M any](options Options, dead func(message M, note *Note, why Why)) *Mailbox[M] {
	return &Mailbox[M]{options: options, dead: dead}
}

var errNotOpen = errors.New("mailbox not open")

// refused is the error of a send whose context has ended: errors.Is finds both
// what ctx.Err says and the cause.
func refused(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == err {
		return fmt.Errorf("send: %w", err)
	}
	return fmt.Errorf("send: %w: %w", err, cause)
}

// Send puts a message into the mailbox. nil means that it was accepted: it will
// be handled or become a dead letter. It says nothing about when.
//
// A send whose context has ended is refused, room or not. With the policy
// [Block] Send waits for room until ctx ends; the other policies never wait.
// Messages of one sender keep their order.
func (m *Mailbox[M]) Send(ctx context.Context, message M, note *Note) error {
	e := Envelope[M]{message, note}
	for {
		if ctx.Err() != nil {
			return refused(ctx)
		}
		b := m.current.Load()
		if b == nil {
			return ErrClosed
		}
		if state := b.state.Load(); state&sealed != 0 {
			if state&moving != 0 {
				<-b.moved // a step of another goroutine that does not wait
			} else if m.current.Load() == b {
				return ErrClosed
			}
			continue
		}
		if err := b.deliver(ctx, e); err != errNotOpen {
			return err
		}
	}
}

// Open makes the mailbox accept messages. It does nothing if it does already.
func (m *Mailbox[M]) Open() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.current.Load(); b == nil || b.state.Load()&sealed != 0 {
		m.current.Store(newBox(m))
	}
}

// Renew gives the mailbox a new, empty channel; what waits becomes dead letters.
func (m *Mailbox[M]) Renew() {
	m.mu.Lock()
	old := m.current.Load()
	m.current.Store(newBox(m))
	m.mu.Unlock()
	m.shut(old)
}

// Seal refuses new messages; what waits can still be received.
func (m *Mailbox[M]) Seal() {
	if b := m.current.Load(); b != nil {
		b.seal(0)
	}
}

// Close refuses new messages for good and makes dead letters of those that
// wait. The receiver must be gone, or abandoned. Open makes the mailbox accept
// messages again.
func (m *Mailbox[M]) Close() { m.shut(m.current.Load()) }

// shut closes a box without a successor.
func (m *Mailbox[M]) shut(b *box[M]) {
	if b == nil {
		return
	}
	b.seal(closed)
	b.empty(Discarded)
	m.mu.Lock()
	held := m.held
	m.held = nil
	m.mu.Unlock()
	if held != nil {
		m.bury(*held, Discarded)
	}
}

// Move gives the mailbox a new channel and pours what waits into it, so that
// whoever still receives from the old one gets nothing more. Senders that come
// meanwhile wait for the new one.
func (m *Mailbox[M]) Move() {
	m.mu.Lock()
	old := m.current.Load()
	if old == nil || old.state.Load()&closed != 0 {
		m.mu.Unlock()
		return
	}
	next := newBox(m)
	if old.state.Load()&sealed != 0 {
		next.seal(0) // nothing new is accepted, what waits may be received
	}
	old.moved = make(chan struct{})
	old.seal(moving | closed)
	lost := old.pourInto(next)
	m.current.Store(next)
	close(old.moved)
	m.mu.Unlock()
	for _, e := range lost {
		m.bury(e, Interrupted)
	}
}

// passOn finds a place for a message that was found in a box whose receiver is
// gone.
func (m *Mailbox[M]) passOn(from *box[M], e Envelope[M], why Why) {
	if from.state.Load()&moving != 0 {
		why = Interrupted
		<-from.moved
		if next := m.current.Load(); next != from && next.state.Load()&sealed == 0 {
			select {
			case next.channel <- e:
				next.delivered()
				return
			default:
			}
		}
	}
	m.bury(e, why)
}

// bury makes a dead letter of a message.
func (m *Mailbox[M]) bury(e Envelope[M], why Why) {
	m.buried.Add(1)
	m.dead(e.message, e.note, why)
}

// Stats is an account of the messages that a mailbox has accepted:
//
//	accepted = Handled + InHand + Waiting + Dead
type Stats struct {
	Handled uint64 // handled to the end
	InHand  uint64 // 1 while a message is being handled
	Waiting uint64 // not begun yet
	Dead    uint64 // dead letters
}

// Stats counts. Each number is right, but while messages move they may belong
// to slightly different moments.
func (m *Mailbox[M]) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Stats{Dead: m.buried.Load()}
	begun := m.begun
	s.Waiting = uint64(m.Depth())
	if m.held != nil {
		s.Waiting++
	}
	if m.inbox != nil {
		n, busy := m.inbox.Begun()
		begun += n
		if busy {
			s.InHand = 1
		}
	}
	s.Handled = begun - s.InHand - min(m.unhandled.Load(), begun-s.InHand)
	return s
}

// Depth is the number of messages in the channel.
func (m *Mailbox[M]) Depth() int {
	b := m.current.Load()
	if b == nil {
		return 0
	}
	return max(0, len(b.channel)-int(b.pokes.Load()))
}
