package stopwatch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/benchmarks/stopwatch"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// checkSlow checks who was slow, the slowest first.
func checkSlow(t *testing.T, what string, got []stopwatch.Slow, want ...stopwatch.Slow) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// "My tree takes three seconds to stop: which child is it?"
func TestTheReportSaysWhoWasSlowToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		trees := 0
		r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
			trees++
			released := make(chan struct{})
			slow := func(name string, linger time.Duration) supervisor.Child { return stubborn(name, linger, released) }
			quick := actor.NewServer("quick", open)
			return stopwatch.Tree{
				Root: supervisor.New("tree", policy(events, 0),
					supervisor.New("left", supervisor.Policy{},
						slow("a", time.Duration(trees)*time.Second), // the worst of three
						quick,
						supervisor.New("deep", supervisor.Policy{}, slow("b", 500*time.Millisecond)),
					),
					supervisor.New("empty", supervisor.Policy{}),
					supervisor.Spec{Child: slow("c", time.Hour), Shutdown: supervisor.Timeout(2 * time.Second)},
				),
				Victims: []stopwatch.Victim{stopwatch.Server(quick)},
				Release: func() { close(released) },
			}
		}, stopwatch.Options{Crashes: 6, Trees: 3})
		if err != nil {
			t.Fatal(err)
		}
		checkSlow(t, "stopped", r.SlowStopped,
			stopwatch.Slow{Path: "tree/left/a", Took: 3 * time.Second},
			stopwatch.Slow{Path: "tree/c", Took: 2 * time.Second, Abandoned: true},
			stopwatch.Slow{Path: "tree/left/deep/b", Took: 500 * time.Millisecond},
		)
		checkSlow(t, "ready", r.SlowReady)
		if want := "slowest to stop: tree/left/a 3s, tree/c 2s (abandoned), tree/left/deep/b 500ms\n"; !strings.HasSuffix(r.String(), want) {
			t.Errorf("got\n%s\nwant it to end with %s", r, want)
		}
	})
}

func TestAStopInARestartIsPartOfThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
			a := actor.NewServer("a", open)
			linger := 5 * time.Second // only the first time
			sibling := supervisor.Func("sibling", func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(linger)
				linger = 0
				return nil
			})
			together := policy(events, 0)
			together.Strategy = strategy.OneForAll
			return stopwatch.Tree{
				Root:    supervisor.New("tree", together, a, supervisor.Spec{Child: sibling, Shutdown: supervisor.Timeout(time.Minute)}),
				Victims: []stopwatch.Victim{stopwatch.Server(a)},
			}
		}, stopwatch.Options{Crashes: 1, Trees: 1})
		if err != nil {
			t.Fatal(err)
		}
		checkSlow(t, "ready", r.SlowReady, stopwatch.Slow{Path: "tree/a", Took: 5 * time.Second})
		checkSlow(t, "stopped", r.SlowStopped)
	})
}

func TestTheReportSaysWhoWasSlowToBeReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := stopwatch.Measure(t.Context(), func(events *tracing.Tracing) stopwatch.Tree {
			var children []supervisor.Child
			var victims []stopwatch.Victim
			for i := range 2 * stopwatch.MostSlow {
				server := actor.NewServer(fmt.Sprintf("%02d", i), open)
				children = append(children, supervisor.New(fmt.Sprintf("s%02d", i), policy(nil, time.Duration(i)*time.Second), server))
				victims = append(victims, stopwatch.Server(server))
			}
			return stopwatch.Tree{Root: supervisor.New("tree", policy(events, 0), children...), Victims: victims}
		}, stopwatch.Options{Crashes: 1000, Trees: 2})
		if err != nil {
			t.Fatal(err)
		}
		var want []stopwatch.Slow
		for i := 2*stopwatch.MostSlow - 1; i >= stopwatch.MostSlow; i-- {
			want = append(want, stopwatch.Slow{Path: fmt.Sprintf("tree/s%02d/%02d", i, i), Took: time.Duration(i) * time.Second})
		}
		checkSlow(t, "ready", r.SlowReady, want...)
		checkSlow(t, "stopped", r.SlowStopped)

		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		back, err := stopwatch.Read(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		checkSlow(t, "read back", back.SlowReady, want...)
	})
}
