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

// inBubble runs f where time is virtual.
func inBubble(f func()) { synctest.Test(new(testing.T), func(*testing.T) { f() }) }
