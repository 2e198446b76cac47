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
