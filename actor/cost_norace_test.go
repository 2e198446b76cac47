//go:build !race

package actor_test

// notUsedAgain is what a call allocates more when those that are over cannot be
// used again: with the race detector a sync.Pool forgets some at random.
const notUsedAgain = 0
