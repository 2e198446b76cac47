package mailbox

import (
	"fmt"
	"sync/atomic"
)

// account is what a mailbox has once it needs more than its receiver to add up.
type account[M any] struct {
	held  *Envelope[M] // what the next receiver begins with: a message to be tried again, the rest of a batch
	begun uint64       // messages begun by earlier receivers
	kept  uint64       // of all that were begun, those that went back into the queue; mu guards it, as those before

	unhandled atomic.Uint64 // messages begun that did not end as handled
	buried    atomic.Uint64 // dead letters
	dropped   atomic.Uint64 // of these, the ones that were taken out of the queue

	batches atomic.Pointer[batches[M]] // nil before the first
}

// books is the account, which is made if there is none.
func (m *Mailbox[M]) books() *account[M] {
	if a := m.account.Load(); a != nil {
		return a
	}
	m.account.CompareAndSwap(nil, new(account[M]))
	return m.account.Load()
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

// String is the account in words, the same four numbers each time.
func (s Stats) String() string {
	return fmt.Sprintf("%d handled, %d in hand, %d waiting, %d dead", s.Handled, s.InHand, s.Waiting, s.Dead)
}

// Stats counts. Each number is right, but while messages move they may belong
// to slightly different moments.
func (m *Mailbox[M]) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Stats{}
	a := m.account.Load()
	if a == nil {
		a = new(account[M])
	}
	s.Dead = a.buried.Load()
	begun := a.begun
	s.Waiting = uint64(m.waitingLocked())
	if m.receiver != nil {
		n, busy := m.receiver.Begun()
		begun += n
		if busy {
			s.InHand = 1
		}
	}
	s.Handled = begun - s.InHand - min(a.unhandled.Load(), begun-s.InHand)
	return s
}

// Queue says how many messages have left the queue so far, to be handled or not,
// and how many are in it. As long as fewer have left than had left and were
// waiting at an earlier moment, the first in the queue has been there since then.
func (m *Mailbox[M]) Queue() (left uint64, waiting int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.account.Load(); a != nil {
		left = a.begun - a.kept + a.dropped.Load()
	}
	if m.receiver != nil {
		n, _ := m.receiver.Begun()
		left += n
	}
	// After what has left: so an earlier moment never seems to have had more.
	return left, m.waitingLocked()
}

// Depth is the number of messages that are waiting.
func (m *Mailbox[M]) Depth() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waitingLocked()
}

// Waits is the depth of the mailbox, and whether the receiver has parked: it has no
// goroutine, and whoever brings work will wake it.
func (in *Receiver[M]) Waits() (depth int, parked bool) {
	m := in.mailbox
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waitingLocked(), in.parked
}

// waitingLocked looks first where messages come last: one that moves on meanwhile is
// rather missed than counted twice.
func (m *Mailbox[M]) waitingLocked() (n int) {
	if m.receiver != nil {
		n += m.receiver.remain()
	}
	a := m.account.Load()
	if a != nil {
		if all := a.batches.Load(); all != nil {
			n += int(all.more.Load())
		}
	}
	if b := m.peekLocked(); b != nil {
		n += b.depth()
	}
	if a != nil && a.held != nil {
		n++
	}
	return max(0, n)
}
