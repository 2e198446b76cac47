package strategy_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coppice-go/coppice/strategy"
)

var epoch = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// seconds after epoch at which restarts are wanted.
type seconds []float64

func (s seconds) times() []time.Time {
	times := make([]time.Time, len(s))
	for i, at := range s {
		times[i] = epoch.Add(time.Duration(at * float64(time.Second)))
	}
	return times
}

// firstExceeded is the index of the first time at which w is exceeded, or -1.
func firstExceeded(w *strategy.Window, times []time.Time) int {
	for i, now := range times {
		if w.Add(now) {
			return i
		}
	}
	return -1
}

func TestS51_WindowIsExceededByOneRestartTooMany(t *testing.T) {
	const p = 10 * time.Second
	for _, test := range []struct {
		name     string
		restarts int
		within   time.Duration
		wanted   seconds
		want     int // index of the restart that is fatal, or -1
	}{
		{"S61 example", 2, p, seconds{0, 7, 14, 19, 22}, 4},
		{"S52 exactly I pass", 3, p, seconds{0, 0, 0}, -1},
		{"S52 I+1 do not", 3, p, seconds{0, 0, 0, 0}, 3},
		{"S51 exactly P old still counts", 1, p, seconds{0, 10}, 1},
		{"S51 a bit older does not", 1, p, seconds{0, 10.000001}, -1},
		{"S54 no slack of a second", 1, p, seconds{0.9, 10.1}, 1},
		{"S51 edge of the oldest of two", 2, p, seconds{0, 5, 10}, 2},
		{"S50 no reset at the end of a period", 2, p, seconds{1, 9, 10.5}, 2},
		{"S49 success does not reset", 2, p, seconds{0, 9, 9.5}, 2},
		{"S50 all age out", 2, p, seconds{0, 1, 20, 21, 40, 41}, -1},
		{"S59 failed attempts stay", 3, p, seconds{0, 1, 2, 10.5, 10.9}, 4},
		{"S55 no restarts", strategy.NoRestarts, p, seconds{0}, 0},
		{"S55 no restarts, without a period", strategy.NoRestarts, 0, seconds{0}, 0},
		{"S55 other negative numbers", -3, p, seconds{0}, 0},
		{"S205 default is 3 in 5 s", 0, 0, seconds{0, 0, 5, 5}, 3},
		{"S205 default lets 3 in 5 s pass", 0, 0, seconds{0, 0, 0, 5.001}, -1},
		{"default period", 1, 0, seconds{0, 5}, 1},
		{"negative period is the default", 1, -1, seconds{0, 5, 10.1}, 1},
		{"default number", 0, time.Second, seconds{0, 1, 1, 1}, 3},
		{"endless period", 1, math.MaxInt64, seconds{0, 1e9}, 1},
		{"largest limit", math.MaxInt, p, seconds{0, 0, 0, 0, 0}, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := strategy.NewWindow(test.restarts, test.within)
			if got := firstExceeded(&w, test.wanted.times()); got != test.want {
				t.Errorf("restarts at %v, %d within %v: got fatal %d, want %d",
					test.wanted, test.restarts, test.within, got, test.want)
			}
		})
	}
}

func TestS58_ChildThatNeverStartsAgainGetsExactlyITries(t *testing.T) {
	for limit := 1; limit <= 20; limit++ {
		w := strategy.NewWindow(limit, time.Second)
		tries := 0
		for !w.Add(epoch) {
			tries++
		}
		if tries != limit {
			t.Errorf("intensity %d: got %d tries, want %d", limit, tries, limit)
		}
	}
}

func TestS21_UnlimitedIsNeverExceededAndHoldsNothing(t *testing.T) {
	w := strategy.NewWindow(strategy.Unlimited, time.Hour)
	if got := testing.AllocsPerRun(1_000, func() {
		if w.Add(epoch) {
			t.Error("got exceeded, want any number of restarts")
		}
	}); got != 0 {
		t.Errorf("got %v allocations per restart, want 0", got)
	}
}

func TestZeroWindowHasTheDefaults(t *testing.T) {
	var w strategy.Window
	if got := firstExceeded(&w, seconds{0, 2, 4, 5}.times()); got != 3 {
		t.Errorf("got fatal %d, want 3: %d within %v", got, strategy.DefaultRestarts, strategy.DefaultWithin)
	}
}

