package strategy_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"pgregory.net/rapid"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
)

// checkExponential draws n delays and compares them with the interval they must
// come from.
func checkExponential(initial, limit time.Duration, n int) error {
	next := strategy.Exponential(initial, limit)()
	interval := min(max(initial, 2), limit)
	for i := range n {
		if delay := next.NextBackOff(); delay < 0 || delay > interval {
			return fmt.Errorf("Exponential(%d, %d), delay %d: got %d, want one in [0, %d]", initial, limit, i, delay, interval)
		}
		if interval > limit/2 {
			interval = limit
		} else {
			interval *= 2
		}
	}
	return nil
}

func TestExponentialStaysInItsInterval(t *testing.T) {
	for _, test := range []struct{ initial, max time.Duration }{
		{1, 1},
		{1, 2},
		{1, 1_000},
		{3, 3},
		{3, 100},
		{time.Millisecond, time.Second},
		{time.Second, time.Second},
		{time.Hour, math.MaxInt64},
		{1, math.MaxInt64},
		{math.MaxInt64 - 1, math.MaxInt64},
		{math.MaxInt64, math.MaxInt64},
	} {
		for range 100 {
			if err := checkExponential(test.initial, test.max, 70); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestExponentialStaysInItsIntervalProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, math.MaxInt64).Draw(t, "max")
		initial := rapid.Int64Range(1, limit).Draw(t, "initial")
		if err := checkExponential(time.Duration(initial), time.Duration(limit), 70); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzExponential(f *testing.F) {
	for _, n := range []int64{math.MinInt64, -1, 0, 1, 2, 3, 1e9, math.MaxInt64 - 1, math.MaxInt64} {
		f.Add(n, n)
		f.Add(int64(1), n)
		f.Add(n, int64(math.MaxInt64))
	}
	f.Fuzz(func(t *testing.T, initial, limit int64) {
		made := strategy.Exponential(time.Duration(initial), time.Duration(limit))
		invalid := initial <= 0 || limit < initial
		if err := made.Check(); (err != nil) != invalid {
			t.Fatalf("Exponential(%d, %d).Check(): got %v, want an error: %v", initial, limit, err, invalid)
		}
		if !invalid {
			if err := checkExponential(time.Duration(initial), time.Duration(limit), 70); err != nil {
				t.Fatal(err)
			}
			return
		}
		delays := strategy.NewDelays(made, 0)
		if delay, err := delays.Next(0); err == nil || delay != 0 {
			t.Fatalf("Next of Exponential(%d, %d): got %v, %v, want 0 and an error", initial, limit, delay, err)
		}
	})
}

func TestExponentialUsesItsWholeInterval(t *testing.T) {
	// Full jitter: all tenths of the interval are hit, the lowest too. 2,000
	// draws miss a given tenth with probability 0.9^2000, which is 3e-92.
	const interval = time.Second
	next := strategy.Exponential(interval, interval)()
	var hits [10]int
	for range 2_000 {
		hits[min(9, int(next.NextBackOff()*10/interval))]++
	}
	for tenth, n := range hits {
		if n == 0 {
			t.Errorf("got no delay in tenth %d, hits %v", tenth, hits)
		}
	}
}

func TestExponentialDoublesUpToMax(t *testing.T) {
	// The largest of 200 uniform draws lies below half its interval with
	// probability 2^-200.
	const initial, limit, draws = 10 * time.Millisecond, 80 * time.Millisecond, 200
	var largest [6]time.Duration
	for range draws {
		next := strategy.Exponential(initial, limit)()
		for i := range largest {
			largest[i] = max(largest[i], next.NextBackOff())
		}
	}
	for i, want := range []time.Duration{10, 20, 40, 80, 80, 80} {
		want *= time.Millisecond
		if got := largest[i]; got > want || got <= want/2 {
			t.Errorf("delay %d: got largest %v, want in (%v, %v]", i, got, want/2, want)
		}
	}
}

func TestExponentialDoesNotStopAfter15Minutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delays := strategy.NewDelays(strategy.Exponential(time.Second, time.Minute), time.Hour)
		begin := time.Now()
		for time.Since(begin) < 24*time.Hour {
			delay, err := delays.Next(0)
			if err != nil {
				t.Fatalf("after %v: got %v, want a delay", time.Since(begin), err)
			}
			time.Sleep(delay + time.Second)
		}
	})
}

func TestConstant(t *testing.T) {
	for _, delay := range []time.Duration{0, 1, time.Second, math.MaxInt64} {
		delays := strategy.NewDelays(strategy.Constant(delay), 0)
		for range 3 {
			if got, err := delays.Next(0); got != delay || err != nil {
				t.Errorf("got %v, %v, want %v, nil", got, err, delay)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	var nilPointer *backoff.ExponentialBackOff
	for _, test := range []struct {
		name    string
		backoff strategy.Backoff
		want    string // "" for right
	}{
		{"nil", nil, ""},
		{"exponential", strategy.Exponential(1, 1), ""},
		{"exponential, zero initial", strategy.Exponential(0, 1), "backoff: exponential: initial 0s is not positive"},
		{"exponential, negative initial", strategy.Exponential(-1, 1), "backoff: exponential: initial -1ns is not positive"},
		{"exponential, max below initial", strategy.Exponential(2, 1), "backoff: exponential: max 1ns is less than initial 2ns"},
		{"constant", strategy.Constant(0), ""},
		{"constant, negative", strategy.Constant(-time.Second), "backoff: constant: delay -1s is negative"},
		{"of the user", func() backoff.BackOff { return backoff.NewExponentialBackOff() }, ""},
		{"typed nil is not called", func() backoff.BackOff { return nilPointer }, ""},
		{"factory gives nil", func() backoff.BackOff { return nil }, "backoff: the factory gave nil"},
		{"factory panics", func() backoff.BackOff { panic("no config") }, "backoff: panic: no config"},
		{"factory panics with nil", func() backoff.BackOff { panic(nil) }, "backoff: panic: panic called with nil argument"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := test.backoff.Check(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestCheckCallsTheFactoryOnce(t *testing.T) {
	calls := 0
	strategy.Backoff(func() backoff.BackOff {
		calls++
		return &backoff.ZeroBackOff{}
	}).Check()
	if calls != 1 {
		t.Errorf("got %d calls, want 1", calls)
	}
}

func TestCheckShowsThePanicAndItsStack(t *testing.T) {
	cause := errors.New("no config")
	err := strategy.Backoff(func() backoff.BackOff { panic(cause) }).Check()
	if !errors.Is(err, cause) {
		t.Errorf("got %v, want it to wrap %v", err, cause)
	}
	var crash *exit.Panic
	if !errors.As(err, &crash) {
		t.Fatalf("got %T, want it to wrap an *exit.Panic", err)
	}
	if first, _, _ := strings.Cut(crash.Stack(), "\n"); !strings.Contains(first, "TestCheckShowsThePanicAndItsStack") {
		t.Errorf("got a stack that begins with %q, want the factory", first)
	}
}
