package exit

import (
	"reflect"
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

// Of two addresses that share a place among those that were seen, each is looked up
// anew: none is taken for the other.
func TestAddressesThatShareAPlace(t *testing.T) {
	first := reflect.ValueOf(TestAddressesThatShareAPlace).Pointer() + 1
	second := first
	for place(second) != place(first) || second == first {
		second++
	}
	defer func(before uint64) { place(first).Store(before) }(place(first).Load())
	place(first).Store(uint64(first)<<1 | 1) // as if it were in the floor
	for _, test := range []struct {
		name string
		pc   uintptr
		want bool
	}{
		{"the one that is there", first, true},
		{"another", second, false},
		{"the first, which has had to go", first, false},
	} {
		if got := isFloor(test.pc); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
