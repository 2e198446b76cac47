package strategy_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
)

// steps is a BackOff that doubles from 1 without jitter, and writes down its
// calls.
type steps struct {
	next  time.Duration
	calls []string
}

func (s *steps) NextBackOff() time.Duration {
	s.next = max(1, 2*s.next)
	s.calls = append(s.calls, "next")
	return s.next
}

func (s *steps) Reset() {
	s.next = 0
	s.calls = append(s.calls, "reset")
}

func TestS187_WithoutBackoffTheDelayIsZero(t *testing.T) {
	var zero strategy.Delays
	made := strategy.NewDelays(nil, time.Hour)
	for _, delays := range []*strategy.Delays{&zero, &made} {
		if delay, err := delays.Next(time.Second); delay != 0 || err != nil {
			t.Errorf("got %v, %v, want 0, nil", delay, err)
		}
	}
}

func TestS191_DelaysGrowAndBeginAnewAfterAHealthyLife(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name    string
		healthy time.Duration
		lived   []time.Duration
		want    []time.Duration
	}{
		{"grow", 10 * s, []time.Duration{0, 0, s, 9 * s, 10*s - 1}, []time.Duration{1, 2, 4, 8, 16}},
		{"exactly healthy begins anew", 10 * s, []time.Duration{0, 0, 10 * s, 0}, []time.Duration{1, 2, 1, 2}},
		{"long life begins anew", 10 * s, []time.Duration{0, 0, math.MaxInt64, 0}, []time.Duration{1, 2, 1, 2}},
		{"healthy first life", 10 * s, []time.Duration{time.Hour, 0}, []time.Duration{1, 2}},
		{"default", 0, []time.Duration{0, strategy.DefaultHealthy - 1, strategy.DefaultHealthy}, []time.Duration{1, 2, 1}},
		{"negative: every life is healthy", -1, []time.Duration{0, 0, 0}, []time.Duration{1, 1, 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			delays := strategy.NewDelays(func() backoff.BackOff { return new(steps) }, test.healthy)
			var got []time.Duration
			for _, lived := range test.lived {
				delay, err := delays.Next(lived)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, delay)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("lives of %v: got delays %v, want %v", test.lived, got, test.want)
			}
		})
	}
}

func TestDelaysMakeTheBackOffAtTheFirstUse(t *testing.T) {
	var made []*steps
	delays := strategy.NewDelays(func() backoff.BackOff {
		made = append(made, new(steps))
		return made[len(made)-1]
	}, 0)
	if len(made) != 0 {
		t.Fatalf("got %d BackOffs before the first use, want none", len(made))
	}
	delays.Next(0)
	delays.Next(0)
	if len(made) != 1 {
		t.Fatalf("got %d BackOffs, want 1", len(made))
	}
	if got, want := fmt.Sprint(made[0].calls), "[reset next next]"; got != want {
		t.Errorf("got calls %s, want %s", got, want)
	}
}

func TestDelaysAcceptALiteralThatNeedsAReset(t *testing.T) {
	delays := strategy.NewDelays(func() backoff.BackOff {
		return &backoff.ExponentialBackOff{
			InitialInterval: time.Second, MaxInterval: time.Minute, Multiplier: 3,
			Stop: backoff.Stop, Clock: backoff.SystemClock,
		}
	}, 0)
	for _, want := range []time.Duration{time.Second, 3 * time.Second} {
		if got, err := delays.Next(0); got != want || err != nil {
			t.Errorf("got %v, %v, want %v, nil", got, err, want)
		}
	}
}

// scripted is a BackOff of one function.
type scripted func() time.Duration

func (s scripted) NextBackOff() time.Duration { return s() }
func (scripted) Reset()                       {}

