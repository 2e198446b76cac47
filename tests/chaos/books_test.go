package chaos_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/mailbox"
)

// tally counts what is still open, and tells when nothing is.
type tally struct {
	n    atomic.Int64
	zero chan struct{}
}

func newTally() *tally { return &tally{zero: make(chan struct{}, 1)} }

func (t *tally) add(n int64) {
	if t.n.Add(n) == 0 {
		select {
		case t.zero <- struct{}{}:
		default:
		}
	}
}

// wait waits until nothing is open. It is false if that takes too long.
func (t *tally) wait(patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for t.n.Load() != 0 {
		select {
		case <-t.zero:
		case <-timer.C:
			return false
		}
	}
	return true
}

// ledger is the book of one mailbox. Its messages are numbered from 0; what a
// quiet moment has found right is forgotten.
type ledger struct {
	soak    *soak
	name    string
	retries int
	unheard bool // no event tells of its messages

	mu      sync.Mutex
	base    uint64 // number of the first entry
	entries []entry
	before  sums // of the entries that were forgotten

	epoch   int    // moves on when the tree has stopped
	waiting [2]int // sends and calls that have not returned, by the epoch in which they began
	drained chan struct{}
}

// open enters a message that is about to be sent.
func (l *ledger) open(w way) (id uint64, epoch int) {
	l.soak.unsettled.add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entry{way: w, unheard: l.unheard})
	l.waiting[l.epoch&1]++
	return l.base + uint64(len(l.entries)) - 1, l.epoch & 1
}

// close enters how the send or the call has ended.
func (l *ledger) close(id uint64, epoch int, v verdict, o outcome) {
	l.change(id, "returned to its sender", func(e *entry) string {
		e.verdict, e.outcome = v, o
		if v == refused && e.fated() {
			return "refused, but it has a fate"
		}
		l.waiting[epoch]--
		if l.waiting[epoch] == 0 && epoch != l.epoch&1 && l.drained != nil {
			close(l.drained)
			l.drained = nil
		}
		return ""
	})
}

// drain waits until every send and call that has begun before has returned.
func (l *ledger) drain(patience time.Duration) (left int) {
	l.mu.Lock()
	old := l.epoch & 1
	l.epoch++
	if l.waiting[old] == 0 {
		l.mu.Unlock()
		return 0
	}
	drained := make(chan struct{})
	l.drained = drained
	l.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting[old]
}

// begin enters that a handler was given the message.
func (l *ledger) begin(id uint64) {
	l.change(id, "begun", func(e *entry) string {
		e.begun++
		switch {
		case e.verdict == refused:
			return "begun, though it was refused"
		case e.way == byCall && e.begun > 1:
			return "a call is handed to a handler twice"
		case int(e.begun) > 1+l.retries:
			return fmt.Sprintf("begun more often than %d retries allow", l.retries)
		case e.handled:
			return "begun after it was handled"
		case e.dead > 0 && mailbox.Why(e.dead-1) != mailbox.Interrupted: // which may happen between the two steps of a receiver
			return "begun after it was a dead letter"
		}
		return ""
	})
}

// handled enters that a handler is done with the message, unless the message is
// a dead letter of an abandoned incarnation by now.
func (l *ledger) handled(id uint64) {
	l.change(id, "handled", func(e *entry) string {
		switch {
		case e.dead > 0 && mailbox.Why(e.dead-1) == mailbox.Interrupted:
			return ""
		case e.dead > 0:
			return "handled after it was a dead letter"
		case e.handled:
			return "handled twice"
		}
		e.handled = true
		return ""
	})
}

// buried enters a dead letter. A handler may be done with a message in the very
// moment in which its incarnation is abandoned: then both is true.
func (l *ledger) buried(id uint64, why mailbox.Why) {
	l.change(id, "a dead letter: "+why.String(), func(e *entry) string {
		switch {
		case e.dead > 0:
			return "a dead letter for the second time: " + why.String()
		case e.verdict == refused:
			return "refused, and yet a dead letter: " + why.String()
		case e.handled && why != mailbox.Interrupted:
			return "handled, and yet a dead letter: " + why.String()
		case e.begun > 0 && (why == mailbox.Overflowed || why == mailbox.Renewed): // a Fresh mailbox keeps nothing to try again
			return "begun, and yet a dead letter: " + why.String()
		}
		e.dead = uint8(why) + 1
		return ""
	})
}

// gave enters that a deferred answer was given, and taken.
func (l *ledger) gave(id uint64) {
	l.change(id, "answered", func(e *entry) string {
		if e.gave {
			return "answered twice"
		}
		e.gave = true
		return ""
	})
}

// failed enters an error of a handler that was cast, reported the event of it.
func (l *ledger) failed(id uint64) {
	l.change(id, "failed", func(e *entry) string { e.expected = true; return "" })
}

func (l *ledger) reported(id uint64) {
	l.change(id, "reported", func(e *entry) string {
		if e.reported {
			return "its error is reported twice"
		}
		e.reported = true
		return ""
	})
}

// change changes an entry. What it finds wrong is a violation.
func (l *ledger) change(id uint64, how string, edit func(*entry) (wrong string)) {
	l.mu.Lock()
	if id < l.base || id-l.base >= uint64(len(l.entries)) {
		l.mu.Unlock()
		l.soak.violation("%s: message %d was settled long ago, and now it is %s", l.name, id, how)
		return
	}
	e := &l.entries[id-l.base]
	settled := e.settled()
	wrong := edit(e)
	now := e.settled()
	text := ""
	if wrong != "" && !e.badFate {
		e.badFate = true
		text = e.String()
	}
	l.mu.Unlock()
	if text != "" {
		l.soak.violation("%s: message %d: %s (%s)", l.name, id, wrong, text)
	}
	if now && !settled {
		l.soak.unsettled.add(-1)
	}
}

// sum is what the book adds up to now.
func (l *ledger) sum() sums {
	l.mu.Lock()
	defer l.mu.Unlock()
	total := l.before
	for i := range l.entries {
		total.enter(&l.entries[i])
	}
	return total
}

// forget checks every entry once more and drops them, but for the last. It is for
// a moment in which nothing moves. The last message may still be in hand, by the
// account of a receiver that has not come back for the next; if it is abandoned
// then, it becomes a dead letter.
func (l *ledger) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := max(0, len(l.entries)-1)
	for i := range l.entries {
		e := &l.entries[i]
		if wrong := e.wrong(); wrong != "" {
			l.soak.violation("%s: message %d: %s (%v)", l.name, l.base+uint64(i), wrong, e)
		}
		if i < n {
			l.before.enter(e)
		}
	}
	l.base += uint64(n)
	l.entries = append(make([]entry, 0, 16), l.entries[n:]...)
}
