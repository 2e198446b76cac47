package chaos_test

import (
	"fmt"

	"github.com/coppice-go/coppice/mailbox"
)

// way is how a message is sent.
type way uint8

const (
	bySend way = iota // or cast
	byCall
)

// verdict is what its sender knows of a message.
type verdict uint8

const (
	pending  verdict = iota // the send has not returned
	accepted                // nil, or an answer of the callee
	refused                 // an error that says so
	unknown                 // an error of a call that can mean either
)

// outcome is how a call ended.
type outcome uint8

const (
	noCall      outcome = iota
	answered            // by the handler, or by whoever had the deferred answer
	handlerErr          // the handler's error
	noproc              // ErrNoProc
	calleeEnded         // ErrEnded
	full                // ErrFull
	callerLeft          // the caller's ctx
	circle              // the call would have waited for itself
	outcomes
)

var outcomeNames = [outcomes]string{"", "answered", "handler's error", "noproc", "ended", "full", "caller left", "circle"}

// entry is what is known of one message.
type entry struct {
	way      way
	verdict  verdict
	outcome  outcome
	begun    uint8 // how often a handler has been given it
	handled  bool
	dead     uint8 // 1 + the reason; 0 if it is no dead letter
	gave     bool  // Give said that it was the answer
	badFate  bool  // told already
	expected bool  // its handler has returned an error for which nobody waits
	reported bool  // and an event has told of that
	unheard  bool  // no event tells anything
}

func (e *entry) fated() bool { return e.handled || e.dead != 0 }

// settled says whether nothing more has to come of which anybody would hear.
func (e *entry) settled() bool {
	return e.verdict == refused || e.verdict == unknown || e.verdict == accepted && (e.fated() || e.unheard)
}

// unsure says whether nobody knows if it was accepted.
func (e *entry) unsure() bool { return e.unheard && e.verdict == unknown && !e.handled }

func (e *entry) String() string {
	text := fmt.Sprintf("way %d, verdict %d, begun %d times, handled %t", e.way, e.verdict, e.begun, e.handled)
	if e.dead > 0 {
		text += ", dead letter: " + mailbox.Why(e.dead-1).String()
	}
	if e.outcome != noCall {
		text += ", call: " + outcomeNames[e.outcome]
	}
	return text
}

// wrong says what does not fit together in an entry when nothing moves.
func (e *entry) wrong() string {
	why := mailbox.Why(e.dead - 1) // meaningless if dead is 0
	switch {
	case e.verdict == pending:
		return "its sender still waits"
	case e.verdict == accepted && !e.fated() && !e.unheard:
		return "accepted, and gone"
	case e.expected && !e.reported && e.dead == 0 && !e.unheard:
		return "its error was not reported"
	case e.reported && !e.expected:
		return "an error of it was reported that it did not have"
	case e.way != byCall:
		return ""
	case e.gave && e.outcome != answered:
		return "its deferred answer was taken, but the caller has another outcome"
	case (e.outcome == answered || e.outcome == handlerErr) && e.begun != 1:
		return "answered, but by no handler"
	case e.outcome == calleeEnded && e.begun == 0 && !e.unheard && (e.dead == 0 || why != mailbox.Interrupted && why != mailbox.Renewed):
		return "the callee ended with the call in hand, which it did not have"
	case e.outcome == noproc && e.fated() && (e.dead == 0 || why != mailbox.Discarded):
		return "nobody was there, but it has a fate"
	case e.outcome == full && e.fated() && (e.dead == 0 || why != mailbox.Overflowed):
		return "there was no room, but it has a fate"
	case e.outcome == circle && e.fated():
		return "refused as a circle, but it has a fate"
	}
	return ""
}

const whys = int(mailbox.Interrupted) + 1

// sums are what the books add up to.
type sums struct {
	accepted uint64 // the senders' nils, and the calls of which a fate shows that they were accepted
	unsure   uint64 // calls of which nobody hears whether they were
	handled  uint64
	dead     [whys]uint64
	calls    [outcomes]uint64
	refused  uint64
}

func (s *sums) add(t sums) {
	s.accepted += t.accepted
	s.handled += t.handled
	s.unsure += t.unsure
	s.refused += t.refused
	for i, n := range t.dead {
		s.dead[i] += n
	}
	for i, n := range t.calls {
		s.calls[i] += n
	}
}

func (s *sums) letters() (n uint64) {
	for _, d := range s.dead {
		n += d
	}
	return n
}

// enter adds an entry that is settled.
func (s *sums) enter(e *entry) {
	switch {
	case e.verdict == accepted || e.fated():
		s.accepted++
	case e.unsure():
		s.unsure++
	default:
		s.refused++
	}
	switch {
	case e.dead > 0:
		s.dead[e.dead-1]++
	case e.handled:
		s.handled++
	}
	if e.way == byCall {
		s.calls[e.outcome]++
	}
}

// whyOf is the reason that an event names.
func whyOf(name string) mailbox.Why {
	for why := range mailbox.Why(whys) {
		if why.String() == name {
			return why
		}
	}
	panic("a dead letter for no known reason: " + name)
}
