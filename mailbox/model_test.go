package mailbox_test

import (
	"slices"

	"github.com/coppice-go/coppice/mailbox"
)

// The model of a mailbox, as docs/decisions/0002, 0017 and 0018 tell it: a state
// machine in which every caller makes one step at a time, in any order. What is known
// of the real one is the set of states in which it may be. The model is a value that
// can be compared, so a map finds out whether a state is new.
type model struct {
	*mailbox.Options
	boxes   few[box] // all that there were; a late caller may still be at an old one
	current int8     // -1 before the first Open
	held    letter   // what the next receiver begins with: to be tried again, the rest of a batch
	ends    few[end]
	callers few[caller]
	fates   [64]mailbox.Why // of the dead letters, one more than the reason
	handled int8
	left    int8 // how many messages have left the queue
	woken   int8 // how often a parked receiver was woken
	here    int8 // and may have run on the goroutine of who woke it
	pouring bool // somebody moves messages from one box to the next, under the lock
}

// letter is what a channel carries: a message, or a batch, whose messages have
// numbers that follow each other. Two have no message.
type letter struct {
	message int8 // the first
	more    int8 // how many follow
	crashes int8 // of the first
}

var (
	none   = letter{}            // a poke, where there may be one
	onward = letter{message: -1} // there is more of the batch in hand
)

func (l letter) size() int8 {
	if l == none {
		return 0
	}
	return 1 + l.more
}

// rest is what follows the first message.
func (l letter) rest() letter {
	if l.more == 0 {
		return none
	}
	return letter{message: l.message + 1, more: l.more - 1}
}

// box is a channel and its state.
type box struct {
	letters                       few[letter]
	hollow                        bool // there is no channel yet
	sealed, closed, moved, parked bool
	renewed                       bool // when it was closed
}

// end is a receiver.
type end struct {
	box     int8
	loop    bool // it receives from C, by itself
	ready   bool // it has the channel, since it was asked to receive, or parked last
	onward  bool // C is another channel, for what is left of a batch
	ahead   bool // and ready
	hand    letter
	left    letter // of the batch in hand; still there when that was taken away
	taken   letter // what a loop has got from C, and not given to Open yet
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
	size    int8 // of a batch to be sent; of a Serve how many messages it is to hand over
	end     int8
	ctxDead bool
	drain   bool // of a stop; of a receive that it is for a loop; else what a call has seen of a stop or a box
	here    bool // of a stop

	at     step
	box    int8
	letter letter
	result result
}

// result is what a call comes back with.
type result struct {
	text     string  // empty while it has not come back
	messages [3]int8 // that it has given, the last first
}

type act uint8

const (
	doSend act = iota
	doNext
	doServe
	doRest // until the first message
	doDone
	doSkip
	doCrash
	doEnd
	doPark
	doTake  // from C, as a select does
	doCopy  // from the channel, although C may be another one now
	doBegin // what was taken, as Open does
	doStop
	doFreeze
	doSeal
	doCloseBox
	doOpen
	doRenew
	doReceive
	doHangUp  // end the ctx of a sender
	doOwner   // one of those that the receiver's goroutine may do then
	doControl // one of those that whoever looks after the mailbox may do then
)

// step is how far a call has come. 0 is the beginning of each.
type step uint8

