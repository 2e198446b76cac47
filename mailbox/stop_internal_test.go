package mailbox

import (
	"context"
	"testing"
)

// pokedWith is a receiver of which a poke and a message wait, in a moment that a test
// cannot bring about: it has looked for a stop, and this is what it finds next.
func pokedWith(t *testing.T, stop uint32) *Receiver[int] {
	t.Helper()
	m := New[int](Options{}, DeadLetters[int](func(int, *Note, Why) {}))
	m.Open()
	in := new(Receiver[int])
	m.Receive(in)
	in.ready()
	in.box.putPoke()
	if err := m.Send(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	in.stop.Store(stop)
	return in
}

// Behind a poke there may be messages that are the next incarnation's, unless the
// receiver has marked the stop as seen, or nobody has stopped it.
func TestNothingIsTakenBehindAPokeThatMayDismiss(t *testing.T) {
	for _, test := range []struct {
		name  string
		stop  uint32
		takes bool
	}{
		{"dismissed", stopAsked | dismissed, false},
		{"not seen", stopAsked | stopDrain, false},
		{"seen", stopAsked | stopDrain | stopSeen, true},
	} {
		if _, got := pokedWith(t, test.stop).waiting(); got != test.takes {
			t.Errorf("%s: got taken %v, want %v", test.name, got, test.takes)
		}
	}
	if message, got := pokedWith(t, 0).Next(0); got != Message || message != 1 {
		t.Errorf("a poke that an earlier incarnation has left: got %d, %v, want message 1", message, got)
	}
}

// Of receiver and stopper one ends the incarnation: who comes first.
func TestAStopIsSeenOrDismisses(t *testing.T) {
	for _, seen := range []bool{false, true} {
		in := pokedWith(t, stopAsked)
		<-in.box.channel
		<-in.box.channel
		if seen {
			in.see()
		}
		if got := in.dismissLocked(stopAsked); got == seen {
			t.Errorf("seen before %v: got dismissed %v, want %v", seen, got, !seen)
		}
		if got := in.see()&dismissed == 0; got != seen {
			t.Errorf("seen before %v: got the receiver's own end %v, want %v", seen, got, seen)
		}
	}
}
