package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

func TestSinksSeeEventsInOrder(t *testing.T) {
	var order []string
	note := func(name string) tracing.Sink {
		return func(e tracing.Event) { order = append(order, name+" "+e.Where().Path) }
	}
	sinks := []tracing.Sink{note("1"), nil, note("2")}
	tr := tracing.New(tracing.Options{Sinks: sinks})
	sinks[0] = note("changed too late")

	bank := tr.Life("bank", "", nil)
	for _, name := range []string{"a", "b"} {
		tr.Life(name, "", bank).Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
	}
	checkList(t, "order", order, []string{"1 a", "2 a", "1 b", "2 b"})
}

func TestPanicOfASinkIsLoggedOnce(t *testing.T) {
	var out bytes.Buffer
	var before, after recorder
	calls := 0
	bad := func(tracing.Event) { calls++; panic("bad sink") }
	life := tracing.New(tracing.Options{
		Logger: slog.New(slog.NewTextHandler(&out, nil)),
		Sinks:  []tracing.Sink{before.sink, bad, after.sink},
	}).Life("a", "", nil)

	for range 3 {
		life.Emit(tracing.Started{})
	}
	check(t, "calls of the bad sink", calls, 3)
	check(t, "events before it", len(before.events), 3)
	check(t, "events after it", len(after.events), 3)
	check(t, "log lines", strings.Count(out.String(), "\n"), 1)
	for _, want := range []string{`level=ERROR msg="tracing: sink panicked"`, "panic: bad sink", "TestPanicOfASinkIsLoggedOnce"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("log: got %s, want %s in it", out.String(), want)
		}
	}
}

type badHandler struct{ slog.Handler }

func (badHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (badHandler) Handle(context.Context, slog.Record) error { panic("bad handler") }

type badProvider struct{ embedded.TracerProvider }

func (badProvider) Tracer(string, ...trace.TracerOption) trace.Tracer { return badTracer{} }

type badTracer struct{ embedded.Tracer }

func (badTracer) Start(context.Context, string, ...trace.SpanStartOption) (context.Context, trace.Span) {
	panic("bad tracer")
}

func TestPanicsOfHandlersAndProvidersAreGuardedToo(t *testing.T) {
	var seen recorder
	life := tracing.New(tracing.Options{
		Logger:         slog.New(badHandler{}),
		TracerProvider: badProvider{},
		Sinks:          []tracing.Sink{seen.sink},
	}).Life("a", "", nil)
	life.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
	life.Emit(tracing.GaveUp{Child: "b", Reason: failed("boom")})
	checkList(t, "events", seen.lines(), []string{"a started in 0s", `a gave up on "b" (too many restarts): boom`})
}

// Whoever sends, and whoever handles, has the same guard: a provider is to be able
// to fail without a message.
func TestProviderMayPanicAtEveryStepOfAMessage(t *testing.T) {
	oops := errors.New("boom")
	for name, provider := range map[string]trace.TracerProvider{
		"tracer": badProvider{},
		"span":   badSpanProvider{},
	} {
		for _, op := range []tracing.Operation{tracing.Call, tracing.Cast, tracing.Send} {
			t.Run(fmt.Sprint(name, " ", op), func(t *testing.T) {
				life := tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler), TracerProvider: provider}).Life("a", "", nil)
				asked := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}))
				for _, end := range []func(p tracing.Processed){
					func(p tracing.Processed) { p.End(nil) },
					func(p tracing.Processed) { p.End(oops) },
					func(p tracing.Processed) { p.Crashed(panicked("boom")) },
				} {
					ctx, sent := life.Sending(asked, op, secret)
					check(t, "context of the sender", ctx.Err(), nil)
					sent.Batch(2)
					ctx, p := life.Processing(asked, op, sent.Carrier(), secret)
					check(t, "context of the handler", ctx.Err(), nil)
					end(p)
					sent.End(oops)
				}
			})
		}
	}
}

// badSpan panics whatever is done with it.
type badSpan struct{ trace.Span }

type badSpanProvider struct{ embedded.TracerProvider }

func (badSpanProvider) Tracer(string, ...trace.TracerOption) trace.Tracer { return badSpanTracer{} }

