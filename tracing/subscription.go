package tracing

import (
	"reflect"
	"slices"
	"sync"
	"time"
)

const (
	defaultBuffer = 64      // of a subscription that asks for none
	maxBuffer     = 1 << 20 // of one that asks for more: its memory is taken at once
)

// Subscription is a stream of events for a reader that may be slow. Make one
// with [Tracing.Subscribe].
type Subscription struct {
	// C delivers the events, in the order in which they were emitted. It is
	// closed by Close. Read it, do not assign to it.
	C <-chan Event

	tracing *Tracing
	buffer  int
	only    []reflect.Type // what is wanted; empty means everything

	mu     sync.Mutex // held for sends that cannot block
	c      chan Event
	missed int
	closed bool
}

// Subscribe starts a stream of the events that are emitted after it returns.
// buffer is the number of events that may wait to be read; less than 1 means 64,
// more than 1,048,576 means that many, since its memory is taken at once.
// only names the types of event that are wanted, each by any value of it, so that
// the others take no place in the buffer; without any, all are:
//
//	letters := tr.Subscribe(1000, tracing.DeadLetter{})
//
// An event that finds the buffer full is lost to this subscription: nothing ever
// waits for its reader. Before the next event that fits, or before the close, C
// delivers a [Missed] with the number lost at that place, for which there is
// always room. So what was read and what was missed add up to what was emitted,
// of the types that are wanted.
//
// Call Close when done: until then the Tracing keeps the subscription.
func (t *Tracing) Subscribe(buffer int, only ...Event) *Subscription {
	if buffer < 1 {
		buffer = defaultBuffer
	}
	buffer = min(buffer, maxBuffer)
	// Room for two reports of losses: one before the event that takes the last
	// place of the buffer, one at the close.
	c := make(chan Event, buffer+2)
	s := &Subscription{C: c, tracing: t, buffer: buffer, c: c}
	for _, e := range only {
		if e != nil {
			s.only = append(s.only, reflect.TypeOf(e.stamped(""))) // also of a pointer, as in Emit
		}
	}
	t.change(func(all []*Subscription) []*Subscription { return append(all, s) })
	return s
}

// Close ends the stream: C delivers what is buffered, a [Missed] if events were
// lost since, and is then closed. An event that is being emitted at the same time
// may or may not be among them. Close does not wait for the reader. It may be
// called again, by anybody, also by the reader; only the first call counts.
func (s *Subscription) Close() {
	if s.tracing == nil { // not made by Subscribe: there is no stream
		return
	}
	s.tracing.change(func(all []*Subscription) []*Subscription {
		return slices.DeleteFunc(all, func(other *Subscription) bool { return other == s })
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.reportLocked()
	close(s.c)
}

// deliver never blocks: only it and Close send, both under mu, and there is room
// for what they send.
func (s *Subscription) deliver(e Event) {
	if s.only != nil && !slices.Contains(s.only, reflect.TypeOf(e)) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
	case len(s.c) >= s.buffer:
		s.missed++
	default:
		s.reportLocked()
		s.c <- e
	}
}

// reportLocked tells of the losses, if any. One place of c must be free.
func (s *Subscription) reportLocked() {
	if s.missed > 0 {
		s.c <- Missed{Head: Head{Time: time.Now()}, Count: s.missed}
		s.missed = 0
	}
}

// change replaces the list of subscriptions by what edit makes of a copy of it.
func (t *Tracing) change(edit func([]*Subscription) []*Subscription) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*Subscription
	if old := t.subscriptions.Load(); old != nil {
		all = slices.Clone(*old)
	}
	if all = edit(all); len(all) == 0 {
		t.subscriptions.Store(nil)
		return
	}
	t.subscriptions.Store(&all)
}
