package supervisor_test

import (
	"context"
	"fmt"
	"io"
	"runtime/metrics"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// want is what a report says of a child that is stuck in the place.
func (p place) want(t *testing.T, got supervisor.Stuck, path string) {
	t.Helper()
	check(t, "path", got.Path, path)
	check(t, "incarnation of "+path, got.Incarnation, max(1, p.number))
	check(t, "in of "+path, got.In, p.in)
	check(t, "message of "+path, got.Message, p.message)
	check(t, "waiting of "+path, got.Waiting, p.waiting)
	check(t, "goroutines of "+path, got.Goroutines, max(1, p.goroutines))
	if got.Since < shutdownOfStuck {
		t.Errorf("since of %s: got %v, want the shutdown time or more", path, got.Since)
	}
	for _, other := range places {
		if mine := other.name == p.name; strings.Contains(got.Stack, "."+other.function+"\n") != mine {
			t.Errorf("stack of %s: got\n%s\nwant %s in it: %v", path, got.Stack, other.function, mine)
		}
	}
}

const shutdownOfStuck = 200 * time.Millisecond

// plot is where in the tree a place is.
type plot struct {
	place
	levels  int // of supervisors below the grove
	dynamic bool
}

// forest is a tree with stuck children.
type forest struct {
	root     *supervisor.Supervisor
	released chan struct{}
	returns  chan string // paths of those that have come back
	plots    map[string]plot
}

func (p plot) String() string {
	return fmt.Sprintf("%s, %d levels, dynamic %v", p.name, p.levels, p.dynamic)
}

// plantForest makes a tree in which all children of the grove, a Dynamic, are
// supervisors with a stuck child somewhere below them.
func plantForest(t *testing.T, plots ...plot) *forest {
	t.Helper()
	f := &forest{released: make(chan struct{}), returns: make(chan string, len(plots)), plots: make(map[string]plot)}
	grove := supervisor.NewDynamic("grove", supervisor.Policy{})
	f.root = supervisor.New("root", supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
		if _, ok := e.(tracing.Returned); ok {
			f.returns <- e.Where().Path
		}
	})}, named("before"), grove, named("after"))
	if _, err := f.root.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, p := range plots {
		child, stick := p.plant(t, "c", f.released)
		child = supervisor.Spec{Child: child, Shutdown: supervisor.Timeout(shutdownOfStuck)}
		pool := supervisor.NewDynamic("pool", supervisor.Policy{})
		top, path := supervisor.Child(supervisor.New("static", supervisor.Policy{}, named("a"), child, named("z"))), "/c"
		if p.dynamic {
			top, path = pool, "/c#1"
		}
		for range p.levels - 1 {
			path = "/" + top.Name() + path
			top = supervisor.New("sub", supervisor.Policy{}, named("a"), top, named("z"))
		}
		path = "root/grove/" + added(t, grove, top) + path
		if p.dynamic {
			added(t, pool, child)
		}
		f.plots[path] = p
		if stick != nil {
			stick()
		}
	}
	return f
}

// stop stops the tree and checks the report, and what is known without one.
func (f *forest) stop(t *testing.T) {
	t.Helper()
	stuck := reported(t, f.root.Stop(context.Background()))
	if len(stuck) != len(f.plots) {
		close(f.released)
		t.Fatalf("stuck: got %v, want all %d", stuck, len(f.plots))
	}
	for _, s := range stuck {
		p, ok := f.plots[s.Path]
		if !ok {
			t.Errorf("%s: got it in the report, want it not", s.Path)
			continue
		}
		p.want(t, s, s.Path)
	}
	if !slices.IsSortedFunc(stuck, func(a, b supervisor.Stuck) int { return strings.Compare(a.Path, b.Path) }) {
		t.Errorf("report: got %v, want it by path", stuck)
	}
	abandoned := f.root.Abandoned()
	check(t, "abandoned", len(abandoned), len(f.plots))
	for i, s := range abandoned {
		stuck[i].Stack, stuck[i].Since, s.Since = "", 0, 0
		check(t, "abandoned", s, stuck[i])
	}
}

// release lets all go and waits until all have come back.
func (f *forest) release(t *testing.T) {
	t.Helper()
	close(f.released)
	for range f.plots {
		<-f.returns
	}
	check(t, "abandoned after the return", len(f.root.Abandoned()), 0)
	checkError(t, "stop after the return", f.root.Stop(context.Background()), "")
}

// inBubbles are the places of which a bubble sees that somebody waits there.
func inBubbles(p place) bool { return !p.real }

// certain are the places where an incarnation is stuck however early it is asked
// to stop.
func certain(p place) bool {
	return p.in == supervisor.InRun || p.in == supervisor.InGo && p.goroutines > 1
}

