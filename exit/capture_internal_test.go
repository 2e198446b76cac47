package exit

import (
	"testing"

	"github.com/coppice-go/coppice/internal/frames"
)

// What was enough is asked for the next time; more at once, fewer by and by.
func TestHowManyFramesAreAskedFor(t *testing.T) {
	before := frames.Usual.Swap(0)
	defer frames.Usual.Store(before)
	for i, test := range []struct {
		there, times       int
		first, last        int // asked for, at the first and the last of the times
		firstMiss, anyMiss bool
	}{
		{there: 4, times: 1, first: 8, last: 8},
		{there: 4, times: 100, first: 5, last: 5}, // one more shows that there are no more
		{there: 12, times: 1, first: 5, last: 5, firstMiss: true, anyMiss: true},
		{there: 4, times: 7, first: 13, last: 13},
		{there: 12, times: 1, first: 13, last: 13},
		{there: 4, times: 9, first: 13, last: 12},
		{there: 4, times: 80, first: 11, last: 5},
		{there: 64, times: 2, first: 5, last: 64, firstMiss: true, anyMiss: true},
	} {
		for turn := range test.times {
			asked := asks()
			p := &Panic{pcs: make([]uintptr, min(test.there, asked))}
			missed := !p.shorten(asked)
			if turn == 0 && (asked != test.first || missed != test.firstMiss) {
				t.Errorf("%d: got %d asked for at first, missed %v, want %d, %v", i, asked, missed, test.first, test.firstMiss)
			}
			if turn == test.times-1 && asked != test.last {
				t.Errorf("%d: got %d asked for at last, want %d", i, asked, test.last)
			}
			if missed && !test.anyMiss {
				t.Errorf("%d: turn %d: got a miss with %d asked for, want none", i, turn, asked)
			}
			if missed { // then all are taken
				p.pcs = make([]uintptr, test.there)
				p.shorten(maxFrames)
			}
			if kept := len(p.pcs); kept != test.there {
				t.Errorf("%d: got %d kept, want %d", i, kept, test.there)
			}
		}
	}
}
