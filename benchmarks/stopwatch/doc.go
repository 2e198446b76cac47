// Package stopwatch measures the restart and shutdown latency of a supervision
// tree, yours for instance. Servers can be victims without a change of their code, an
// Actor only if its messages can carry a function (see [Actor]):
//
//	report, err := stopwatch.Measure(ctx, func(events *tracing.Tracing) stopwatch.Tree {
//		alice, bob := actor.NewServer("alice", open), actor.NewServer("bob", open)
//		return stopwatch.Tree{
//			Root:    supervisor.New("bank", supervisor.Policy{Restarts: strategy.Unlimited, Tracing: events}, alice, bob),
//			Victims: []stopwatch.Victim{stopwatch.Server(alice), stopwatch.Server(bob)},
//		}
//	}, stopwatch.Options{Crashes: 10_000, Trees: 100})
//	fmt.Print(report)
//
// It makes a tree, makes its children crash, one after the other or some at once,
// stops it, and begins again with another tree. A [Report] can be kept as JSON,
// compared with a later one ([Compare]), and drawn (package page). The command
// benchmarks/latency does all that for a tree of a given shape.
//
// Set Restarts to strategy.Unlimited, or [Options].Pause to some seconds: the default
// budget of a supervisor (3 restarts in 5 s) is used up at the fourth crash.
//
// The package is in a module of its own, github.com/coppice-go/coppice/benchmarks.
// Beside a clone of the repository yours finds it by
//
//	go mod edit -replace github.com/coppice-go/coppice=../coppice
//	go mod edit -replace github.com/coppice-go/coppice/benchmarks=../coppice/benchmarks
//
// # What is measured
//
//   - ready: from the moment of the crash until the supervisor knows that the child
//     is up again. The child reads the clock itself, right before it panics or
//     returns its error; the end is the time in the event [tracing.Restarted]. So
//     unwinding and capturing the stack, the way to the supervisor, its decision,
//     the stop of the siblings that the strategy takes along, the backoff, and
//     Start are all part of it. Siblings that start after the child are not, but the
//     next crash comes only when those that are victims are up too.
//   - handled: from the same moment until the new incarnation has handled its first
//     message; its handler reads the clock at its end. One message at least waits
//     in the mailbox at that time. The actor may be faster than its supervisor: it
//     takes messages as soon as it is up, so handled may be less than ready.
//   - stopped: from the call of Stop until it has returned, which is when the last
//     goroutine of the tree has, or was abandoned.
//   - message: with a load, from the time at which a message was to be sent until it
//     was handled. The time is that of a fixed schedule, whether or not the sender
//     had to wait for room before: so no slow moment is left out because nobody
//     sent during it (coordinated omission).
//
// To say who was slow, the report also names the children with the longest restarts
// and, in the stops of the tree, the longest ends: see [Report.SlowStopped].
//
// Latencies are kept in HDR histograms from 1 ns to 1 h, with an error of at most
// one in a thousand; the least and the greatest are exact.
//
// # What it costs
//
// The clock is read twice for each latency, some 50 ns each. What the tree emits
// goes to one sink, on the goroutine of the supervisor, as with any sink: it looks
// at the type of each event, and for a few at a map, well below a microsecond. A
// victim waits in its handler, before its crash begins, until the messages that are
// to wait have been sent: that is part of no latency but those of the load's
// messages that come meanwhile. A load is as exact as the timers of the system: where
// these come late by a millisecond, so do its messages. Late timers, and victims that
// wait, are the usual reasons for a large p90 of message.
package stopwatch
