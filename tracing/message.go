package tracing

import (
	"context"
	"fmt"
	"reflect"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/exit"
)

// Operation is how a message was sent.
type Operation uint8

// The ways to send a message.
const (
	Call Operation = iota // the sender waits for the reply
	Cast                  // to a server, without a reply
	Send                  // to an actor
)

// Carrier is what travels with a message: the sender's span context. It is
// immutable. A nil Carrier carries nothing.
type Carrier struct{ span trace.SpanContext }

func carry(sc trace.SpanContext) *Carrier {
	if !sc.IsValid() {
		return nil
	}
	return &Carrier{sc}
}

// Traces reports whether there are spans to make. If not, the methods below need
// not be called, and the message costs nothing here. It is constant.
func (l *Life) Traces() bool { return l != nil && l.memory != nil && l.tracing.tracer != nil }

// Sent is the span of a message under way; see [Life.Sending]. The zero Sent does
// nothing.
type Sent struct {
	life    *Life
	span    trace.Span
	message any
}

// Sending starts the sender's span of a message to the child; l is the
// receiver's. For a cast or a send there is a span only if ctx has one: alone it
// would tell nothing that the receiver's span does not. message is asked for its
// type only, and kept for [Options.Redact]. The context returned has the span in it, if there is one.
func (l *Life) Sending(ctx context.Context, op Operation, message any) (context.Context, Sent) {
	if !l.Traces() || op != Call && !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, Sent{}
	}
	spans := l.messageSpans()
	name, options := spans.send, spans.sendOptions
	if op == Call {
		name, options = spans.call, spans.callOptions
	}
	ctx, span := l.startSpan(ctx, name, message, options)
	return ctx, Sent{l, span, message}
}

// startSpan starts the span of a message. Without one, because the provider has
// panicked, the message goes on without a trace.
func (l *Life) startSpan(asked context.Context, name string, message any, options []trace.SpanStartOption) (ctx context.Context, span trace.Span) {
	ctx = asked
	l.provider(func() {
		with, started := l.tracing.tracer.Start(asked, name, options...)
		describeMessage(started, message)
		ctx, span = with, started
	})
	return ctx, span
}

// provider calls f, which calls the code of a provider: whoever sends or handles
// a message is not to hear of its panic.
func (l *Life) provider(f func()) { l.tracing.guard(provider, f) }

// Carrier is what the message has to take along, nil if there is no span.
func (s Sent) Carrier() (c *Carrier) {
	if s.span != nil {
		s.life.provider(func() { c = carry(s.span.SpanContext()) })
	}
	return c
}

// Batch says how many messages the span is of, if it is not one.
func (s Sent) Batch(count int) {
	if s.span == nil {
		return
	}
	s.life.provider(func() {
		if s.span.IsRecording() {
			s.span.SetAttributes(semconv.MessagingBatchMessageCount(count))
		}
	})
}

// End ends the span: of a call when the caller has its answer or has gone, else
// when the message was accepted or refused. err says why it failed; nil and clean
// reasons are no failure. Call it once.
func (s Sent) End(err error) { s.life.end(s.span, s.message, err) }

// Processed is the span of a message in hand; see [Life.Processing]. The zero
// Processed does nothing.
type Processed struct {
	life    *Life
	span    trace.Span
	message any
}

// Processing starts the span around the handling of a message by the child. c is
// what the message brought along, nil if nothing. message is asked for its type
// only, and kept for [Options.Redact]. The context returned is for the handler and has the span in it.
func (l *Life) Processing(ctx context.Context, op Operation, c *Carrier, message any) (context.Context, Processed) {
	if !l.Traces() {
		return ctx, Processed{}
	}
	spans := l.messageSpans()
	options := spans.processOptions
	switch {
	case c == nil || !c.span.IsValid():
		options = spans.rootOptions
	case op == Call:
		ctx = trace.ContextWithSpanContext(ctx, c.span)
	case l.tracing.options.LinkOnly:
		options = linked(spans.rootOptions, c)
	default:
		ctx = trace.ContextWithSpanContext(ctx, c.span)
		options = linked(options, c)
	}
	ctx, span := l.startSpan(ctx, spans.process, message, options)
	return ctx, Processed{l, span, message}
}

