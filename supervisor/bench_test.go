package supervisor_test

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// The benchmarks have on what users have by default, with a log that goes nowhere.
func usual() supervisor.Policy {
	return supervisor.Policy{Restarts: strategy.Unlimited, Tracing: quiet()}
}

// crasher is a child that panics whenever it is told to.
type crasher struct {
	name  string
	up    func()
	crash chan struct{}
}

func newCrasher(name string, up func()) *crasher {
	return &crasher{name, up, make(chan struct{}, 1)}
}

func (c *crasher) Name() string { return c.name }

func (c *crasher) Start(ctx context.Context) (func() error, error) {
	c.up()
	return func() error {
		select {
		case <-c.crash:
			panic("told to")
		case <-ctx.Done():
			return nil
		}
	}, nil
}

type starter interface {
	Start(ctx context.Context) (func() error, error)
	Stop(ctx context.Context) error
}

func begin(tb testing.TB, tree starter) {
	tb.Helper()
	if _, err := tree.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { end(tb, tree) })
}

func end(tb testing.TB, tree starter) {
	tb.Helper()
	if err := tree.Stop(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

func untilStopped(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func spawn(tb testing.TB, pool *supervisor.Dynamic) (name string) {
	name, err := pool.StartChild(tb.Context(), supervisor.Func("f", untilStopped))
	if err != nil {
		tb.Fatal(err)
	}
	return name
}

// BenchmarkSpawn is one more child of a Dynamic, which stays.
func BenchmarkSpawn(b *testing.B) {
	pool := supervisor.NewDynamic("pool", usual())
	begin(b, pool)
	b.ReportAllocs()
	for b.Loop() {
		spawn(b, pool)
	}
	b.StopTimer()
}

// BenchmarkSpawnAndTerminate is one that does not stay.
func BenchmarkSpawnAndTerminate(b *testing.B) {
	pool := supervisor.NewDynamic("pool", usual())
	begin(b, pool)
	b.ReportAllocs()
	for b.Loop() {
		if err := pool.TerminateChild(b.Context(), spawn(b, pool)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRestart is a crash and what follows, until the next incarnation opens.
func BenchmarkRestart(b *testing.B) {
	up := make(chan struct{}, 1)
	c := newCrasher("c", func() { up <- struct{}{} })
	begin(b, supervisor.New("tree", usual(), c))
	<-up
	b.ReportAllocs()
	for b.Loop() {
		c.crash <- struct{}{}
		<-up
	}
}

// BenchmarkStorm has a thousand children crash at once; the figures are for all.
func BenchmarkStorm(b *testing.B) {
	var up sync.WaitGroup
	var all []*crasher
	var children []supervisor.Child
	for i := range 1000 {
		all = append(all, newCrasher("c"+strconv.Itoa(i), up.Done))
		children = append(children, all[i])
	}
	up.Add(len(all))
	begin(b, supervisor.New("tree", usual(), children...))
	for b.Loop() {
		up.Add(len(all))
		for _, c := range all {
			c.crash <- struct{}{}
		}
		up.Wait()
	}
}

// BenchmarkStop stops a thousand children: a Supervisor in order, a Dynamic all at
// once. The figures are for all.
func BenchmarkStop(b *testing.B) {
	var children []supervisor.Child
	for i := range 1000 {
		children = append(children, supervisor.Func("f"+strconv.Itoa(i), untilStopped))
	}
	b.Run("impl=Supervisor", func(b *testing.B) {
		tree := supervisor.New("tree", usual(), children...)
		for b.Loop() {
			b.StopTimer()
			begin(b, tree)
			b.StartTimer()
			end(b, tree)
		}
	})
	b.Run("impl=Dynamic", func(b *testing.B) {
		pool := supervisor.NewDynamic("pool", usual())
		for b.Loop() {
			b.StopTimer()
			begin(b, pool)
			for range len(children) {
				spawn(b, pool)
			}
			b.StartTimer()
			end(b, pool)
		}
	})
}

// Times vary, allocations do not: what they may be is what they are. Those of a
// cycle are all there are: of the child and its record, of its incarnation, of its
// goroutine and that one's labels, of its end.
func TestAllocationsOfAChild(t *testing.T) {
	if testing.CoverMode() != "" || raced {
		t.Skip("the race detector and the counters of coverage allocate too")
	}
	pool := supervisor.NewDynamic("pool", usual())
	begin(t, pool)
	up := make(chan struct{}, 1)
	c := newCrasher("c", func() { up <- struct{}{} })
	begin(t, supervisor.New("tree", usual(), c))
	<-up
	for name, test := range map[string]struct {
		most float64
		f    func()
	}{
		"started and terminated": {16, func() {
			if err := pool.TerminateChild(t.Context(), spawn(t, pool)); err != nil {
				t.Fatal(err)
			}
		}},
		"restarted": {15, func() {
			c.crash <- struct{}{}
			<-up
		}},
	} {
		if got := testing.AllocsPerRun(200, test.f); got > test.most {
			t.Errorf("%s: got %v allocations, want at most %v", name, got, test.most)
		}
	}
}
