package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/exit"
)

// The attributes for which there is no convention; see the package documentation.
const (
	lifecycleAttribute   = attribute.Key("coppice.lifecycle")
	pathAttribute        = attribute.Key("coppice.path")
	incarnationAttribute = attribute.Key("coppice.incarnation")
	reasonAttribute      = attribute.Key("coppice.reason")
	reasonTypeAttribute  = attribute.Key("coppice.reason_type") // not coppice.reason.type: a name may not be a namespace too
	attemptAttribute     = attribute.Key("coppice.attempt")
	backoffAttribute     = attribute.Key("coppice.backoff")
	childAttribute       = attribute.Key("coppice.child")
	whyAttribute         = attribute.Key("coppice.why")
	messageAttribute     = attribute.Key("coppice.message.type")
)

func reasonAttributes(reason exit.Reason) []attribute.KeyValue {
	return []attribute.KeyValue{reasonAttribute.String(text(reason)), reasonTypeAttribute.String(errorType(reason))}
}

// clean reports whether err is no failure: nil, or a clean reason.
func clean(err error) bool {
	reason, ok := exit.Chosen(err)
	return err == nil || ok && reason.Clean()
}

// fail marks span as failed with err.
func fail(span trace.Span, err error) {
	if span.IsRecording() {
		span.SetStatus(codes.Error, text(err))
		span.SetAttributes(semconv.ErrorTypeKey.String(errorType(err)))
	}
}

// errorType is the value of error.type for err: one of few, so never its text.
func errorType(err error) (kind string) {
	// An error of the user's may panic when asked for its type or what it wraps.
	defer func() {
		if recover() != nil {
			kind = semconv.ErrorTypeOther.Value.AsString()
		}
	}()
	switch err {
	// The types of these say nothing.
	case exit.Normal:
		return "normal"
	case exit.Shutdown:
		return "shutdown"
	case exit.Killed:
		return "killed"
	case exit.Goexit:
		return "goexit"
	case context.Canceled:
		return "context.Canceled"
	case context.DeadlineExceeded:
		return "context.DeadlineExceeded"
	}
	switch reason := err.(type) {
	case *exit.Panic:
		return "panic"
	case *exit.GaveUp:
		return "gave_up"
	case *exit.Failure:
		return errorType(reason.Err)
	case exit.Reason:
		return "shutdown" // with a detail: the only one left
	}
	return semconv.ErrorType(err).Value.AsString()
}
