package bench

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"time"
)

// spawning is how many seconds it takes to spawn the actors.
func spawning(c Contender, size Size) ([]float64, error) {
	both, err := spawningAndStopping(c, size)
	if err != nil {
		return nil, err
	}
	return both[:1], nil
}

// spawningAndStopping is how many seconds it takes to spawn the actors, and to stop
// them again.
func spawningAndStopping(c Contender, size Size) ([]float64, error) {
	spawn, stop, err := c.Idle()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := spawn(size.Actors); err != nil {
		return nil, errors.Join(err, stop())
	}
	spawned := time.Since(begun)
	settle()
	begun = time.Now()
	if err := stop(); err != nil {
		return nil, err
	}
	return []float64{spawned.Seconds(), time.Since(begun).Seconds()}, nil
}

func idling(c Contender, size Size) ([]float64, error) { return held(c.Idle, false, size) }

func warm(c Contender, size Size) ([]float64, error) { return held(c.Warm, false, size) }

func hibernating(c Contender, size Size) ([]float64, error) { return held(c.Hibernated, true, size) }

// stoppingWarm is how many seconds it takes to stop actors that have handled a message
// each.
func stoppingWarm(c Contender, size Size) ([]float64, error) {
	spawn, stop, err := c.Warm()
	if err != nil {
		return nil, err
	}
	if err := spawn(size.Actors); err != nil {
		return nil, errors.Join(err, stop())
	}
	settle()
	return timed(stop)
}

// held is how many bytes of the heap and of the stacks an idle actor holds; if
// actors park, once that has come about.
func held(setUp func() (func(int) error, Stop, error), parks bool, size Size) (_ []float64, err error) {
	spawn, stop, err := setUp()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	before, goroutines := inUse(), runtime.NumGoroutine()
	if err := spawn(size.Actors); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(time.Minute); parks && runtime.NumGoroutine() > goroutines+size.Actors/100; {
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%d goroutines of %d idle actors are still there after a minute", runtime.NumGoroutine()-goroutines, size.Actors)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return []float64{float64(inUse()-before) / float64(size.Actors)}, nil
}

// inUse is what is in use when there is no garbage.
func inUse() int64 {
	settle()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// settle waits until all goroutines wait for something, and collects what was
// garbage by then.
func settle() {
	samples := []metrics.Sample{{Name: "/sched/goroutines/runnable:goroutines"}}
	for quiet := 0; quiet < 3; {
		time.Sleep(5 * time.Millisecond)
		metrics.Read(samples)
		if quiet++; samples[0].Value.Kind() == metrics.KindUint64 && samples[0].Value.Uint64() > 0 {
			quiet = 0
		}
	}
	runtime.GC()
}
