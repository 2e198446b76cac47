package mailbox_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coppice-go/coppice/mailbox"
)

func TestPark(t *testing.T) {
	for _, test := range []struct {
		name   string
		before func(*mailbox.Mailbox[int], *mailbox.Receiver[int])
		parks  bool
		after  func(*mailbox.Mailbox[int], *mailbox.Receiver[int])
		wakes  int
	}{
		{"a message wakes", nil, true,
			func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { b.Send(t.Context(), 1) }, 1},
		{"only the first of several", nil, true,
			func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) {
				b.Send(t.Context(), 1)
				b.Send(t.Context(), 2)
			}, 1},
		{"a stop wakes", nil, true, func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.StopAndWake(true) }, 1},
		{"only the first of two stops", nil, true,
			func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.StopAndWake(true); in.StopAndWake(false) }, 1},
		{"a stop of a sealed mailbox wakes", nil, true,
			func(b *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { b.Seal(); in.StopAndWake(true) }, 1},
		{"being abandoned wakes", nil, true, func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Freeze() }, 1},
		{"a refused message does not wake", nil, true,
			func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { b.Seal(); b.Send(t.Context(), 1) }, 0},
		{"a message is there", func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { b.Send(t.Context(), 1) }, false, nil, 0},
		{"a stop was there", func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.StopAndWake(true) }, false, nil, 0},
		{"sealed", func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { b.Seal() }, false, nil, 0},
		{"abandoned", func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Freeze() }, false, nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			box, _ := opened(mailbox.Options{})
			in := box.Prepare()
			if test.before != nil {
				test.before(box, in)
			}
			wakes := 0
			check(t, "parks", in.Park(mailbox.Woken(func(bool) { wakes++ })), test.parks)
			if test.after != nil {
				test.after(box, in)
			}
			check(t, "wakes", wakes, test.wakes)
			if test.parks {
				depth := box.Depth()
				in.StopAndWake(false)
				check(t, "room taken by pokes", box.Depth(), depth)
			}
		})
	}
}

// A parked receiver of an unbuffered mailbox would leave its senders waiting
// for ever, or have them refused.
func TestAnUnbufferedMailboxDoesNotPark(t *testing.T) {
	box, _ := opened(capacity(mailbox.Unbuffered))
	check(t, "parks", box.Incarnate(true).Park(mailbox.Woken(func(bool) { t.Error("woken") })), false)
}

func TestAStopThatWakesLeavesTheRoomToMessages(t *testing.T) {
	box, _ := opened(mailbox.Options{Capacity: 1, Overflow: mailbox.Reject})
	in := box.Incarnate(true)
	in.Park(mailbox.Woken(func(bool) {}))
	in.StopAndWake(false)
	check(t, "Next", rest(in), "")
	send(t, box, 1)
	check(t, "next incarnation", drained(box.Incarnate(true)), "1")
}

// parking is a receiver that gives its goroutine back whenever it can.
type parking struct {
	t       *testing.T
	in      *mailbox.Receiver[int]
	all     sync.WaitGroup
	active  atomic.Int32
	parked  atomic.Int32
	woken   atomic.Int32
	handled atomic.Int32
	ended   chan struct{}
}

func (p *parking) run() {
	if n := p.active.Add(1); n != 1 {
		p.t.Errorf("got %d goroutines receiving, want 1", n)
	}
	for {
		_, got := p.in.Next(time.Nanosecond)
		if got == mailbox.Message {
			p.handled.Add(1)
			continue
		}
		p.active.Add(-1)
		if got == mailbox.Stopped {
			close(p.ended)
			return
		}
		if p.in.Park(mailbox.Woken(func(bool) { p.wake() })) {
			p.parked.Add(1)
			return
		}
		p.active.Add(1)
	}
}

func (p *parking) wake() {
	p.woken.Add(1)
	p.all.Go(p.run)
}

// Whoever parks is woken exactly once, whatever comes when: no message and no
// stop is left behind with nobody to receive it.
func TestNoWakeUpIsLost(t *testing.T) {
	const each = 4
	for _, options := range []mailbox.Options{capacity(1), capacity(64), {Capacity: 1, Overflow: mailbox.DropOldest}} {
		t.Run(fmt.Sprintf("capacity %d, %v", options.Capacity, options.Overflow), func(t *testing.T) {
			for round := range 1000 {
				box, _ := opened(options)
				p := &parking{t: t, in: box.Prepare(), ended: make(chan struct{})}
				p.all.Go(p.run)
				var sending sync.WaitGroup
				var accepted atomic.Int32
				for range senders {
					sending.Go(func() {
						for range each {
							if box.Send(t.Context(), 1) == nil {
								accepted.Add(1)
							}
						}
					})
				}
				drain := round%2 == 0
				if drain { // else the stops come while they send
					sending.Wait()
					check(t, "accepted", accepted.Load(), senders*each)
				}
				sending.Go(func() { p.in.StopAndWake(drain) })
				p.in.StopAndWake(drain)
				<-p.ended // from now on nobody is woken
				p.all.Wait()
				check(t, "woken", p.woken.Load(), p.parked.Load())
				box.Close()
				sending.Wait()
				s := box.Stats()
				check(t, "handled", s.Handled, uint64(p.handled.Load()))
				check(t, "handled and dead", s.Handled+s.Dead, uint64(accepted.Load()))
				if drain && options.Overflow == mailbox.Block {
					check(t, "dead", s.Dead, 0)
				}
				if t.Failed() {
					t.Fatalf("round %d", round)
				}
			}
		})
	}
}

// Who wakes a parked receiver for a stop may do so on the spot only if there is
// nothing to drain, also if a message has come meanwhile.
func TestWakeOnTheSpot(t *testing.T) {
	for _, test := range []struct {
		name        string
		drain, late bool
		here, want  bool
		over        bool
		next        string
	}{
		{"nothing to drain", true, false, true, true, true, ""},
		{"not to be drained", false, true, true, true, true, ""},
		{"a message to drain", true, true, true, false, false, "1"},
		{"elsewhere", true, false, false, false, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			box, _ := opened(mailbox.Options{})
			in := box.Prepare()
			var woken []bool
			check(t, "parks", in.Park(mailbox.Woken(func(here bool) { woken = append(woken, here) })), true)
			check(t, "was parked", in.Stop(test.drain), true)
			if test.late {
				send(t, box, 1)
			}
			in.Wake(test.here)
			check(t, "woken here", fmt.Sprint(woken), fmt.Sprint([]bool{test.want}))
			check(t, "over", in.Over(), test.over)
			check(t, "drained", rest(in), test.next)
			check(t, "was parked once", in.Stop(false), false)
		})
	}
}
