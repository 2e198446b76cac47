// Package chaos lets a forest of random trees work under load while it crashes,
// hangs, is administered, stopped and started again, from many goroutines, and
// checks in quiet moments that nothing is lost, nothing is stuck and nothing
// leaks. It knows only what users know.
//
//	go test ./tests/chaos                                             a few seconds
//	go test ./tests/chaos -run Soak -timeout 1h -chaos.minutes=10 -v  a long one
//	go test ./tests/chaos -run Mutants -chaos.mutants -v              can it fail at all?
//
// Who keeps which account: ledgers that of messages (books_test.go, entry_test.go),
// lives that of incarnations (lives_test.go, watched_test.go), both written by
// senders, handlers and children themselves, and held against what the events, the
// mailboxes' own Stats and the reports of stops say, in the quiet moments of
// quiet_test.go and whenever a tree has ended (keeper_test.go). To some trees nobody
// listens; what is checked there is in unheard_test.go.
//
// A seed plays the random choices again, not how goroutines interleave: what one
// run has found another need not, with the same seed or any other.
package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	flagMinutes  = flag.Float64("chaos.minutes", 0, "how long to soak; 0 means a few seconds")
	flagSeed     = flag.Uint64("chaos.seed", 0, "of the random choices; 0 means another one each time")
	flagActors   = flag.Int("chaos.actors", actorsByDefault, "how many actors the forest has at first")
	flagPatience = flag.Duration("chaos.patience", time.Minute, "after which what does not come to rest counts as stuck")
	flagTrace    = flag.Bool("chaos.trace", false, "keep what happened last to each child, to be told of when something is wrong")
	flagJSON     = flag.String("chaos.json", "", "write the figures to this file")
)

// soak is one soak.
type soak struct {
	t        *testing.T
	seed     uint64
	patience time.Duration
	tracing  *tracing.Tracing
	forest   *forest
	lives    *lives
	stuck    *stuck
	figures  figures

	gate      sync.RWMutex // held for reading by all who act, for writing in a quiet moment
	unsettled *tally       // messages without a fate
	untold    *tally       // ends and returns of which no event has told
	work      *tally       // goroutines that are to end by themselves

	free    atomic.Pointer[chan struct{}] // closed to release what hangs
	finish  chan struct{}                 // closed when the trees are to be stopped for good
	over    atomic.Bool                   // then the senders end too
	violate atomic.Int64
}

func TestSoak(t *testing.T) {
	length := 3 * time.Second
	if *flagMinutes > 0 {
		length = time.Duration(*flagMinutes * float64(time.Minute))
	}
	seed := *flagSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-chaos.seed=%d -chaos.actors=%d", seed, *flagActors)
	before := resting(0)
	s := &soak{
		t: t, seed: seed, patience: *flagPatience,
		unsettled: newTally(), untold: newTally(), work: newTally(),
		finish: make(chan struct{}),
	}
	s.lives, s.stuck = newLives(s), newStuck()
	s.tracing = tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler), Sinks: []tracing.Sink{s.sink}})
	s.reload()
	s.plant(*flagActors)

	began := time.Now()
	s.run(length)
	r := s.report()
	r.Seconds = time.Since(began).Seconds()
	s.forest, s.lives, s.stuck, s.tracing = nil, nil, nil, nil
	after := resting(before.goroutines)
	r.GoroutinesBefore, r.GoroutinesAfter = before.goroutines, after.goroutines
	r.HeapBefore, r.HeapAfter = before.heap, after.heap
	s.back(before, after)
	t.Log(r)
	if *flagJSON != "" {
		if err := r.write(*flagJSON); err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.Logf("the random choices again: -chaos.seed=%d", seed)
	}
}

// run lets the forest work for so long, with quiet moments in between.
func (s *soak) run(length time.Duration) {
	const senders, administrators = 200, 8
	var keepers, workers sync.WaitGroup
	for _, tree := range s.forest.trees {
		keepers.Go(func() { s.keeper(tree) })
	}
	for n := range senders {
		workers.Go(func() { s.sender(n) })
	}
	for n := range administrators {
		workers.Go(func() { s.administrator(n) })
	}
	round := min(length/4, 5*time.Second)
	for end := time.Now().Add(length); time.Now().Before(end) && s.violate.Load() == 0; {
		timer := time.NewTimer(round)
		<-timer.C
		s.quiet()
	}
	// The trees end under load. What hangs stays until they have ended.
	close(s.finish)
	s.await("the trees do not end", &keepers)
	s.over.Store(true)
	s.release()
	s.await("the senders do not end, though no tree is there", &workers)
	s.check()
	if s.figures.alive > 0 {
		s.violation("%d incarnations are left", s.figures.alive)
	}
	s.compare()
}

// await waits for goroutines of the soak itself.
func (s *soak) await(otherwise string, them *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { them.Wait(); close(done) }()
	timer := time.NewTimer(2 * s.patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		s.stuckAt("%s", otherwise)
	}
}

