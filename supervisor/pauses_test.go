package supervisor_test

import "runtime/metrics"

// worldStops is how often the runtime has stopped the world, but for the garbage
// collector: a profile of all goroutines does.
func worldStops() (total uint64) {
	sample := []metrics.Sample{{Name: "/sched/pauses/total/other:seconds"}}
	metrics.Read(sample)
	for _, count := range sample[0].Value.Float64Histogram().Counts {
		total += count
	}
	return total
}
