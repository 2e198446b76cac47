package tracing

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/exit"
)

// Life is the line of one child's life: through all its incarnations its events
// and spans go through it. Its supervisor makes one when the child is added and
// keeps it until the child is removed for good. Make one with [Tracing.Life].
//
// All methods may be called on a nil Life, where they do nothing. They may be
// called concurrently, but the acts of one child ([Life.Begin]) come one after
// the other.
type Life struct {
	tracing *Tracing
	path    string
	memory  *memory // nil if there is no OpenTelemetry to remember for
}

// memory is what one act must know of those before it, and what only spans need.
type memory struct {
	destination string
	parent      *Life

	messages atomic.Pointer[messageSpans] // made at the first message: most children of a large tree are idle

	mu       sync.Mutex
	first    trace.SpanContext // of the first act: its trace is the child's trace
	current  trace.SpanContext // of the latest start or restart, whether or not it succeeded
	lived    trace.SpanContext // of the latest that did: of the last life
	crashed  trace.SpanContext // of the message that ended the last life
	linked   trace.SpanContext // of the message that the latest start or restart links to
	pending  Restarting        // the decision that the next restart carries out
	recorded *exit.Panic       // by Crashed; the event that tells of it is still to come
}

// Life makes the line of life of the child at path, such as bank/users/42.
//
// destination names the child in spans. It must have few values, so for children
// that are made by the thousand it is a template, bank/users/{user}; empty means
// path. parent is the Life of the child's supervisor, nil at the root.
func (t *Tracing) Life(path, destination string, parent *Life) *Life {
	l := new(Life)
	l.Init(t, path, destination, parent)
	return l
}

// Init is [Tracing.Life] for a Life that is part of something else.
func (l *Life) Init(t *Tracing, path, destination string, parent *Life) {
	if t == nil {
		t = New(Options{})
	}
	if destination == "" {
		destination = path
	}
	*l = Life{tracing: t, path: path}
	if t.Remembers() {
		l.memory = &memory{destination: destination, parent: parent}
	}
}

// Remembers says whether destination and parent are of any use to the Lives of t:
// there is an OpenTelemetry provider.
func (t *Tracing) Remembers() bool { return t != nil && (t.tracer != nil || t.records != nil) }

// Path is that of the child; empty for a nil Life.
func (l *Life) Path() string {
	if l == nil {
		return ""
	}
	return l.path
}

// Tracing is where the events of l go; nil for a nil Life.
func (l *Life) Tracing() *Tracing {
	if l == nil {
		return nil
	}
	return l.tracing
}

type (
	lifeKey      struct{} // *Life: whose context it is
	startKey     struct{} // trace.SpanContext: put there by Life.Context
	lifecycleKey struct{} // any: a lifecycle span is about to start
)

// Context is ctx for an incarnation of the child: it carries l for [From], and
// with a TracerProvider the span context of the child's latest start, so that
// spans started under it belong to the child's trace. Call it between Begin and
// the start of the incarnation.
func (l *Life) Context(ctx context.Context) context.Context {
	if l == nil {
		return ctx
	}
	ctx = context.WithValue(ctx, lifeKey{}, l)
	if start := l.start(); start.IsValid() {
		ctx = context.WithValue(ctx, startKey{}, start)
		ctx = trace.ContextWithSpanContext(ctx, start)
	}
	return ctx
}

// Value is what [Life.Context] adds under a key if there is no TracerProvider, nil
// if that is nothing: for an incarnation that is a context itself.
func (l *Life) Value(key any) any {
	if l != nil && key == (lifeKey{}) {
		return l
	}
	return nil
}

// From is the Life of the child that ctx was made for, nil if there is none.
func From(ctx context.Context) *Life {
	l, _ := ctx.Value(lifeKey{}).(*Life)
	return l
}

// start is the span context of the latest start, invalid if there is none.
func (l *Life) start() trace.SpanContext {
	if l == nil || l.memory == nil {
		return trace.SpanContext{}
	}
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	return l.memory.current
}