// sink enters what events tell.
func (s *soak) sink(e tracing.Event) {
	f := &s.figures
	if _, letter := e.(tracing.DeadLetter); *flagTrace && !letter {
		s.lives.mu.Lock()
		s.lives.trace(e.Where().Path, e)
		s.lives.mu.Unlock()
	}
	switch e := e.(type) {
	case tracing.DeadLetter:
		m := e.Message.(message)
		why := whyOf(e.Why)
		f.letters[why].Add(1)
		m.to.ledger.buried(m.id, why)
	case tracing.CastFailed:
		f.castsFailed.Add(1)
		m := e.Message.(message)
		m.to.ledger.reported(m.id)
	case tracing.Exited:
		if !e.Reason.Clean() {
			f.crashes.Add(1)
		}
		s.lives.ends(e.Head, exited, e.Reason)
	case tracing.Terminated:
		s.lives.ends(e.Head, terminated, e.Reason)
	case tracing.Abandoned:
		f.abandoned.Add(1)
		s.lives.ends(e.Head, abandoned, nil)
	case tracing.Returned:
		f.returned.Add(1)
		s.lives.comesBack(e.Head)
	case tracing.Restarted:
		f.restarts.Add(1)
	case tracing.StartFailed:
		f.startsFailed.Add(1)
	case tracing.Stuck:
		s.stuck.begins(e.Path, e.Doing)
	case tracing.Unstuck:
		if !s.stuck.ends(e.Path, e.Doing) {
			s.violation("%s is no longer stuck %s, of which nobody has told", e.Path, e.Doing)
		}
	case tracing.GaveUp:
		f.givenUp.Add(1)
	case tracing.AutoShutdown:
		f.autoShutdowns.Add(1)
	}
}

// rest is what a program has when it rests.
type rest struct {
	goroutines int
	heap       uint64
}

// resting looks at the program, and waits a little for more goroutines than so
// many to end: those that have nothing left to do but return.
func resting(goroutines int) rest {
	for try := 0; try < 1000 && goroutines > 0 && runtime.NumGoroutine() > goroutines; try++ {
		timer := time.NewTimer(10 * time.Millisecond)
		<-timer.C
	}
	runtime.GC()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return rest{runtime.NumGoroutine(), memory.HeapAlloc}
}

// mostHeap is how much more heap there may be at the end: what the runtime of Go
// and the testing package keep. A hundred bytes for each of 100,000 crashes would
// be more.
const mostHeap = 4 << 20

// back checks that nothing is left, and that the forest did not grow while it
// worked.
func (s *soak) back(before, after rest) {
	if after.goroutines > before.goroutines {
		s.violation("%d goroutines at the start, %d at the end", before.goroutines, after.goroutines)
	}
	if after.heap > before.heap+mostHeap {
		s.violation("%d bytes of heap at the start, %d at the end", before.heap, after.heap)
	}
	if heaps := s.figures.heaps; grows(heaps) {
		s.violation("the heap grows from one quiet moment to the next: %v", heaps)
	}
}

// grows says whether the heap of quiet moments grows: the least of the last quarter is
// more than the least of the second. Their other values are of no use, as in a moment
// without work there may be more or fewer actors, with more or fewer messages waiting.
func grows(heaps []uint64) bool {
	if len(heaps) < 16 {
		return false
	}
	heaps = heaps[:len(heaps)-1] // the last is of the end
	quarter := len(heaps) / 4
	return slices.Min(heaps[3*quarter:]) > slices.Min(heaps[quarter:2*quarter])+mostHeap
}

// A leak is seen through the noise, and noise is no leak.
func TestGrowthOfTheHeap(t *testing.T) {
	heaps := func(leak uint64) (all []uint64) {
		for i := range uint64(24) {
			all = append(all, (3+7*i%9)<<20+i*leak)
		}
		return append(all, 1<<20)
	}
	for leak, want := range map[uint64]bool{0: false, 100_000: false, 500_000: true} {
		if got := grows(heaps(leak)); got != want {
			t.Errorf("%d bytes from one moment to the next: got %v, want %v", leak, got, want)
		}
	}
	if grows(heaps(1 << 20)[:10]) {
		t.Error("few moments say nothing")
	}
}

// dice are the random numbers of one who makes choices.
func (s *soak) dice(who string, n uint64) *rand.Rand {
	hash := fnv.New64a()
	fmt.Fprint(hash, who)
	return rand.New(rand.NewPCG(s.seed^hash.Sum64(), n))
}

func (s *soak) random(dice *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(dice.Int64N(int64(most)))
}

// reload makes what hangs from now on hang again, release lets it go.
func (s *soak) reload() {
	free := make(chan struct{})
	s.free.Store(&free)
}

func (s *soak) release() { close(*s.free.Load()) }

func (s *soak) finishing() bool {
	select {
	case <-s.finish:
		return true
	default:
		return false
	}
}

// hang waits for its release, or a time that is longer than any shutdown time.
func (s *soak) hang(dice *rand.Rand) {
	most := 150 * time.Millisecond
	if dice.IntN(2) == 0 {
		most = time.Second
	}
	s.until(s.random(dice, most))
}

// until waits for so long, or the release.
func (s *soak) until(d time.Duration) { s.wait(context.Background(), d) }

// pause waits a random time that is not long, or for the end of ctx.
func (s *soak) pause(ctx context.Context, dice *rand.Rand, most time.Duration) {
	s.wait(ctx, s.random(dice, most+1))
}

func (s *soak) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-*s.free.Load():
	}
}

// mostViolations are told, the others only counted.
const mostViolations = 20

func (s *soak) violation(format string, args ...any) {
	if s.violate.Add(1) <= mostViolations {
		s.t.Errorf("violation: "+format, args...)
	}
}