func TestNegativeDelaysCountAsZero(t *testing.T) {
	for _, delay := range []time.Duration{-2, -time.Hour, math.MinInt64} {
		delays := strategy.NewDelays(func() backoff.BackOff {
			return scripted(func() time.Duration { return delay })
		}, 0)
		if got, err := delays.Next(0); got != 0 || err != nil {
			t.Errorf("%v: got %v, %v, want 0, nil", delay, got, err)
		}
	}
}

func TestDelaysEndWithTheBackOff(t *testing.T) {
	delays := strategy.NewDelays(func() backoff.BackOff {
		return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), 2)
	}, time.Minute)
	for range 2 {
		if delay, err := delays.Next(0); delay != time.Second || err != nil {
			t.Fatalf("got %v, %v, want 1s, nil", delay, err)
		}
	}
	for range 2 {
		if delay, err := delays.Next(0); delay != 0 || !errors.Is(err, strategy.ErrStopped) {
			t.Errorf("got %v, %v, want 0, ErrStopped", delay, err)
		}
	}
	if delay, err := delays.Next(time.Minute); delay != time.Second || err != nil {
		t.Errorf("after a healthy life: got %v, %v, want 1s, nil", delay, err)
	}
}

func TestFaultyBackoffIsAnError(t *testing.T) {
	cause := errors.New("no config")
	var nilPointer *backoff.ExponentialBackOff
	for _, test := range []struct {
		name    string
		backoff strategy.Backoff
		panics  bool
	}{
		{"factory gives nil", func() backoff.BackOff { return nil }, false},
		{"factory panics", func() backoff.BackOff { panic(cause) }, true},
		{"BackOff is a typed nil", func() backoff.BackOff { return nilPointer }, true},
		{"NextBackOff panics", func() backoff.BackOff {
			return scripted(func() time.Duration { panic(cause) })
		}, true},
		{"Reset panics", func() backoff.BackOff { return panicsAtReset{} }, true},
		{"invalid exponential", strategy.Exponential(0, 0), false},
		{"invalid constant", strategy.Constant(-1), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			delays := strategy.NewDelays(test.backoff, 0)
			for range 2 { // it stays an error
				delay, err := delays.Next(0)
				if delay != 0 || err == nil {
					t.Fatalf("got %v, %v, want 0 and an error", delay, err)
				}
				if errors.Is(err, strategy.ErrStopped) {
					t.Errorf("got %v, want a fault and not ErrStopped", err)
				}
				var crash *exit.Panic
				if got := errors.As(err, &crash); got != test.panics {
					t.Errorf("got %v, an *exit.Panic: %v, want %v", err, got, test.panics)
				}
			}
		})
	}
}

type panicsAtReset struct{ backoff.ZeroBackOff }

func (panicsAtReset) NextBackOff() time.Duration { return 0 }
func (panicsAtReset) Reset()                     { panic("no reset") }

func TestGoexitInABackOffIsNotSwallowed(t *testing.T) {
	// It cannot be recovered; what is promised is that Next does not return as
	// if nothing had happened.
	delays := strategy.NewDelays(func() backoff.BackOff {
		return scripted(func() time.Duration { runtime.Goexit(); return 0 })
	}, 0)
	done := make(chan bool)
	go func() {
		returned := false
		defer func() { done <- returned }()
		delays.Next(0)
		returned = true
	}()
	if <-done {
		t.Error("Next returned, want the goroutine to leave")
	}
}

func TestS191_HealthyLives(t *testing.T) {
	for _, test := range []struct {
		healthy, lived time.Duration
		want           bool
	}{
		{0, strategy.DefaultHealthy - 1, false},
		{0, strategy.DefaultHealthy, true},
		{time.Minute, time.Minute - 1, false},
		{time.Minute, time.Minute, true},
	} {
		delays := strategy.NewDelays(nil, test.healthy)
		if got := delays.Healthy(test.lived); got != test.want {
			t.Errorf("Healthy(%v) with %v: got %t, want %t", test.lived, test.healthy, got, test.want)
		}
	}
}
