package tracing_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

func recording(t *testing.T, provider trace.TracerProvider) (*logs, *tracing.Life) {
	t.Helper()
	kept := new(logs)
	records := sdklog.NewLoggerProvider(sdklog.WithProcessor(kept))
	return kept, tracing.New(tracing.Options{
		TracerProvider: provider,
		LoggerProvider: records,
		Logger:         slog.New(slog.DiscardHandler),
	}).Life("bank/alice", "bank/{user}", nil)
}

func values(r sdklog.Record) map[attribute.Key]string {
	all := map[attribute.Key]string{}
	r.WalkAttributes(func(kv attribute.KeyValue) bool { all[kv.Key] = kv.Value.String(); return true })
	return all
}

func TestPanicOfAMessageIsOneLogRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans, provider := exporter(t)
		kept, life := recording(t, provider)
		life.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
		p := panicked("negative deposit")
		_, message := life.Processing(t.Context(), tracing.Send, nil, deposit{})
		message.Crashed(p)
		restart(life, 1, p, time.Second)
		life.Emit(tracing.GaveUp{Child: "x", Reason: p})

		if len(kept.records) != 1 {
			t.Fatalf("records: got %d, want 1", len(kept.records))
		}
		r := kept.records[0]
		check(t, "event", r.EventName(), "messaging.process.exception")
		check(t, "severity", r.Severity(), log.SeverityError)
		check(t, "time", r.Timestamp(), time.Now().Add(-time.Second))
		check(t, "span", r.SpanID(), named(t, spans.GetSpans(), "process bank/{user}").SpanContext.SpanID())
		check(t, "trace", r.TraceID(), named(t, spans.GetSpans(), "process bank/{user}").SpanContext.TraceID())
		check(t, "body", r.Body().AsString(), "panic: negative deposit")
		check(t, "scope", r.InstrumentationScope().Name, tracing.ScopeName)
		got := values(r)
		check(t, "type", got["exception.type"], "string")
		check(t, "message", got["exception.message"], "negative deposit")
		check(t, "path", got["coppice.path"], "bank/alice")
		check(t, "first line of the stack", strings.Split(got["exception.stacktrace"], "\n")[0], "github.com/coppice-go/coppice/tracing_test.panicked")
	})
}

func TestPanicWithoutMessageIsOneLogRecord(t *testing.T) {
	for name, c := range map[string]struct {
		event func(exit.Reason) tracing.Event
		span  string
	}{
		"exited": {func(r exit.Reason) tracing.Event {
			return tracing.Exited{Head: tracing.Head{Incarnation: 7}, Reason: r}
		}, "start bank/{user}"},
		"returned": {func(r exit.Reason) tracing.Event {
			return tracing.Returned{Head: tracing.Head{Incarnation: 7}, Reason: r}
		}, "start bank/{user}"},
		"start failed": {func(r exit.Reason) tracing.Event {
			return tracing.StartFailed{Head: tracing.Head{Incarnation: 7}, Reason: r}
		}, "stop bank/{user}"},
		"terminated": {func(r exit.Reason) tracing.Event {
			return tracing.Terminated{Head: tracing.Head{Incarnation: 7}, Reason: r}
		}, "stop bank/{user}"},
	} {
		t.Run(name, func(t *testing.T) {
			spans, provider := exporter(t)
			kept, life := recording(t, provider)
			life.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
			p := panicked(&fs.PathError{Op: "open", Path: "x", Err: errors.New("gone")})
			if c.span == "stop bank/{user}" {
				life.Begin(t.Context(), tracing.ActStop).End(c.event(p))
			} else {
				life.Emit(c.event(p))
			}
			life.Emit(tracing.Restarting{Reason: p})

			if len(kept.records) != 1 {
				t.Fatalf("records: got %d, want 1", len(kept.records))
			}
			r, got := kept.records[0], values(kept.records[0])
			check(t, "event", r.EventName(), "exception")
			check(t, "span", r.SpanID(), named(t, spans.GetSpans(), c.span).SpanContext.SpanID())
			check(t, "type", got["exception.type"], "*fs.PathError")
			check(t, "message", got["exception.message"], "open x: gone")
			check(t, "incarnation", got["coppice.incarnation"], "7")
		})
	}
}

func TestPanicRecordsWithoutSpans(t *testing.T) {
	kept, life := recording(t, nil)
	check(t, "traces", life.Traces(), false)
	life.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
	life.Emit(tracing.Exited{Reason: panicked(1)})
	life.Emit(tracing.Exited{Reason: failed("no panic")})
	life.Begin(t.Context(), tracing.ActStop).End(tracing.Terminated{Reason: panicked(2)})
	check(t, "records", len(kept.records), 2)
}

func TestPanicRecordsThatNobodyWants(t *testing.T) {
	kept, life := recording(t, nil)
	kept.deny = true
	life.Emit(tracing.Exited{Reason: panicked(1)})
	check(t, "records", len(kept.records), 0)
}
