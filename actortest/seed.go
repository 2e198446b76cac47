package actortest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// SeedVariable is the environment variable that a failing test tells to set, to
// be run once more with the same random numbers.
const SeedVariable = "ACTORTEST_SEED"

// seedFor is the seed that was given, unless that is 0: then that of the
// environment, or else a new one. A test that fails tells it.
func seedFor(t testing.TB, given uint64) uint64 {
	t.Helper()
	seed := given
	if seed == 0 {
		seed = rand.Uint64()
		if text := os.Getenv(SeedVariable); text != "" {
			var err error
			if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
				t.Fatalf("%s: %v", SeedVariable, err)
			}
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the seed was %d; to run it again: %s=%d", seed, SeedVariable, seed)
		}
	})
	return seed
}
