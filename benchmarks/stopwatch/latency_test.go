package stopwatch_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/coppice-go/coppice/benchmarks/stopwatch"
)

// latencyOf is a latency of these values, one in each millisecond.
func latencyOf(values ...time.Duration) stopwatch.Latency {
	var l stopwatch.Latency
	for i, d := range values {
		l.Add(time.Duration(i)*time.Millisecond, d)
	}
	return l
}

func TestPercentilesAreThoseOfTheSortedValues(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]time.Duration, 9_999)
	for i := range values {
		values[i] = time.Duration(random.ExpFloat64() * float64(20*time.Microsecond))
	}
	l := latencyOf(values...)
	slices.Sort(values)
	for _, share := range []float64{.5, .9, .99, .999, .9999} {
		want := values[int(share*float64(len(values))+.5)-1]
		if got := l.At(share); got < want || float64(got) > float64(want)*1.001+1 {
			t.Errorf("share %v: got %v, want %v and at most a thousandth more", share, got, want)
		}
	}
	var sum time.Duration
	for _, d := range values {
		sum += d
	}
	n := time.Duration(len(values))
	if l.Min != values[0] || l.Max != values[n-1] || l.Mean != sum/n || l.At(0) < l.Min || l.At(1) != l.Max {
		t.Errorf("got min %v, mean %v, max %v, p0 %v, p100 %v, want %v, %v, %v exactly", l.Min, l.Mean, l.Max, l.At(0), l.At(1), values[0], sum/n, values[n-1])
	}
}

func TestLatenciesBeyondTheHistogram(t *testing.T) {
	l := latencyOf(-time.Second, 0, 3*time.Hour)
	if l.Min != 0 || l.Max != 3*time.Hour || l.At(.5) != 0 || l.N != 3 {
		t.Errorf("got min %v, median %v, max %v of %d, want 0, 0, 3h of 3", l.Min, l.At(.5), l.Max, l.N)
	}
	var none stopwatch.Latency
	if none.At(.5) != 0 || none.Steps() != nil {
		t.Errorf("got %v and %v, want nothing of nothing", none.At(.5), none.Steps())
	}
}

func TestALatencyIsReadBackAsItWas(t *testing.T) {
	for name, l := range map[string]stopwatch.Latency{"none": {}, "some": latencyOf(0, 5, 900*time.Millisecond, 3*time.Hour)} {
		text, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		var back stopwatch.Latency
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if back.N != l.N || back.Min != l.Min || back.Mean != l.Mean || back.Max != l.Max || !slices.Equal(back.Steps(), l.Steps()) || !slices.Equal(back.Line.Slots, l.Line.Slots) {
			t.Errorf("%s: got %+v, want %+v", name, back, l)
		}
	}
}

// Any HdrHistogram library can read it, such as to merge many runs.
func TestTheHistogramInTheJSONIsOneOfHdrHistogram(t *testing.T) {
	text, err := json.Marshal(latencyOf(1000, 2000, 2000))
	if err != nil {
		t.Fatal(err)
	}
	var fields struct{ HDR string }
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	h, err := hdr.Decode([]byte(fields.HDR))
	if err != nil || h.TotalCount() != 3 || h.ValueAtQuantile(100) != 2000 {
		t.Errorf("got %v and %v, want 3 values up to 2000", h, err)
	}
}

func TestWhatIsNoLatencyIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"n": 1}`:                   "hdr: missing",
		`{"n": 1, "hdr": "x"}`:       "hdr: ",
		`{"n": "many"}`:              "cannot unmarshal",
		`{"n": 2, "hdr": "` + one(t): "holds 1 values, but n is 2",
	} {
		var l stopwatch.Latency
		if err := json.Unmarshal([]byte(text), &l); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// one is the end of a latency with one value.
func one(t *testing.T) string {
	text, err := json.Marshal(latencyOf(1))
	if err != nil {
		t.Fatal(err)
	}
	_, hdr, _ := strings.Cut(string(text), `"hdr":"`)
	return hdr
}

func TestMergedLatenciesAreAsIfOne(t *testing.T) {
	var all stopwatch.Latency
	var parts [3]stopwatch.Latency
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 3000 {
		at, d := time.Duration(i)*time.Millisecond/2, time.Duration(random.Int64N(1e9))
		all.Add(at, d)
		parts[i*len(parts)/3000].Add(at, d)
	}
	var merged stopwatch.Latency
	for _, p := range parts {
		merged.Merge(p)
	}
	merged.Merge(stopwatch.Latency{})
	if merged.N != all.N || merged.Min != all.Min || merged.Max != all.Max || merged.Mean != all.Mean || !slices.Equal(merged.Steps(), all.Steps()) {
		t.Errorf("got %d from %v to %v, mean %v, want %d from %v to %v, mean %v", merged.N, merged.Min, merged.Max, merged.Mean, all.N, all.Min, all.Max, all.Mean)
	}
	if merged.Line.Width != all.Line.Width || !slices.Equal(merged.Line.Slots, all.Line.Slots) {
		t.Errorf("got slots of %v: %v, want of %v: %v", merged.Line.Width, merged.Line.Slots, all.Line.Width, all.Line.Slots)
	}
}

func TestALineKeepsItsLength(t *testing.T) {
	var l stopwatch.Latency
	for i := range 100_000 {
		l.Add(time.Duration(i)*time.Second, time.Duration(i))
	}
	var n int64
	next := time.Duration(0) // the values are the numbers, in order
	for i, s := range l.Line.Slots {
		if begin := time.Duration(i) * l.Line.Width / time.Second; s.Min != next || s.Min < begin || s.Max > begin+l.Line.Width/time.Second+1 || s.N != int64(s.Max-s.Min)+1 {
			t.Errorf("slot %d of width %v: got %+v, want it to begin with %d", i, l.Line.Width, s, next)
		}
		n, next = n+s.N, s.Max+1
	}
	if len(l.Line.Slots) > 256 || len(l.Line.Slots) < 100 || n != 100_000 {
		t.Errorf("got %d slots with %d values, want 100 to 256 with 100000", len(l.Line.Slots), n)
	}
}

func TestDurationsWithThreeDigits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 7: "7ns", 999: "999ns", 1234: "1.23µs", 25980: "26µs", 1_239_999: "1.24ms", 100 * time.Millisecond: "100ms", 61*time.Second + 234*time.Millisecond: "1m1.2s",
	} {
		if got := stopwatch.Short(d); got != want {
			t.Errorf("%d ns: got %s, want %s", d, got, want)
		}
	}
}
