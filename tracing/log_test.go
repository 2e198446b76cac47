package tracing_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// useDefault makes text at level INFO the default logger for one test.
func useDefault(t *testing.T) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	old := slog.Default()
	t.Cleanup(func() { slog.SetDefault(old) })
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: noTime})))
	return &out
}

func TestDefaultLoggerIsLookedUpAtEachEvent(t *testing.T) {
	life := tracing.New(tracing.Options{}).Life("bank/alice", "", nil)
	out := useDefault(t)
	first := tracing.Head{Incarnation: 1}

	life.Begin(t.Context(), tracing.ActStart).End(tracing.Started{Head: first})
	life.Emit(tracing.Exited{Head: first, Reason: failed("boom")})
	life.Emit(tracing.Crash{Head: first, Reason: failed("boom"), Decision: tracing.Stop})
	life.Emit(tracing.Restarting{Head: first, Attempt: 1, Reason: failed("boom")})
	life.Begin(t.Context(), tracing.ActRestart).End(tracing.Restarted{Attempt: 1, Reason: failed("boom")})
	life.Begin(t.Context(), tracing.ActStop).End(tracing.Terminated{Reason: exit.Shutdown})

	check(t, "log", out.String(), `level=ERROR msg="child crashed" coppice.path=bank/alice coppice.incarnation=1 coppice.reason=boom coppice.in_start=false coppice.lived=0s coppice.waiting=0 coppice.decision=stop
`)
}

func TestDiscardHandlerSilences(t *testing.T) {
	out := useDefault(t)
	life := tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)}).Life("a", "", nil)
	life.Emit(tracing.Crash{Reason: panicked("boom")})
	check(t, "log", out.String(), "")
}

func TestStackOfAPanicIsLoggedWhereItIsToldFirst(t *testing.T) {
	out := useDefault(t)
	slog.SetDefault(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	life := tracing.New(tracing.Options{}).Life("a", "", nil)
	p := panicked("boom")
	for _, c := range []struct {
		event tracing.Event
		stack bool
	}{
		{tracing.Crash{Reason: p}, true},
		{tracing.StartFailed{Reason: p}, true},
		{tracing.Exited{Reason: p}, true},
		{tracing.Terminated{Reason: p}, true},
		{tracing.Returned{Reason: p}, true},
		{tracing.Restarting{Reason: p}, false},
		{tracing.GaveUp{Reason: p}, false},
	} {
		out.Reset()
		life.Emit(c.event)
		if got := strings.Contains(out.String(), "tracing_test.panicked"); got != c.stack {
			t.Errorf("%T with the stack: got %v, want %v", c.event, got, c.stack)
		}
	}
}

// spanHandler notes the span that each line belongs to, as bridges do.
type spanHandler struct {
	slog.Handler
	spans *[]trace.SpanID
}

func (h spanHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h spanHandler) Handle(ctx context.Context, _ slog.Record) error {
	*h.spans = append(*h.spans, trace.SpanContextFromContext(ctx).SpanID())
	return nil
}

func TestLogLinesBelongToSpans(t *testing.T) {
	kept, provider := exporter(t)
	var spans []trace.SpanID
	life := tracing.New(tracing.Options{TracerProvider: provider, Logger: slog.New(spanHandler{spans: &spans})}).Life("a", "", nil)

	life.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
	_, message := life.Processing(t.Context(), tracing.Send, nil, 1)
	message.Crashed(failed("boom"))
	life.Emit(tracing.Exited{Reason: failed("boom")})
	life.Emit(tracing.Crash{Reason: failed("boom"), MessageType: "int"})
	life.Emit(tracing.Crash{Reason: failed("boom")}) // as one in a start that failed since
	life.Emit(tracing.Restarting{Reason: failed("boom")})

	stubs := kept.GetSpans()
	start, process := named(t, stubs, "start a").SpanContext.SpanID(), named(t, stubs, "process a").SpanContext.SpanID()
	checkList(t, "spans of started, exited, crashed, restarting", spans, []trace.SpanID{start, process, process, start, start})
}

// A line has the time of its event, and as its source always the same.
func TestALogLineIsOfTheMomentOfItsEvent(t *testing.T) {
	var out bytes.Buffer
	handler := slog.NewTextHandler(&out, &slog.HandlerOptions{AddSource: true})
	life := tracing.New(tracing.Options{Logger: slog.New(handler)}).Life("a", "", nil)
	at := time.Date(2026, 11, 27, 14, 30, 0, 0, time.UTC)
	life.Emit(tracing.AutoShutdown{Head: tracing.Head{Time: at}, Child: "b"})
	for _, want := range []string{"time=2026-11-27T14:30:00.000Z", "/tracing/log.go:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got %s, want %s in it", out.String(), want)
		}
	}
}
