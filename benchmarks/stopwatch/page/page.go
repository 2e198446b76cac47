// Package page draws a report of the stopwatch as one HTML file with plots, which
// needs nothing else: no script, and nothing from the network.
package page

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/coppice-go/coppice/benchmarks/stopwatch"
)

//go:embed page.html
var text string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"short": stopwatch.Short,
	"title": stopwatch.Title,
	"slow":  func(title string, who []stopwatch.Slow) slow { return slow{title, who} },
	"ratio": func(r stopwatch.Row) string { return fmt.Sprintf("%.2f", r.Ratio()) },
}).Parse(text))

// Write writes the report as HTML. before is an earlier report to compare with, which
// may be of another tree; nil means none. limits are marked where they are crossed.
func Write(w io.Writer, report, before *stopwatch.Report, limits ...stopwatch.Limit) error {
	content := content{Report: report, Before: before, Titles: titles()}
	if before != nil {
		// What its error would say is not about the figures, but about whether they
		// should have been compared.
		content.Comparison, _ = stopwatch.Compare(before, report, limits...)
		if err := stopwatch.Different(before.Parameters, report.Parameters); err != nil {
			content.Comparison.Warnings = append(content.Comparison.Warnings, err.Error())
		}
	}
	for name, latency := range report.Latencies() {
		section, err := newSection(name, latency, before)
		if err != nil {
			return fmt.Errorf("plots of %s: %w", name, err)
		}
		content.Sections = append(content.Sections, section)
	}
	if err := page.Execute(w, content); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

// content is what the page shows.
type content struct {
	Report     *stopwatch.Report
	Before     *stopwatch.Report
	Comparison stopwatch.Comparison
	Titles     []string // of the columns
	Sections   []section
}

// slow is who was slow in one way.
type slow struct {
	Title string
	Who   []stopwatch.Slow
}

// section is one latency.
type section struct {
	Name    string
	N       int64
	Figures []time.Duration
	Plots   []plotted
}

// plotted is a plot as SVG.
type plotted struct {
	Caption string
	SVG     template.HTML
}

var shares = []float64{.5, .9, .99, .999, .9999, 1}

func titles() []string { return []string{"p50", "p90", "p99", "p99.9", "p99.99", "max"} }

// newSection makes the section of a latency.
func newSection(name string, l *stopwatch.Latency, before *stopwatch.Report) (section, error) {
	s := section{Name: name, N: l.N}
	for _, share := range shares {
		s.Figures = append(s.Figures, l.At(share))
	}
	var earlier *stopwatch.Latency
	if before != nil && before.Latency(name).N > 0 {
		earlier = before.Latency(name)
	}
	rank := "By percentile"
	if earlier != nil {
		rank += "; grey is before"
	}
	var faults []error
	for _, p := range []struct {
		caption string
		draw    func() (template.HTML, error)
	}{
		{rank, func() (template.HTML, error) { return percentiles(l, earlier) }},
		{"How often: the number of each latency", func() (template.HTML, error) { return histogram(l) }},
		{"Over the run: the mean (line) and the greatest (dots) of each moment", func() (template.HTML, error) { return timeline(l) }},
	} {
		svg, err := p.draw()
		faults = append(faults, err)
		s.Plots = append(s.Plots, plotted{p.caption, svg})
	}
	return s, errors.Join(faults...)
}
