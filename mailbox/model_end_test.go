package mailbox_test

import "github.com/coppice-go/coppice/mailbox"

// How a receiver ends in the model.

// crash keeps the message in hand for the next incarnation, or buries it. What is
// left of its batch is kept in either case.
func (m *model) crash(c *caller, e *end) {
	if e.frozen {
		return
	}
	hand := e.hand
	e.hand, e.frozen, e.spent = none, true, hand != none
	c.result.messages[0] = hand.message
	if hand != none && hand.crashes < c.message && m.mayKeep(c) {
		m.left--
		hand.crashes++
		hand.more = e.left.size()
		m.keep(c, hand)
		return
	}
	m.bury(hand, mailbox.Crashed)
	m.keep(c, e.left)
}

// keep holds something back for the next incarnation.
func (m *model) keep(c *caller, l letter) {
	switch {
	case l == none:
	case !m.mayKeep(c):
		m.drop(l, mailbox.Discarded)
	default:
		m.held = l
	}
}

// mayKeep says whether there can be a next incarnation.
func (m *model) mayKeep(c *caller) bool {
	return c.end == m.ends.n-1 && !m.boxes.all[m.current].closed
}

// stop asks an end to stop; freeze abandons it then.
func (m *model) stop(c *caller, e *end, back func(string) bool) bool {
	b := &m.boxes.all[e.box]
	switch c.at {
	case 0:
		drain := c.drain && c.what == doStop
		c.at = atFreeze
		if !e.stopped {
			e.stopped, e.drains = true, drain
			c.at = atPoke
		}
		e.drains = e.drains && drain
		return true
	case atPoke:
		c.at = atFreeze
		switch {
		case e.loop || e.hand != none || e.spent:
		case b.parked:
			b.parked = false
			c.at = atWake
		case e.ready: // else it looks for a stop before it waits
			m.poke(b)
		}
		return true
	case atWake:
		here := c.here && c.what == doStop
		if here && e.drains {
			here = m.boxes.all[m.current].depth() == 0
			e.drains = !here // what comes even so is not handled
		}
		m.woken++
		if here {
			m.here++
		}
		c.at = atFreeze
		return true
	}
	if c.what == doFreeze && m.freeze(c, e) {
		return true
	}
	return back("ok")
}

// depth is how many letters are no pokes.
func (b *box) depth() (n uint64) {
	for _, l := range b.letters.list() {
		if l != none {
			n++
		}
	}
	return n
}

// freeze moves what waits to a new box, out of the reach of an abandoned end. It
// says whether there is more to do.
func (m *model) freeze(c *caller, e *end) (more bool) {
	old := &m.boxes.all[e.box]
	if c.at == atFreeze {
		c.letter = none
		if !e.frozen {
			c.letter, e.hand = e.hand, none
			e.spent = e.spent || c.letter != none
			m.keep(c, e.left)
		}
		e.frozen = true
		if e.box == m.current && e.ready && m.mayKeep(c) {
			m.boxes.add(box{sealed: old.sealed, hollow: true})
			old.sealed, old.closed, old.moved = true, true, true
			c.at, m.pouring = atPour, true
			return true
		}
	}
	if m.pouring && c.at == atPour {
		next := m.boxes.n - 1
		if m.pour(old, &m.boxes.all[next]) {
			return true
		}
		m.current = next
	}
	if l := c.letter; l != none {
		c.result.messages[0] = l.message
		m.bury(l, mailbox.Interrupted)
	}
	return false
}
