package bench

import (
	"fmt"
	"slices"
)

// Measurements are all of them, in the order in which they are made.
var Measurements = []Measurement{
	{Name: "send-1-1", Full: Size{1, 5_000_000}, Short: Size{1, 500_000},
		can: func(c Contender) bool { return c.Send != nil },
		run: func(c Contender, size Size) ([]float64, error) { return throughput(c.Send, 1, size) }},
	{Name: "send-8-1", Full: Size{1, 5_000_000}, Short: Size{1, 500_000},
		can: func(c Contender) bool { return c.Send != nil },
		run: func(c Contender, size Size) ([]float64, error) { return throughput(c.Send, 8, size) }},
	{Name: "send-100-pairs", Full: Size{100, 5_000_000}, Short: Size{100, 500_000},
		can: func(c Contender) bool { return c.Send != nil },
		run: func(c Contender, size Size) ([]float64, error) { return throughput(c.Send, size.Actors, size) }},
	{Name: "cast", Full: Size{1, 5_000_000}, Short: Size{1, 500_000},
		can: func(c Contender) bool { return c.Cast != nil },
		run: func(c Contender, size Size) ([]float64, error) { return throughput(c.Cast, 1, size) }},
	{Name: "batch-64", Full: Size{1, 20_000_000}, Short: Size{1, 2_000_000},
		can: func(c Contender) bool { return c.Batch != nil },
		run: func(c Contender, size Size) ([]float64, error) { return throughput(c.Batch, 1, size) }},
	{Name: "call", Full: Size{1, 1_000_000}, Short: Size{1, 100_000},
		can: func(c Contender) bool { return c.Call != nil },
		run: func(c Contender, size Size) ([]float64, error) { return calls(c, false, size) }},
	{Name: "call-deadline", Full: Size{1, 1_000_000}, Short: Size{1, 100_000},
		can: func(c Contender) bool { return c.Call != nil },
		run: func(c Contender, size Size) ([]float64, error) { return calls(c, true, size) }},
	{Name: "ring-1000", Full: Size{1000, 2_000_000}, Short: Size{1000, 200_000},
		can: func(c Contender) bool { return c.Ring != nil }, run: ring},
	{Name: "spawn-100k", Full: Size{100_000, 1}, Short: Size{100_000, 1},
		can: func(c Contender) bool { return c.Idle != nil },
		run: func(c Contender, size Size) ([]float64, error) {
			both, err := spawnAndStop(c, size)
			return both[:1], err
		}},
	{Name: "million", Workloads: []string{"spawn-1m", "stop-1m"}, Full: Size{1_000_000, 1}, Short: Size{100_000, 1},
		can: func(c Contender) bool { return c.Idle != nil }, run: spawnAndStop},
	{Name: "bytes-idle", Full: Size{100_000, 1}, Short: Size{20_000, 1},
		can: func(c Contender) bool { return c.Idle != nil },
		run: func(c Contender, size Size) ([]float64, error) { return bytes(c.Idle, false, size) }},
	{Name: "bytes-hibernated", Full: Size{100_000, 1}, Short: Size{20_000, 1},
		can: func(c Contender) bool { return c.Hibernated != nil },
		run: func(c Contender, size Size) ([]float64, error) { return bytes(c.Hibernated, true, size) }},
	{Name: "restart", Workloads: []string{"restart-p50", "restart-p99"}, Full: Size{1, 20_000}, Short: Size{1, 5_000},
		can: func(c Contender) bool { return c.Crashes != nil }, run: restarts},
	{Name: "storm-1", Full: Size{10_000, 1}, Short: Size{10_000, 1},
		can: func(c Contender) bool { return c.Crashes != nil },
		run: func(c Contender, size Size) ([]float64, error) { return storm(c, 1, size) }},
	{Name: "storm-100", Full: Size{10_000, 1}, Short: Size{10_000, 1},
		can: func(c Contender) bool { return c.Crashes != nil },
		run: func(c Contender, size Size) ([]float64, error) { return storm(c, 100, size) }},
	{Name: "stop-tree-111k", Full: Size{5, 1}, Short: Size{4, 1},
		can: func(c Contender) bool { return c.Tree != nil },
		run: func(c Contender, size Size) ([]float64, error) { return stopping(c, size.Actors, 10) }},
	{Name: "stop-1000", Full: Size{1000, 1}, Short: Size{1000, 1},
		can: func(c Contender) bool { return c.Tree != nil },
		run: func(c Contender, size Size) ([]float64, error) { return stopping(c, 1, size.Actors) }},
	{Name: "steady", Workloads: []string{"steady-cpu", "steady-p99"}, Full: Size{10_000, 5_000_000}, Short: Size{10_000, 500_000},
		can: func(c Contender) bool { return c.Paced != nil }, run: steady},
}

// Of are the workloads that m gives figures of.
func (m Measurement) Of() []string {
	if m.Workloads == nil {
		return []string{m.Name}
	}
	return m.Workloads
}

// Can says whether a contender can do what is measured.
func (m Measurement) Can(c Contender) bool { return m.can(c) }

// Run measures a contender and gives a figure for each workload. It takes this
// whole process as its own.
func (m Measurement) Run(c Contender, size Size) ([]float64, error) {
	figures, err := m.run(c, size)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", m.Name, c.Name, err)
	}
	return figures, nil
}

// Find finds a measurement by its name.
func Find(name string) (Measurement, error) {
	i := slices.IndexFunc(Measurements, func(m Measurement) bool { return m.Name == name })
	if i < 0 {
		return Measurement{}, fmt.Errorf("no measurement is called %q", name)
	}
	return Measurements[i], nil
}
