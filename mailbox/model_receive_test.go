package mailbox_test

import "github.com/coppice-go/coppice/mailbox"

func (m *model) next(c *caller, e *end, back func(string) bool) bool {
	b := &m.boxes.all[e.box]
	take := func(l letter, otherwise step) {
		if c.letter, c.at = l, atBegin; l.message == 0 {
			c.at = otherwise
		}
	}
	fresh := e.begun == 0 && m.held.message != 0 && !e.frozen
	switch c.at {
	case 0:
		if c.at = atHeld; e.stopped {
			c.at = atDrain
		}
	case atHeld:
		if c.at = atTry; fresh {
			take(m.held, 0)
			m.held = letter{}
		}
	case atTry:
		if c.at = atRest; b.letters.n > 0 {
			take(b.letters.first(), 0)
		}
	case atRest:
		if e.frozen && e.spent {
			return back("stopped")
		}
		m.settle(e)
		c.at = atStop
	case atStop:
		if c.at = atWait; e.stopped {
			c.at = 0
		}
	case atWait:
		if b.letters.n == 0 {
			return false
		}
		take(b.letters.first(), 0)
	case atDrain:
		switch {
		case e.drains && fresh:
			take(m.held, 0)
			m.held = letter{}
		case e.drains && b.letters.n > 0:
			take(b.letters.first(), atDrain)
		default:
			if !e.frozen {
				m.settle(e)
			}
			return back("stopped")
		}
	case atBegin:
		if e.frozen {
			m.bury(c.letter, mailbox.Interrupted)
			return back("stopped")
		}
		m.begin(c, e, c.letter)
		return back("message")
	}
	return true
}

// begin takes a message in hand.
func (m *model) begin(c *caller, e *end, l letter) {
	m.settle(e)
	e.hand = l
	e.begun++
	c.result.message = l.message
}

// crash keeps the message in hand for the next incarnation, or buries it.
func (m *model) crash(c *caller, e *end) {
	l := e.hand
	if e.frozen || l.message == 0 {
		e.frozen = true
		return
	}
	c.result.message = l.message
	e.hand, e.frozen, e.spent = letter{}, true, true
	if l.crashes < c.message && c.end == m.ends.n-1 && !m.boxes.all[m.current].closed {
		m.bury(m.held, mailbox.Discarded) // what was opened came from the channel instead
		m.held = letter{l.message, l.crashes + 1}
		return
	}
	m.bury(l, mailbox.Crashed)
}

func (m *model) park(c *caller, e *end, back func(string) bool) bool {
	b := &m.boxes.all[e.box]
	switch {
	case c.at == 0 && (b.sealed || b.parked):
		return back("busy")
	case c.at == 0:
		b.parked = true
		c.at = atUnpark
	case c.at == atUnpark && b.letters.n == 0 && !e.stopped:
		return back("parked")
	case c.at == atUnpark:
		c.at = atPoke
	case !b.parked: // somebody was faster, and has woken it
		return back("parked")
	default:
		b.parked = false
		return back("busy")
	}
	return true
}

// stop asks an end to stop; freeze abandons it then.
func (m *model) stop(c *caller, e *end, back func(string) bool) bool {
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
		if b := &m.boxes.all[e.box]; e.hand.message == 0 && !e.spent {
			if !m.wake(b) {
				m.poke(b)
			}
		}
		c.at = atFreeze
		return true
	}
	if c.what == doFreeze && m.freeze(c, e) {
		return true
	}
	return back("ok")
}

// freeze moves what waits to a new box, out of the reach of an abandoned end. It
// says whether there is more to do.
func (m *model) freeze(c *caller, e *end) (more bool) {
	old := &m.boxes.all[e.box]
	if c.at == atFreeze {
		c.letter = letter{}
		if !e.frozen {
			c.letter, e.hand = e.hand, letter{}
			e.spent = e.spent || c.letter.message != 0
		}
		e.frozen = true
		if c.end == m.ends.n-1 && e.box == m.current && !old.closed {
			m.boxes.add(box{sealed: old.sealed})
			old.sealed, old.closed, old.moved = true, true, true
			c.at, m.pouring = atPour, true
			return true
		}
	}
	if c.at == atPour {
		next := m.boxes.n - 1
		if m.pour(old, &m.boxes.all[next]) {
			return true
		}
		m.current = next
	}
	if l := c.letter; l.message != 0 {
		c.result.message = l.message
		m.bury(l, mailbox.Interrupted)
	}
	return false
}
