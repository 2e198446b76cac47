package mailbox_test

import "github.com/coppice-go/coppice/mailbox"

// What senders do in the model, and what moves from one channel to the next.

// send looks for "not open" before it puts the message in, and for "closed" after.
func (m *model) send(c *caller, way int, back func(string) bool) bool {
	b := &m.boxes.all[c.box]
	l := letter{message: c.message, more: c.size - 1}
	switch c.at {
	case 0:
		switch {
		case c.size == 0:
			return back("ok")
		case c.ctxDead:
			return back("ctx")
		case m.current < 0 || m.boxes.all[m.current].sealed:
			return back("closed")
		case m.boxes.all[m.current].hollow:
			m.boxes.all[m.current].hollow = false
			return true
		}
		c.at, c.box = atPut, m.current
	case atPut:
		switch {
		case !m.full(b):
			b.letters.add(l)
			c.at = atSecond
		case m.Overflow == mailbox.Reject:
			return back("full")
		case m.Overflow == mailbox.DropNewest:
			m.bury(l, mailbox.Overflowed)
			return back("ok")
		case m.Overflow == mailbox.DropOldest:
			c.at = atDrop
		default:
			c.at = atFull
		}
	case atFull:
		switch {
		case way == 0 && !m.full(b):
			b.letters.add(l)
			c.at = atSecond
		case way == 1 && b.sealed:
			c.at = 0
		case way == 2 && c.ctxDead:
			return back("ctx")
		default:
			return false
		}
	case atDrop:
		if b.letters.n > 0 {
			m.drop(b.letters.first(), mailbox.Overflowed)
		}
		c.at = atReplace
	case atReplace:
		if c.at = atDrop; !m.full(b) {
			b.letters.add(l)
			c.at = atSecond
		}
	case atSecond:
		m.wake(b)
		switch {
		case !b.closed:
			return back("ok")
		case !b.moved || m.boxes.all[m.current].closed:
			m.empty(b)
			return back("ok")
		}
		c.at, m.pouring = atPour, true // its receiver was abandoned: the message goes over to the successor
	case atPour:
		if !m.pour(b, &m.boxes.all[m.current]) {
			c.at, c.box = atSecond, m.current
		}
	}
	return true
}

// replace closes the current box, puts a new one in its place if anew, and makes
// dead letters of what waits.
func (m *model) replace(c *caller, anew bool, why mailbox.Why, back func(string) bool) bool {
	if c.at == atEmpty {
		m.empty(&m.boxes.all[c.box])
		return back("ok")
	}
	m.drop(m.held, why)
	m.held = none
	c.at, c.box = atEmpty, m.current
	if m.current >= 0 {
		old := &m.boxes.all[m.current]
		old.sealed, old.closed, old.renewed = true, true, why == mailbox.Renewed
	}
	if anew {
		m.boxes.add(box{hollow: true})
		m.current = m.boxes.n - 1
	}
	if c.box < 0 {
		return back("ok")
	}
	return true
}

func (m *model) empty(b *box) {
	why := mailbox.Discarded
	if b.renewed {
		why = mailbox.Renewed
	}
	for b.letters.n > 0 {
		m.drop(b.letters.first(), why)
	}
}

// pour moves the first of what is in a box into another, letter by letter: others
// may take from it and put into it meanwhile. It is false when nothing is left;
// then there is a poke behind.
func (m *model) pour(from, to *box) bool {
	to.hollow = false
	if from.letters.n == 0 {
		m.poke(from)
		m.pouring = false
		return false
	}
	m.pouring = true
	switch l := from.letters.first(); {
	case l == none:
	case m.full(to):
		m.drop(l, mailbox.Interrupted)
	default:
		to.letters.add(l)
	}
	return true
}

func (m *model) poke(b *box) {
	if !b.hollow && !m.full(b) {
		b.letters.add(none)
	}
}

// wake starts a parked receiver.
func (m *model) wake(b *box) bool {
	if !b.parked {
		return false
	}
	b.parked = false
	m.woken++
	return true
}
