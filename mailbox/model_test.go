package mailbox_test

import (
	"slices"

	"github.com/coppice-go/coppice/mailbox"
)

// The model of a mailbox, as docs/decisions/0002 tells it: a state machine in
// which every caller makes one step at a time, in any order. What is known of the
// real one is the set of states in which it may be. The model is a value that can
// be compared, so a map finds out whether a state is new.
type model struct {
	*mailbox.Options
	boxes   few[box] // all that there were; a late caller may still be at an old one
	current int8     // -1 before the first Open
	held    letter   // that crashed a receiver, and is to be tried again
	ends    few[end]
	callers few[caller]
	fates   [64]mailbox.Why // of the dead letters, one more than the reason
	handled int8
	woken   int8 // how often a parked receiver was woken
	pouring bool // somebody moves messages from one box to the next, under the lock
}

// letter is a message in a channel. A poke is one with the message 0.
type letter struct{ message, crashes int8 }

// box is a channel and its state.
type box struct {
	letters                       few[letter]
	sealed, closed, moved, parked bool
}

// end is a receiver.
type end struct {
	box     int8
	hand    letter
	taken   letter // that a select has got, and not given to Open yet
	poked   bool   // and that is a poke
	begun   int8
	stopped bool
	drains  bool
	frozen  bool
	spent   bool // when it was frozen or crashed, a message was in hand
}

// caller is a call that has not returned yet.
type caller struct {
	id      int8
	what    act
	message int8 // to be sent; of a crash the retries; of a hang-up whose
	end     int8
	ctxDead bool
	drain   bool

	at     step
	box    int8
	letter letter
	result result
}

// result is what a call comes back with.
type result struct {
	text    string // empty while it has not come back
	message int8
}

type act uint8

const (
	doSend act = iota
	doNext
	doDone
	doSkip
	doCrash
	doPark
	doTake  // from the channel, as a select does
	doBegin // what was taken
	doStop
	doFreeze
	doSeal
	doCloseBox
	doOpen
	doRenew
	doReceive
	doHangUp  // end the ctx of a sender
	doControl // one of those that are allowed then
)

// step is how far a call has come. 0 is the beginning of each.
type step uint8

const (
	atPut     step = iota + 1 // a sender has found the box open
	atFull                    // and full, and waits
	atDrop                    // or makes room
	atReplace                 // and takes it
	atSecond                  // it has put its message in, and looks again
	atHeld                    // a receiver has seen no stop
	atTry                     // and no message held back for it
	atRest                    // and none that waits
	atStop                    // it has nothing in hand, and looks again
	atWait                    // and waits
	atDrain                   // it has seen a stop
	atBegin                   // it has got hold of a message
	atPoke                    // a stop has been said
	atFreeze                  // and nothing is begun any more
	atPour                    // what waits goes over to another box
	atEmpty                   // a box was closed
	atUnpark                  // a receiver is parked, and looks once more
)

// few is a short list.
type few[T comparable] struct {
	n   int8
	all [10]T
}

func (f *few[T]) list() []T { return f.all[:f.n] }

func (f *few[T]) add(item T) { f.all[f.n] = item; f.n++ }

func (f *few[T]) first() T {
	first := f.all[0]
	f.n = int8(len(slices.Delete(f.list(), 0, 1)))
	return first
}

func (f *few[T]) remove(where func(T) bool) { f.n = int8(len(slices.DeleteFunc(f.list(), where))) }

func (m *model) full(b *box) bool { return int(b.letters.n) >= m.Capacity }

func (m *model) bury(l letter, why mailbox.Why) {
	if l.message != 0 {
		m.fates[l.message] = why + 1
	}
}

func (m *model) empty(b *box) {
	for b.letters.n > 0 {
		m.bury(b.letters.first(), mailbox.Discarded)
	}
}

// pour moves the first of what is in a box into another, letter by letter: others
// may take from it and put into it meanwhile. It is false when nothing is left;
// then there is a poke behind.
func (m *model) pour(from, to *box) bool {
	if from.letters.n == 0 {
		m.poke(from)
		m.pouring = false
		return false
	}
	m.pouring = true
	switch l := from.letters.first(); {
	case l.message == 0:
	case m.full(to):
		m.bury(l, mailbox.Interrupted)
	default:
		to.letters.add(l)
	}
	return true
}

// waits says whether a call waits for the lock, which whoever pours has.
func (m *model) waits(c *caller) bool {
	if !m.pouring {
		return false
	}
	switch c.what {
	case doSend:
		return c.at == 0 && !c.ctxDead && m.boxes.all[m.current].sealed || c.at == atSecond && m.boxes.all[c.box].moved
	case doNext:
		return (c.at == atHeld || c.at == atDrain) && m.ends.all[c.end].begun == 0
	case doFreeze:
		return c.at == atFreeze
	case doSeal, doCloseBox, doOpen, doRenew:
		return c.at == 0
	case doCrash, doReceive:
		return true
	}
	return false
}

