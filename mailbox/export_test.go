package mailbox

// Message is the message inside, for tests that look into a channel that nobody
// receives from any more.
func (e Envelope[M]) Message() M { return e.message }

// StopAndWake is Stop, and Wake elsewhere if the receiver was parked.
func (in *Receiver[M]) StopAndWake(drain bool) {
	if in.Stop(drain) {
		in.Wake(false)
	}
}

// Real tells a message or a batch from what only wakes the receiver.
func (e Envelope[M]) Real() bool { return e.note != poke && e.note != onward }

// Channel is what C is when no batch is in hand.
func (in *Receiver[M]) Channel() <-chan Envelope[M] { return in.box.channel }

// Incarnate is Receive, or without pokes Loop, with a channel from the beginning that
// a test may receive from in either case.
func (m *Mailbox[M]) Incarnate(pokes bool) *Receiver[M] {
	in := new(Receiver[M])
	if !pokes {
		m.Loop(in)
		return in
	}
	m.Receive(in)
	if in.loop == nil {
		in.loop = new(looping[M])
	}
	in.ready()
	return in
}

// Prepare is Receive.
func (m *Mailbox[M]) Prepare() *Receiver[M] {
	in := new(Receiver[M])
	m.Receive(in)
	return in
}

// C is that of the Inbox.
func (in *Receiver[M]) C() <-chan Envelope[M] { return in.loop.C }

// Woken is a waker.
type Woken func(here bool)

// Wake calls the function.
func (f Woken) Wake(here bool) { f(here) }

// Crash is Lose, and Bury with what that gives.
func (in *Receiver[M]) Crash(retries int) (message M, inHand bool) {
	var lost Lost[M]
	inHand = in.Lose(retries, &lost)
	in.Bury(&lost, true)
	return lost.Message(), inHand
}

// Underway is a sender that has found the mailbox open: what it gives puts the message
// into the channel that was there then, and looks a second time.
func (m *Mailbox[M]) Underway() (put func(message M) bool) {
	b := m.current.Load()
	return func(message M) bool { return b.put(Envelope[M]{message: message}) }
}

// RestsToWait is what Serve does before it waits for its channel alone.
func (in *Receiver[M]) RestsToWait() bool { return in.restsToWait() }
