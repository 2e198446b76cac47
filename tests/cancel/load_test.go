// Package cancel measures, from outside, what it takes to cancel many workers
// under load at once, and shows that nothing of them is left: no goroutine, and
// no message that was accepted and then forgotten.
//
//	go test -run '^$' -bench Cancel -benchtime 20x ./tests/cancel
package cancel_test

import (
	"context"
	"hash/crc32"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// size says how much there is to cancel.
type size struct {
	workers int
	share   int           // a sender looks after so many workers
	slow    int           // every slow-th sender's workers are slow
	pause   time.Duration // of a slow worker, for each message: it waits for something that no cancellation ends
	gap     time.Duration // between the rounds of a sender
}

// full is the size of the benchmark, and of the test unless the race detector is
// there: 100 senders, each with a hundred workers, of which the slow tenth is
// always in the middle of a message and has a full channel. Together they have
// 280,000 messages a second to handle, about half of what two cores can: with
// more, this would measure how long a goroutine waits for its turn.
var full = size{workers: 10_000, share: 100, slow: 10, pause: 10 * time.Millisecond, gap: 50 * time.Millisecond}

// message is what the workers work on.
type message struct{ pause time.Duration }

// work is what each worker does with a message: about 2 µs, or longer if it has
// to wait.
func (m message) work() {
	if m.pause > 0 {
		<-time.After(m.pause)
	}
	for range 16 {
		crc32.ChecksumIEEE(page[:])
	}
}

var page [2048]byte

// contender is one way to run many workers.
type contender struct {
	// start starts the workers and gives what there is to do with them.
	start func(r *run) crowd

	keeps bool // no message that was accepted is forgotten
}

// crowd are the running workers.
type crowd struct {
	send   func(worker int, m message) bool // false: no more, now that it is over
	cancel func()                           // ends all workers, and returns when the last one has ended
	dead   func(worker int) uint64          // how many messages are known not to be handled; nil for none
}

// run is one life of a crowd. The slices have a place for each worker or sender,
// which nobody else writes to.
type run struct {
	size
	handled  []uint64        // messages, by worker
	accepted []uint64        // messages, by worker; written by its one sender
	exits    []time.Duration // from the cancellation to the end of the worker
	asked    time.Time       // when the cancellation began
}

func newRun(s size) *run {
	return &run{
		size:     s,
		handled:  make([]uint64, s.workers),
		accepted: make([]uint64, s.workers),
		exits:    make([]time.Duration, s.workers),
	}
}

func (r *run) handle(worker int, m message) {
	m.work()
	r.handled[worker]++
}

// exit is the last thing a worker does.
func (r *run) exit(worker int) { r.exits[worker] = time.Since(r.asked) }

// outcome is what came of a run.
type outcome struct {
	last      time.Duration // from the cancellation to the end of the last worker, as whoever has cancelled knows it
	forgotten int           // messages that were accepted, but neither handled nor reported
	left      int           // goroutines
}

// cancelled starts the workers, loads them, cancels them, and looks at what is
// left.
func (r *run) cancelled(c contender) outcome {
	before := runtime.NumGoroutine()
	crowd := c.start(r)
	senders := r.load(crowd)
	r.asked = time.Now()
	crowd.cancel()
	last := time.Since(r.asked)
	senders.Wait()
	forgotten := 0
	for i := range r.workers {
		forgotten += int(r.accepted[i]) - int(r.handled[i])
		if crowd.dead != nil {
			forgotten -= int(crowd.dead(i))
		}
	}
	return outcome{last, forgotten, left(before)}
}

// load lets the senders send, each to its own workers in turn, until they are
// refused. It returns when every worker has had some messages.
func (r *run) load(c crowd) *sync.WaitGroup {
	var senders, loaded sync.WaitGroup
	for first := 0; first < r.workers; first += r.share {
		var m message
		if first/r.share%r.slow == 0 {
			m.pause = r.pause
		}
		loaded.Add(1)
		senders.Go(func() {
			for round := 1; ; round++ {
				for i := first; i < min(first+r.share, r.workers); i++ {
					if !c.send(i, m) {
						return
					}
					r.accepted[i]++
				}
				if round == 3 {
					loaded.Done()
				}
				if m.pause == 0 {
					<-time.After(r.gap)
				}
			}
		})
	}
	loaded.Wait()
	return &senders
}

// left is how many goroutines there are more than before. Those that have
// nothing to do any more but to return are given the time for it.
func left(before int) (more int) {
	for range 1_000_000 {
		if more = runtime.NumGoroutine() - before; more <= 0 {
			return 0
		}
		runtime.Gosched()
	}
	return more
}

// percentile99 sorts the times, and gives that which 99 of a hundred are below or
// equal to.
func percentile99(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[(len(times)*99+99)/100-1]
}

func mean(times []time.Duration) (sum time.Duration) {
	for _, t := range times {
		sum += t
	}
	return sum / time.Duration(len(times))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// background ends for nobody.
var background = context.Background()