func (m *model) poke(b *box) {
	if !m.full(b) {
		b.letters.add(letter{})
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

// settle is the end of what an end has in hand: it is handled.
func (m *model) settle(e *end) {
	if e.hand.message != 0 {
		m.handled++
		e.hand = letter{}
	}
}

// steps are the states that may come next. There are none when all callers have
// come back or wait.
func (m model) steps() (next []model) {
	for at, c := range m.callers.list() {
		if c.result.text != "" {
			continue
		}
		for way := range 3 { // a sender that waits may have up to three ways to go
			n := m
			if n.step(&n.callers.all[at], way) {
				next = append(next, n)
			}
			if c.what != doSend || c.at != atFull {
				break
			}
		}
	}
	return next
}

func (m *model) step(c *caller, way int) bool {
	back := func(text string) bool { c.result.text = text; return true }
	if m.waits(c) {
		return false
	}
	if c.what == doSend {
		return m.send(c, way, back)
	}
	var b *box
	if m.current >= 0 {
		b = &m.boxes.all[m.current]
	}
	e := &m.ends.all[max(c.end, 0)] // of those that are about one
	switch c.what {
	case doNext:
		return m.next(c, e, back)
	case doTake:
		b := &m.boxes.all[e.box]
		if b.letters.n == 0 {
			return back("none")
		}
		e.taken = b.letters.first()
		e.poked = e.taken.message == 0
		return back("taken")
	case doBegin:
		l := e.taken
		e.taken, e.poked = letter{}, false
		switch {
		case l.message == 0:
			return back("none")
		case e.frozen:
			m.bury(l, mailbox.Interrupted)
			return back("none")
		}
		m.begin(c, e, l)
		return back("message")
	case doDone:
		if !e.frozen {
			m.settle(e)
		}
	case doSkip:
		if !e.frozen {
			m.bury(e.hand, mailbox.CallerGone)
			e.hand = letter{}
		}
	case doCrash:
		m.crash(c, e)
	case doPark:
		return m.park(c, e, back)
	case doStop, doFreeze:
		return m.stop(c, e, back)
	case doSeal:
		if b != nil {
			b.sealed = true
		}
	case doCloseBox:
		return m.replace(c, false, back)
	case doOpen:
		if b != nil && !b.sealed && c.at == 0 {
			return back("ok")
		}
		return m.replace(c, true, back)
	case doRenew:
		if (b == nil || b.sealed) && c.at == 0 {
			return back("ok")
		}
		return m.replace(c, true, back)
	case doHangUp:
		for at := range m.callers.n {
			if other := &m.callers.all[at]; other.id == c.message {
				other.ctxDead = true
			}
		}
	case doReceive:
		m.ends.add(end{box: m.current})
	}
	return back("ok")
}

// send looks for "not open" before it puts the message in, and for "closed" after.
func (m *model) send(c *caller, way int, back func(string) bool) bool {
	b := &m.boxes.all[c.box]
	switch c.at {
	case 0:
		switch {
		case c.ctxDead:
			return back("ctx")
		case m.current < 0 || m.boxes.all[m.current].sealed:
			return back("closed")
		}
		c.at, c.box = atPut, m.current
	case atPut:
		switch {
		case !m.full(b):
			b.letters.add(letter{message: c.message})
			c.at = atSecond
		case m.Overflow == mailbox.Reject:
			return back("full")
		case m.Overflow == mailbox.DropNewest:
			m.bury(letter{message: c.message}, mailbox.Overflowed)
			return back("ok")
		case m.Overflow == mailbox.DropOldest:
			c.at = atDrop
		default:
			c.at = atFull
		}
	case atFull:
		switch {
		case way == 0 && !m.full(b):
			b.letters.add(letter{message: c.message})
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
			m.bury(b.letters.first(), mailbox.Overflowed)
		}
		c.at = atReplace
	case atReplace:
		if c.at = atDrop; !m.full(b) {
			b.letters.add(letter{message: c.message})
			c.at = atSecond
		}
	case atSecond:
		m.wake(b)
		switch {
		case !b.closed:
			return back("ok")
		case !b.moved:
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
func (m *model) replace(c *caller, anew bool, back func(string) bool) bool {
	if c.at == atEmpty {
		m.empty(&m.boxes.all[c.box])
		return back("ok")
	}
	m.bury(m.held, mailbox.Discarded)
	m.held = letter{}
	c.at, c.box = atEmpty, m.current
	if m.current >= 0 {
		old := &m.boxes.all[m.current]
		old.sealed, old.closed = true, true
	}
	if anew {
		m.boxes.add(box{})
		m.current = m.boxes.n - 1
	}
	if c.box < 0 {
		return back("ok")
	}
	return true
}
