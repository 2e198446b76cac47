package page

import (
	"bytes"
	"errors"
	"html/template"
	"image/color"
	"math"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/coppice-go/coppice/benchmarks/stopwatch"
)

var (
	green = color.NRGBA{R: 0x2e, G: 0x7d, B: 0x32, A: 0xff}
	pale  = color.NRGBA{R: 0x2e, G: 0x7d, B: 0x32, A: 0x99}
	grey  = color.NRGBA{R: 0x9e, G: 0x9e, B: 0x9e, A: 0xff}
	red   = color.NRGBA{R: 0xc6, G: 0x28, B: 0x28, A: 0xff}
)

// percentiles is the curve that HdrHistogram's plots have: the further to the right,
// the rarer. An earlier one is drawn in grey.
func percentiles(l, earlier *stopwatch.Latency) (template.HTML, error) {
	p := newPlot()
	most, least, greatest := l.N, l.Min, l.Max
	if earlier != nil {
		most, least, greatest = max(most, earlier.N), min(least, earlier.Min), max(greatest, earlier.Max)
		if err := addCurve(p, earlier, grey); err != nil {
			return "", err
		}
	}
	if err := addCurve(p, l, green); err != nil {
		return "", err
	}
	logarithmic(&p.Y, least, greatest)
	p.X.Scale, p.X.Min, p.X.Max = plot.LogScale{}, 1, max(10, float64(most))
	p.X.Tick.Marker = plot.ConstantTicks(percentileTicks(most))
	p.X.Label.Text, p.Y.Label.Text = "share", "latency"
	return svg(p)
}

func addCurve(p *plot.Plot, l *stopwatch.Latency, c color.Color) error {
	line, err := plotter.NewLine(curve(l))
	if err != nil {
		return err
	}
	line.StepStyle = plotter.PostStep
	line.Color, line.Width = c, vg.Points(1.5)
	p.Add(line)
	return nil
}

// curve are the latencies over 1/(1-share), from the first that is that slow to the
// slowest.
func curve(l *stopwatch.Latency) plotter.XYs {
	var points plotter.XYs
	faster := int64(0)
	for _, step := range l.Steps() {
		points = append(points, plotter.XY{
			X: float64(l.N) / float64(l.N-faster),
			Y: positive(min(step.Upto, l.Max)),
		})
		faster += step.N
	}
	return append(points, plotter.XY{X: max(10, float64(l.N)), Y: positive(l.Max)})
}

// percentileTicks are p50, p90, p99 and so on, as far as there are values.
func percentileTicks(n int64) []plot.Tick {
	ticks := []plot.Tick{{Value: 2, Label: "p50"}, {Value: 10, Label: "p90"}}
	label := "p99"
	for x := 100.0; x <= float64(n); x *= 10 {
		ticks = append(ticks, plot.Tick{Value: x, Label: label})
		if x == 100 {
			label += "."
		}
		label += "9"
	}
	return ticks
}

// bars is how many bars a histogram has at most.
const bars = 60

// histogram is how often which latency was, in bars of equal width on a logarithmic
// axis.
func histogram(l *stopwatch.Latency) (template.HTML, error) {
	p := newPlot()
	low, high := around(l.Min, l.Max)
	ratio := math.Pow(high/low, 1./bars)
	bins := make([]plotter.HistogramBin, bars)
	for i := range bins {
		bins[i].Min, bins[i].Max = low*math.Pow(ratio, float64(i)), low*math.Pow(ratio, float64(i+1))
	}
	highest := 0.
	for _, step := range l.Steps() {
		i := int(math.Log(positive(step.From)/low) / math.Log(ratio))
		bin := &bins[min(max(i, 0), bars-1)]
		bin.Weight += float64(step.N)
		highest = max(highest, bin.Weight)
	}
	p.Add(&plotter.Histogram{Bins: bins, FillColor: pale})
	logarithmic(&p.X, l.Min, l.Max)
	p.Y.Min, p.Y.Max = 0, highest*1.05
	p.X.Label.Text, p.Y.Label.Text = "latency", "how many"
	return svg(p)
}

// timeline is the mean and the greatest latency over the time of the run.
func timeline(l *stopwatch.Latency) (template.HTML, error) {
	p := newPlot()
	var means, greatest plotter.XYs
	for i, s := range l.Line.Slots {
		if s.N > 0 {
			at := (float64(i) + .5) * l.Line.Width.Seconds()
			means = append(means, plotter.XY{X: at, Y: positive(s.Mean())})
			greatest = append(greatest, plotter.XY{X: at, Y: positive(s.Max)})
		}
	}
	line, err := plotter.NewLine(means)
	if err != nil {
		return "", err
	}
	line.Color, line.Width = green, vg.Points(1.2)
	dots, err := plotter.NewScatter(greatest)
	if err != nil {
		return "", err
	}
	dots.Color, dots.Radius, dots.Shape = red, vg.Points(1.2), draw.CircleGlyph{}
	p.Add(dots, line)
	logarithmic(&p.Y, l.Min, l.Max)
	p.X.Min, p.X.Max = 0, max(float64(len(l.Line.Slots))*l.Line.Width.Seconds(), 1e-3)
	p.X.Label.Text, p.Y.Label.Text = "seconds of the run", "latency"
	return svg(p)
}

func newPlot() *plot.Plot {
	p := plot.New()
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{0xe8}, color.Gray{0xe8}
	p.Add(grid)
	return p
}

// positive is a latency in nanoseconds on a logarithmic axis, which has no zero.
func positive(d time.Duration) float64 { return max(float64(d), 1) }

// around is a range that has some room on both sides.
func around(least, greatest time.Duration) (low, high float64) {
	return positive(least) / 1.2, positive(greatest) * 1.2
}

// logarithmic makes an axis of latencies.
func logarithmic(axis *plot.Axis, least, greatest time.Duration) {
	axis.Scale = plot.LogScale{}
	axis.Min, axis.Max = around(least, greatest)
	axis.Tick.Marker = plot.ConstantTicks(latencyTicks(axis.Min, axis.Max))
}

// latencyTicks are those of the powers of ten, and if there are few the ones between.
func latencyTicks(low, high float64) []plot.Tick {
	steps := []float64{1}
	switch decades := math.Log10(high / low); {
	case decades < 1:
		steps = []float64{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8}
	case decades < 3:
		steps = []float64{1, 2, 5}
	}
	var ticks []plot.Tick
	for decade := 1.0; decade <= high; decade *= 10 {
		for _, step := range steps {
			if x := decade * step; x >= low && x <= high {
				ticks = append(ticks, plot.Tick{Value: x, Label: stopwatch.Short(time.Duration(x))})
			}
		}
	}
	return ticks
}

const (
	width  = 12 * vg.Centimeter
	height = 7 * vg.Centimeter
	margin = vg.Centimeter / 2 // on the right, where a label may stand out
)

// svg is a plot as an element of an HTML page: without the prologue of a file.
func svg(p *plot.Plot) (template.HTML, error) {
	canvas := vgsvg.New(width, height)
	p.Draw(draw.Crop(draw.New(canvas), 0, -margin, 0, 0))
	var file bytes.Buffer
	if _, err := canvas.WriteTo(&file); err != nil {
		return "", err
	}
	begin := bytes.Index(file.Bytes(), []byte("<svg"))
	if begin < 0 {
		return "", errors.New("the plot is no SVG")
	}
	return template.HTML(file.Bytes()[begin:]), nil // what is text in it, its library has escaped
}
