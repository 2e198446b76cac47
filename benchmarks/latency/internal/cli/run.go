package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/coppice-go/coppice/benchmarks/internal/files"
	"github.com/coppice-go/coppice/benchmarks/latency/internal/progress"
	"github.com/coppice-go/coppice/benchmarks/stopwatch"
	"github.com/coppice-go/coppice/benchmarks/stopwatch/page"
)

// run is one run of the command.
type run struct {
	options
	streams Streams
	before  *stopwatch.Report // to compare with, or nil
}

// prepare finds out before anything is measured what would be wrong with the
// output.
func (r *run) prepare() error {
	var faults []error
	for _, out := range []struct{ flag, path string }{{"json", r.json}, {"html", r.html}} {
		if out.path == "" || out.path == "-" && out.flag == "json" {
			continue
		}
		if out.path == "-" {
			faults = append(faults, fmt.Errorf("-%s: only -json can go to the standard output", out.flag))
			continue
		}
		if err := files.Check(out.path); err != nil {
			faults = append(faults, fmt.Errorf("-%s: %w", out.flag, err))
		}
	}
	faults = append(faults, r.clashes())
	if r.compare == "" {
		return errors.Join(faults...)
	}
	before, err := readReport(r.compare)
	if err != nil {
		return errors.Join(append(faults, fmt.Errorf("-compare %s: %w", r.compare, err))...)
	}
	r.before = before
	for _, l := range r.limits {
		if l.Latency != "" && before.Latency(l.Latency).N == 0 {
			faults = append(faults, fmt.Errorf("-limit %v: the report of -compare has no %s", l, l.Latency))
		}
	}
	switch err := stopwatch.Different(before.Parameters, r.measuring.AllParameters()); {
	case err == nil:
	case r.anyway:
		fmt.Fprintln(r.streams.Err, "latency: warning:", err)
	default:
		faults = append(faults, fmt.Errorf("-compare %s: %w; -anyway compares even so", r.compare, err))
	}
	return errors.Join(faults...)
}

// clashes says which file would be lost. The report to compare with may be: -json
// renews it.
func (o options) clashes() error {
	var faults []error
	for _, pair := range [][2]struct{ flag, path string }{
		{{"html", o.html}, {"json", o.json}},
		{{"html", o.html}, {"compare", o.compare}},
		{{"html", o.html}, {"tree", o.file}},
		{{"json", o.json}, {"tree", o.file}},
	} {
		if a, b := pair[0], pair[1]; a.path != "" && b.path != "" && files.Same(a.path, b.path) {
			faults = append(faults, fmt.Errorf("-%s and -%s are the same file: %s", a.flag, b.flag, a.path))
		}
	}
	return errors.Join(faults...)
}

func readReport(path string) (*stopwatch.Report, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // only read from: nothing can be lost
	return stopwatch.Read(file)
}

// measure measures, and shows how far it has come.
func (r *run) measure(ctx context.Context, measure Measure) (*stopwatch.Report, error) {
	supervisors, servers := r.shape.Size()
	fmt.Fprintf(r.streams.Err, "a tree of %s and %s, %d of them stubborn\n", counted(supervisors, "supervisor"), counted(servers, "server"), r.shape.Stubborns())
	shown := progress.New(r.streams.Err, r.streams.Terminal)
	r.measuring.Progress = shown.Set

	drawing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var drawn sync.WaitGroup
	drawn.Go(func() { shown.Serve(drawing) })
	defer drawn.Wait()
	defer stop()
	return measure(ctx, r.shape.Make, r.measuring)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// conclude prints and writes what was measured, and decides the exit status.
func (r *run) conclude(ctx context.Context, report *stopwatch.Report, failure error) int {
	text := r.streams.Out
	if r.json == "-" {
		text = r.streams.Err
	}
	status := OK
	if _, err := fmt.Fprintf(text, "%v\n%v", report.Machine, report); err != nil {
		status = r.streams.fail(Failed, err)
	}
	switch {
	case failure != nil && ctx.Err() != nil:
		fmt.Fprintln(r.streams.Err, "latency: interrupted; this is what was measured so far")
		status = Interrupted
	case failure != nil:
		status = r.streams.fail(Failed, failure)
	}
	if r.before != nil {
		status = max(status, r.compareWith(text, report))
	}
	if err := r.write(report); err != nil {
		return r.streams.fail(max(status, Failed), err)
	}
	return status
}

// compareWith prints the comparison, and says with which status it ends.
func (r *run) compareWith(text io.Writer, report *stopwatch.Report) (status int) {
	before := *r.before
	if r.anyway {
		before.Parameters = report.Parameters
	}
	c, err := stopwatch.Compare(&before, report, r.limits...)
	fmt.Fprintf(text, "\nbefore: %v\nafter:  %v\n%v", r.before.Machine, report.Machine, c)
	for _, row := range c.Crossed() {
		status = r.streams.fail(Failed, fmt.Errorf("the %s of %s is %v, was %v: more than its limit allows", row.Figure, row.Latency, row.After, row.Before))
	}
	if err != nil {
		status = r.streams.fail(Failed, err)
	}
	return status
}

// write writes the files that were asked for.
func (r *run) write(report *stopwatch.Report) error {
	encode := func(w io.Writer) error { return json.NewEncoder(w).Encode(report) }
	var faults []error
	switch r.json {
	case "":
	case "-":
		faults = append(faults, encode(r.streams.Out))
	default:
		faults = append(faults, files.Replace(r.json, encode))
	}
	if r.html != "" {
		faults = append(faults, files.Replace(r.html, func(w io.Writer) error { return page.Write(w, report, r.before, r.limits...) }))
	}
	return errors.Join(faults...)
}
