package tracing

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/log"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/exit"
)

// ScopeName is the instrumentation scope of all spans and log records of this
// package.
const ScopeName = "github.com/coppice-go/coppice/tracing"

// Options says where the events, logs and spans of a tree go. The zero value
// logs to slog's default logger and does nothing else.
type Options struct {
	// Logger gets the abnormal events; see the package documentation for the
	// levels. nil means [slog.Default], looked up at each event. To silence it,
	// give slog.New(slog.DiscardHandler).
	Logger *slog.Logger

	// Sinks see every event, in this order, after the Logger. nil means none.
	Sinks []Sink

	// TracerProvider makes the spans. nil means no spans, and then nothing is
	// allocated or called for tracing on the path of a message.
	TracerProvider trace.TracerProvider

	// LoggerProvider gets one log record for each panic. nil means none. It works
	// without a TracerProvider too.
	LoggerProvider log.LoggerProvider

	// Redact, if set, is asked about every event before anybody sees it: the
	// Logger, the Sinks, the subscriptions, the spans, the records of panics, and
	// the history of crashes (Supervisor.Crashes). It returns the event as they
	// shall see it: of the same type, as a new value; the Head stays what it was, and
	// what an event points to is not to be changed. [Redacted] removes everything that
	// may be secret, [RedactedBy] changes the texts alone. Make no panic of your own
	// with [exit.Recovered]: its stack would be that of the hook, not of the crash.
	// nil means that events are told as they are.
	//
	// The events in a [Crash].Restarts are put to it one by one, before the Crash
	// itself. What a message's span and record say of an error is put to it too, in
	// an event that is not told otherwise: a [CastFailed] with the message and
	// the Err, or for a crash a Crash with no more than Message and Reason.
	//
	// It is called on the goroutine that acts, several times for one act, and
	// concurrently for different children: like a [Sink] it must be quick, wait
	// for nothing, and not call [runtime.Goexit]. If it panics or returns an
	// event of another type or nil, the event is told as Redacted makes it.
	//
	// It does not see what programs of yours ask for: the reasons in a snapshot and
	// in the cause of a context, the errors that Run, Stop, Call and Send return,
	// [DeadLetter.Resend]; nor names and paths, in which there should be no secret;
	// nor a panic that Policy.CrashOnPanic leaves to end the program.
	Redact func(Event) Event

	// LinkOnly makes the processing of a cast or a send the root of a new trace
	// that only links to the sender's span. false means: a child of the sender's
	// span, with the link as well. Calls are children always.
	LinkOnly bool
}

// Sink sees events as they happen.
//
// It runs on the goroutine that acts, so it must be quick: while it runs its
// supervisor does nothing else. It is called concurrently for different
// children. It must not wait for the tree it watches, such as by stopping or
// calling a part of it, and must not call [runtime.Goexit]. A panic in a sink is
// recovered: the other sinks still see the event, the sink itself still sees the
// next, and the first such panic of a [Tracing] is logged with its stack (S119).
type Sink func(Event)

// Tracing spreads the events of a tree. Make one with [New]. All methods may be
// called concurrently; there is nothing to close.
type Tracing struct {
	options Options
	tracer  trace.Tracer // nil without a provider
	records log.Logger   // nil without a provider

	faulty atomic.Bool // a panic of a sink, handler, hook or provider has been logged

	mu            sync.Mutex                      // serializes changes of subscriptions
	subscriptions atomic.Pointer[[]*Subscription] // never changed in place; nil means none
}

// New makes a Tracing. It does not keep the slice options.Sinks. New(Options{})
// is what a tree uses that was given none.
func New(options Options) *Tracing {
	options.Sinks = slices.Clone(options.Sinks)
	t := &Tracing{options: options}
	if options.TracerProvider != nil {
		t.tracer = options.TracerProvider.Tracer(ScopeName, trace.WithSchemaURL(semconv.SchemaURL))
	}
	if options.LoggerProvider != nil {
		t.records = options.LoggerProvider.Logger(ScopeName, log.WithSchemaURL(semconv.SchemaURL))
	}
	return t
}

// publish hands e to the log, the sinks and the subscriptions. The log is first:
// a sink may end the program.
func (t *Tracing) publish(ctx context.Context, e Event) {
	t.log(ctx, e)
	for _, sink := range t.options.Sinks {
		if sink != nil {
			t.show(sink, e)
		}
	}
	if all := t.subscriptions.Load(); all != nil {
		for _, s := range *all {
			s.deliver(e)
		}
	}
}

// show calls a sink.
func (t *Tracing) show(sink Sink, e Event) {
	defer t.caught(aSink)
	sink(e)
}

// guard calls f, which is or calls the user's code, so that its panic does not
// end the supervisor (S119).
func (t *Tracing) guard(g *guest, f func()) {
	defer t.caught(g)
	f()
}

// guest is whose code is called. hide says that the value of a panic is not to be
// logged.
type guest struct {
	who  string
	hide bool
}

var (
	logHandler = &guest{who: "log handler"}
	aSink      = &guest{who: "sink"}
	provider   = &guest{who: "OpenTelemetry provider"}
	hook       = &guest{who: "redaction hook", hide: true}
)

// caught is guard for what defers it. That may be deep in a small stack.
func (t *Tracing) caught(g *guest) {
	if value := recover(); value != nil && !t.faulty.Swap(true) {
		t.tellPanic(g, exit.Recovered(value))
	}
}

func (t *Tracing) tellPanic(g *guest, p *exit.Panic) {
	t.guard(logHandler, func() { t.logPanic(g.who, p, g.hide) })
}
