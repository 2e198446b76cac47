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
	lost := m.moveFromLocked(in)
	m.mu.Unlock()
	inHand = word&(idle|frozen) == 0
	if inHand {
		e := in.hand[word/one&1]
		message = e.message
		in.spoil(e, Interrupted)
	}
	m.buryAll(lost)
	return message, inHand
}

// Crash settles the message in hand after a crash of its handler: with retries
// left it waits for the next incarnation, as its first message; otherwise it
// becomes a dead letter. It is false if nothing was in hand.
func (in *Receiver[M]) Crash(retries int) (message M, inHand bool) {
	m := in.mailbox
	m.mu.Lock() // who abandons or closes comes before or after all of this
	word := in.word.Or(frozen)
	if word&(idle|frozen) != 0 {
		m.mu.Unlock()
		return message, false
	}
	e := in.hand[word/one&1]
	if in.keep(e, retries) {
		m.unhandled.Add(1)
		m.mu.Unlock()
		return e.message, true
	}
	m.mu.Unlock()
	in.spoil(e, Crashed)
	return e.message, true
}

// keep holds a message back for the next incarnation, if it may be tried again
// and there can be a next one.
func (in *Receiver[M]) keep(e Envelope[M], retries int) bool {
	m := in.mailbox
	note := Note{}
	if e.note != nil {
		note = *e.note
	}
	if note.Crashes >= retries || m.receiver != in || m.current.Load().state.Load()&closed != 0 {
		return false
	}
	note.Crashes++
	m.kept++
	m.held = &Envelope[M]{e.message, &note}
	return true
}

// spoil makes a dead letter of a message that was begun.
func (in *Receiver[M]) spoil(e Envelope[M], why Why) {
	in.mailbox.unhandled.Add(1)
	in.mailbox.bury(in.noted(e), why)
}

// noted is a message with the note that this receiver has had it in hand.
func (in *Receiver[M]) noted(e Envelope[M]) Envelope[M] {
	note := Note{}
	if e.note != nil {
		note = *e.note
	}
	note.Incarnation = in.Incarnation
	return Envelope[M]{e.message, &note}
}

// Skip makes a dead letter of the message that Next has just given.
func (in *Receiver[M]) Skip(why Why) {
	e, inHand := in.hand[in.last/one&1], in.last&idle == 0
	if inHand && in.rest() {
		in.spoil(e, why)
	}
}

// holds says whether there is such a message.
func (m *Mailbox[M]) holds() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held != nil
}

// takeHeld gives the message that crashed the incarnation before, if it is to be
// tried again.
func (in *Receiver[M]) takeHeld() (e Envelope[M], ok bool) {
	m := in.mailbox
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held == nil || in.word.Load()&frozen != 0 {
		return e, false
	}
	e, m.held = *m.held, nil
	return e, true
}
