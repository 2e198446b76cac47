package mailbox_test

import "github.com/coppice-go/coppice/mailbox"

// What the goroutine of a receiver does in the model, as long as all is well.

// next is Next. It is also Serve, which gives several messages, and Rest, which
// belongs to a loop and does not wait.
func (m *model) next(c *caller, e *end, back func(string) bool) bool {
	b := &m.boxes.all[e.box]
	begin := func(l letter) bool {
		if m.begin(c, e, l); c.what == doServe && c.size > 1 {
			c.size--
			c.at = 0
			return true
		}
		if c.what == doRest {
			e.turn()
		}
		return back("message")
	}
	take := func(l letter) {
		if l != none { // else it was a poke
			c.letter, c.at = l, atBegin
		}
	}
	switch c.at {
	case 0:
		c.drain = e.stopped || c.what == doRest
		if c.at = atReady; e.stopped && !e.drains {
			c.at = atGiveUp
		}
	case atReady:
		if e.frozen && !e.ready { // it gets a channel that nobody knows of
			c.at = atRest
			return true
		}
		e.ready, b.hollow = true, false
		c.at = atHeld
	case atHeld:
		switch c.at = atTry; {
		case e.left != none && e.frozen:
			return back("stopped")
		case e.left != none:
			return begin(e.left)
		case e.begun == 0 && !e.frozen:
			take(m.held)
			m.held = none
		}
	case atTry:
		switch {
		case b.letters.n > 0:
			take(b.letters.first())
		case c.drain:
			c.at = atGiveUp
		default:
			c.at = atRest
		}
	case atRest:
		if e.frozen && e.spent {
			return back("stopped")
		}
		m.done(e)
		c.at = atStop
	case atStop:
		if c.at = atWait; e.stopped {
			c.at = 0
		}
	case atWait:
		if b.letters.n == 0 {
			return false
		}
		c.at = 0 // after a poke
		take(b.letters.first())
	case atGiveUp:
		m.done(e)
		return back("stopped")
	case atBegin:
		if e.frozen {
			m.drop(c.letter, mailbox.Interrupted)
			return back("stopped")
		}
		return begin(c.letter)
	}
	return true
}

// begin takes a message in hand, the first of a batch.
func (m *model) begin(c *caller, e *end, l letter) {
	m.settle(e)
	e.hand, e.left = letter{message: l.message, crashes: l.crashes}, l.rest()
	e.begun++
	m.left++
	given := &c.result.messages
	given[0], given[1], given[2] = l.message, given[0], given[1]
}

// take is the receive of a loop.
func (m *model) take(c *caller, e *end) string {
	b := &m.boxes.all[e.box]
	switch {
	case e.onward && e.ahead && c.what == doTake:
		e.taken, e.ahead = onward, false
	case e.onward && c.what == doTake, b.letters.n == 0:
		return "none"
	default:
		e.taken = b.letters.first()
		e.poked = e.taken == none
	}
	return "taken"
}

// open is that of the loop's inbox.
func (m *model) open(c *caller, e *end, back func(string) bool) bool {
	switch c.at {
	case 0:
		if c.letter, e.taken, e.poked = e.taken, none, false; c.letter == none {
			return back("none")
		}
		switch c.at = atBegin; {
		case c.letter != onward:
			c.at = atDiscard
		case e.begun == 0 && !e.frozen:
			c.letter, m.held = m.held, none
		case e.begun > 0:
			c.letter = e.left
		}
	case atDiscard: // the message before counts as handled
		if e.begun == 0 && !e.frozen {
			m.drop(m.held, mailbox.Discarded)
			m.held = none
		}
		if e.left == none || e.frozen {
			c.at = atBegin
			return true
		}
		l := e.left
		m.settle(e)
		e.hand, e.left = letter{message: l.message}, l.rest()
		e.begun++
		m.left++
		c.at = atDiscard2
	case atDiscard2:
		m.skip(e, mailbox.Discarded)
		c.at = atDiscard
	case atBegin:
		switch {
		case c.letter == none || c.letter == onward:
		case !e.frozen:
			m.begin(c, e, c.letter)
			e.turn()
			return back("message")
		case c.letter != e.left:
			m.drop(c.letter, mailbox.Interrupted)
		}
		e.onward = false
		return back("none")
	}
	return true
}

// turn makes C what a loop is to receive from.
func (e *end) turn() {
	e.onward = e.left != none
	e.ahead = e.ahead || e.onward
}

// done says that what is in hand is handled, unless the end is abandoned.
func (m *model) done(e *end) {
	if !e.frozen {
		m.settle(e)
	}
}

func (m *model) skip(e *end, why mailbox.Why) {
	if !e.frozen {
		m.bury(e.hand, why)
		e.hand = none
	}
}

// park lets go of the channel, unless there is something to do.
func (m *model) park(e *end) string {
	b := &m.boxes.all[e.box]
	if e.left != none || e.stopped || b.sealed || b.letters.n > 0 || e.begun == 0 && m.held != none {
		return "busy"
	}
	b.parked, e.ready = true, false
	return "parked"
}
