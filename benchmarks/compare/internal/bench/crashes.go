package bench

import (
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"gonum.org/v1/gonum/stat"
)

// restarting are the median and the 99th percentile of the seconds from the panic
// of a child until its next incarnation begins.
func restarting(c Contender, size Size) (_ []float64, err error) {
	one := &oneLife{up: make(chan struct{}, 1), took: make([]float64, 0, size.Times+1)}
	crash, stop, err := c.Crashes(1, 1, one)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	<-one.up
	runtime.GC()
	for range size.Times {
		if err := crash(0); err != nil {
			return nil, err
		}
		<-one.up
	}
	took := one.took[1:] // the first was a start
	slices.Sort(took)
	return []float64{stat.Quantile(0.5, stat.Empirical, took, nil), stat.Quantile(0.99, stat.Empirical, took, nil)}, nil
}

// oneLife takes the time of restarts.
type oneLife struct {
	crashed time.Time
	took    []float64
	up      chan struct{}
}

func (l *oneLife) Began(int) {
	l.took = append(l.took, time.Since(l.crashed).Seconds())
	l.up <- struct{}{}
}

func (l *oneLife) Ends(int) { l.crashed = time.Now() }

// storming is how many seconds it takes to crash all children of the
// supervisors, until all are up again.
func storming(supervisors int) measuring {
	return func(c Contender, size Size) (_ []float64, err error) {
		many := &manyLives{awaited: int64(size.Actors), up: make(chan struct{}, 1)}
		many.down.Store(many.awaited)
		crash, stop, err := c.Crashes(supervisors, size.Actors/supervisors, many)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, stop()) }()
		<-many.up
		many.down.Store(many.awaited)
		settle()
		begun := time.Now()
		for child := range size.Actors {
			if err := crash(child); err != nil {
				return nil, err
			}
		}
		<-many.up
		return []float64{time.Since(begun).Seconds()}, nil
	}
}

// manyLives waits until all children have begun a life.
type manyLives struct {
	awaited int64
	down    atomic.Int64
	up      chan struct{}
}

func (l *manyLives) Began(int) {
	if l.down.Add(-1) == 0 {
		l.up <- struct{}{}
	}
}

func (l *manyLives) Ends(int) {}

func stoppingTree(c Contender, size Size) ([]float64, error) { return stopping(c, size.Actors, 10) }

func stoppingChildren(c Contender, size Size) ([]float64, error) { return stopping(c, 1, size.Actors) }

// stopping is how many seconds it takes to stop a tree in order.
func stopping(c Contender, depth, fanOut int) ([]float64, error) {
	stop, err := c.Tree(depth, fanOut)
	if err != nil {
		return nil, err
	}
	settle()
	begun := time.Now()
	if err := stop(); err != nil {
		return nil, err
	}
	return []float64{time.Since(begun).Seconds()}, nil
}
