package bench

import "time"

// Message is what is sent.
type Message struct {
	Sent time.Duration // since the beginning
	Took time.Duration // until it was handled
}

// Poison is the message that makes a child panic.
var Poison = new(Message)

// Token goes round in a ring.
type Token struct{ Hops int }

// Tally is the work of a handler: it counts messages, and tells when all that
// were awaited have come. It belongs to one actor.
type Tally struct {
	awaited int
	begun   time.Time
	all     chan struct{}
}

// NewTally makes a tally of so many messages.
func NewTally(awaited int) *Tally {
	return &Tally{awaited: awaited, begun: time.Now(), all: make(chan struct{})}
}

// Count counts a message.
func (t *Tally) Count() {
	if t.awaited--; t.awaited == 0 {
		close(t.all)
	}
}

// Clock counts a message and notes how long it took.
func (t *Tally) Clock(m *Message) {
	m.Took = time.Since(t.begun) - m.Sent
	t.Count()
}

// Lives hears of the lives of children. It is told concurrently of different
// children.
type Lives interface {
	// Began is the first that the incarnation of a child does.
	Began(child int)
	// Handled is all that it does with a message that is not Poison.
	Handled(child int)
	// Ends is the last that it does before it panics.
	Ends(child int)
}
