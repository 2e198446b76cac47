package mailbox_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coppice-go/coppice/mailbox"
)

// model is a mailbox as a slice, for one goroutine. A poke is a 0 in it.
type model struct {
	options  mailbox.Options
	capacity int
	box      *mailbox.Mailbox[int]
	in       *mailbox.Receiver[int] // nil before the first, and when the last has ended

	sent    int
	come    int // into the queue
	open    bool
	closed  bool // and not sealed: what waits is gone
	queue   []int
	dead    []string
	got     []string // the dead letters of the real one
	handled int

	// of the incarnation
	begun   int
	hand    int // the message in hand
	crashes int // of the message in hand
	stopped bool
	drain   bool

	held        int
	heldCrashes int
}

func (m *model) bury(message int, why mailbox.Why) {
	m.dead = append(m.dead, fmt.Sprintf("%d %v", message, why))
}

// discard makes dead letters of what waits.
func (m *model) discard() {
	if m.held != 0 {
		m.bury(m.held, mailbox.Discarded)
	}
	for _, message := range m.queue {
		if message != 0 {
			m.bury(message, mailbox.Discarded)
		}
	}
	m.held, m.queue = 0, nil
}

func (m *model) settle() {
	if m.hand != 0 {
		m.handled++
		m.hand = 0
	}
}

func (m *model) send(t *rapid.T) {
	m.sent++
	message := m.sent
	full := len(m.queue) >= m.capacity
	if full && m.options.Overflow == mailbox.Block && m.open {
		t.Skip("would wait")
	}
	want := error(nil)
	switch {
	case !m.open:
		want = mailbox.ErrClosed
	case !full:
		m.queue = append(m.queue, message)
		m.come++
	case m.options.Overflow == mailbox.Reject:
		want = mailbox.ErrFull
	case m.options.Overflow == mailbox.DropNewest:
		m.bury(message, mailbox.Overflowed)
	default:
		if m.queue[0] != 0 {
			m.bury(m.queue[0], mailbox.Overflowed)
		}
		m.queue = append(m.queue[1:], message)
		m.come++
	}
	if got := m.box.Send(t.Context(), message, nil); got != want {
		t.Fatalf("send %d: got %v, want %v", message, got, want)
	}
}

func (m *model) sendWithDeadContext(t *rapid.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if m.box.Send(ctx, -1, nil) == nil {
		t.Fatal("send: got nil, want the context's error")
	}
}

// take is what Next does to the model.
func (m *model) take(drains bool) (message int, got mailbox.Got) {
	m.settle()
	if m.stopped && !drains {
		return 0, mailbox.Stopped
	}
	if m.begun == 0 && m.held != 0 {
		m.hand, m.crashes = m.held, m.heldCrashes
		m.held = 0
	} else {
		m.crashes = 0
		for len(m.queue) > 0 && m.hand == 0 {
			m.hand, m.queue = m.queue[0], m.queue[1:]
		}
	}
	switch {
	case m.hand != 0:
		m.begun++
		return m.hand, mailbox.Message
	case m.stopped:
		return 0, mailbox.Stopped
	}
	return 0, mailbox.Idle
}

func (m *model) next(t *rapid.T) {
	if m.in == nil {
		t.Skip("no receiver")
	}
	message, want := m.take(m.drain)
	e, got := m.in.Next(time.Nanosecond)
	if got != want || e != message {
		t.Fatalf("Next: got %v %d, want %v %d", outcome(got), e, outcome(want), message)
	}
}

func (m *model) rest(t *rapid.T) {
	if m.in == nil {
		t.Skip("no receiver")
	}
	stopped, drains := m.stopped, !m.stopped || m.drain
	m.stopped = true // it does not wait
	defer func() { m.stopped = stopped }()
	for message := range m.in.Rest() {
		if want, _ := m.take(drains); message != want {
			t.Fatalf("Rest: got %d, want %d", message, want)
		}
	}
	if want, got := m.take(drains); got != mailbox.Stopped {
		t.Fatalf("Rest: got no more, want %d", want)
	}
}

func (m *model) stop(drain bool) func(*rapid.T) {
	return func(t *rapid.T) {
		if m.in == nil {
			t.Skip("no receiver")
		}
		m.in.Stop(drain)
		m.stopNow(drain)
	}
}

func (m *model) stopNow(drain bool) {
	switch {
	case !m.stopped:
		m.stopped, m.drain = true, drain
		if m.hand == 0 && len(m.queue) < m.capacity {
			m.queue = append(m.queue, 0)
		}
	case !drain:
		m.drain = false
	}
}

func (m *model) receive(t *rapid.T) {
	if m.in != nil || !m.open {
		t.Skip("one receiver at a time")
	}
	m.in = m.box.Receive(true)
	m.begun, m.stopped, m.drain = 0, false, false
}

