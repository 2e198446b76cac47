package supervisor_test

import (
	"bytes"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coppice-go/coppice/supervisor"
)

// receivers are the goroutines that are at the end of a mailbox.
func receivers(tb testing.TB) int {
	tb.Helper()
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 2); err != nil {
		tb.Fatal(err)
	}
	return strings.Count(all.String(), "mailbox.(*Receiver[...]).Serve(")
}

// Actors that wait are stopped without waiting for each; but when the stop is over, they
// are gone.
func TestNoGoroutineIsLeftAfterAStop(t *testing.T) {
	const n = 300
	for _, processors := range []int{1, 2} {
		t.Run("processors="+strconv.Itoa(processors), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
			left := func(what string, want int) {
				t.Helper()
				check(t, "receivers after "+what, receivers(t), want)
			}
			w := newWarm(n)
			var children []supervisor.Child
			for _, a := range w.actors {
				children = append(children, a)
			}
			tree := supervisor.New("tree", usual(), children...)
			begin(t, tree)
			w.up(t)
			left("the start", n)
			for i := range 10 {
				checkError(t, "terminate", tree.TerminateChild(t.Context(), strconv.Itoa(i)), "")
				left("a termination", n-1-i)
			}
			end(t, tree)
			left("the stop", 0)

			w = newWarm(n)
			pool := supervisor.NewDynamic("pool", usual())
			root := supervisor.New("root", usual(), pool)
			begin(t, root)
			for _, a := range w.actors {
				added(t, pool, a)
			}
			w.up(t)
			left("the start of a Dynamic", n)
			checkError(t, "terminate", pool.TerminateChild(t.Context(), "0#1"), "")
			left("a termination there", n-1)
			end(t, root)
			left("the stop of a Dynamic", 0)
		})
	}
}

// A kill ends those who wait on its own goroutine, and they are gone as well.
func TestNoGoroutineIsLeftAfterAKill(t *testing.T) {
	const n = 300
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for range 10 {
		w := newWarm(n)
		pool := supervisor.NewDynamic("pool", usual())
		root := supervisor.New("root", usual(), supervisor.Spec{Child: pool, Shutdown: supervisor.BrutalKill})
		begin(t, root)
		for _, a := range w.actors {
			added(t, pool, a)
		}
		w.up(t)
		end(t, root)
		check(t, "receivers after the kill", receivers(t), 0)
	}
}

// A stop allocates for itself, and not for each child that obeys.
func TestAllocationsOfAStop(t *testing.T) {
	if testing.CoverMode() != "" || raced {
		t.Skip("the race detector and the counters of coverage allocate too")
	}
	const n, most = 500, 50
	w := newWarm(n)
	var running sync.WaitGroup
	var actors, funcs []supervisor.Child
	for i, a := range w.actors {
		actors, funcs = append(actors, a), append(funcs, waiting(strconv.Itoa(i), &running))
	}
	for name, test := range map[string]struct {
		children []supervisor.Child
		up       func()
	}{
		"actors":    {actors, func() { w.up(t) }},
		"functions": {funcs, running.Wait},
	} {
		if name == "functions" {
			running.Add(n)
		}
		tree := supervisor.New("tree", usual(), test.children...)
		begin(t, tree)
		test.up()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		end(t, tree)
		runtime.ReadMemStats(&after)
		if got := after.Mallocs - before.Mallocs; got > most {
			t.Errorf("%s: got %d allocations for %d children, want at most %d", name, got, n, most)
		}
	}
}
