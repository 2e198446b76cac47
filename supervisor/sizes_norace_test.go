//go:build !race

package supervisor_test

const (
	crowd  = 100_000 // healthy actors beside the stuck ones
	many   = 10_000  // children of one supervisor
	storms = 100     // random trees that are stopped
	uses   = 20      // random trees with which anything is done
	step   = 1       // from event to event, of those at which a sink misbehaves
)

// raced says whether the race detector is there, which allocates too.
const raced = false
