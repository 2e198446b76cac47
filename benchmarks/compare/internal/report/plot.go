package report

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/figures"
)

// The lengths of the plot that do not depend on what is in it, in pixels.
const (
	plotWidth = 880.0
	axisLeft  = 140.0 // names stand before it
	axisRight = plotWidth - 20
	axisTop   = 106.0 // title and legend stand above it
	lane      = 6.5   // of a contender within a row, so that none hides another
	rowGap    = 8.0
	letter    = 7.0 // of the legend, on average
)

// Plot writes an SVG: for each workload, how many times as good as raw Go a
// contender is. Better is to the right, whatever is measured.
func (r Report) Plot(w io.Writer) error {
	c := chart{workloads: r.workloads()}
	c.lanes, c.goals = r.lanes(c.workloads), r.goals(c.workloads)
	c.axis = axisOf(c.goals, c.lanes)
	c.row = max(22, lane*float64(len(c.lanes))+rowGap)
	c.bottom = axisTop + c.row*float64(len(c.workloads))

	title := "How many times as good as raw Go"
	var only []string
	if r.Short {
		only = append(only, "short run")
	}
	if r.Interrupted() {
		only = append(only, "interrupted")
	}
	if only != nil {
		title += " (" + strings.Join(only, ", ") + ")"
	}
	const middle = plotWidth / 2
	c.text(middle, 26, "middle", 18, black, title)
	c.text(middle, 46, "middle", 12, grey, "better is to the right, whatever is measured; a bar reaches from the worst to the best of "+r.Processes())
	c.drawLegend()
	c.drawRows()
	c.drawAxis()
	c.drawPoints()
	c.text(middle, c.bottom+60, "middle", 11, grey, r.Machine.String())
	return c.writeTo(w, plotWidth, c.bottom+72, title)
}

// chart is a plot in the making.
type chart struct {
	svg
	axis
	workloads   []bench.Workload
	lanes       []laneOf
	goals       []point
	row, bottom float64 // the height of a row; where the last one ends
}

// drawLegend names who is drawn, in a line.
func (c *chart) drawLegend() {
	type entry struct {
		name string
		look look
	}
	var entries []entry
	for _, l := range c.lanes {
		entries = append(entries, entry{l.name, looks[l.name]})
	}
	if c.goals != nil {
		entries = append(entries, entry{"goal of " + Subject, goalLook})
	}
	const before, after = 14, 22
	room := func(e entry) float64 { return before + letter*float64(len(e.name)) + after }
	at := plotWidth/2 + after/2
	for _, e := range entries {
		at -= room(e) / 2
	}
	for _, e := range entries {
		c.glyph(at, 68, e.look, e.name)
		c.text(at+before, 72.5, "start", 13, black, e.name)
		at += room(e)
	}
}

func (c *chart) drawRows() {
	for i, workload := range c.workloads {
		top := axisTop + c.row*float64(i)
		if i%2 == 0 {
			c.box(0, top, plotWidth, c.row, shade)
		}
		c.text(axisLeft-10, top+c.row/2+4.5, "end", 13, black, workload.Name)
	}
}

func (c *chart) drawAxis() {
	for _, ratio := range ticks(c.least, c.most) {
		at := c.of(ratio)
		c.line(at, axisTop, at, c.bottom, 1, faint)
		c.text(at, c.bottom+18, "middle", 12, black, fmt.Sprintf("%.3gx", ratio))
	}
	c.line(axisLeft, c.bottom, axisRight, c.bottom, 1, black)
	c.text((axisLeft+axisRight)/2, c.bottom+38, "middle", 12, black, "times as good as raw Go, on a logarithmic scale")
	raw := c.of(1)
	c.line(raw, axisTop-14, raw, c.bottom, 1.5, black)
	c.text(raw-8, axisTop-5, "end", 12, grey, "← worse")
	c.text(raw+8, axisTop-5, "start", 12, grey, "better →")
}

