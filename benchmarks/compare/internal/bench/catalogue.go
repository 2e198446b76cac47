package bench

import "slices"

// Workload is one thing that figures are about.
type Workload struct {
	Name  string
	Unit  string
	More  bool   // is better
	About string // what is measured, in a sentence

	// Limit is the ratio to raw that Coppice is not to be worse than, Goal the one
	// to reach; 0 is none.
	Limit, Goal float64

	// Baseline is the workload whose figure of raw ratios are to; empty for this one.
	Baseline string
}

// The units of figures.
const (
	PerSecond   = "msg/s"
	Seconds     = "s"
	Nanoseconds = "ns"
	Bytes       = "B"
)

// Workloads are all of them, in the order in which they are told.
var Workloads = []Workload{
	{Name: "send-1-1", Unit: PerSecond, More: true, Limit: 1.3, Goal: 1.5,
		About: "one sender, one actor"},
	{Name: "send-8-1", Unit: PerSecond, More: true, Limit: 1.2, Goal: 1.4,
		About: "eight senders, one actor"},
	{Name: "send-100-pairs", Unit: PerSecond, More: true, Limit: 1.25, Goal: 1.45,
		About: "100 pairs of a sender and an actor"},
	{Name: "cast", Unit: PerSecond, More: true, Limit: 0.95, Goal: 1.15,
		About: "one sender, one server, whose messages carry their handler"},
	{Name: "batch-64", Unit: PerSecond, More: true, Limit: 5, Goal: 8,
		About: "one sender, one actor, 64 messages at a time; raw sends them one by one"},
	{Name: "call", Unit: Nanoseconds, Limit: 0.85, Goal: 0.7,
		About: "one request and its answer, with a ctx that can be cancelled"},
	{Name: "call-deadline", Unit: Nanoseconds, Limit: 1, Goal: 0.9,
		About: "the same with a context.WithTimeout for each request"},
	{Name: "call-ctx", Unit: Nanoseconds, Limit: 0.85, Goal: 0.7,
		About: "the same as call, of a handler that looks at the Done of its ctx"},
	{Name: "ring-1000", Unit: Nanoseconds, Limit: 0.8, Goal: 0.7,
		About: "one hop of one token in a ring of 1,000 actors"},
	{Name: "spawn-100k", Unit: Seconds, Limit: 0.9, Goal: 0.7,
		About: "start 100,000 idle actors, which have had no message yet, under one parent"},
	{Name: "spawn-1m", Unit: Seconds, Limit: 0.9, Goal: 0.7,
		About: "start 1,000,000 idle actors, which have had no message yet, under one parent"},
	{Name: "bytes-idle", Unit: Bytes, Limit: 0.25, Goal: 0.18,
		About: "heap and stacks in use for each of 100,000 idle actors, which have had no message yet"},
	{Name: "bytes-warm", Unit: Bytes, Limit: 0.97, Goal: 0.9,
		About: "the same after a message each, which they have handled; they keep what they need for the next"},
	{Name: "bytes-hibernated", Unit: Bytes, Limit: 0.25, Goal: 0.18, Baseline: "bytes-idle",
		About: "the same after 1 ms of quiet besides (ParkAfter); the ratio is to raw's bytes-idle"},
	{Name: "stop-1m", Unit: Seconds, Limit: 0.9, Goal: 0.6,
		About: "stop 1,000,000 idle actors, which have had no message yet, all at once"},
	{Name: "restart-p50", Unit: Seconds, Limit: 3.5, Goal: 2.5,
		About: "from a panic to the first statement of the next incarnation, median; `ready` of the latency tool also includes the way back to the supervisor"},
	{Name: "restart-p99", Unit: Seconds, Limit: 2.5, Goal: 2,
		About: "the same, 99th percentile"},
	{Name: "storm-1", Unit: Seconds, Limit: 2.2, Goal: 1.5,
		About: "10,000 children of one supervisor, which have handled a message each, crash, until all are up again"},
	{Name: "storm-100", Unit: Seconds, Limit: 2.2, Goal: 1.5,
		About: "the same with 100 supervisors of 100 children"},
	{Name: "stop-tree-111k", Unit: Seconds, Limit: 1.25, Goal: 1,
		About: "stop a tree of 111,111 nodes in order (depth 5, fan-out 10), whose leaves have had no message yet"},
	{Name: "stop-1000", Unit: Seconds, Limit: 1.5, Goal: 0.8,
		About: "stop 1,000 children of one supervisor in order, which have had no message yet"},
	{Name: "stop-1000-warm", Unit: Seconds, Limit: 1.5, Goal: 0.8,
		About: "the same after a message each, which they have handled"},
	{Name: "stop-100k-warm", Unit: Seconds, Limit: 0.9, Goal: 0.6,
		About: "stop 100,000 actors under one parent, which have handled a message each, all at once"},
	{Name: "steady-cpu", Unit: Nanoseconds, Limit: 1.2, Goal: 1,
		About: "CPU time for each message, 10,000 actors, 1,000,000 messages a second, paced by " + pacer},
	{Name: "steady-p99", Unit: Seconds, Limit: 1.2, Goal: 1,
		About: "from send to handled under that load, 99th percentile"},
}

// Find finds a workload by its name.
func Find(name string) (w Workload, found bool) {
	i := slices.IndexFunc(Workloads, func(w Workload) bool { return w.Name == name })
	if i < 0 {
		return Workload{}, false
	}
	return Workloads[i], true
}

// Verdict is how a ratio stands to limit and goal.
type Verdict string

// The verdicts; none where there is no goal.
const (
	Reached Verdict = "reached" // the goal
	Held    Verdict = "held"    // the limit, but not the goal
	Missed  Verdict = "missed"  // both
)

// Judge judges a ratio to raw.
func (w Workload) Judge(ratio float64) Verdict {
	switch {
	case w.Goal == 0:
		return ""
	case w.reaches(ratio, w.Goal):
		return Reached
	case w.reaches(ratio, w.Limit):
		return Held
	}
	return Missed
}

func (w Workload) reaches(ratio, mark float64) bool {
	if w.More {
		return ratio >= mark
	}
	return ratio <= mark
}