func plotsOf(where func(place) bool, levels ...int) (plots []plot) {
	for _, p := range places {
		for _, n := range levels {
			if where(p) {
				plots = append(plots, plot{p, n, false}, plot{p, n, true})
			}
		}
	}
	return plots
}

func TestS193_StuckAnywhere(t *testing.T) {
	for _, p := range plotsOf(inBubbles, 1, 3) {
		t.Run(p.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := plantForest(t, p)
				synctest.Wait()
				began := time.Now()
				f.stop(t)
				check(t, "stopped after", time.Since(began), shutdownOfStuck)
				f.release(t)
			})
		})
	}
}

func TestS193_ManyStuckInDifferentPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := plantForest(t, plotsOf(inBubbles, 1, 3)...)
		if len(f.plots) < 20 {
			t.Fatalf("places: got %d, want 20 at least", len(f.plots))
		}
		synctest.Wait()
		began := time.Now()
		f.stop(t)
		check(t, "stopped after", time.Since(began), shutdownOfStuck)
		f.release(t)
	})
}

// With a real clock, and what a bubble cannot see.
func TestS193_StuckAnywhereForReal(t *testing.T) {
	f := plantForest(t, plotsOf(certain, 2)...)
	began, before := time.Now(), worldStops(t)
	f.stop(t)
	if took := time.Since(began); took < shutdownOfStuck || took > 5*time.Second {
		t.Errorf("stop: took %v, want about %v", took, shutdownOfStuck)
	}
	stops, before := worldStops(t)-before, worldStops(t)
	if err := pprof.Lookup("goroutine").WriteTo(io.Discard, 1); err != nil {
		t.Fatal(err)
	}
	check(t, "stops of the world: those of one profile", stops, worldStops(t)-before)
	f.release(t)
}

// worldStops counts how often the world was stopped, but for the collector.
func worldStops(t *testing.T) (count uint64) {
	t.Helper()
	sample := []metrics.Sample{{Name: "/sched/pauses/total/other:seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		t.Skip("the runtime does not count its stops")
	}
	for _, n := range sample[0].Value.Float64Histogram().Counts {
		count += n
	}
	return count
}

// Each supervisor knows of what is below it, while the tree runs, when it has
// stopped, and in its next runs.
func TestS193_AbandonedIsAskedForAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released, last := make(chan struct{}), make(chan struct{})
		stuck, other := named("stuck"), named("other")
		stuck.onStop, other.onStop = ignoresCtxUntil(released), ignoresCtxUntil(last)
		pool := supervisor.NewDynamic("pool", supervisor.Policy{})
		sub := supervisor.New("sub", supervisor.Policy{}, stuck)
		subway := supervisor.New("subway", supervisor.Policy{})
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet()}, sub, subway, pool)
		lists := func(when string, ofRoot, ofSub, ofPool int) {
			t.Helper()
			check(t, when+": of the root", len(root.Abandoned()), ofRoot)
			check(t, when+": of sub", len(sub.Abandoned()), ofSub)
			check(t, when+": of pool", len(pool.Abandoned()), ofPool)
			check(t, when+": of subway", len(subway.Abandoned()), 0)
		}
		run := func() {
			t.Helper()
			if _, err := root.Start(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		lists("before", 0, 0, 0)
		run()
		lists("at the start", 0, 0, 0)
		for range 2 {
			checkError(t, "terminate", sub.TerminateChild(t.Context(), "stuck"), "")
			checkError(t, "restart", sub.RestartChild(t.Context(), "stuck"), "")
		}
		name := added(t, pool, other)
		checkError(t, "terminate", pool.TerminateChild(t.Context(), name), "")
		lists("running", 3, 2, 1)
		check(t, "without a stack", root.Abandoned()[0].Stack, "")
		check(t, "one of them", root.Abandoned()[2].String(), "root/sub/stuck (incarnation 2), stuck in run for at least 10s")
		check(t, "report", len(reported(t, root.Stop(t.Context()))), 4)
		lists("stopped", 4, 3, 1)
		run()
		lists("in the next run", 4, 3, 1)
		check(t, "report of the next run", len(reported(t, root.Stop(t.Context()))), 1) // its own
		lists("stopped again", 5, 4, 1)
		close(released)
		synctest.Wait()
		lists("when stuck has returned", 1, 0, 1)
		run()
		lists("in the third run", 1, 0, 1)
		close(last)
		synctest.Wait()
		lists("when all have returned", 0, 0, 0)
		stuck.onStop = nil
		checkError(t, "stop", root.Stop(t.Context()), "")
	})
}