type badSpanTracer struct{ embedded.Tracer }

func (badSpanTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return ctx, badSpan{}
}

func TestSinkMaySubscribeAndEmit(t *testing.T) {
	tr := tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler), Sinks: make([]tracing.Sink, 0)})
	var nested *tracing.Life
	nested = tracing.New(tracing.Options{Sinks: []tracing.Sink{func(e tracing.Event) {
		tr.Subscribe(1).Close()
		if e.Where().Incarnation < 3 {
			nested.Emit(tracing.Started{Head: tracing.Head{Incarnation: e.Where().Incarnation + 1}})
		}
	}}}).Life("a", "", nil)
	nested.Emit(tracing.Started{})
}

func TestSinksOfManySupervisorsAtOnce(t *testing.T) {
	var seen recorder
	tr := tracing.New(tracing.Options{Sinks: []tracing.Sink{seen.sink}})
	const supervisors, acts = 8, 200
	var all sync.WaitGroup
	for i := range supervisors {
		life := tr.Life(fmt.Sprint(i), "", nil)
		all.Go(func() {
			for n := range acts {
				life.Emit(tracing.Started{Head: tracing.Head{Incarnation: n + 1}})
			}
		})
	}
	all.Wait()

	check(t, "events", len(seen.events), supervisors*acts)
	last := map[string]int{}
	for _, e := range seen.events {
		h := e.Where()
		if h.Incarnation != last[h.Path]+1 {
			t.Fatalf("order of %s: got %d after %d", h.Path, h.Incarnation, last[h.Path])
		}
		last[h.Path] = h.Incarnation
	}
}

// askingSpan calls back when it is asked for its context.
type askingSpan struct {
	trace.Span
	ask func()
}

func (s askingSpan) SpanContext() trace.SpanContext {
	s.ask()
	return s.Span.SpanContext()
}

type askingProvider struct {
	embedded.TracerProvider
	ask func()
}

func (p askingProvider) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return askingTracer{ask: p.ask}
}

type askingTracer struct {
	embedded.Tracer
	ask func()
}

func (t askingTracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return ctx, askingSpan{trace.SpanFromContext(context.Background()), t.ask}
}

func TestSpanOfAProviderMayCallBackAndPanic(t *testing.T) {
	for name, ask := range map[string]func(life *tracing.Life){
		"call back": func(life *tracing.Life) { life.Context(context.Background()) },
		"panic":     func(*tracing.Life) { panic("bad span") },
	} {
		t.Run(name, func(t *testing.T) {
			var seen recorder
			var life *tracing.Life
			life = tracing.New(tracing.Options{
				Logger:         slog.New(slog.DiscardHandler),
				TracerProvider: askingProvider{ask: func() { ask(life) }},
				Sinks:          []tracing.Sink{seen.sink},
			}).Life("a", "", nil)
			life.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
			life.Begin(t.Context(), tracing.ActStop).End(tracing.Terminated{Reason: exit.Shutdown})
			checkList(t, "events", seen.lines(), []string{"a started in 0s", "a stopped in 0s: shutdown"})
		})
	}
}

// hopeless panics with itself when it is asked what it says, which fmt does not
// survive.
type hopeless struct{}

func (h hopeless) Error() string { panic(h) }

func TestErrorsThatCannotBePrinted(t *testing.T) {
	_, provider := exporter(t)
	var seen recorder
	life := tracing.New(tracing.Options{
		Logger:         slog.New(slog.DiscardHandler),
		TracerProvider: provider,
		Sinks:          []tracing.Sink{seen.sink},
	}).Life("a", "", nil)
	_, processed := life.Processing(t.Context(), tracing.Send, nil, 1)
	processed.Crashed(exit.Of(hopeless{}))
	life.Emit(tracing.Restarting{Attempt: 1, Reason: exit.Of(hopeless{})})
	life.Begin(t.Context(), tracing.ActRestart).End(tracing.Restarted{Attempt: 1, Reason: exit.Of(hopeless{})})
	const text = "a tracing_test.hopeless that panics when it is printed"
	checkList(t, "events", seen.lines(), []string{"a restarts at once, attempt 1: " + text, "a restarted in 0s, attempt 1: " + text})
}
