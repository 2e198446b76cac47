package report

import (
	_ "embed"
	"io"
	"strings"
	"text/template"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
)

// PlotName is the file, beside the document, that is its plot.
const PlotName = "compare.svg"

//go:embed document.md.tmpl
var documentText string

var document = template.Must(template.New("document").Funcs(template.FuncMap{"indent": indent}).Parse(documentText))

// indent keeps a text of several lines within its item of a list, as it is.
func indent(text string) string {
	first, rest, found := strings.Cut(text, "\n")
	if !found {
		return first
	}
	return first + "\n\n      " + strings.ReplaceAll(rest, "\n", "\n      ")
}

// Document writes it all down in Markdown, complete in itself but for the plot.
func (r Report) Document(w io.Writer) error { return document.Execute(w, r) }

// Rows is the table, as text.
func (r Report) Rows() (string, error) {
	var text strings.Builder
	err := r.Table(&text)
	return text.String(), err
}

// Explained are the workloads with what was done for them.
func (r Report) Explained() []explained {
	var all []explained
	for _, w := range r.workloads() {
		for _, m := range r.Measurements {
			for _, name := range m.Of() {
				if name == w.Name {
					all = append(all, explained{w, m.Say(r.size(m))})
				}
			}
		}
	}
	return all
}

type explained struct {
	bench.Workload
	Size string
}

// Briefly says what a short run is.
func (r Report) Briefly() string {
	const briefly = "A short run, for a first look"
	if r.Shortened() == nil { // fewer processes is all
		return briefly
	}
	return briefly + ": it measured less than its names say"
}

// Shortened tells what a short run has measured less of, each size in a line.
func (r Report) Shortened() []string {
	var sizes []string
	of := make(map[string][]string)
	for _, m := range r.Measurements {
		if m.Short == m.Full {
			continue
		}
		size := m.Say(m.Short) + " instead of " + m.Say(m.Full)
		if of[size] == nil {
			sizes = append(sizes, size)
		}
		of[size] = append(of[size], m.Of()...)
	}
	for i, size := range sizes {
		sizes[i] = strings.Join(of[size], ", ") + ": " + size
	}
	return sizes
}