// linked is options, which are shared, and a link to the sender.
func linked(options []trace.SpanStartOption, c *Carrier) []trace.SpanStartOption {
	link := trace.WithLinks(trace.Link{SpanContext: c.span})
	return append(options[:len(options):len(options)], link)
}

// End ends the span. err is what the handler returned; nil and clean reasons are
// no failure. Call End or Crashed, once.
func (p Processed) End(err error) { p.life.end(p.span, p.message, err) }

// Crashed ends the span of a message whose handling ended the incarnation. The
// span fails with the reason, a panic is recorded in its context, and the child's
// next restart links to it. A clean reason is an [Processed.End].
func (p Processed) Crashed(reason exit.Reason) {
	if p.span == nil || clean(reason) {
		p.End(reason)
		return
	}
	l := p.life
	told := l.redactCrash(p.message, reason)
	var failed trace.SpanContext
	l.provider(func() {
		failed = p.span.SpanContext()
		fail(p.span, told)
	})
	l.provider(func() {
		ctx := trace.ContextWithSpanContext(context.Background(), failed)
		l.record(ctx, panicOf(told), processExceptionEvent, 0)
	})
	l.memory.mu.Lock()
	l.memory.crashed, l.memory.recorded = failed, panicOf(reason)
	l.memory.mu.Unlock()
	l.provider(func() { p.span.End() })
}

func (l *Life) end(span trace.Span, message any, err error) {
	if span == nil {
		return
	}
	l.provider(func() {
		if !clean(err) && span.IsRecording() {
			fail(span, l.redactError(message, err))
		}
	})
	l.provider(func() { span.End() })
}

// describeMessage names the type of the message, never its contents.
func describeMessage(span trace.Span, message any) {
	if message != nil && span.IsRecording() {
		span.SetAttributes(messageAttribute.String(reflect.TypeOf(message).String()))
	}
}

// messageSpans is all that does not change from message to message: building it
// each time would cost more than an unsampled span.
type messageSpans struct {
	call, send, process                                   string // names
	callOptions, sendOptions, processOptions, rootOptions []trace.SpanStartOption
}

func (l *Life) messageSpans() *messageSpans {
	if spans := l.memory.messages.Load(); spans != nil {
		return spans
	}
	spans := &messageSpans{
		call:           fmt.Sprintf("call %s", l.memory.destination),
		send:           fmt.Sprintf("send %s", l.memory.destination),
		process:        fmt.Sprintf("process %s", l.memory.destination),
		callOptions:    l.messageOptions(trace.SpanKindClient, "call", semconv.MessagingOperationTypeSend),
		sendOptions:    l.messageOptions(trace.SpanKindProducer, "send", semconv.MessagingOperationTypeSend),
		processOptions: l.messageOptions(trace.SpanKindConsumer, "process", semconv.MessagingOperationTypeProcess),
	}
	spans.rootOptions = append(spans.processOptions[:2:2], trace.WithNewRoot())
	l.memory.messages.Store(spans) // twice at worst, and equal
	return spans
}

func (l *Life) messageOptions(kind trace.SpanKind, name string, operation attribute.KeyValue) []trace.SpanStartOption {
	attributes := []attribute.KeyValue{
		semconv.MessagingSystemKey.String("coppice"),
		semconv.MessagingOperationName(name),
		operation,
		semconv.MessagingDestinationName(l.path),
	}
	if l.memory.destination != l.path {
		attributes = append(attributes, semconv.MessagingDestinationTemplate(l.memory.destination))
	}
	return []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(attributes...)}
}
