package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/perf/benchunit"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/figures"
)

// Table writes a table in Markdown that can also be read as it is: a row for each
// workload, a column for each contender who has a figure.
func (r Report) Table(w io.Writer) error {
	head, present := []string{"workload"}, r.present()
	for _, c := range present {
		head = append(head, c.Name)
	}
	judged := r.judges()
	if judged {
		head = append(head, "not worse than", "goal", "verdict")
	}
	rows := [][]string{head}
	for _, workload := range r.workloads() {
		row := []string{workload.Name}
		for _, c := range present {
			f, found := r.find(workload.Name, c.Name)
			if !found {
				row = append(row, none)
				continue
			}
			row = append(row, cell(workload, f))
		}
		if judged {
			row = append(row, r.judge(workload)...)
		}
		rows = append(rows, row)
	}
	_, err := io.WriteString(w, aligned(rows))
	return err
}

// none is what stands where there is no figure.
const none = "–"

// aligned are rows, the first of which is the head, with columns that are equally wide
// in all of them: all but the first are numbers.
func aligned(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], len("---:"), utf8.RuneCountInString(text))
		}
	}
	rule := make([]string, len(widths))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", width-1) + ":"
	}
	rule[0] = strings.Repeat("-", widths[0])
	var text strings.Builder
	for _, row := range slices.Insert(rows, 1, rule) {
		fmt.Fprintf(&text, "| %-*s |", widths[0], row[0])
		for i, cell := range row[1:] {
			fmt.Fprintf(&text, " %*s |", widths[i+1], cell)
		}
		text.WriteByte('\n')
	}
	return text.String()
}

// Legend says in a line how to read the ratios of the table; it is empty if there
// are none.
func (r Report) Legend() string {
	legend := ""
	for _, f := range r.Figures {
		if f.RatioToRaw != nil && f.Contender != figures.Baseline {
			legend = "Above 1x is better for msg/s, below 1x for times and bytes"
		}
	}
	if r.judges() {
		legend += "; reached: the goal; held: \"not worse than\"; missed: neither"
	}
	return legend
}

// Gaps says in a line what a dash in the table means, and who is not in it at all; it
// is empty if all have all figures.
func (r Report) Gaps() string {
	var gaps []string
	if present := r.present(); len(r.Figures) < len(present)*len(r.workloads()) {
		gaps = append(gaps, none+": no such thing, or not measured")
	}
	var absent []string
	for _, c := range r.Contenders {
		if !r.has(c) {
			absent = append(absent, c.Name)
		}
	}
	if absent != nil {
		gaps = append(gaps, "without a figure: "+strings.Join(absent, ", "))
	}
	return strings.Join(gaps, "; ")
}

// judges says whether there is anything to compare with the goals.
func (r Report) judges() bool {
	for _, f := range r.Figures {
		if f.Contender == Subject && f.RatioToRaw != nil {
			return true
		}
	}
	return false
}

func (r Report) judge(w bench.Workload) []string {
	verdict := none
	if f, found := r.find(w.Name, Subject); found && f.RatioToRaw != nil {
		verdict = string(w.Judge(*f.RatioToRaw))
	}
	return []string{ratio(w.Limit, digits(w.Limit)), ratio(w.Goal, digits(w.Goal)), verdict}
}

// cell is a median with its spread, and the ratio of one who is not raw itself.
func cell(w bench.Workload, f figures.Figure) string {
	text := spread(f)
	switch {
	case f.RatioToRaw == nil || f.Contender == figures.Baseline:
		return text
	case f.Contender == Subject:
		return text + ", **" + judged(w, *f.RatioToRaw) + "**"
	}
	return text + ", **" + ratio(*f.RatioToRaw, digits(*f.RatioToRaw)) + "**"
}

// judged is a ratio with as many digits as it takes to see that its verdict is the
// right one: 0.854x is above 0.85x.
func judged(w bench.Workload, r float64) string {
	for n := digits(r); ; n++ {
		text := ratio(r, n)
		if shown, err := strconv.ParseFloat(strings.TrimSuffix(text, "x"), 64); err != nil || w.Judge(shown) == w.Judge(r) {
			return text
		}
	}
}

// digits is how many a ratio has after the point, to be read at a glance: more than
// three in all would say nothing.
func digits(r float64) int {
	switch {
	case r < 0.1:
		return 3
	case r < 10:
		return 2
	case r < 100:
		return 1
	}
	return 0
}

func ratio(r float64, digits int) string { return strconv.FormatFloat(r, 'f', digits, 64) + "x" }

// spread is a median, and the least and the most, such as 20.7 (19.6–22.6) ms.
func spread(f figures.Figure) string {
	factor, unit := 1.0, f.Unit
	if unit == bench.Nanoseconds {
		factor, unit = 1e-9, bench.Seconds
	}
	scale := benchunit.CommonScale([]float64{f.Median * factor}, benchunit.Decimal)
	if unit == bench.Bytes { // as they are: thousands are read at a glance
		scale = benchunit.Scaler{Factor: 1}
	}
	scale.Prec = max(0, scale.Prec-1) // three digits
	number := func(v float64) string { return fmt.Sprintf("%.*f", scale.Prec, v*factor/scale.Factor) }
	return fmt.Sprintf("%s (%s–%s) %s%s", number(f.Median), number(f.Min), number(f.Max), scale.Prefix, unit)
}
