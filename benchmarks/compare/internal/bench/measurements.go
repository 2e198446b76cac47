package bench

import (
	"fmt"
	"slices"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Size is how much of something is measured; what the numbers mean depends on
// the measurement.
type Size struct {
	Actors int // actors, children, or levels of a tree
	Times  int // messages, calls, hops or crashes
}

// measuring gives a figure for each workload of a measurement.
type measuring func(c Contender, size Size) ([]float64, error)

// Measurement is what one process measures: a few workloads that go together.
type Measurement struct {
	Name      string
	Workloads []string // of which it gives one figure each, in this order; nil means that of its name
	Full      Size
	Short     Size
	said      string // a size, in words

	run measuring
	can func(c Contender) bool
}

// Measurements are all of them, in the order in which they are made.
var Measurements = []Measurement{
	{Name: "send-1-1", Full: Size{1, 5_000_000}, Short: Size{1, 500_000}, said: messages, can: sends, run: sending(1)},
	{Name: "send-8-1", Full: Size{1, 5_000_000}, Short: Size{1, 500_000}, said: messages, can: sends, run: sending(8)},
	{Name: "send-100-pairs", Full: Size{100, 5_000_000}, Short: Size{100, 500_000}, said: messages, can: sends, run: sending(100)},
	{Name: "cast", Full: Size{1, 5_000_000}, Short: Size{1, 500_000}, said: messages, can: casts, run: casting},
	{Name: "batch-64", Full: Size{1, 10_000_000}, Short: Size{1, 1_000_000}, said: messages, can: batches, run: batching},
	{Name: "call", Full: Size{1, 1_000_000}, Short: Size{1, 100_000}, said: "%[2]d calls", can: calls, run: calling(false)},
	{Name: "call-deadline", Full: Size{1, 1_000_000}, Short: Size{1, 100_000}, said: "%[2]d calls", can: calls, run: calling(true)},
	{Name: "call-ctx", Full: Size{1, 1_000_000}, Short: Size{1, 100_000}, said: "%[2]d calls", can: looks, run: callingLooking},
	{Name: "ring-1000", Full: Size{1000, 2_000_000}, Short: Size{1000, 200_000}, said: "%[1]d actors, %[2]d hops", can: rings, run: hopping},
	{Name: "spawn-100k", Full: Size{100_000, 1}, Short: Size{50_000, 1}, said: actors, can: idles, run: spawning},
	{Name: "million", Workloads: []string{"spawn-1m", "stop-1m"},
		Full: Size{1_000_000, 1}, Short: Size{100_000, 1}, said: actors, can: idles, run: spawningAndStopping},
	{Name: "bytes-idle", Full: Size{100_000, 1}, Short: Size{20_000, 1}, said: actors, can: idles, run: idling},
	{Name: "bytes-warm", Full: Size{100_000, 1}, Short: Size{20_000, 1}, said: actors, can: warms, run: warm},
	{Name: "bytes-hibernated", Full: Size{100_000, 1}, Short: Size{20_000, 1}, said: actors, can: hibernates, run: hibernating},
	{Name: "restart", Workloads: []string{"restart-p50", "restart-p99"},
		Full: Size{1, 20_000}, Short: Size{1, 5_000}, said: "%[2]d crashes", can: crashes, run: restarting},
	{Name: "storm-1", Full: Size{10_000, 1}, Short: Size{3000, 1}, said: children, can: crashes, run: storming(1)},
	{Name: "storm-100", Full: Size{10_000, 1}, Short: Size{3000, 1}, said: children, can: crashes, run: storming(100)},
	{Name: "stop-tree-111k", Full: Size{5, 1}, Short: Size{4, 1}, said: "depth %[1]d, fan-out 10", can: trees, run: stoppingTree},
	{Name: "stop-1000", Full: Size{1000, 1}, Short: Size{1000, 1}, said: children, can: trees, run: stoppingChildren},
	{Name: "stop-1000-warm", Full: Size{1000, 1}, Short: Size{1000, 1}, said: children, can: crashes, run: stoppingWarmChildren},
	{Name: "stop-100k-warm", Full: Size{100_000, 1}, Short: Size{20_000, 1}, said: actors, can: warms, run: stoppingWarm},
	{Name: "steady", Workloads: []string{"steady-cpu", "steady-p99"},
		Full: Size{10_000, 5_000_000}, Short: Size{10_000, 500_000}, said: "%[1]d actors, %[2]d messages", can: paces, run: steady},
}

// What the numbers of a size are.
const (
	messages = "%[2]d messages"
	actors   = "%[1]d actors"
	children = "%[1]d children"
)

// What a contender must have.
func sends(c Contender) bool      { return c.Send != nil }
func casts(c Contender) bool      { return c.Cast != nil }
func batches(c Contender) bool    { return c.Batch != nil }
func calls(c Contender) bool      { return c.Call != nil }
func looks(c Contender) bool      { return c.CallLooking != nil }
func rings(c Contender) bool      { return c.Ring != nil }
func idles(c Contender) bool      { return c.Idle != nil }
func warms(c Contender) bool      { return c.Warm != nil }
func hibernates(c Contender) bool { return c.Hibernated != nil }
func crashes(c Contender) bool    { return c.Crashes != nil }
func trees(c Contender) bool      { return c.Tree != nil }
func paces(c Contender) bool      { return c.Paced != nil }

// Of are the workloads that m gives figures of.
func (m Measurement) Of() []string {
	if m.Workloads == nil {
		return []string{m.Name}
	}
	return m.Workloads
}

// Can says whether a contender can do what is measured.
func (m Measurement) Can(c Contender) bool { return m.can(c) || slices.Contains(c.Foreign, m.Name) }

// Run measures a contender and gives a figure for each workload. It takes this
// whole process as its own.
func (m Measurement) Run(c Contender, size Size) ([]float64, error) {
	figures, err := m.run(c, size)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", m.Name, c.Name, err)
	}
	return figures, nil
}

// Say tells a size in words, such as 5,000,000 messages.
func (m Measurement) Say(size Size) string {
	return message.NewPrinter(language.English).Sprintf(m.said, size.Actors, size.Times)
}

// FindMeasurement finds a measurement by its name.
func FindMeasurement(name string) (Measurement, error) {
	i := slices.IndexFunc(Measurements, func(m Measurement) bool { return m.Name == name })
	if i < 0 {
		return Measurement{}, fmt.Errorf("no measurement is called %q", name)
	}
	return Measurements[i], nil
}
