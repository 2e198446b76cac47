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
	send, stop, err := c.Crashes(1, 1, one)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	<-one.up
	runtime.GC()
	for range size.Times {
		if err := send(0, Poison); err != nil {
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

func (l *oneLife) Handled(int) {}

func (l *oneLife) Ends(int) { l.crashed = time.Now() }

// storming is how many seconds it takes to crash all children of the
// supervisors, until all are up again. They are at work: each has handled a message
// before, so whoever makes something only for the first has made it.
func storming(supervisors int) measuring {
	return func(c Contender, size Size) (_ []float64, err error) {
		toAll, stop, err := atWork(c, supervisors, size.Actors)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, stop()) }()
		begun := time.Now()
		if err := toAll(Poison); err != nil {
			return nil, err
		}
		return []float64{time.Since(begun).Seconds()}, nil
	}
}

// stoppingWarmChildren is how many seconds it takes to stop the children of one
// supervisor in order, which have handled a message each.
func stoppingWarmChildren(c Contender, size Size) ([]float64, error) {
	_, stop, err := atWork(c, 1, size.Actors)
	if err != nil {
		return nil, err
	}
	return timed(stop)
}

// atWork makes so many children that have handled a message each, and gives what sends
// one more to all of them, and waits until each has handled it or begun again.
func atWork(c Contender, supervisors, children int) (toAll func(*Message) error, stop Stop, err error) {
	many := &manyLives{all: make(chan struct{}, 1)}
	many.expect(children)
	send, stop, err := c.Crashes(supervisors, children/supervisors, many)
	if err != nil {
		return nil, nil, err
	}
	<-many.all
	toAll = func(m *Message) error {
		many.expect(children)
		for child := range children {
			if err := send(child, m); err != nil {
				return err
			}
		}
		<-many.all
		return nil
	}
	if err := toAll(new(Message)); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	settle()
	return toAll, stop, nil
}

// manyLives waits until all children have begun a life, or handled a message.
type manyLives struct {
	left atomic.Int64
	all  chan struct{}
}

func (l *manyLives) expect(n int) { l.left.Store(int64(n)) }

func (l *manyLives) one() {
	if l.left.Add(-1) == 0 {
		l.all <- struct{}{}
	}
}

func (l *manyLives) Began(int)   { l.one() }
func (l *manyLives) Handled(int) { l.one() }
func (l *manyLives) Ends(int)    {}

func stoppingTree(c Contender, size Size) ([]float64, error) { return stopping(c, size.Actors, 10) }

func stoppingChildren(c Contender, size Size) ([]float64, error) { return stopping(c, 1, size.Actors) }

// stopping is how many seconds it takes to stop a tree in order.
func stopping(c Contender, depth, fanOut int) ([]float64, error) {
	stop, err := c.Tree(depth, fanOut)
	if err != nil {
		return nil, err
	}
	settle()
	return timed(stop)
}

// timed is how many seconds it takes to stop.
func timed(stop Stop) ([]float64, error) {
	begun := time.Now()
	if err := stop(); err != nil {
		return nil, err
	}
	return []float64{time.Since(begun).Seconds()}, nil
}
