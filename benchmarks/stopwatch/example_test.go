package stopwatch_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/benchmarks/stopwatch"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// Account is the state of a server.
type Account struct{ Cents int }

func openAccount(context.Context) (*Account, error) { return new(Account), nil }

// bank makes the tree of a program, new at each call.
func bank(events *tracing.Tracing) stopwatch.Tree {
	alice, bob := actor.NewServer("alice", openAccount), actor.NewServer("bob", openAccount)
	return stopwatch.Tree{
		Root: supervisor.New("bank", supervisor.Policy{
			Strategy: strategy.OneForAll,
			Restarts: strategy.Unlimited,
			Backoff:  strategy.Constant(100 * time.Millisecond),
			Tracing:  events,
		}, alice, bob),
		Victims: []stopwatch.Victim{stopwatch.Server(alice), stopwatch.Server(bob)},
	}
}

// The times are those of a bubble, in which only the backoff takes any: without
// inBubble they are the real ones.
func ExampleMeasure() {
	inBubble(func() {
		report, err := stopwatch.Measure(context.Background(), bank, stopwatch.Options{Crashes: 1000, Trees: 20})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(report)
		fmt.Println("99% of the restarts took at most", report.Ready.At(.99))
	})
	// Output:
	// latency     n    p50    p90    p99  p99.9  p99.99    max
	//   ready    1000  100ms  100ms  100ms  100ms   100ms  100ms
	//   handled  1000  100ms  100ms  100ms  100ms   100ms  100ms
	//   stopped    20     0s     0s     0s     0s      0s     0s
	// 1000 crashes, 20 stops
	// slowest to be ready: bank/alice 100ms, bank/bob 100ms
	// 99% of the restarts took at most 100ms
}

// A report that was kept is what the next one is compared with.
func ExampleCompare() {
	slower := func(events *tracing.Tracing) stopwatch.Tree {
		alice := actor.NewServer("alice", func(ctx context.Context) (*Account, error) {
			time.Sleep(20 * time.Millisecond) // a change that somebody has made
			return openAccount(ctx)
		})
		return stopwatch.Tree{
			Root:    supervisor.New("bank", policy(events, 100*time.Millisecond), alice),
			Victims: []stopwatch.Victim{stopwatch.Server(alice)},
		}
	}
	inBubble(func() {
		before, _ := stopwatch.Measure(context.Background(), bank, stopwatch.Options{})
		after, _ := stopwatch.Measure(context.Background(), slower, stopwatch.Options{})

		limit, _ := stopwatch.ParseLimit("ready.p99=10%")
		comparison, err := stopwatch.Compare(before, after, limit)
		if err != nil {
			fmt.Println(err)
		}
		for _, row := range comparison.Crossed() {
			fmt.Printf("%s of %s: %v, was %v\n", row.Figure, row.Latency, row.After, row.Before)
		}
	})
	// Output: p99 of ready: 120ms, was 100ms
}

// job is a message that can carry a function, by which the actor becomes a victim.
type job struct {
	crash func() error
	done  func()
}

func work(context.Context) (actor.Behavior[job], error) {
	return actor.Behavior[job]{Receive: func(_ context.Context, j job) error {
		switch {
		case j.crash != nil:
			panic(j.crash()) // or return it
		case j.done != nil:
			j.done()
		}
		return nil
	}}, nil
}

func ExampleActor() {
	workshop := func(events *tracing.Tracing) stopwatch.Tree {
		worker := actor.New("worker", work)
		victim := stopwatch.Actor(worker,
			func(now func() error) job { return job{crash: now} },
			func(handled func()) job { return job{done: handled} })
		return stopwatch.Tree{
			Root:    supervisor.New("workshop", policy(events, 100*time.Millisecond), worker),
			Victims: []stopwatch.Victim{victim},
		}
	}
	inBubble(func() {
		report, err := stopwatch.Measure(context.Background(), workshop, stopwatch.Options{Crashes: 100})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(report.Counts)
		fmt.Println("handled again after", report.Handled.At(.5))
	})
	// Output:
	// 100 crashes, 10 stops
	// handled again after 100ms
}

// inBubble runs f where time is virtual.
func inBubble(f func()) { synctest.Test(new(testing.T), func(*testing.T) { f() }) }
