package mailbox_test

import (
	"fmt"
	"slices"

	"github.com/coppice-go/coppice/mailbox"
)

// log is what happened, for two rules that hold whatever the model says: what was
// accepted is accounted for, and what is sent after something else comes after it.
type log struct {
	at    int8 // a moment
	sends [64]sending
	begun []int8
}

// sending is what is known of a message: the first of its batch, and when the call
// began and came back.
type sending struct{ first, size, from, until int8 }

func (l *log) sent(message, size int8) {
	for n := range size {
		l.sends[message+n] = sending{first: message, size: size, from: l.at}
	}
}

// accepted says that a send has come back.
func (l *log) accepted(first int8) {
	for n := range l.sends[first].size {
		l.sends[first+n].until = l.at
	}
}

// begin is told each message that is taken in hand. It is false if another was that
// should have come later.
func (l *log) begin(message int8) (other int8, ok bool) {
	s := l.sends[message]
	for _, other := range l.begun {
		o := l.sends[other]
		if other > message && (o.first == s.first || s.until != 0 && s.until < o.from) {
			return other, false
		}
	}
	l.begun = append(l.begun, message)
	return 0, true
}

// hear notes what has come back, and checks both rules.
func (r *rig) hear(s mailbox.Stats, results map[int8]result) (fault string) {
	for id, result := range results {
		switch c := r.calls[id]; c.what {
		case doSend:
			if result.text == "ok" && c.size > 0 {
				r.log.accepted(c.message)
			}
		case doNext, doServe, doRest, doBegin:
			for _, message := range slices.Backward(result.messages[:]) {
				if message == 0 {
					continue
				}
				if before, ok := r.log.begin(message); !ok {
					return fmt.Sprintf(" %d was begun after %d", message, before)
				}
			}
		}
	}
	for _, o := range r.ends {
		if o.heard(results[o.call]); !o.hand || o.call != 0 || o.over {
			continue
		}
		if message, ok := o.in.InHand(); ok && int8(message) != o.holding {
			return fmt.Sprintf(" %d is in hand, %d was given", message, o.holding)
		}
	}
	r.log.at++
	var accepted, found uint64
	for _, sent := range r.log.sends {
		if sent.until != 0 {
			accepted++
		}
	}
	found = s.Handled + s.InHand + s.Waiting + s.Dead
	pokes := uint64(0)
	for _, o := range r.ends {
		switch {
		case o.taken && o.envelope.Real():
			found++ // of a batch the others are waiting
		case o.taken:
			pokes++ // which counts as there until it is opened
		}
	}
	if accepted < found || accepted > found+pokes {
		return fmt.Sprintf(" %d accepted, %+v", accepted, s)
	}
	return ""
}

// heard is what its goroutine learns from what has come back.
func (o *owner) heard(back result) {
	if back.text == "" {
		return
	}
	o.call, o.over = 0, o.ending
	switch back.text {
	case "message":
		o.hand, o.holding = true, back.messages[0]
	case "stopped":
		o.hand, o.told = false, true
	}
	o.taken = o.taken && back.text != "none"
}