func (m *model) finish(t *rapid.T) {
	if m.in == nil {
		t.Skip("no receiver")
	}
	m.in.Done()
	m.settle()
	m.in = nil
}

func (m *model) skip(t *rapid.T) {
	if m.in == nil {
		t.Skip("no receiver")
	}
	m.in.Skip(mailbox.CallerGone)
	if m.hand != 0 {
		m.bury(m.hand, mailbox.CallerGone)
		m.hand = 0
	}
}

func (m *model) crash(t *rapid.T) {
	if m.in == nil {
		t.Skip("no receiver")
	}
	retries := rapid.IntRange(0, 2).Draw(t, "retries")
	e, inHand := m.in.Crash(retries)
	if inHand != (m.hand != 0) || e != m.hand {
		t.Fatalf("Crash: got %v %d, want %d", inHand, e, m.hand)
	}
	switch {
	case m.hand == 0:
	case m.crashes < retries && !m.closed:
		m.held, m.heldCrashes = m.hand, m.crashes+1
	default:
		m.bury(m.hand, mailbox.Crashed)
	}
	m.hand, m.in = 0, nil
}

func (m *model) abandon(t *rapid.T) {
	if m.in == nil {
		t.Skip("no receiver")
	}
	e, inHand := m.in.Freeze()
	if inHand != (m.hand != 0) || e != m.hand {
		t.Fatalf("Freeze: got %v %d, want %d", inHand, e, m.hand)
	}
	m.queue = slices.DeleteFunc(m.queue, func(message int) bool { return message == 0 })
	if m.hand != 0 {
		m.bury(m.hand, mailbox.Interrupted)
	}
	m.hand, m.in = 0, nil
}

func (m *model) seal(*rapid.T) {
	m.box.Seal()
	m.open = false
}

func (m *model) close(*rapid.T) {
	m.box.Close()
	m.discard()
	m.open, m.closed = false, true
}

func (m *model) reopen(*rapid.T) {
	m.box.Open()
	if !m.open {
		m.discard()
		m.orphan()
	}
	m.open, m.closed = true, false
}

func (m *model) renew(*rapid.T) {
	m.box.Renew()
	if m.open { // it opens nothing
		m.discard()
		m.orphan()
	}
}

// orphan ends the receiver of a channel that the mailbox has given up.
func (m *model) orphan() {
	if m.in != nil {
		m.in.Done()
		m.settle()
		m.in = nil
	}
}

func (m *model) check(t *rapid.T) {
	waiting := 0
	for _, message := range append([]int{m.held}, m.queue...) {
		if message != 0 {
			waiting++
		}
	}
	want := mailbox.Stats{Handled: uint64(m.handled), Waiting: uint64(waiting), Dead: uint64(len(m.dead))}
	if m.hand != 0 {
		want.InHand = 1
	}
	if got := m.box.Stats(); got != want {
		t.Fatalf("account:\n got %+v\nwant %+v", got, want)
	}
	if left, got := m.box.Queue(); got != waiting || left != uint64(m.come-waiting) {
		t.Fatalf("Queue: got %d left, %d waiting, want %d and %d", left, got, m.come-waiting, waiting)
	}
	if !slices.Equal(m.got, m.dead) {
		t.Fatalf("dead letters:\n got %v\nwant %v", m.got, m.dead)
	}
	if m.in != nil {
		if n, busy := m.in.Begun(); n != uint64(m.begun) || busy != (m.hand != 0) {
			t.Fatalf("Begun: got %d %v, want %d %v", n, busy, m.begun, m.hand != 0)
		}
	}
}

func TestMailboxIsASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{capacity: rapid.IntRange(1, 4).Draw(t, "capacity")}
		m.options = mailbox.Options{
			Capacity: m.capacity,
			Overflow: rapid.SampledFrom([]mailbox.Overflow{mailbox.Block, mailbox.Reject, mailbox.DropNewest, mailbox.DropOldest}).Draw(t, "overflow"),
		}
		m.box = mailbox.New(m.options, func(message int, _ *mailbox.Note, why mailbox.Why) {
			m.got = append(m.got, fmt.Sprintf("%d %v", message, why))
		})
		t.Repeat(map[string]func(*rapid.T){
			"":         m.check,
			"abandon":  m.abandon,
			"close":    m.close,
			"crash":    m.crash,
			"dead ctx": m.sendWithDeadContext,
			"drain":    m.stop(true),
			"finish":   m.finish,
			"next":     m.next,
			"next 2":   m.next,
			"open":     m.reopen,
			"open 2":   m.reopen,
			"receive":  m.receive,
			"renew":    m.renew,
			"rest":     m.rest,
			"seal":     m.seal,
			"send":     m.send,
			"send 2":   m.send,
			"skip":     m.skip,
			"stop":     m.stop(false),
		})
	})
}
