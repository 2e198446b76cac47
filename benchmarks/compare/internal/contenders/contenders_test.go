package contenders_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/contenders"
)

// tiny is enough of a measurement to see that it works.
func tiny(m bench.Measurement) bench.Size {
	size := m.Short
	size.Times = min(size.Times, 2000)
	switch {
	case m.Name == "stop-tree-111k":
		size.Actors = 2
	case strings.HasPrefix(m.Name, "bytes-"):
		size.Actors = 5000
	default:
		size.Actors = min(size.Actors, 100)
	}
	return size
}

// plausible are the bounds of figures on any machine, with the race detector or
// without.
var plausible = map[string]struct{ least, most float64 }{
	bench.PerSecond:   {1e3, 1e10},
	bench.Nanoseconds: {1, 1e7},
	bench.Seconds:     {1e-9, 60},
	bench.Bytes:       {200, 100_000},
}

// TestEveryMeasurementOfEveryContender is of those that are measured in
// processes of this program.
func TestEveryMeasurementOfEveryContender(t *testing.T) {
	for _, c := range contenders.All {
		if c.Foreign != nil {
			continue
		}
		for _, m := range bench.Measurements {
			if !m.Can(c) {
				continue
			}
			t.Run(c.Name+"/"+m.Name, func(t *testing.T) {
				figures, err := m.Run(c, tiny(m))
				if err != nil {
					t.Fatal(err)
				}
				if len(figures) != len(m.Of()) {
					t.Fatalf("%d figures for %q", len(figures), m.Of())
				}
				for i, name := range m.Of() {
					w, _ := bench.Find(name)
					if bounds := plausible[w.Unit]; figures[i] < bounds.least || figures[i] > bounds.most {
						t.Errorf("%s: got %v %s, want from %v to %v", name, figures[i], w.Unit, bounds.least, bounds.most)
					}
				}
			})
		}
	}
}

// Coppice's actors have a goroutine and a channel only once they have had a message:
// what is called warm has had one.
func TestAWarmActorHasMoreThanAnIdleOne(t *testing.T) {
	c, _ := contenders.Find("coppice")
	figure := make(map[string]float64)
	for _, name := range []string{"bytes-idle", "bytes-warm"} {
		m, err := bench.FindMeasurement(name)
		if err != nil {
			t.Fatal(err)
		}
		figures, err := m.Run(c, tiny(m))
		if err != nil {
			t.Fatal(err)
		}
		figure[name] = figures[0]
	}
	if more := figure["bytes-warm"] - figure["bytes-idle"]; more < 2048 {
		t.Errorf("got %v bytes more, want the 2048 of a stack at least", more)
	}
}

// TestWhoCanDoWhat keeps a figure from getting lost with a field that is nil.
func TestWhoCanDoWhat(t *testing.T) {
	cannot := map[string][]string{
		"raw":        {"bytes-hibernated"},
		"suture":     {"send-1-1", "send-8-1", "send-100-pairs", "cast", "batch-64", "call", "call-deadline", "call-ctx", "ring-1000", "bytes-hibernated", "steady"},
		"protoactor": {"batch-64", "call-ctx"},
		"erlang":     {"batch-64", "call-ctx", "stop-1000-warm", "stop-100k-warm"},
	}
	for _, c := range contenders.All {
		var got []string
		for _, m := range bench.Measurements {
			if !m.Can(c) {
				got = append(got, m.Name)
			}
		}
		if want := cannot[c.Name]; !slices.Equal(got, want) {
			t.Errorf("%s cannot do %q, want %q", c.Name, got, want)
		}
		if c.About == "" {
			t.Errorf("%s: nothing is said about it", c.Name)
		}
	}
	if got, want := contenders.Names(), []string{"coppice", "raw", "suture", "protoactor", "erlang"}; !slices.Equal(got, want) {
		t.Errorf("names: got %q, want %q", got, want)
	}
	if _, found := contenders.Find("nobody"); found {
		t.Error("found nobody")
	}
}
