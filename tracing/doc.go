// Package tracing tells what a supervision tree does: as typed events, as log
// lines and as OpenTelemetry spans. A [Tracing] is made once and shared by a
// whole tree; each child of the tree has one [Life] in it.
//
// # Events
//
// Every act of the runtime is one [Event] of a sealed set (S198). There are two
// ways to see them, and they promise different things.
//
// A [Sink] is called synchronously, on the goroutine that acts, and sees every
// event. The events of one supervisor arrive in the order of its acts. Between
// supervisors there is no order, and a sink is called by several of them at
// once: guard what it shares.
//
// A [Subscription] is a channel with a buffer. Its reader may be slow or gone:
// the runtime never waits for it. Events that find the buffer full are lost, and
// a [Missed] in their place says how many.
//
// Said less formally: count in sinks, draw on screens from subscriptions. Do
// not conclude from a sink being called that the act is complete for everybody:
// a Restarted may be seen before the first sender learns of it.
//
// # Logs
//
// What is abnormal goes to a [slog.Logger], [slog.Default] unless told
// otherwise. The contents of messages never do, only their types. The levels:
//
//	error  Crash, GaveUp, Abandoned
//	warn   Terminated if overdue, or killed by nobody; CastFailed, Stuck
//	info   Restarting after an orderly end; Returned, AutoShutdown, Unstuck
//	debug  Started, Restarted, StartFailed, Exited, other Restarting and Terminated,
//	       DeadLetter
//
// So each crash is told once at level error, with all that is known of it: a
// [Crash] carries what Exited, StartFailed or Terminated has said before, and that
// a restart follows. Of the restarts before it its line has only their number and
// within what time they were.
//
// A line is written on the goroutine that acts, before what follows: that of a crash
// is there if the restart ends the program, and waits for a handler that is slow.
//
// What must not be seen by whoever reads logs, events or spans, [Options.Redact]
// takes out of all of them.
//
// # Lifecycle spans
//
// With a TracerProvider each act is a span of kind INTERNAL that ends with the
// act, so that it is exported while the child lives (this departs from S199).
// All lives of one child share one trace ID: its first start is the root of a
// new trace, and its later lifecycle spans are children of that start.
//
//	start <destination>    links to the supervisor's start
//	restart <destination>  links to the last life's start, and to the span of the
//	                       message that crashed that life, when there was one
//	stop <destination>
//	give_up <destination>  on the supervisor's own trace
//
// A start by hand after a first life carries the links of a restart too. Each
// span links to the span in the ctx given to [Life.Begin], unless that is the
// supervisor's start. The attributes:
//
//	coppice.lifecycle    start, restart, stop or give_up
//	coppice.path         bank/accounts/alice
//	coppice.incarnation  1 is the first
//	coppice.reason       why it ended, or why it is restarted
//	coppice.reason_type  the same, fit for grouping: "panic", "killed", a type name
//	coppice.attempt      consecutive restart attempts, from 1
//	coppice.backoff      seconds waited before this attempt
//	coppice.child        give_up: the name of the child
//	coppice.why          give_up: what ruled its restart out
//	error.type           the act itself failed; then the status is Error
//
// An error names its own error.type with a method ErrorType() string; otherwise
// it is the name of its Go type.
//
// A restart that succeeds is not an error, whatever it was that it repaired:
// its cause stands in coppice.reason, and the error is on the span that failed.
//
// Head sampling decides once for a trace, so it would lose all restarts of a
// child whose first start was not sampled: see [Sampling].
//
// # Message spans
//
// Messages are not events; their spans surround the send and the handler. Names,
// kinds and attributes follow the messaging conventions of OpenTelemetry
// (semconv 1.43.0, still in development there), with messaging.system "coppice".
//
//	call <destination>     CLIENT, until the reply; always
//	send <destination>     PRODUCER, cast or send; only if the sender's ctx has a span
//	process <destination>  CONSUMER, around the handler
//
// A batch has one send span, with the type of its first message and
// messaging.batch.message_count, and a process span for each message.
//
// The process span of a call is a child of the call span. That of a cast or a
// send is a child of the send span and links to it, or, with
// [Options.LinkOnly], is the root of a trace of its own with that link. Without a
// span on the sender's side it is a root: it never joins the receiver's own
// trace, which would then grow without end. For the same reason a loop that
// runs for ever should start a root span of its own for each round.
//
// # Panics
//
// A panic is one OpenTelemetry log record of severity ERROR with exception.type,
// exception.message and exception.stacktrace, in the context of the span that
// failed. Its event name is messaging.process.exception if a message was in
// hand and exception otherwise. It is not a span event, which the conventions
// deprecate.
//
// This is the only package of the module that knows OpenTelemetry, and it uses
// the API alone: no SDK, no global provider, no propagator.
package tracing
