package bench

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

// sending is with so many senders.
func sending(senders int) measuring {
	return func(c Contender, size Size) ([]float64, error) { return throughput(c.Send, senders, size) }
}

func casting(c Contender, size Size) ([]float64, error) { return throughput(c.Cast, 1, size) }

func batching(c Contender, size Size) ([]float64, error) { return throughput(c.Batch, 1, size) }

// throughput is how many messages a second go from so many senders to the
// actors, each sender to one of them: from the first that is sent to the last
// that is handled.
func throughput(setUp func([]*Tally) (Burst, Stop, error), senders int, size Size) (_ []float64, err error) {
	each := size.Times / senders
	tallies := tally(size.Actors, each*senders/size.Actors)
	burst, stop, err := setUp(tallies)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()

	start, failed := newGate(senders), make([]error, senders)
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			start.pass()
			failed[i] = burst(i%size.Actors, each)
		})
	}
	begun := start.open()
	all.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	await(tallies)
	return []float64{float64(each*senders) / time.Since(begun).Seconds()}, nil
}

// calling is how many nanoseconds a call takes.
func calling(deadline bool) measuring {
	return func(c Contender, size Size) ([]float64, error) {
		return callsOf(func() (func(context.Context, int) error, Stop, error) { return c.Call(deadline) }, size)
	}
}

func callingLooking(c Contender, size Size) ([]float64, error) { return callsOf(c.CallLooking, size) }

func callsOf(setUp func() (func(context.Context, int) error, Stop, error), size Size) (_ []float64, err error) {
	call, stop, err := setUp()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	runtime.GC()
	begun := time.Now()
	if err := call(ctx, size.Times); err != nil {
		return nil, err
	}
	return []float64{each(time.Since(begun), size.Times)}, nil
}

// hopping is how many nanoseconds a hop takes.
func hopping(c Contender, size Size) (_ []float64, err error) {
	last := NewTally(1)
	start, stop, err := c.Ring(size.Actors, last)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	runtime.GC()
	begun := time.Now()
	if err := start(&Token{Hops: size.Times}); err != nil {
		return nil, err
	}
	<-last.all
	return []float64{each(time.Since(begun), size.Times)}, nil
}

// each is how many nanoseconds one of n took.
func each(all time.Duration, n int) float64 { return float64(all.Nanoseconds()) / float64(n) }

func tally(n, each int) []*Tally {
	tallies := make([]*Tally, n)
	for i := range tallies {
		tallies[i] = NewTally(each)
	}
	return tallies
}

func await(tallies []*Tally) {
	for _, t := range tallies {
		<-t.all
	}
}

// gate holds goroutines back until all are there, so that their start is not
// part of what is measured.
type gate struct {
	here   sync.WaitGroup
	opened chan struct{}
}

func newGate(n int) *gate {
	g := &gate{opened: make(chan struct{})}
	g.here.Add(n)
	return g
}

func (g *gate) pass() {
	g.here.Done()
	<-g.opened
}

func (g *gate) open() time.Time {
	g.here.Wait()
	runtime.GC()
	begun := time.Now()
	close(g.opened)
	return begun
}
