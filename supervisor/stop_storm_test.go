package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/pprof"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// census knows which incarnations are in code of the test.
type census struct {
	mu   sync.Mutex
	here map[string]int
}

// enter is called with the ctx of an incarnation; it says how to leave.
func (c *census) enter(ctx context.Context) (leave func()) {
	number, _ := pprof.Label(ctx, "coppice.incarnation")
	who := actor.Path(ctx) + " " + number
	c.mu.Lock()
	defer c.mu.Unlock()
	c.here[who]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.here[who]--; c.here[who] == 0 {
			delete(c.here, who)
		}
	}
}

func (c *census) list() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.here))
}

// agree checks that an error of a stop lists exactly those who are here.
func (c *census) agree(t *testing.T, what string, err error) {
	t.Helper()
	var listed []string
	var report *supervisor.StopError
	if errors.As(err, &report) {
		for _, s := range report.Stuck {
			listed = append(listed, fmt.Sprintf("%s %d", s.Path, s.Incarnation))
			if s.Stack == "" {
				t.Errorf("%s: got no stack of %v, want one", what, s)
			}
		}
	} else if err != nil {
		t.Errorf("%s: got %v, want nil or a report", what, err)
	}
	slices.Sort(listed)
	checkList(t, what, listed, c.list())
}

// storm makes the children of a tree whose stop is to be hard.
type storm struct {
	*census
	random   *rand.Rand // while the tree is made
	released chan struct{}
}

// habit is what a child does when it runs.
type habit func(ctx context.Context) error

func (s *storm) habit() habit {
	time1 := time.Duration(1 + s.random.IntN(20_000_000)) // such that hardly anything happens at the very same time
	switch s.random.IntN(8) {
	case 0, 1, 2: // works until it is asked to stop
		return func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	case 3: // crashes
		return func(ctx context.Context) error {
			select {
			case <-time.After(time1):
				panic("storm")
			case <-ctx.Done():
				return nil
			}
		}
	case 4: // takes its time
		return func(ctx context.Context) error { <-ctx.Done(); time.Sleep(5 * time1); return errBoom }
	case 5: // has a goroutine that fails
		return func(ctx context.Context) error {
			_ = supervisor.Go(ctx, func(ctx context.Context) error {
				defer s.enter(ctx)()
				time.Sleep(time1)
				return errBoom
			})
			<-ctx.Done()
			return nil
		}
	case 6: // has a goroutine that is stuck
		return func(ctx context.Context) error {
			_ = supervisor.Go(ctx, func(ctx context.Context) error {
				defer s.enter(ctx)()
				<-s.released
				panic("late")
			})
			time.Sleep(time1)
			return nil
		}
	default: // is stuck
		return func(context.Context) error { <-s.released; panic("late") }
	}
}

func (s *storm) worker(name string) supervisor.Child {
	starts, run := s.random.IntN(6), s.habit()
	child := &anyChild{name, func(ctx context.Context) (func() error, error) {
		defer s.enter(ctx)()
		switch starts {
		case 0:
			time.Sleep(10 * time.Millisecond)
		case 1:
			select {
			case <-ctx.Done():
				<-s.released
			case <-time.After(5 * time.Millisecond):
			}
		}
		return func() error {
			defer s.enter(ctx)()
			return run(ctx)
		}, nil
	}}
	shutdowns := []supervisor.Shutdown{{}, supervisor.BrutalKill, supervisor.Timeout(0), supervisor.Timeout(50 * time.Millisecond)}
	return supervisor.Spec{Child: child, Shutdown: shutdowns[s.random.IntN(len(shutdowns))]}
}

// supervisor makes one with workers and further ones, and adds what can be asked
// for more.
func (s *storm) supervisor(name string, levels int, pools *[]*supervisor.Dynamic) *supervisor.Supervisor {
	var children []supervisor.Child
	for i := range 1 + s.random.IntN(3) {
		children = append(children, s.worker(fmt.Sprint("w", i)))
	}
	pool := supervisor.NewDynamic("pool", supervisor.Policy{Restarts: strategy.Unlimited, Backoff: strategy.Constant(time.Millisecond)})
	*pools = append(*pools, pool)
	children = append(children, pool)
	if levels > 1 {
		children = append(children, s.supervisor("sub", levels-1, pools))
	}
	strategies := []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne}
	return supervisor.New(name, supervisor.Policy{
		Strategy: strategies[s.random.IntN(len(strategies))],
		Restarts: 20, Within: 20 * time.Millisecond,
		Backoff: strategy.Constant(time.Duration(s.random.IntN(3)) * time.Millisecond),
		Tracing: quiet(),
	}, children...)
}

// Whatever the tree is doing, and however many stop it with whatever patience:
// each stop returns in its time and tells the truth.
func TestS193_StopInAStorm(t *testing.T) {
	for seed := range uint64(storms) {
		synctest.Test(t, func(t *testing.T) { stopInAStorm(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func stopInAStorm(t *testing.T, seed uint64) {
	s := &storm{&census{here: make(map[string]int)}, rand.New(rand.NewPCG(seed, 0)), make(chan struct{})}
	var pools []*supervisor.Dynamic
	root := s.supervisor("root", 3, &pools)
	running, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- root.Run(running) }()
	var wg sync.WaitGroup
	for _, pool := range pools {
		for i := range 4 {
			worker, after := s.worker(fmt.Sprint("d", i)), time.Duration(s.random.IntN(30))*time.Millisecond
			wg.Go(func() {
				time.Sleep(after)
				name, _ := pool.StartChild(t.Context(), worker)
				time.Sleep(after)
				_ = pool.TerminateChild(t.Context(), name)
			})
		}
	}
	first := time.Duration(1 + s.random.IntN(40_000_000))
	for range 5 {
		after := first + time.Duration(s.random.IntN(3))*time.Duration(s.random.IntN(int(10*time.Second)))
		patience := time.Duration(s.random.IntN(3)) * time.Duration(s.random.IntN(int(5*time.Second)))
		wg.Go(func() {
			time.Sleep(after)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			began := time.Now()
			err := root.Stop(ctx)
			if took, most := time.Since(began), patience+time.Second; took > most {
				t.Errorf("stop: took %v, want at most %v", took, most)
			}
			s.agree(t, "stop", err)
		})
	}
	wg.Wait()
	synctest.Wait()
	select {
	case <-ended: // it may have given up, with or without a report
	default:
		t.Error("run: got no end, want it with the first stop")
	}
	s.agree(t, "stop again", root.Stop(t.Context()))
	close(s.released)
	synctest.Wait()
	time.Sleep(time.Minute) // some end in their own time
	check(t, "abandoned after the return", len(root.Abandoned()), 0)
	checkError(t, "stop after the return", root.Stop(t.Context()), "")
	checkList(t, "left", s.list(), nil)
}
