package stopwatch

import (
	"sync/atomic"
	"time"
)

// clock counts from the beginning of a measuring.
type clock struct{ zero time.Time }

func (c clock) now() time.Duration { return time.Since(c.zero) }

// of is a time that was read with its monotonic part, as those of events are.
func (c clock) of(t time.Time) time.Duration { return t.Sub(c.zero) }

// mark is a moment that is set once. Its zero value is not set.
type mark struct{ plusOne atomic.Int64 }

// set says whether this was the first time.
func (m *mark) set(at time.Duration) bool { return m.plusOne.CompareAndSwap(0, int64(at)+1) }

func (m *mark) get() (at time.Duration, set bool) {
	stored := m.plusOne.Load()
	return time.Duration(stored - 1), stored != 0
}
