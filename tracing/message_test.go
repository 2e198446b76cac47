package tracing_test

import (
	"errors"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// deliver plays one message from a sender with a span "request", or with none, to
// a child that answers with err.
func deliver(t *testing.T, op tracing.Operation, request, linkOnly bool, err error) tracetest.SpanStubs {
	t.Helper()
	kept, provider := exporter(t)
	alice := tracing.New(tracing.Options{TracerProvider: provider, LinkOnly: linkOnly}).Life("bank/alice", "bank/{user}", nil)
	alice.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
	incarnation := alice.Context(t.Context())

	sender := t.Context()
	if request {
		ctx, span := provider.Tracer("user").Start(sender, "request")
		defer span.End()
		sender = ctx
	}
	_, sent := alice.Sending(sender, op, secret)
	handler, processed := alice.Processing(incarnation, op, sent.Carrier(), secret)
	_, inner := provider.Tracer("user").Start(handler, "handler")
	inner.End()
	processed.End(err)
	sent.End(err)
	return kept.GetSpans()
}

func TestCallIsParentAndChild(t *testing.T) {
	for _, linkOnly := range []bool{false, true} {
		for _, request := range []bool{false, true} {
			spans := deliver(t, tracing.Call, request, linkOnly, nil)
			call, process := named(t, spans, "call bank/{user}"), named(t, spans, "process bank/{user}")
			check(t, "kind of call", call.SpanKind, trace.SpanKindClient)
			check(t, "kind of process", process.SpanKind, trace.SpanKindConsumer)
			check(t, "call has a parent", call.Parent.IsValid(), request)
			check(t, "parent of process", process.Parent.SpanID(), call.SpanContext.SpanID())
			check(t, "parent of the handler's span", named(t, spans, "handler").Parent.SpanID(), process.SpanContext.SpanID())
			checkList(t, "links of process", links(process), nil)
			check(t, "status", process.Status.Code, codes.Unset)
			checkList(t, "attributes of call", attributes(call), []string{
				"coppice.message.type=tracing_test.deposit",
				"messaging.destination.name=bank/alice", "messaging.destination.template=bank/{user}",
				"messaging.operation.name=call", "messaging.operation.type=send", "messaging.system=coppice",
			})
			checkList(t, "attributes of process", attributes(process), []string{
				"coppice.message.type=tracing_test.deposit",
				"messaging.destination.name=bank/alice", "messaging.destination.template=bank/{user}",
				"messaging.operation.name=process", "messaging.operation.type=process", "messaging.system=coppice",
			})
		}
	}
}

func TestCastAndSendAreChildAndLink(t *testing.T) {
	for _, op := range []tracing.Operation{tracing.Cast, tracing.Send} {
		spans := deliver(t, op, true, false, nil)
		send, process := named(t, spans, "send bank/{user}"), named(t, spans, "process bank/{user}")
		check(t, "kind of send", send.SpanKind, trace.SpanKindProducer)
		check(t, "parent of process", process.Parent.SpanID(), send.SpanContext.SpanID())
		checkList(t, "links of process", links(process), []trace.SpanID{send.SpanContext.SpanID()})
		check(t, "operation of send", attributes(send)[3], "messaging.operation.name=send")
	}
}

func TestSpanOfABatchSaysHowManyMessages(t *testing.T) {
	kept, provider := exporter(t)
	life := silent(provider).Life("a", "", nil)
	ctx, request := provider.Tracer("user").Start(t.Context(), "request")
	defer request.End()
	_, sent := life.Sending(ctx, tracing.Send, 1)
	sent.Batch(64)
	sent.End(nil)
	_, none := life.Sending(t.Context(), tracing.Send, 1) // without a span
	none.Batch(64)
	none.End(nil)
	sends := allNamed(kept.GetSpans(), "send a")
	check(t, "send spans", len(sends), 1)
	check(t, "count", attributes(sends[0])[1], "messaging.batch.message_count=64")
}

func TestCastAndSendLinkOnlyByOption(t *testing.T) {
	for _, op := range []tracing.Operation{tracing.Cast, tracing.Send} {
		spans := deliver(t, op, true, true, nil)
		send, process := named(t, spans, "send bank/{user}"), named(t, spans, "process bank/{user}")
		check(t, "process is a child", process.Parent.IsValid(), false)
		check(t, "same trace", process.SpanContext.TraceID() == send.SpanContext.TraceID(), false)
		checkList(t, "links of process", links(process), []trace.SpanID{send.SpanContext.SpanID()})
	}
}

func TestLinksOfManyMessagesAtOnce(t *testing.T) {
	for _, linkOnly := range []bool{false, true} {
		kept, provider := exporter(t)
		life := tracing.New(tracing.Options{TracerProvider: provider, LinkOnly: linkOnly}).Life("a", "", nil)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 50 {
					ctx, request := provider.Tracer("user").Start(t.Context(), "request")
					_, sent := life.Sending(ctx, tracing.Cast, 1)
					_, p := life.Processing(t.Context(), tracing.Cast, sent.Carrier(), 1)
					p.End(nil)
					sent.End(nil)
					request.End()
				}
			})
		}
		all.Wait()
		linked := map[trace.SpanID]bool{}
		for _, s := range allNamed(kept.GetSpans(), "process a") {
			check(t, "links", len(s.Links), 1)
			linked[s.Links[0].SpanContext.SpanID()] = true
		}
		check(t, "senders", len(linked), 8*50)
	}
}

