package testhelp_test

import (
	"maps"
	"testing"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/internal/testhelp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Two steps may lead to one state, and back to one that was there.
func TestSettle(t *testing.T) {
	steps := map[int][]int{1: {2, 3}, 2: {4, 1}, 3: {4}, 5: {6}, 8: {8}}
	got := testhelp.Settle(map[int]bool{1: true, 5: true, 7: true, 8: true}, func(n int) []int { return steps[n] })
	if want := (map[int]bool{4: true, 6: true, 7: true}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEach(t *testing.T) {
	from := map[int]bool{1: true, 2: true, 3: true}
	got := testhelp.Each(from, func(n *int) { *n /= 2 })
	if want := (map[int]bool{0: true, 1: true}); !maps.Equal(got, want) || len(from) != 3 {
		t.Errorf("got %v of %v, want %v", got, from, want)
	}
}
