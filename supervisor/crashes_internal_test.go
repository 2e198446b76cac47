package supervisor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/coppice-go/coppice/tracing"
)

// What is kept is what a plain list would keep, whatever the hashes of the paths are.
func TestWhichCrashesAreKept(t *testing.T) {
	for _, children := range []int{1, 2, 5, 20, 300} {
		for _, crowded := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d children, crowded %t", children, crowded), func(t *testing.T) {
				var c crashes
				if crowded { // as if the hashes of others were the same
					for place := range c.places {
						c.places[place] = KeptCrashesPerChild
					}
				}
				var want []tracing.Crash
				random := rand.New(rand.NewPCG(1, uint64(children)))
				for number := range 2000 {
					crash := tracing.Crash{Attempt: number, Head: tracing.Head{Path: fmt.Sprintf("root/%d", random.IntN(children))}}
					same := func(k tracing.Crash) bool { return k.Path == crash.Path }
					own := 0
					for _, k := range want {
						if same(k) {
							own++
						}
					}
					if own == KeptCrashesPerChild {
						at := slices.IndexFunc(want, same)
						want = slices.Delete(want, at, at+1)
					} else if len(want) == KeptCrashes {
						want = slices.Delete(want, 0, 1)
					}
					want = append(want, crash)
					c.keep(crash)
					if !slices.EqualFunc(c.kept, want, func(k kept, w tracing.Crash) bool { return k.crash.(tracing.Crash).Attempt == w.Attempt }) {
						t.Fatalf("got other crashes than a list keeps:\n%v\nwant\n%v", c.kept, want)
					}
				}
				for _, k := range c.kept {
					c.places[k.place]--
				}
				for place, n := range c.places {
					if crowded {
						n -= KeptCrashesPerChild
					}
					if n != 0 {
						t.Errorf("place %d: got %d more than there are", place, n)
					}
				}
			})
		}
	}
}
