package bench

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"
)

// The load of a steady state: a burst each millisecond, to as many actors, the
// next ones each time.
const (
	burstEvery = time.Millisecond
	burstOf    = 1000
)

// steady is the CPU time for each message, in nanoseconds, and the 99th
// percentile of the seconds from when it is sent until it is handled. Each actor
// has handled a message before: what begins with the first is not a steady state.
func steady(c Contender, size Size) (_ []float64, err error) {
	messages := make([]Message, size.Times/size.Actors*size.Actors)
	tallies := tally(size.Actors, 1+len(messages)/size.Actors)
	send, stop, err := c.Paced(tallies)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	for _, t := range tallies {
		t.begun = tallies[0].begun
	}
	first := make([]Message, size.Actors)
	for i := range first {
		if err := send(i, &first[i]); err != nil {
			return nil, err
		}
	}
	settle()
	before, err := cpuTime()
	if err != nil {
		return nil, err
	}
	if err := paced(len(messages), func(i int) error {
		messages[i].Sent = time.Since(tallies[0].begun)
		return send(i%size.Actors, &messages[i])
	}); err != nil {
		return nil, err
	}
	await(tallies)
	after, err := cpuTime()
	if err != nil {
		return nil, err
	}
	took := make([]float64, len(messages))
	for i := range messages {
		took[i] = messages[i].Took.Seconds()
	}
	slices.Sort(took)
	return []float64{each(after-before, len(messages)), stat.Quantile(0.99, stat.Empirical, took, nil)}, nil
}

// paced sends so many messages, a burst at each turn. To have fallen behind for a
// moment is part of a load that the machine shares; half of it is another load.
func paced(count int, send func(i int) error) (err error) {
	turns, err := newPace(burstEvery)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, turns.stop()) }()
	begun := time.Now()
	for i := range count {
		if i%burstOf == 0 {
			if err := turns.turn(); err != nil {
				return err
			}
		}
		if err := send(i); err != nil {
			return err
		}
	}
	due := time.Duration(count/burstOf) * burstEvery
	if took := time.Since(begun); took > 2*due+time.Second {
		return fmt.Errorf("the load was not held: %d messages took %v to send, not %v", count, took, due)
	}
	return nil
}
