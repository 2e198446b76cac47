package report_test

import (
	"encoding/xml"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/figures"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/report"
)

// label is a text of a plot.
type label struct {
	X      float64 `xml:"x,attr"`
	Y      float64 `xml:"y,attr"`
	Anchor string  `xml:"text-anchor,attr"`
	Size   float64 `xml:"font-size,attr"`
	Text   string  `xml:",chardata"`
}

// span is from where to where it may reach, in a wide face.
func (l label) span() (from, to float64) {
	width := 0.62 * l.Size * float64(utf8.RuneCountInString(l.Text))
	from = l.X - width*map[string]float64{"start": 0, "middle": 0.5, "end": 1}[l.Anchor]
	return from, from + width
}

type glyph struct {
	Place string `xml:"transform,attr"`
	Says  string `xml:"title"`
}

// picture is what a plot consists of.
type picture struct {
	Width  float64 `xml:"width,attr"`
	Height float64 `xml:"height,attr"`
	Labels []label `xml:"text"`
	Paths  []glyph `xml:"path"`
}

func drawn(t *testing.T, r report.Report) (p picture) {
	t.Helper()
	if err := xml.Unmarshal([]byte(written(t, r.Plot)), &p); err != nil {
		t.Fatalf("not well-formed: %v", err)
	}
	return p
}

// has says whether a word is in a text of the picture.
func (p picture) has(word string) bool {
	return slices.ContainsFunc(p.Labels, func(l label) bool { return strings.Contains(l.Text, word) })
}

func TestPlot(t *testing.T) {
	for _, short := range []bool{false, true} {
		r := example()
		r.Short = short
		p := drawn(t, r)
		for _, word := range []string{"send-1-1", "call", "spawn-1m", "bytes-idle", "bytes-hibernated", "restart-p50",
			"coppice", "suture", "goal of coppice", "better is to the right", "← worse", "better →", "1x", "0.05x", "10x",
			"logarithmic scale", "a bar reaches from the worst to the best of 1 to 3 processes", "2 x Fast, linux/amd64, go1.26, commit abc"} {
			if !p.has(word) {
				t.Errorf("%q is not in the plot", word)
			}
		}
		if got := p.has("(short run)"); got != short {
			t.Errorf("says that it is short: got %v, want %v", got, short)
		}
		if p.has("interrupted") || p.has("steady") {
			t.Error("the plot says that it was interrupted, or has a workload without a figure")
		}
		if want := "spawn-1m of suture: 0.0333x (0.025x–0.05x)"; !slices.ContainsFunc(p.Paths, func(g glyph) bool { return g.Says == want }) {
			t.Errorf("%q is not in the plot", want)
		}
		r.Complete--
		if want := map[bool]string{false: "raw Go (interrupted)", true: "raw Go (short run, interrupted)"}[short]; !drawn(t, r).has(want) {
			t.Errorf("%q is not in the plot", want)
		}
	}
}

// However much is in a plot: no text is cut off or overlaps another one, and no mark
// hides another.
func TestAPlotCanBeRead(t *testing.T) {
	names := []string{"coppice", "raw", "suture", "protoactor", "erlang"}
	restart, _ := bench.Find("restart-p50") // whose goal is on the left of raw too
	for name, test := range map[string]struct {
		share     float64
		workloads []bench.Workload
	}{
		"all the same": {1, bench.Workloads},
		"a bit worse":  {1.01, bench.Workloads},
		"far worse":    {300, bench.Workloads},
		"far better":   {1.0 / 300, bench.Workloads},
		"of no use":    {1e8, bench.Workloads},
		"only worse":   {5000, []bench.Workload{restart}},
	} {
		r := example()
		r.Machine.CPU, r.Machine.Commit = "Intel(R) Xeon(R) <Platinum> 8370C CPU @ 2.80GHz", "0123456789ab+"
		r.Contenders = nil
		var samples figures.Samples
		for _, c := range names {
			r.Contenders = append(r.Contenders, bench.Contender{Name: c})
			for _, w := range test.workloads {
				factor := 1.0
				if c != "raw" && w.More {
					factor = 1 / test.share
				} else if c != "raw" {
					factor = test.share
				}
				samples.Add(w.Name, c, factor)
			}
		}
		r.Figures = samples.Figures(names)
		p := drawn(t, r)
		for i, l := range p.Labels {
			from, to := l.span()
			if from < 0 || to > p.Width || l.Y > p.Height {
				t.Errorf("%s: %q is cut off, from %v to %v", name, l.Text, from, to)
			}
			for _, other := range p.Labels[:i] {
				if a, b := other.span(); math.Abs(l.Y-other.Y) < max(l.Size, other.Size) && from < b && a < to {
					t.Errorf("%s: %q overlaps %q", name, l.Text, other.Text)
				}
			}
		}
		at, marks := make(map[string]string), 0
		for _, g := range p.Paths {
			if strings.Contains(g.Says, " of ") && strings.Contains(g.Says, "x (") {
				if other := at[g.Place]; other != "" {
					t.Errorf("%s: %s hides %s", name, g.Says, other)
				}
				at[g.Place] = g.Says
				marks++
			}
		}
		if want := 4 * len(test.workloads); marks != want {
			t.Errorf("%s: got %d marks, want %d", name, marks, want)
		}
	}
}

func TestAPlotOfNothing(t *testing.T) {
	for _, contenders := range [][]string{nil, {"raw"}, {"coppice"}} {
		r := example()
		var samples figures.Samples
		for _, name := range contenders {
			samples.Add("call", name, 100)
		}
		r.Figures = samples.Figures(contenders)
		drawn(t, r)
	}
}
