package actortest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// seedVariable is the environment variable that a failing test tells to set, to
// be run once more with the same random numbers.
const seedVariable = "ACTORTEST_SEED"

// seedFor is the seed that was given, unless that is 0: then that of the
// environment, or else a new one. A test that fails tells it.
func seedFor(t testing.TB, given uint64) uint64 {
	t.Helper()
	seed := given
	if seed == 0 {
		seed = rand.Uint64()
		if text := os.Getenv(seedVariable); text != "" {
			var err error
			if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
				t.Fatalf("%s: %v", seedVariable, err)
			}
		}
	}
	t.Cleanup(func() {
		switch {
		case !t.Failed():
		case given != 0: // the environment would have no say
			t.Logf("the seed was %d", seed)
		default:
			t.Logf("the seed was %d; to run it again: %s=%d", seed, seedVariable, seed)
		}
	})
	return seed
}
