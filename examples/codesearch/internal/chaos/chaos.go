// Package chaos makes workers fail on purpose, in all the ways in which a
// goroutine can end badly, so that supervision has something to do.
//
// Faults are drawn from a seed, the place and the number of earlier attempts
// there, not from a stream of random numbers. So they do not depend on which
// worker comes first: a run with the same seed over the same work meets the
// same faults.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"sync"
)

// ErrInjected is wrapped by every error that [Chaos.Strike] returns.
var ErrInjected = errors.New("injected fault")

// Patience is how often one place is struck at most. Whatever the rate, work
// that is tried again that often succeeds.
const Patience = 5

// Kind is a way to fail.
type Kind int

// The ways to fail.
const (
	None   Kind = iota
	Error       // return an error
	Panic       // panic
	Goexit      // leave the goroutine by runtime.Goexit
	Hang        // do nothing until the context ends, then return an error

	kinds = iota
)

// Chaos strikes workers. It is safe for concurrent use. A nil *Chaos never
// strikes.
type Chaos struct {
	rate float64
	seed uint64

	mu       sync.Mutex
	attempts map[string]int
	struck   [kinds]int
}

// New gives a Chaos that strikes at the given rate, from 0 for never to 1 for
// every attempt until its [Patience] is over.
func New(rate float64, seed uint64) (*Chaos, error) {
	if !(rate >= 0 && rate <= 1) { // also true for NaN
		return nil, fmt.Errorf("chaos: a rate of %v is not between 0 and 1", rate)
	}
	return &Chaos{rate: rate, seed: seed, attempts: make(map[string]int)}, nil
}

// Draw says how an attempt, counted from 0, fails at a place.
func (c *Chaos) Draw(where string, attempt int) Kind {
	if c == nil || attempt >= Patience {
		return None
	}
	place := fnv.New64a()
	fmt.Fprintf(place, "%d %s", attempt, where)
	dice := rand.New(rand.NewPCG(c.seed, place.Sum64()))
	if dice.Float64() >= c.rate {
		return None
	}
	return Error + Kind(dice.IntN(kinds-1))
}

// Strike is called by a worker where it may fail, such as with the file in its
// hands. Each call for the same place is one more attempt. It returns nil,
// returns an error, panics, calls [runtime.Goexit], or blocks until ctx ends
// and then returns an error that wraps the cause of that.
//
// A hang lasts as long as ctx: give it a deadline.
func (c *Chaos) Strike(ctx context.Context, where string) error {
	if c == nil {
		return nil
	}
	switch c.next(where) {
	case Error:
		return fmt.Errorf("%w: an error at %s", ErrInjected, where)
	case Panic:
		panic(fmt.Sprintf("%v: a panic at %s", ErrInjected, where))
	case Goexit:
		runtime.Goexit()
	case Hang:
		<-ctx.Done()
		return fmt.Errorf("%w: hung at %s: %w", ErrInjected, where, context.Cause(ctx))
	}
	return nil
}

func (c *Chaos) next(where string) Kind {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind := c.Draw(where, c.attempts[where])
	c.attempts[where]++
	c.struck[kind]++
	return kind
}

// Faults counts faults by kind.
type Faults struct{ Errors, Panics, Goexits, Hangs int }

// Total is the number of faults of all kinds.
func (f Faults) Total() int { return f.Errors + f.Panics + f.Goexits + f.Hangs }

// String is the total and the kinds in words.
func (f Faults) String() string {
	return fmt.Sprintf("%d faults (%d errors, %d panics, %d goexits, %d hangs)", f.Total(), f.Errors, f.Panics, f.Goexits, f.Hangs)
}

// Faults counts the faults so far. A hang counts from its beginning.
func (c *Chaos) Faults() Faults {
	if c == nil {
		return Faults{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return Faults{Errors: c.struck[Error], Panics: c.struck[Panic], Goexits: c.struck[Goexit], Hangs: c.struck[Hang]}
}
