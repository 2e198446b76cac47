package mailbox

// Message is the message inside, for tests that look into a channel that nobody
// receives from any more.
func (e Envelope[M]) Message() M { return e.message }
