package strategy_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
)

func ExampleStrategy_Span() {
	children := []string{"a", "b", "c", "d"}
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.RestForOne, strategy.OneForAll} {
		lo, hi := s.Span(1, len(children)) // b crashed
		fmt.Println(s, children[lo:hi])
	}
	// Output:
	// one_for_one [b]
	// rest_for_one [b c d]
	// one_for_all [a b c d]
}

func ExampleRestart_Restarts() {
	crash := exit.Of(errors.New("disk full"))
	for _, r := range []strategy.Restart{strategy.Permanent, strategy.Transient, strategy.Temporary} {
		fmt.Println(r, r.Restarts(exit.Normal), r.Restarts(crash))
	}
	// Output:
	// permanent true true
	// transient false true
	// temporary false false
}

func ExampleAutoShutdown_Ends() {
	for _, a := range []strategy.AutoShutdown{strategy.Never, strategy.AnySignificant, strategy.AllSignificant} {
		fmt.Println(a, a.Ends(2), a.Ends(0)) // of three significant children, the first ended, and the last
	}
	// Output:
	// never false false
	// any_significant true true
	// all_significant false true
}

// At most two restarts within any ten seconds: the fifth sees those at 14 and
// 19 and is one too many.
func ExampleNewWindow() {
	window := strategy.NewWindow(2, 10*time.Second)
	start := time.Now()
	for _, second := range []time.Duration{0, 7, 14, 19, 22} {
		fmt.Println(int(second), window.Add(start.Add(second*time.Second)))
	}
	// Output:
	// 0 false
	// 7 false
	// 14 false
	// 19 false
	// 22 true
}

func ExampleExponential() {
	delays := strategy.NewDelays(strategy.Exponential(100*time.Millisecond, time.Second), time.Minute)
	for interval := 100 * time.Millisecond; interval < time.Second; interval *= 2 {
		delay, err := delays.Next(0) // the child did not live
		fmt.Println("at most", interval, delay <= interval, err)
	}
	delay, _ := delays.Next(time.Hour) // the child lived well: begin anew
	fmt.Println("at most", 100*time.Millisecond, delay <= 100*time.Millisecond)
	// Output:
	// at most 100ms true <nil>
	// at most 200ms true <nil>
	// at most 400ms true <nil>
	// at most 800ms true <nil>
	// at most 100ms true
}

func ExampleConstant() {
	delays := strategy.NewDelays(strategy.Constant(time.Second), 0)
	fmt.Println(delays.Next(0))
	fmt.Println(delays.Next(0))
	fmt.Println(strategy.Constant(-time.Second).Check())
	// Output:
	// 1s <nil>
	// 1s <nil>
	// backoff: constant: delay -1s is negative
}

// Any backoff.BackOff will do; this one gives up after two restarts.
func ExampleNewDelays() {
	delays := strategy.NewDelays(func() backoff.BackOff {
		return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), 2)
	}, 0)
	for range 3 {
		fmt.Println(delays.Next(0))
	}
	// Output:
	// 1s <nil>
	// 1s <nil>
	// 0s the backoff allows no further restart
}
