package tracing

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/coppice-go/coppice/exit"
)

// The event names of the conventions for an exception: general, and of a message
// in hand. The latter is not in the semconv package yet.
const (
	exceptionEvent        = semconv.ExceptionEventName
	processExceptionEvent = "messaging.process.exception"
)

// record makes the log record of a panic. A nil p is ignored. ctx carries the
// span that failed; incarnation is 0 if it is not known.
func (l *Life) record(ctx context.Context, p *exit.Panic, event string, incarnation int) {
	if p == nil || l.tracing.records == nil {
		return
	}
	if !l.tracing.records.Enabled(ctx, log.EnabledParameters{Severity: log.SeverityError, EventName: event}) {
		return // the stack is the expensive part
	}
	var r log.Record
	r.SetTimestamp(time.Now())
	r.SetSeverity(log.SeverityError)
	r.SetSeverityText(log.SeverityError.String())
	r.SetEventName(event)
	r.SetBody(attribute.StringValue(text(p)))
	r.AddAttributes(
		semconv.ExceptionType(exceptionType(p.Value)),
		semconv.ExceptionMessage(fmt.Sprint(p.Value)),
		semconv.ExceptionStacktrace(p.Stack()),
		pathAttribute.String(l.path),
	)
	if incarnation > 0 {
		r.AddAttributes(incarnationAttribute.Int(incarnation))
	}
	l.tracing.records.Emit(ctx, r)
}

// recordEnd is record for the event that tells of the end, unless Crashed has
// made its record already. reason is that of the end, told what may be told.
func (l *Life) recordEnd(ctx context.Context, reason, told exit.Reason, incarnation int) {
	p, m := panicOf(reason), l.memory
	m.mu.Lock()
	done := p != nil && m.recorded == p
	if done {
		m.recorded = nil // it may hold much
	}
	m.mu.Unlock()
	if !done {
		l.record(ctx, panicOf(told), exceptionEvent, incarnation)
	}
}

// exceptionType is the type of what was passed to panic.
func exceptionType(value any) string {
	if err, ok := value.(error); ok {
		return errorType(err)
	}
	return fmt.Sprintf("%T", value)
}
