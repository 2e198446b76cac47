package cancel_test

import (
	"testing"
	"time"

	"github.com/coppice-go/coppice/mailbox"
)

// BenchmarkCancel cancels 10,000 workers under load at once. Its figures are
//
//   - mean-ms, p99-ms: from the cancellation to the end of the last worker, as
//     whoever has cancelled knows it; over the repetitions, so use -benchtime 20x
//     or more for the second
//   - worker-p99-ms: from the cancellation to the end of a single worker, over all
//     workers of all repetitions
//   - forgotten: messages for each cancellation that a sender was told are
//     accepted, and that were neither handled nor reported
//
// There is no time that it takes at least or at most: it is for comparing. That
// nothing is left of the workers is checked.
//
// The static supervisor stops its children one after the other, on purpose, and
// each has a message to finish: its rows show what the order costs, and have but
// 1,000 workers.
func BenchmarkCancel(b *testing.B) {
	dynamic, dynamicByStop, static := team{}, team{byStop: true}, team{static: true}
	fewer := full
	fewer.workers, fewer.share = full.workers/10, full.share/10
	for _, c := range []struct {
		name string
		size
		contender
	}{
		{"by hand", full, byHand(false)},
		{"by hand, drained", full, byHand(true)},
		{"Dynamic of Funcs, ctx", full, funcs(dynamic)},
		{"Dynamic of Funcs, Stop", full, funcs(dynamicByStop)},
		{"Dynamic of Actors, in hand, ctx", full, actors(dynamic, mailbox.FinishInHand)},
		{"Dynamic of Actors, in hand, Stop", full, actors(dynamicByStop, mailbox.FinishInHand)},
		{"Dynamic of Actors, drained, ctx", full, actors(dynamic, mailbox.DrainAll)},
		{"Dynamic of Actors, drained, Stop", full, actors(dynamicByStop, mailbox.DrainAll)},
		{"Dynamic of Servers, drained, Stop", full, servers(dynamicByStop)},
		{"Supervisor of Funcs, ctx", fewer, funcs(static)},
		{"Supervisor of Actors, in hand, ctx", fewer, actors(static, mailbox.FinishInHand)},
	} {
		b.Run("impl="+c.name, func(b *testing.B) { measure(b, c.size, c.contender) })
	}
}

func measure(b *testing.B, s size, c contender) {
	var last, single []time.Duration
	forgotten := 0
	for range b.N {
		r := newRun(s)
		o := r.cancelled(c)
		if o.left > 0 {
			b.Fatalf("left: got %d goroutines, want 0", o.left)
		}
		if c.keeps && o.forgotten != 0 {
			b.Fatalf("forgotten: got %d messages, want 0", o.forgotten)
		}
		forgotten += o.forgotten
		last, single = append(last, o.last), append(single, r.exits...)
	}
	b.ReportMetric(0, "ns/op") // which would be the building and the loading
	b.ReportMetric(milliseconds(mean(last)), "mean-ms")
	b.ReportMetric(milliseconds(percentile99(last)), "p99-ms")
	b.ReportMetric(milliseconds(percentile99(single)), "worker-p99-ms")
	b.ReportMetric(float64(forgotten)/float64(b.N), "forgotten")
	b.ReportMetric(0, "left")
}
