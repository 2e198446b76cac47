package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// ActKind is a kind of act that takes time.
type ActKind uint8

// The acts of a supervisor on a child that take time.
const (
	ActStart   ActKind = iota // a first start, or one by hand
	ActRestart                // one attempt of a restart, without the delay before it
	ActStop                   // from the request to stop until the end or the abandonment
)

// giveUp is the fourth kind of lifecycle span; it has no duration.
const actGiveUp ActKind = ActStop + 1

var actNames = [...]string{ActStart: "start", ActRestart: "restart", ActStop: "stop", actGiveUp: "give_up"}

// Act is an act under way; see [Life.Begin]. The zero Act does nothing.
type Act struct {
	life *Life
	span trace.Span // nil without a tracer
	kind ActKind
}

// Begin starts an act on the child. It emits no event: the decision to restart
// is told by a [Restarting] before. With a TracerProvider it starts a span, which
// for a start or a restart is the one that [Life.Context] hands to the child.
//
// ctx is that of whoever asked for the act: its values reach the provider, and
// the span in it, if any, is linked. It does not limit the act.
//
// Without a TracerProvider, Begin does not allocate.
func (l *Life) Begin(ctx context.Context, kind ActKind) Act {
	if l == nil {
		return Act{}
	}
	if !l.Traces() || kind >= actGiveUp {
		return Act{life: l, kind: kind}
	}
	return Act{life: l, kind: kind, span: l.beginSpan(ctx, kind)}
}

// End ends the act and emits the event that tells how it went: [Started],
// [Restarted] or [StartFailed], [Terminated] or [Abandoned]. A nil event ends the
// act without a word, such as for a child that chose not to start (S14). Call End
// once, on any goroutine: the span of an act that never ends is never exported.
func (a Act) End(e Event) {
	if a.life == nil || a.span == nil && e == nil {
		return
	}
	if a.span == nil {
		a.life.Emit(e)
		return
	}
	told := a.life.prepare(e)
	done := a.life.conclude(a, told) // first: whoever learns of the event finds the act complete
	a.life.tell(e, told, done)
}

// beginSpan makes the span of an act and remembers it.
func (l *Life) beginSpan(ctx context.Context, kind ActKind) (span trace.Span) {
	m := l.memory
	m.mu.Lock()
	first, lived, crashed, pending := m.first, m.lived, m.crashed, m.pending
	m.mu.Unlock()

	attributes := append(make([]attribute.KeyValue, 0, 7),
		lifecycleAttribute.String(actNames[kind]), pathAttribute.String(l.path))
	var links []trace.Link
	link := func(sc trace.SpanContext) {
		if sc.IsValid() {
			links = append(links, trace.Link{SpanContext: sc})
		}
	}
	supervisor := m.parent.start()
	if asked := trace.SpanContextFromContext(ctx); asked.SpanID() != supervisor.SpanID() {
		link(asked)
	}
	switch kind {
	case ActStart:
		link(supervisor)
		link(lived)
		link(crashed)
	case ActRestart:
		link(lived)
		link(crashed)
		if pending.Reason != nil {
			attributes = append(attributes, reasonAttributes(pending.Reason)...)
			attributes = append(attributes, attemptAttribute.Int(pending.Attempt), backoffAttribute.Float64(pending.Delay.Seconds()))
		}
	}
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(attributes...), trace.WithLinks(links...)}
	ctx = context.WithValue(ctx, lifecycleKey{}, true)
	if first.IsValid() {
		ctx = trace.ContextWithSpanContext(ctx, first)
	} else {
		options = append(options, trace.WithNewRoot())
	}
	var begun trace.SpanContext
	l.tracing.guard(provider, func() {
		_, started := l.tracing.tracer.Start(ctx, actNames[kind]+" "+m.destination, options...)
		begun, span = started.SpanContext(), started
	})
	if span == nil {
		return nil // the provider panicked
	}

	m.mu.Lock() // not while the provider's code runs
	defer m.mu.Unlock()
	if !m.first.IsValid() {
		m.first = begun
	}
	if kind == ActStart || kind == ActRestart {
		m.current, m.linked = begun, crashed
	}
	return span
}

// conclude ends the span of an act and remembers how the act went.
func (l *Life) conclude(a Act, e Event) (done trace.SpanContext) {
	l.tracing.guard(provider, func() {
		done = a.span.SpanContext()
		describe(a.span, e)
		a.span.End()
	})
	switch e.(type) {
	case Started, Restarted:
		m := l.memory
		m.mu.Lock()
		defer m.mu.Unlock()
		m.lived = done
		if m.crashed.Equal(m.linked) { // else the new life has crashed already
			m.crashed = trace.SpanContext{}
		}
		m.pending = Restarting{}
	}
	return done
}

// giveUp makes the span of a supervisor that gives up.
func (l *Life) giveUp(e GaveUp) {
	if !l.Traces() {
		return
	}
	if span := l.beginSpan(context.Background(), actGiveUp); span != nil {
		describe(span, e)
		span.End()
	}
}

// describe sets what is known of an act only at its end. An error is what the
// act itself failed of: a restart that succeeds is none.
func describe(span trace.Span, e Event) {
	if e == nil || !span.IsRecording() {
		return
	}
	if n := e.Where().Incarnation; n > 0 {
		span.SetAttributes(incarnationAttribute.Int(n))
	}
	switch e := e.(type) {
	case Restarted:
		span.SetAttributes(attemptAttribute.Int(e.Attempt))
		span.SetAttributes(reasonAttributes(e.Reason)...)
	case StartFailed:
		fail(span, e.Reason)
	case Exited:
		span.SetAttributes(reasonAttributes(e.Reason)...)
		if !clean(e.Reason) {
			fail(span, e.Reason)
		}
	case Terminated:
		span.SetAttributes(reasonAttributes(e.Reason)...)
		if !e.orderly() {
			fail(span, e.Reason)
		}
	case Abandoned:
		span.SetStatus(codes.Error, "abandoned after "+e.Waited.String())
		span.SetAttributes(semconv.ErrorTypeKey.String("abandoned"))
	case GaveUp:
		span.SetAttributes(childAttribute.String(e.Child), whyAttribute.String(e.why()))
		span.SetAttributes(reasonAttributes(e.Reason)...)
		fail(span, e.Reason)
	}
}
