package mailbox

import (
	"context"
	"sync"
	"sync/atomic"
)

// A batch takes one place in the channel. Its envelope carries a parcel, which the
// receiver unpacks: one message after the other is in hand, as if each had come alone.

// parcel is a batch on its way. Its note is that of the envelope, which it is found by.
type parcel[M any] struct {
	note     Note // Crashes are those of the first message
	messages []M
	first    uint64 // the number of the first message; for the receiver that unpacks it
}

// batches is what a mailbox has once somebody sends one.
type batches[M any] struct {
	// more is how many messages of batches are waiting, save the first of each. Who
	// puts a batch into the channel adds to it just after, and who takes one out
	// takes from it: for a moment it may be too small, never too large.
	more atomic.Int64

	spare sync.Pool // of parcels that were unpacked
}

// SendAll puts a batch into the mailbox as Send does a message: all of them or none.
// It takes one place, and by the overflow policy it is refused or dropped as a whole.
// Messages are taken in hand one by one, in order. nil means that each was accepted;
// then the slice belongs to the receiver. An empty batch is accepted anywhere.
func (m *Mailbox[M]) SendAll(ctx context.Context, messages []M, note *Note) error {
	switch len(messages) {
	case 0:
		return nil
	case 1:
		return m.SendNoted(ctx, messages[0], note)
	}
	if around := m.around(note); around != nil {
		return around(ctx, messages[0], len(messages), func(ctx context.Context, note *Note) error {
			return m.acceptAll(ctx, messages, note)
		})
	}
	return m.acceptAll(ctx, messages, note)
}

func (m *Mailbox[M]) acceptAll(ctx context.Context, messages []M, note *Note) error {
	p := m.pack(messages)
	if note != nil {
		p.note.Trace = note.Trace
	}
	err := m.accept(ctx, Envelope[M]{note: &p.note})
	if err != nil {
		m.recycle(p)
	}
	return err
}

func (m *Mailbox[M]) all() *batches[M] {
	a := m.books()
	if all := a.batches.Load(); all != nil {
		return all
	}
	a.batches.CompareAndSwap(nil, new(batches[M]))
	return a.batches.Load()
}

// waitMore counts messages of batches that are waiting.
func (m *Mailbox[M]) waitMore(n int) { m.all().more.Add(int64(n)) }

func (m *Mailbox[M]) pack(messages []M) *parcel[M] {
	p, _ := m.all().spare.Get().(*parcel[M])
	if p == nil {
		p = new(parcel[M])
		p.note.content = p
	}
	p.messages = messages
	return p
}

// recycle is for a parcel that nobody else knows of.
func (m *Mailbox[M]) recycle(p *parcel[M]) {
	p.note, p.messages = Note{content: p}, nil
	m.all().spare.Put(p)
}

// wrap makes an envelope of what is left of a batch, and counts it as waiting.
func (m *Mailbox[M]) wrap(messages []M, note Note) Envelope[M] {
	if len(messages) == 1 {
		return Envelope[M]{messages[0], &note}
	}
	p := m.pack(messages)
	p.note = note
	p.note.content = p
	m.waitMore(len(messages) - 1)
	return Envelope[M]{note: &p.note}
}

// alone says that the envelope holds a message, and nothing else.
func (e Envelope[M]) alone() bool { return e.note == nil || e.note.content == nil }

// parcel is the batch in an envelope, nil if there is none.
func (e Envelope[M]) parcel() *parcel[M] {
	if e.alone() {
		return nil
	}
	p, _ := e.note.content.(*parcel[M])
	return p
}

// size is the number of messages.
func (e Envelope[M]) size() int {
	if p := e.parcel(); p != nil {
		return len(p.messages)
	}
	return 1
}

// at is one of the messages, in an envelope of its own.
func (p *parcel[M]) at(at int) Envelope[M] {
	note := p.note
	note.content = nil
	if at > 0 {
		note.Crashes = 0
	}
	return Envelope[M]{p.messages[at], &note}
}

// parcel is the batch in hand, nil if there is none.
func (in *Receiver[M]) parcel() *parcel[M] { return in.hands.side[in.last/side&1].parcel() }

// current is the message in hand.
func (in *Receiver[M]) current() M {
	e := &in.hands.side[in.last/side&1]
	if p := e.parcel(); p != nil {
		return p.messages[in.last/one-p.first]
	}
	return e.message
}

// held is the message that is in hand by the word, in an envelope of its own.
func (in *Receiver[M]) held(word uint64) Envelope[M] {
	e := in.hands.side[word/side&1]
	if p := e.parcel(); p != nil {
		return p.at(int(word/one - p.first))
	}
	return e
}

// next takes the next message of p in hand, which is the batch there and has one.
func (in *Receiver[M]) next(p *parcel[M]) (message M, got Got) {
	next := in.last&^idle + one
	at := next/one - p.first
	if at == uint64(len(p.messages))-1 {
		next &^= partial
	}
	if !in.word.CompareAndSwap(in.last, next) {
		return message, Stopped // who has abandoned the incarnation has what is left
	}
	in.last = next
	return p.messages[at], Message
}

// unpack begins a batch with message n. From here on the receiver counts what is left.
func (in *Receiver[M]) unpack(p *parcel[M], n uint64) {
	p.first = n
	in.mailbox.waitMore(1 - len(p.messages))
	in.hands.ends.Store(n + uint64(len(p.messages)) - 1)
}

// repack takes that back.
func (in *Receiver[M]) repack(p *parcel[M]) {
	in.hands.ends.Store(0)
	in.mailbox.waitMore(len(p.messages) - 1)
}

// remain is how many messages of the batch in hand are waiting.
func (in *Receiver[M]) remain() int {
	word := in.word.Load()
	if word&partial == 0 {
		return 0
	}
	if ends := in.hands.ends.Load(); ends > word/one {
		return int(ends - word/one)
	}
	return 0
}

// letGo lets the batch be used again that was in hand by the word. The real word has
// left that hand since, or says that nothing is there, and was not frozen when it came
// to that: so nobody else reads it any more.
func (in *Receiver[M]) letGo(word uint64) {
	e := &in.hands.side[word/side&1]
	if p := e.parcel(); p != nil {
		*e = Envelope[M]{}
		in.mailbox.recycle(p)
	}
}
