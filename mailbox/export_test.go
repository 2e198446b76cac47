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