// drawPoints draws bars first, and those that they are of last.
func (c *chart) drawPoints() {
	for k, l := range c.lanes {
		for _, p := range l.points {
			y := c.middle(p.row, k)
			c.line(c.of(p.low), y, c.of(p.high), y, 1.2, looks[l.name].color)
		}
	}
	for _, p := range c.goals {
		c.glyph(c.of(p.at), c.middle(p.row, 0), goalLook, p.says)
	}
	for k, l := range c.lanes {
		for _, p := range l.points {
			c.glyph(c.of(p.at), c.middle(p.row, k), looks[l.name], p.says)
		}
	}
}

// middle is that of a lane of a row. The first one is of the [Subject], if there are
// goals.
func (c *chart) middle(row, k int) float64 {
	return axisTop + c.row*(float64(row)+0.5) + lane*(float64(k)-float64(len(c.lanes)-1)/2)
}

// point is where a figure stands, and from where to where it was spread.
type point struct {
	row           int
	at, low, high float64
	says          string
}

// laneOf is what is drawn of a contender.
type laneOf struct {
	name   string
	points []point
}

// lanes are those who have something to draw; the [Subject] comes first.
func (r Report) lanes(workloads []bench.Workload) []laneOf {
	var all []laneOf
	for _, c := range r.Contenders {
		l := laneOf{c.Name, r.points(workloads, c.Name)}
		switch _, drawn := looks[c.Name]; {
		case !drawn || len(l.points) == 0: // raw is the line at 1
		case c.Name == Subject:
			all = append([]laneOf{l}, all...)
		default:
			all = append(all, l)
		}
	}
	return all
}

// points are those of the figures of a contender that can be compared.
func (r Report) points(workloads []bench.Workload, contender string) []point {
	var points []point
	for i, w := range workloads {
		f, found := r.find(w.Name, contender)
		if !found || f.RatioToRaw == nil || f.Contender == figures.Baseline || f.Min <= 0 || math.IsInf(*f.RatioToRaw, 0) {
			continue
		}
		better := func(value float64) float64 {
			ratio := *f.RatioToRaw * value / f.Median
			if w.More {
				return ratio
			}
			return 1 / ratio
		}
		at, a, b := better(f.Median), better(f.Min), better(f.Max)
		says := fmt.Sprintf("%s of %s: %.3gx (%.3gx–%.3gx)", w.Name, contender, at, min(a, b), max(a, b))
		points = append(points, point{i, at, min(a, b), max(a, b), says})
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
		points = append(points, point{i, at, at, at, fmt.Sprintf("%s, goal: %.3gx", w.Name, at)})
	}
	return points
}

// axis is that of ratios; it is logarithmic, so twice and half as good are equally far
// from 1.
type axis struct{ least, most float64 }

// axisOf has room for all points, for 1, and for what is written beside that.
func axisOf(goals []point, lanes []laneOf) axis {
	a := axis{1, 1}
	for _, l := range append([]laneOf{{points: goals}}, lanes...) {
		for _, p := range l.points {
			a.least, a.most = min(a.least, p.low), max(a.most, p.high)
		}
	}
	room := max(1.1, math.Pow(a.most/a.least, 0.08))
	return axis{a.least / room, a.most * room}
}

func (a axis) of(ratio float64) float64 {
	return axisLeft + (axisRight-axisLeft)*math.Log(ratio/a.least)/math.Log(a.most/a.least)
}

// ticks are 1, 2 and 5 times the powers of ten from low to high; of many, only the
// powers.
func ticks(low, high float64) []float64 {
	digits := []float64{1, 2, 5}
	if math.Log10(high/low) > 5 {
		digits = digits[:1]
	}
	var all []float64
	for decade := math.Floor(math.Log10(low)); decade <= math.Ceil(math.Log10(high)); decade++ {
		for _, digit := range digits {
			if value := digit * math.Pow(10, decade); value >= low && value <= high {
				all = append(all, value)
			}
		}
	}
	return all
}
