package mailbox

import "weak"

// A receiver that parks lets go of its box, which holds a channel with all its room.
// There may be senders who have found the box just before, and will put their messages
// there. So it is not replaced: the mailbox keeps a weak pointer to it. As long as one
// of them has the box, who comes next finds it there, and it is the box again; and
// when the collector has taken it, it was nobody's, and another one can be made.
type shed[M any] = weak.Pointer[box[M]]

// shedLocked lets go of the box, which says that the receiver is parked. The mailbox
// is locked.
func (m *Mailbox[M]) shedLocked(b *box[M]) {
	m.shed = weak.Make(b)
	m.current.Store(nil)
}

// presentLocked is the box, also one that was let go, nil if there is none.
func (m *Mailbox[M]) presentLocked() *box[M] {
	b := m.peekLocked()
	if m.shed != (shed[M]{}) {
		m.shed = shed[M]{}
		m.current.Store(b)
	}
	return b
}

// peekLocked is presentLocked for a look, after which it may be let go as before.
func (m *Mailbox[M]) peekLocked() *box[M] {
	if b := m.current.Load(); b != nil {
		return b
	}
	return m.shed.Value()
}

// unpark starts the receiver that is parked, if there is one and b is its box.
func (m *Mailbox[M]) unpark(b *box[M]) {
	m.mu.Lock()
	var in *Receiver[M]
	if m.presentLocked() == b && m.receiver.claimLocked() {
		in = m.receiver
	}
	m.mu.Unlock()
	if in != nil {
		in.Wake(false)
	}
}

// claimLocked takes a parked receiver over, if it is one: who has it must wake it.
func (in *Receiver[M]) claimLocked() bool {
	if !in.parked {
		return false
	}
	in.parked = false
	if b := in.mailbox.presentLocked(); b != nil {
		b.state.And(^parked)
	}
	return true
}
