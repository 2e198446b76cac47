package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
)

// summary is the last line of -json. The order of the fields is part of it.
type summary struct {
	Files        int     `json:"files"`
	Declarations int     `json:"declarations"`
	Faults       int     `json:"faults"`
	Restarts     int     `json:"restarts"`
	DeadLetters  int     `json:"dead_letters"`
	Lost         int     `json:"lost"`
	Duplicated   int     `json:"duplicated"`
	Seconds      float64 `json:"seconds"`
}

// conclude prints how the run ended and decides its exit status.
func (r *run) conclude(ctx context.Context, failure error) int {
	text := r.streams.Out
	if r.json {
		text = r.streams.Err
	}
	r.outcome.print(text, r.place)

	if failure == nil && r.outcome.report.Complete && r.outcome.stats.Files == 0 {
		fmt.Fprintf(r.streams.Err, "codesearch: there are no Go files in %s\n", r.root)
	}
	status := OK
	switch {
	case failure != nil:
		status = r.fail(failure)
	case ctx.Err() != nil && !r.done():
		fmt.Fprintln(r.streams.Err, "codesearch: interrupted; what is stored stays, run it again for the rest")
		status = Interrupted
	case !r.outcome.report.Complete:
		status = r.fail(fmt.Errorf("the index of %s is not complete", r.root))
	case r.outcome.verdict.Lost != 0 || r.outcome.verdict.Duplicated != 0:
		status = Failed
	}
	if r.json {
		if err := json.NewEncoder(r.streams.Out).Encode(r.outcome.summary()); err != nil {
			return r.fail(fmt.Errorf("writing the result: %w", err))
		}
	}
	return status
}

// done reports whether all that was asked for was done before an interruption.
func (r *run) done() bool {
	return r.outcome.report.Complete && r.outcome.verified == r.verify
}

func (o outcome) summary() summary {
	return summary{
		Files:        o.stats.Files,
		Declarations: o.stats.Declarations,
		Faults:       o.faults.Total(),
		Restarts:     o.report.Restarts,
		DeadLetters:  o.report.DeadLetters,
		Lost:         o.verdict.Lost,
		Duplicated:   o.verdict.Duplicated,
		Seconds:      math.Round(o.took.Seconds()*1000) / 1000,
	}
}

func (o outcome) print(out io.Writer, place place) {
	fmt.Fprintf(out, "%s: %d files, %d declarations", place.root, o.stats.Files, o.stats.Declarations)
	if o.stats.Broken > 0 {
		fmt.Fprintf(out, "; %d with syntax errors", o.stats.Broken)
	}
	fmt.Fprintf(out, "\n%d stored, %d unchanged, %d removed in %.1f s; the index is %s\n",
		o.report.Stored, o.report.Unchanged, o.report.Removed, o.took.Seconds(), place.database)
	if o.faults.Total() > 0 || o.report.Restarts > 0 || o.report.DeadLetters > 0 {
		fmt.Fprintf(out, "%v, %d restarts, %d dead letters\n", o.faults, o.report.Restarts, o.report.DeadLetters)
	}
	if o.verified {
		fmt.Fprintf(out, "verified: %d rows lost, %d duplicated\n", o.verdict.Lost, o.verdict.Duplicated)
		for _, example := range o.verdict.Examples {
			fmt.Fprintln(out, "\t"+printable(example))
		}
	}
}

// print writes the problems that were kept and the number of the others.
func (p *problems) print(out io.Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, problem := range p.first {
		fmt.Fprintln(out, "not indexed:", problem)
	}
	if more := p.count - len(p.first); more > 0 {
		fmt.Fprintln(out, "not indexed:", more, "more")
	}
}