// naive is S51 word by word.
type naive struct {
	limit  int
	within time.Duration
	list   []time.Time
}

func (n *naive) Add(now time.Time) bool {
	kept := []time.Time{now}
	for _, t := range n.list {
		if !t.Before(now.Add(-n.within)) {
			kept = append(kept, t)
		}
	}
	n.list = kept
	return len(n.list) > n.limit
}

func checkAgainstNaive(limit int, within time.Duration, gaps []time.Duration) error {
	model := naive{limit: limit, within: within}
	window := strategy.NewWindow(limit, within)
	now := epoch
	for i, gap := range gaps {
		now = now.Add(gap)
		if got, want := window.Add(now), model.Add(now); got != want {
			return fmt.Errorf("%d within %v, restart %d after gaps %v: got exceeded %v, want %v",
				limit, within, i, gaps[:i+1], got, want)
		}
	}
	return nil
}

func TestS51_WindowEqualsTheNaiveList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Few limits, periods and gaps, so that equal times and exact edges are
		// the rule and not the exception.
		limit := rapid.IntRange(1, 12).Draw(t, "limit")
		within := time.Duration(rapid.IntRange(1, 12).Draw(t, "within"))
		gaps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
			return rapid.OneOf(
				rapid.SampledFrom([]time.Duration{0, 1, within - 1, within, within + 1}),
				rapid.Map(rapid.IntRange(0, 4), func(n int) time.Duration { return time.Duration(n) }),
			).Draw(t, "gap")
		}), 1, 100).Draw(t, "gaps")
		if err := checkAgainstNaive(limit, within, gaps); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzS51_WindowEqualsTheNaiveList(f *testing.F) {
	f.Add(uint8(2), uint16(10), []byte{0, 0, 0, 7, 0, 7, 0, 5, 0, 3})
	f.Add(uint8(1), uint16(1), []byte{0, 0, 0, 1, 0, 2})
	f.Fuzz(func(t *testing.T, limit uint8, within uint16, bytes []byte) {
		var gaps []time.Duration
		for ; len(bytes) >= 2 && len(gaps) < 1_000; bytes = bytes[2:] {
			gaps = append(gaps, time.Duration(binary.BigEndian.Uint16(bytes)))
		}
		if err := checkAgainstNaive(1+int(limit), 1+time.Duration(within), gaps); err != nil {
			t.Fatal(err)
		}
	})
}

// The zero time is one like any other.
func TestWindowFromTheZeroTimeOn(t *testing.T) {
	w := strategy.NewWindow(1, 10*time.Second)
	var zero time.Time
	for i, test := range []struct {
		after time.Duration
		want  bool
	}{{0, false}, {20 * time.Second, false}, {30 * time.Second, true}} {
		if got := w.Add(zero.Add(test.after)); got != test.want {
			t.Errorf("restart %d, after %v: got exceeded %v, want %v", i+1, test.after, got, test.want)
		}
	}
}

func TestS60_WindowKeepsNoMoreThanItNeeds(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		if got := testing.AllocsPerRun(100, func() { _ = strategy.NewWindow(math.MaxInt, time.Hour) }); got != 0 {
			t.Errorf("got %v allocations for a new window, want 0", got)
		}
	})
	t.Run("full", func(t *testing.T) {
		w := strategy.NewWindow(5, time.Hour)
		for range 5 {
			w.Add(epoch)
		}
		if got := testing.AllocsPerRun(1_000, func() { w.Add(epoch) }); got != 0 {
			t.Errorf("got %v allocations per Add of a grown window, want 0", got)
		}
	})
	t.Run("huge limit, rare restarts", func(t *testing.T) {
		w := strategy.NewWindow(math.MaxInt, time.Second)
		now := epoch
		w.Add(now)
		if got := testing.AllocsPerRun(10_000, func() {
			now = now.Add(time.Minute)
			w.Add(now)
		}); got != 0 {
			t.Errorf("got %v allocations per Add, want 0: an expired time gives its place away", got)
		}
	})
}

func BenchmarkWindowAdd(b *testing.B) {
	w := strategy.NewWindow(1_000, time.Second)
	now := epoch
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		w.Add(now)
	}
}
