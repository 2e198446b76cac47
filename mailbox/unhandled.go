package mailbox

// What becomes of a message that was begun and not handled: its incarnation was
// abandoned, has crashed, or has nobody to answer.

// Freeze ends the effects of an abandoned incarnation: Next ends, nothing is
// begun any more, and what waits moves to a new channel, out of reach. It gives
// the message in hand, if there is one, which becomes a dead letter.
func (in *Receiver[M]) Freeze() (message M, inHand bool) {
	if in.Stop(false) {
		defer in.Wake(false)
	}
	m := in.mailbox
	m.mu.Lock()
	// First the word: a message that a sender brings late must not be begun here
	// while earlier ones of that sender go over.
	word := in.word.Or(frozen)
	left := in.keepLocked(word, nil)
	lost := m.moveFromLocked(in)
	m.mu.Unlock()
	inHand = word&(idle|frozen) == 0
	if inHand {
		e := in.held(word)
		message = e.message
		in.spoil(e, Interrupted)
	}
	m.buryAll(left, Discarded)
	m.buryAll(lost, Interrupted)
	return message, inHand
}

// Lost is what a crash has made dead letters of; see [Receiver.Lose].
type Lost[M any] struct {
	hand   Envelope[M]
	spoilt bool          // that was in hand is one of them
	left   []Envelope[M] // of a batch
}

// Message is that which was in hand.
func (l *Lost[M]) Message() M { return l.hand.message }

// Lose settles the message in hand after a crash of its handler: with retries left it
// waits for the next incarnation, as its first message; otherwise it is to become a
// dead letter. What is left of its batch waits in either case. It is false if nothing
// was in hand. It puts into lost, which is to be new, what the owner is told of when
// that is given to Bury.
func (in *Receiver[M]) Lose(retries int, lost *Lost[M]) (inHand bool) {
	m := in.mailbox
	m.mu.Lock() // who abandons or closes comes before or after all of this
	defer m.mu.Unlock()
	word := in.word.Or(frozen)
	if word&frozen != 0 {
		return false
	}
	inHand = word&idle == 0
	var again *Note
	if inHand {
		lost.hand = in.held(word)
		again = in.again(lost.hand, retries)
		lost.spoilt = again == nil
	}
	if again != nil || word&partial != 0 {
		lost.left = in.keepLocked(word, again)
	}
	if again != nil {
		m.books().unhandled.Add(1)
	}
	return inHand
}

// Bury makes dead letters of what Lose has given. The one that was in hand is only
// counted unless it is to be told to the owner.
func (in *Receiver[M]) Bury(lost *Lost[M], tell bool) {
	if lost.spoilt {
		if tell {
			in.spoil(lost.hand, Crashed)
		} else {
			a := in.mailbox.books()
			a.unhandled.Add(1)
			a.buried.Add(1)
		}
	}
	if lost.left != nil {
		in.buryLeft(lost)
	}
}

// buryLeft is apart to leave the stack of Bury small.
//
//go:noinline
func (in *Receiver[M]) buryLeft(lost *Lost[M]) { in.mailbox.buryAll(lost.left, Discarded) }

// again is the note of a message that may be tried again, nil if it may not, or
// there can be no next incarnation.
func (in *Receiver[M]) again(e Envelope[M], retries int) *Note {
	crashes := 0
	if e.note != nil {
		crashes = e.note.Crashes
	}
	if crashes >= retries || !in.mayKeepLocked() {
		return nil
	}
	note := new(Note)
	if e.note != nil {
		*note = *e.note
	}
	note.Crashes++
	return note
}

// mayKeepLocked says whether there can be a next incarnation. The mailbox is locked.
func (in *Receiver[M]) mayKeepLocked() bool {
	m := in.mailbox
	return m.receiver == in && m.door != shut
}

// keepLocked holds back for the next incarnation what is left of a batch, and before
// it the message in hand if that has a note to be tried again. It gives back what
// can not be kept. The mailbox is locked; word is from before it was frozen.
func (in *Receiver[M]) keepLocked(word uint64, again *Note) (lost []Envelope[M]) {
	m := in.mailbox
	var left Envelope[M]
	switch {
	case word&frozen != 0 || word&partial == 0 && again == nil:
		return nil
	case word&partial == 0:
		left = Envelope[M]{in.held(word).message, again}
	default:
		p := in.hands.side[word/side&1].parcel()
		next := word/one - p.first + 1
		note := Note{Trace: p.note.Trace}
		if again != nil {
			next, note = next-1, *again
		}
		in.hands.ends.Store(0)
		left = m.wrap(p.messages[next:], note)
	}
	if !in.mayKeepLocked() {
		return []Envelope[M]{left}
	}
	a := m.books()
	if again != nil {
		a.kept++
	}
	held := left   // here, so that what is not kept is not allocated
	a.held = &held // the one before was taken first
	return nil
}

// spoil makes a dead letter of a message that was begun.
func (in *Receiver[M]) spoil(e Envelope[M], why Why) {
	in.mailbox.books().unhandled.Add(1)
	in.mailbox.bury(in.noted(e), why)
}

// noted is a message with the note that this receiver has had it in hand.
func (in *Receiver[M]) noted(e Envelope[M]) Envelope[M] {
	note := Note{}
	if e.note != nil {
		note = *e.note
	}
	note.Incarnation = int(in.Incarnation)
	if p := e.parcel(); p != nil { // nobody else knows of it
		p.note = note
		return e
	}
	return Envelope[M]{e.message, &note}
}

// Skip makes a dead letter of the message that Next has just given.
func (in *Receiver[M]) Skip(why Why) {
	if in.last&idle != 0 {
		return
	}
	if e := in.held(in.last); in.rest() {
		in.spoil(e, why)
	}
}

// heldLocked says whether something is held back for the next incarnation.
func (m *Mailbox[M]) heldLocked() bool {
	a := m.account.Load()
	return a != nil && a.held != nil
}

// takeHeldLocked takes it out.
func (m *Mailbox[M]) takeHeldLocked() (e *Envelope[M]) {
	if a := m.account.Load(); a != nil {
		e, a.held = a.held, nil
	}
	return e
}

// takeHeld gives the message that crashed the incarnation before, if it is to be
// tried again, and what that one has left of a batch.
func (in *Receiver[M]) takeHeld() (e Envelope[M], ok bool) {
	m := in.mailbox
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.heldLocked() || in.word.Load()&frozen != 0 {
		return e, false
	}
	return *m.takeHeldLocked(), true
}
