package actortest

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// How much Stress does.
const (
	stressRounds  = 10 // each with a tree of its own; every other one uses the child again
	stressWorkers = 5
	stressSteps   = 100 // of each worker in each round
)

// Stress does to a child what may be done to it, in random order and from several
// goroutines at once: it starts, crashes, terminates, restarts and deletes it,
// crashes its supervisor, and stops the whole tree, 5,000 times in all. Some of
// its starts and stops last a little longer than they would; with an
// [Options.Load] some handlers panic, fail or leave by Goexit besides. At no time
// may there be two incarnations of it, and at the end no goroutine.
//
// It runs in a synctest bubble, like the scenarios of [Run], and asks the same of
// make. The seed decides what is done and at which (virtual) time; what happens at
// the same moment is left to Go's scheduler.
//
// At most one options value may be given.
func Stress(t *testing.T, make func() supervisor.Child, options ...Options) {
	t.Helper()
	o := oneOf(t, make, options)
	seed := seedFor(t, o.Seed)
	bubble(t, func(t *testing.T) {
		for _, complaint := range stress(make, o.Load, seed) {
			t.Error(complaint)
		}
	})
}

// stress is Stress in the bubble of the caller.
func stress(make func() supervisor.Child, load func(context.Context, supervisor.Child), seed uint64) (all complaints) {
	policy := supervisor.Policy{Restarts: strategy.Unlimited, Within: time.Hour, Backoff: strategy.Constant(time.Millisecond)}
	c := &script{load: load}
	random := rand.New(rand.NewPCG(seed, 0))
	if load != nil { // in calm it is found out if that lets no time pass
		calm := &script{child: make(), load: load}
		if all = (scenario{play: startsAndStops}).complaints(calm); all != nil {
			return all
		}
	}
	for round := range stressRounds {
		if round%2 == 0 {
			c.child, c.stages = make(), nil
			if all = faults(c.child); all != nil {
				return all
			}
		}
		s := c.stage(setting{
			policy: policy,
			above:  policy,
			faults: stressFaults(load, random.Uint64()),
		})
		s.goexits = load != nil
		s.stress(random)
		if all = s.complained(); all != nil {
			break
		}
	}
	if all != nil {
		stragglers()
	}
	return all
}

// stressFaults make some starts and stops last, so that something else can happen
// meanwhile, and strike a tenth of the messages of a load.
func stressFaults(load func(context.Context, supervisor.Child), seed uint64) *Injector {
	const some, briefly = 0.2, 2 * time.Millisecond
	faults := []Fault{{Kind: SlowStart, Rate: some, For: briefly}, {Kind: SlowStop, Rate: some, For: briefly}}
	if load != nil {
		faults = append(faults, Fault{Kind: Panic, Rate: 0.04}, Fault{Kind: Error, Rate: 0.03}, Fault{Kind: Goexit, Rate: 0.03})
	}
	return newInjector(seed, faults)
}

// stress is one round.
func (s *stage) stress(random *rand.Rand) {
	if s.start() {
		var workers []<-chan error
		for range stressWorkers {
			random := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
			workers = append(workers, background(func() error { return s.work(random) }))
		}
		if random.IntN(2) == 0 { // in the middle of it
			time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond))))
			s.stopStressed(workers)
			return
		}
		s.await(workers)
	}
	s.stop()
}

// stopStressed stops the tree while the workers go on.
func (s *stage) stopStressed(workers []<-chan error) {
	down := s.stopping()
	s.await(workers)
	s.stopped(<-down)
}

func (s *stage) await(workers []<-chan error) {
	for _, worker := range workers {
		if _, came := within(worker); !came {
			s.complain("a request to its supervisor was not answered within %v", patience)
		}
	}
	synctest.Wait()
}

// work is one goroutine of a round.
func (s *stage) work(random *rand.Rand) error {
	for range stressSteps {
		if random.IntN(2) == 0 { // else at the same moment as others
			time.Sleep(time.Duration(random.Int64N(int64(10 * time.Millisecond))))
		}
		var err error
		step := random.IntN(16)
		switch {
		case step < 7:
			s.crash()
		case step < 8:
			err = s.ask(s.parent.TerminateChild)
		case step < 12:
			err = s.ask(s.parent.RestartChild)
		case step < 13:
			err = s.ask(s.parent.DeleteChild)
		case step < 15:
			err = s.ask(func(ctx context.Context, _ string) error { return s.parent.StartChild(ctx, s.spec) })
		default:
			s.crashParent()
		}
		if err != nil && !refused(err) {
			s.complain("%v", err)
		}
	}
	return nil
}

// refused says whether a request came at a time at which there was nothing to do,
// as most of them do.
func refused(err error) bool {
	for _, refusal := range []error{
		supervisor.ErrNotFound, supervisor.ErrAlreadyStarted, supervisor.ErrAlreadyPresent,
		supervisor.ErrRunning, supervisor.ErrRestarting, supervisor.ErrNotRunning, errCrash,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}