// Emit tells the log, the sinks and the subscriptions of an act that took no
// time. It fills in the time and the path if they are missing. [GaveUp] becomes
// a span as well, and a panic in an [Exited] or [Returned] a log record, unless
// [Processed.Crashed] has made it already. For an act with a duration, see
// [Life.Begin]. A nil event and [Missed] are ignored.
//
// Emit is for the runtime: an event is believed, whoever emits it.
func (l *Life) Emit(e Event) {
	if l != nil {
		l.tell(e, l.prepare(e), trace.SpanContext{})
	}
}

// Hears says whether anybody would hear of an event that is logged at this level:
// there is a sink, a subscription or a provider, or the log has the level. If not,
// the event need not be made. See the package documentation for the levels.
func (l *Life) Hears(level slog.Level) (hears bool) {
	if l == nil {
		return false
	}
	t := l.tracing
	if l.memory != nil || len(t.options.Sinks) > 0 || t.subscriptions.Load() != nil {
		return true
	}
	defer t.caught(logHandler) // one that panics is asked again with the event
	hears = true
	return t.logger().Handler().Enabled(context.Background(), level)
}

// prepare is an event as it will be told; nil if it is none to tell.
func (l *Life) prepare(e Event) Event {
	if e == nil {
		return nil
	}
	if !whole(e) { // else it need not be copied
		e = e.stamped(l.path)
	}
	if _, ok := e.(Missed); ok {
		return nil
	}
	if l.tracing.options.Redact == nil {
		return e
	}
	return l.tracing.redact(e)
}

// tell tells of an event that was prepared, with the span of the act, if it had
// one.
func (l *Life) tell(e, told Event, act trace.SpanContext) {
	switch {
	case told == nil:
	case l.memory == nil:
		l.tracing.publish(context.Background(), told)
	default:
		l.tellWithSpan(e, told, act)
	}
}

// tellWithSpan is tell where there is a provider. It is apart to leave the stack of tell
// small: an actor that crashes tells of its message on what stack it has.
func (l *Life) tellWithSpan(e, told Event, act trace.SpanContext) {
	if !act.IsValid() {
		act = l.scene(told)
	}
	ctx := trace.ContextWithSpanContext(context.Background(), act)
	l.tracing.guard(provider, func() { l.observe(ctx, e, told) })
	l.tracing.publish(ctx, told)
}

// scene is the span in whose context an event without own span happened: the
// message that crashed, else the latest start.
func (l *Life) scene(e Event) trace.SpanContext {
	m := l.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	ended := false
	switch e := e.(type) {
	case Exited:
		ended = true
	case Crash:
		ended = e.MessageType != "" // else the message that crashed is one of before
	}
	if ended && m.crashed.IsValid() {
		return m.crashed
	}
	return m.current
}

// traces are the trace of the child's lives and, if one was in hand, that of the
// message that crashed the last, in hex.
func (l *Life) traces(inHand bool) (lives, message string) {
	if !l.Traces() {
		return "", ""
	}
	m := l.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.first.IsValid() {
		lives = m.first.TraceID().String()
	}
	if inHand && m.crashed.IsValid() {
		message = m.crashed.TraceID().String()
	}
	return lives, message
}

// observe is what OpenTelemetry gets to see of an event, apart from the spans of
// acts with a duration. e is what happened, told what may be told of it.
func (l *Life) observe(ctx context.Context, e, told Event) {
	switch told := told.(type) {
	case Restarting:
		l.memory.mu.Lock()
		l.memory.pending = told
		l.memory.mu.Unlock()
	case GaveUp:
		l.giveUp(told)
	case StartFailed:
		l.recordEnd(ctx, e.(StartFailed).Reason, told.Reason, told.Incarnation)
	case Exited:
		l.recordEnd(ctx, e.(Exited).Reason, told.Reason, told.Incarnation)
	case Terminated:
		l.recordEnd(ctx, e.(Terminated).Reason, told.Reason, told.Incarnation)
	case Returned:
		l.recordEnd(ctx, e.(Returned).Reason, told.Reason, told.Incarnation)
	}
}
