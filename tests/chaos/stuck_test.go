package chaos_test

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// stuck is what the events tell of children that are stuck while they are alive.
type stuck struct {
	mu    sync.Mutex
	open  map[stuckAt]int // told, and not told to be over; what ends while it is stuck stays
	total int
}

type stuckAt struct {
	path  string
	doing tracing.Doing
}

func newStuck() *stuck { return &stuck{open: make(map[stuckAt]int)} }

// begins enters that a child is stuck.
func (k *stuck) begins(path string, doing tracing.Doing) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open[stuckAt{path, doing}]++
	k.total++
}

// ends enters that it is no longer. It is false if nobody has said that it was.
func (k *stuck) ends(path string, doing tracing.Doing) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open[stuckAt{path, doing}]--
	return k.open[stuckAt{path, doing}] >= 0
}

// count is how often a child was stuck.
func (k *stuck) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.total
}

// randomWatch watches the children of a few supervisors: each look that has news
// takes a profile of all goroutines.
func randomWatch(dice *rand.Rand) supervisor.Watch {
	if dice.IntN(8) > 0 {
		return supervisor.Watch{}
	}
	limit := func() time.Duration { return time.Duration(10+dice.IntN(90)) * time.Millisecond }
	return supervisor.Watch{Start: limit(), Message: limit(), Queue: limit()}
}