func TestMessageWithoutSpanIsARoot(t *testing.T) {
	for _, op := range []tracing.Operation{tracing.Cast, tracing.Send} {
		spans := deliver(t, op, false, false, nil)
		check(t, "send spans", len(allNamed(spans, "send bank/{user}")), 0)
		process := named(t, spans, "process bank/{user}")
		check(t, "process is a child", process.Parent.IsValid(), false)
		check(t, "in the child's trace", process.SpanContext.TraceID() == named(t, spans, "start bank/{user}").SpanContext.TraceID(), false)
		checkList(t, "links of process", links(process), nil)
	}
}

func TestStatusOfMessages(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want sdktrace.Status
	}{
		"nil":          {nil, sdktrace.Status{}},
		"error":        {errors.New("no funds"), sdktrace.Status{Code: codes.Error, Description: "no funds"}},
		"normal":       {exit.Normal, sdktrace.Status{}},
		"shutdown":     {exit.ShutdownFor(errors.New("done")), sdktrace.Status{}},
		"killed":       {exit.Killed, sdktrace.Status{Code: codes.Error, Description: "killed"}},
		"wrapped":      {errors.Join(exit.Normal), sdktrace.Status{Code: codes.Error, Description: "normal"}},
		"broken error": {(*badError)(nil), sdktrace.Status{Code: codes.Error, Description: "<nil>"}},
		"broken type":  {brokenType{}, sdktrace.Status{Code: codes.Error, Description: "broken"}},
	} {
		t.Run(name, func(t *testing.T) {
			spans := deliver(t, tracing.Call, false, false, c.err)
			check(t, "call", named(t, spans, "call bank/{user}").Status, c.want)
			check(t, "process", named(t, spans, "process bank/{user}").Status, c.want)
		})
	}
}

type brokenType struct{}

func (brokenType) Error() string     { return "broken" }
func (brokenType) ErrorType() string { panic("broken too") }

func TestCleanReasonIsNoCrash(t *testing.T) {
	kept, provider := exporter(t)
	life := silent(provider).Life("a", "", nil)
	life.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
	_, p := life.Processing(t.Context(), tracing.Send, nil, nil)
	p.Crashed(exit.Shutdown)
	restart(life, 1, exit.Shutdown, 0)

	spans := kept.GetSpans()
	check(t, "status", named(t, spans, "process a").Status.Code, codes.Unset)
	checkList(t, "links", links(named(t, spans, "restart a")), []trace.SpanID{named(t, spans, "start a").SpanContext.SpanID()})
}
