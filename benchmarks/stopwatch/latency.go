package stopwatch

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// What the histograms hold: with three significant digits, from a nanosecond to an
// hour.
const (
	Longest = time.Hour // what took longer counts as that in a histogram, but for its Max
	digits  = 3
)

// Latency is what was measured of one kind of latency. The zero value is empty.
// It is not safe for concurrent use.
type Latency struct {
	N              int64
	Min, Mean, Max time.Duration
	Line           Line // over the time of the run

	sum       time.Duration
	histogram *hdr.Histogram // nil if it is empty
}

// Add adds a latency that began so long after the beginning of the run.
func (l *Latency) Add(at, d time.Duration) {
	d = max(d, 0)
	if l.histogram == nil {
		l.histogram, l.Min = hdr.New(1, int64(Longest), digits), d
	}
	_ = l.histogram.RecordValue(int64(min(d, Longest))) // which is in its range
	l.N++
	l.Min, l.Max = min(l.Min, d), max(l.Max, d)
	l.sum += d
	l.Mean = l.sum / time.Duration(l.N)
	l.Line.add(at, d)
}

// Merge adds all that was measured by another, which stays as it is.
func (l *Latency) Merge(other Latency) {
	if other.N == 0 {
		return
	}
	if l.N == 0 {
		l.histogram, l.Min = hdr.New(1, int64(Longest), digits), other.Min
	}
	l.histogram.Merge(other.histogram)
	l.N += other.N
	l.Min, l.Max = min(l.Min, other.Min), max(l.Max, other.Max)
	l.sum += other.sum
	l.Mean = l.sum / time.Duration(l.N)
	l.Line.merge(other.Line)
}

// At is the latency that a share of all does not exceed, such as 0.99 for p99; 0
// if there are none. The share 0 is the least, 1 the greatest.
func (l *Latency) At(share float64) time.Duration {
	switch {
	case l.N == 0:
		return 0
	case share >= 1:
		return l.Max
	}
	at := time.Duration(l.histogram.ValueAtQuantile(share * 100))
	return min(max(at, l.Min), l.Max) // a histogram only knows the ends of its intervals
}

// Step is an interval of a histogram: so many latencies end up to Upto.
type Step struct {
	From, Upto time.Duration
	N          int64
}

// Steps are the intervals of the histogram that are not empty, in order.
func (l *Latency) Steps() []Step {
	if l.N == 0 {
		return nil
	}
	var steps []Step
	for _, bar := range l.histogram.Distribution() {
		if bar.Count > 0 {
			steps = append(steps, Step{time.Duration(bar.From), time.Duration(bar.To), bar.Count})
		}
	}
	return steps
}

// latencyJSON is a latency as JSON; durations are nanoseconds.
type latencyJSON struct {
	N     int64         `json:"n"`
	Min   time.Duration `json:"min_ns"`
	Mean  time.Duration `json:"mean_ns"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p99.9_ns"`
	P9999 time.Duration `json:"p99.99_ns"`
	Max   time.Duration `json:"max_ns"`
	Line  Line          `json:"line"`
	HDR   string        `json:"hdr,omitempty"` // V2, compressed, base64
}

// MarshalJSON writes the numbers for people, and the whole histogram in the
// encoding that all HdrHistogram libraries share: V2, compressed, base64.
func (l Latency) MarshalJSON() ([]byte, error) {
	out := latencyJSON{
		N: l.N, Min: l.Min, Mean: l.Mean, Max: l.Max, Line: l.Line,
		P50: l.At(.5), P90: l.At(.9), P99: l.At(.99), P999: l.At(.999), P9999: l.At(.9999),
	}
	if l.histogram != nil {
		encoded, err := l.histogram.Encode(hdr.V2CompressedEncodingCookieBase)
		if err != nil {
			return nil, fmt.Errorf("hdr: %w", err)
		}
		out.HDR = string(encoded)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON has written. The percentiles come from the
// histogram.
func (l *Latency) UnmarshalJSON(text []byte) error {
	var in latencyJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*l = Latency{N: in.N, Min: in.Min, Mean: in.Mean, Max: in.Max, Line: in.Line, sum: in.Mean * time.Duration(in.N)}
	if in.HDR == "" {
		if in.N != 0 {
			return fmt.Errorf("hdr: missing, with n %d", in.N)
		}
		return nil
	}
	decoded, err := hdr.Decode([]byte(in.HDR))
	if err != nil {
		return fmt.Errorf("hdr: %w", err)
	}
	if decoded.TotalCount() != in.N {
		return fmt.Errorf("hdr: it holds %d values, but n is %d", decoded.TotalCount(), in.N)
	}
	l.histogram = decoded
	return nil
}

// recorder is a latency that several goroutines add to.
type recorder struct {
	mu      sync.Mutex
	latency Latency
	closed  bool
}

func (r *recorder) add(at, d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.latency.Add(at, d)
	}
}

// close gives what was recorded. What comes later, such as from something that was
// abandoned, has no effect on it.
func (r *recorder) close() Latency {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return r.latency
}
