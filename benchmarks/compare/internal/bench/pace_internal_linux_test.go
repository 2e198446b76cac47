package bench

import (
	"testing"
	"time"
)

// Turns that come while the sender is busy are not lost, and not waited for.
func TestWhoComesLateDoesNotWaitForTheTurnsThatWereMissed(t *testing.T) {
	const missed = 8
	begin := func(every time.Duration) *pace {
		p, err := newPace(every)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.stop(); err != nil {
				t.Error(err)
			}
		})
		return p
	}
	turn := func(p *pace) {
		if err := p.turn(); err != nil {
			t.Fatal(err)
		}
	}
	fast := begin(time.Millisecond)
	turn(begin(missed * time.Millisecond)) // the work that takes too long
	turn(fast)
	if fast.due < missed-1 {
		t.Fatalf("got %d turns that are due, want %d at least", fast.due, missed-1)
	}
	for want := fast.due - 1; fast.due > 0; want-- {
		turn(fast)
		if fast.due != want {
			t.Fatalf("got %d turns that are due, want %d: one is not waited for", fast.due, want)
		}
	}
}

// A pace leaves no file open, and who waits for one that has ended hears of it.
func TestAPaceThatHasEnded(t *testing.T) {
	p, err := newPace(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if err := p.turn(); err == nil {
		t.Error("got no error of a turn that never comes")
	}
}
