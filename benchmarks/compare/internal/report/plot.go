package report

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	_ "gonum.org/v1/plot/vg/vgsvg" // the format

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/figures"
)

// looks are how contenders are drawn: told apart by shape and by colour.
var looks = map[string]draw.GlyphStyle{
	Subject:      {Shape: draw.CircleGlyph{}, Color: color.RGBA{R: 0x1b, G: 0x7f, B: 0x3b, A: 0xff}, Radius: vg.Points(4.5)},
	"suture":     {Shape: draw.BoxGlyph{}, Color: color.RGBA{R: 0xd9, G: 0x7b, B: 0x00, A: 0xff}, Radius: vg.Points(3)},
	"protoactor": {Shape: draw.TriangleGlyph{}, Color: color.RGBA{R: 0x1f, G: 0x5f, B: 0xbf, A: 0xff}, Radius: vg.Points(3.5)},
	"erlang":     {Shape: draw.CrossGlyph{}, Color: color.RGBA{R: 0xb0, G: 0x24, B: 0x5a, A: 0xff}, Radius: vg.Points(3.5)},
}

var (
	grey      = color.Gray{Y: 0xd0}
	goalColor = color.Gray{Y: 0x60}
)

// Plot writes an SVG: for each workload, how many times as good as raw Go a
// contender is. Better is to the right, whatever is measured.
func (r Report) Plot(w io.Writer) error {
	p := plot.New()
	useSans(p)
	// The axis has no label of its own: on a logarithmic one it would take its
	// room in the wrong place.
	p.Title.Text = "How many times as good as raw Go: better is to the right"
	if r.Short {
		p.Title.Text += " (short run)"
	}
	workloads := r.workloads()
	slices.Reverse(workloads) // the first is at the top

	least, most := 1.0, 1.0
	widen := func(points []point) {
		for _, q := range points {
			least, most = min(least, q.low), max(most, q.high)
		}
	}
	goals := r.goals(workloads)
	widen(goals)
	drawn := map[string][]point{}
	for _, c := range r.Contenders {
		drawn[c.Name] = r.points(workloads, c.Name)
		widen(drawn[c.Name])
	}
	p.X.Min, p.X.Max = least/1.2, most*1.2
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, ticks(p.X.Min, p.X.Max)
	if len(workloads) > 0 {
		p.NominalY(names(workloads)...)
	}
	// Above the first row there is room for the legend.
	p.Y.Min, p.Y.Max = -0.6, float64(len(workloads))-0.4+0.7*float64(len(r.Contenders))

	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = grey, grey
	p.Add(grid, line(p, 1))
	if err := mark(p, "goal of "+Subject, goals, false, draw.GlyphStyle{Shape: draw.RingGlyph{}, Color: goalColor, Radius: vg.Points(5.5)}); err != nil {
		return err
	}
	for _, c := range r.Contenders {
		look, ok := looks[c.Name]
		if !ok {
			continue // raw is the line at 1
		}
		if err := mark(p, c.Name, drawn[c.Name], true, look); err != nil {
			return err
		}
	}
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.Padding = vg.Points(6), vg.Points(2)

	height := vg.Points(60 + 20*(p.Y.Max-p.Y.Min))
	canvas, err := p.WriterTo(vg.Points(640), height, "svg")
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if _, err := canvas.WriteTo(&text); err != nil {
		return err
	}
	_, err = w.Write(bytes.ReplaceAll(text.Bytes(), []byte(face), []byte(face+", Arial, Helvetica, sans-serif")))
	return err
}

// face is how the text of the plot is set; others are as wide.
const face = "font-family:Liberation Sans"

func names(workloads []bench.Workload) []string {
	all := make([]string, len(workloads))
	for i, w := range workloads {
		all[i] = w.Name
	}
	return all
}

// point is where a figure stands, and from where to where it was spread.
type point struct{ row, at, low, high float64 }

// points are those of the figures of a contender that can be compared.
func (r Report) points(workloads []bench.Workload, contender string) []point {
	var points []point
	for i, w := range workloads {
		f, found := r.find(w.Name, contender)
		if !found || f.RatioToRaw == nil || f.Contender == figures.Baseline || f.Min <= 0 {
			continue
		}
		better := func(value float64) float64 {
			ratio := *f.RatioToRaw * value / f.Median
			if w.More {
				return ratio
			}
			return 1 / ratio
		}
		a, b := better(f.Min), better(f.Max)
		points = append(points, point{float64(i), better(f.Median), min(a, b), max(a, b)})
	}
	return points
}

// goals are where the goals stand, if there is anything to compare with them.
func (r Report) goals(workloads []bench.Workload) []point {
	if !r.judges() {
		return nil
	}
	var points []point
	for i, w := range workloads {
		at := w.Goal
		if !w.More {
			at = 1 / at
		}
		points = append(points, point{float64(i), at, at, at})
	}
	return points
}

// mark draws points, with their spread if there is one, and names them in the legend.
func mark(p *plot.Plot, name string, points []point, spread bool, look draw.GlyphStyle) error {
	if len(points) == 0 {
		return nil
	}
	var at struct {
		plotter.XYs
		plotter.XErrors
	}
	for _, q := range points {
		at.XYs = append(at.XYs, plotter.XY{X: q.at, Y: q.row})
		at.XErrors = append(at.XErrors, struct{ Low, High float64 }{q.at - q.low, q.high - q.at})
	}
	if spread {
		bars, err := plotter.NewXErrorBars(at)
		if err != nil {
			return err
		}
		bars.Color, bars.CapWidth = look.Color, vg.Points(4)
		p.Add(bars)
	}
	dots, err := plotter.NewScatter(at.XYs)
	if err != nil {
		return err
	}
	dots.GlyphStyle = look
	p.Add(dots)
	p.Legend.Add(name, dots)
	return nil
}

// line is a vertical line through the whole plot.
func line(p *plot.Plot, x float64) *plotter.Line {
	return &plotter.Line{
		XYs:       plotter.XYs{{X: x, Y: p.Y.Min}, {X: x, Y: p.Y.Max}},
		LineStyle: draw.LineStyle{Color: color.Black, Width: vg.Points(1)},
	}
}

// ticks are 1, 2 and 5 times the powers of ten from low to high.
func ticks(low, high float64) plot.ConstantTicks {
	var all plot.ConstantTicks
	for decade := math.Floor(math.Log10(low)); decade <= math.Ceil(math.Log10(high)); decade++ {
		for _, digit := range []float64{1, 2, 5} {
			if value := digit * math.Pow(10, decade); value >= low && value <= high {
				all = append(all, plot.Tick{Value: value, Label: fmt.Sprintf("%.3gx", value)})
			}
		}
	}
	return all
}

// useSans sets all text in a face without serifs.
func useSans(p *plot.Plot) {
	for _, f := range []*font.Font{
		&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font,
	} {
		f.Variant = "Sans"
	}
}