const (
	atPut      step = iota + 1 // a sender has found the box open
	atFull                     // and full, and waits
	atDrop                     // or makes room
	atReplace                  // and takes it
	atSecond                   // it has put its message in, and looks again
	atReady                    // a receiver has seen no stop, or that it drains
	atHeld                     // and has a channel
	atTry                      // and no message held back for it
	atRest                     // and none that waits
	atStop                     // it has nothing in hand, and looks again
	atWait                     // and waits
	atGiveUp                   // it has seen a stop
	atBegin                    // it has got hold of a message
	atDiscard                  // it opens something else than the rest of its batch
	atDiscard2                 // and has a message of that in hand
	atPoke                     // a stop has been said
	atWake                     // to a receiver that was parked
	atFreeze                   // and nothing is begun any more
	atPour                     // what waits goes over to another box
	atEmpty                    // a box was closed
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

// bury makes dead letters.
func (m *model) bury(l letter, why mailbox.Why) {
	for n := range l.size() {
		m.fates[l.message+n] = why + 1
	}
}

// drop makes dead letters of what was still in the queue.
func (m *model) drop(l letter, why mailbox.Why) {
	m.left += l.size()
	m.bury(l, why)
}

// waits says whether a call waits for the lock, which whoever pours has.
func (m *model) waits(c *caller) bool {
	if !m.pouring {
		return false
	}
	e := &m.ends.all[max(c.end, 0)]
	switch c.what {
	case doSend:
		b := &m.boxes.all[m.current]
		return c.at == 0 && !c.ctxDead && (b.sealed || b.hollow) || c.at == atSecond && (m.boxes.all[c.box].moved || m.boxes.all[c.box].parked)
	case doNext, doServe, doRest:
		return c.at == atReady && !e.ready || c.at == atHeld && e.begun == 0
	case doBegin:
		return (e.taken == onward || c.at == atDiscard) && e.begun == 0
	case doStop, doFreeze:
		return c.at == atPoke || c.at == atFreeze && c.what == doFreeze
	case doEnd:
		return c.at == atFreeze
	case doSeal, doCloseBox, doOpen, doRenew:
		return c.at == 0
	case doCrash, doReceive, doPark:
		return true
	}
	return false
}

// settle is the end of what an end has in hand: it is handled.
func (m *model) settle(e *end) {
	if e.hand != none {
		m.handled++
		e.hand = none
	}
}

// steps are the states that may come next. There are none when all callers have
// come back or wait.
func (m model) steps() (next []model) {
	for at, c := range m.callers.list() {
		if m.silent(&c) { // so it makes no difference when
			m.step(&m.callers.all[at], 0)
			return []model{m}
		}
	}
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

// silent says whether the next step of a call neither changes nor sees anything.
func (m *model) silent(c *caller) bool {
	if c.what != doNext && c.what != doServe && c.what != doRest {
		return false
	}
	e := &m.ends.all[c.end]
	return c.result.text == "" && (c.at == atReady && e.ready || c.at == atHeld && e.begun > 0 && e.left == none)
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
	case doNext, doServe, doRest:
		return m.next(c, e, back)
	case doTake, doCopy:
		return back(m.take(c, e))
	case doBegin:
		return m.open(c, e, back)
	case doDone:
		m.done(e)
	case doSkip:
		m.skip(e, mailbox.CallerGone)
	case doCrash:
		m.crash(c, e)
	case doEnd:
		if m.done(e); c.at == 0 && e.left != none {
			c.at = atFreeze
			return true
		} else if c.at == atFreeze {
			m.crash(c, e)
		}
	case doPark:
		return back(m.park(e))
	case doStop, doFreeze:
		return m.stop(c, e, back)
	case doSeal:
		if b != nil {
			b.sealed = true
		}
	case doCloseBox:
		return m.replace(c, false, mailbox.Discarded, back)
	case doOpen:
		if b != nil && !b.sealed && c.at == 0 {
			return back("ok")
		}
		return m.replace(c, true, mailbox.Discarded, back)
	case doRenew:
		if (b == nil || b.sealed) && c.at == 0 {
			return back("ok")
		}
		return m.replace(c, true, mailbox.Renewed, back)
	case doHangUp:
		for at := range m.callers.n {
			if other := &m.callers.all[at]; other.id == c.message {
				other.ctxDead = true
			}
		}
	case doReceive:
		m.ends.add(end{box: m.current, loop: c.drain, ready: c.drain, onward: c.drain && m.held != none, ahead: c.drain && m.held != none})
		b.hollow = b.hollow && !c.drain
	}
	return back("ok")
}
