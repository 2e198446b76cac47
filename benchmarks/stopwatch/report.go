package stopwatch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/coppice-go/coppice/benchmarks/internal/machine"
)

// Machine is where and when was measured, and with what code.
type Machine = machine.Machine

// Report is what was measured. It is plain data, and can be read back from its JSON
// with [Read].
type Report struct {
	Parameters map[string]string `json:"parameters"`
	Machine    Machine           `json:"machine"`
	Took       time.Duration     `json:"took_ns"`
	Failure    string            `json:"failure,omitempty"` // the text of Measure's error; empty if it had none
	Counts     Counts            `json:"counts"`

	// The latencies; the package says what they are. One that was not measured is
	// empty.
	Ready   Latency `json:"ready"`
	Handled Latency `json:"handled"`
	Stopped Latency `json:"stopped"`
	Message Latency `json:"message"`

	// Who was slow: the children that took longest to be ready after a crash, and in a
	// stop of the tree to end, each from when it was asked; MostSlow at most, the
	// slowest first. A supervisor takes the time of its children in a stop, and is
	// named only if it has none. Empty if nobody took any time.
	SlowReady   []Slow `json:"slow_ready,omitempty"`
	SlowStopped []Slow `json:"slow_stopped,omitempty"`
}

// Counts are what happened beside.
type Counts struct {
	Trees     int   `json:"trees"`     // stopped in order, also after something else went wrong
	Crashes   int   `json:"crashes"`   // asked for, and over
	Unasked   int   `json:"unasked"`   // crashes that nobody has asked for
	Full      int   `json:"full"`      // crashes with fewer messages waiting than wanted, because the mailbox was full
	Stuck     int   `json:"stuck"`     // incarnations listed by a stop
	Abandoned int   `json:"abandoned"` // incarnations, in stops and restarts
	Returned  int   `json:"returned"`  // of these, after all
	Sent      int64 `json:"sent"`      // messages of the load
	Refused   int64 `json:"refused"`   // of these, such as by a tree that was stopping
	Handled   int64 `json:"handled"`   // of these; what is neither was a dead letter
}

// report makes the report of a measuring that ended with an error or not.
func (m *measuring) report(err error) *Report {
	r := &Report{
		Parameters: m.options.AllParameters(),
		Machine:    m.machine,
		Took:       m.clock.now(),
		Counts:     m.counts,
		Ready:      m.ready,
		Handled:    m.handled,
		Stopped:    m.stopped,
		Message:    m.message.close(),

		SlowReady:   m.slowReady,
		SlowStopped: m.slowStopped,
	}
	if err != nil {
		r.Failure = err.Error()
	}
	return r
}

// Latencies are those that were measured, by name: ready, handled, stopped,
// message.
func (r *Report) Latencies() iter.Seq2[string, *Latency] {
	return func(yield func(string, *Latency) bool) {
		for _, name := range names {
			if l := r.Latency(name); l.N > 0 && !yield(name, l) {
				return
			}
		}
	}
}

var names = []string{"ready", "handled", "stopped", "message"}

// Latency is one of the latencies by its name, nil if there is none of that name.
func (r *Report) Latency(name string) *Latency {
	switch name {
	case "ready":
		return &r.Ready
	case "handled":
		return &r.Handled
	case "stopped":
		return &r.Stopped
	case "message":
		return &r.Message
	}
	return nil
}

var titles = map[string]string{
	"ready":   "crash to ready",
	"handled": "crash to first message handled",
	"stopped": "stop asked to gone",
	"message": "message due to handled",
}

// Title says in words what a latency of that name is; empty if there is none.
func Title(name string) string { return titles[name] }

// String is the report as a table, a line of counts, and who was slow, for people.
func (r *Report) String() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "latency\tn\tp50\tp90\tp99\tp99.9\tp99.99\tmax\t")
	for name, l := range r.Latencies() {
		fmt.Fprintf(table, "%-7s\t%d\t", name, l.N)
		for _, share := range []float64{.5, .9, .99, .999, .9999, 1} {
			fmt.Fprintf(table, "%s\t", Short(l.At(share)))
		}
		fmt.Fprintln(table)
	}
	_ = table.Flush() // to memory
	if r.Handled.N > 0 && r.Handled.At(.5) < r.Ready.At(.5) {
		text.WriteString("handled may be less than ready: an actor takes messages before its supervisor knows that it is up\n")
	}
	if r.Message.N > 0 {
		text.WriteString("a large p90 of message may come from the measuring: late timers, and victims that wait for their crash\n")
	}
	text.WriteString(r.Counts.String() + "\n")
	for _, slow := range []struct {
		what string
		who  slowest
	}{{"slowest to be ready", r.SlowReady}, {"slowest to stop", r.SlowStopped}} {
		if len(slow.who) > 0 {
			fmt.Fprintf(&text, "%s: %v\n", slow.what, slow.who)
		}
	}
	return text.String()
}

// String is a line of what there was.
func (c Counts) String() string {
	text := fmt.Sprintf("%d crashes, %d stops", c.Crashes, c.Trees)
	for _, count := range []struct {
		n    int64
		what string
	}{
		{int64(c.Unasked), "other crashes"},
		{int64(c.Full), "with a full mailbox"},
		{int64(c.Abandoned), "abandoned"},
		{int64(c.Returned), "of these returned"},
		{c.Sent, "messages sent"},
		{c.Refused, "refused"},
		{c.Sent - c.Refused - c.Handled, "not handled"},
	} {
		if count.n > 0 {
			text += fmt.Sprintf(", %d %s", count.n, count.what)
		}
	}
	return text
}

// Short is a duration with three digits that count.
func Short(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

// Read reads a report that was written as JSON.
func Read(from io.Reader) (*Report, error) {
	var r Report
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return nil, fmt.Errorf("not a report of the stopwatch: %w", err)
	}
	if r.Parameters == nil {
		return nil, errors.New("not a report of the stopwatch: it has no parameters")
	}
	return &r, nil
}
