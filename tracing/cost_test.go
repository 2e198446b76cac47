package tracing_test

import (
	"context"
	"log/slog"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/coppice-go/coppice/tracing"
)

func TestWithoutATracerMessagesCostNothing(t *testing.T) {
	ctx, message := t.Context(), any(secret)
	var none *tracing.Life
	life := tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)}).Life("a", "", nil)
	for name, f := range map[string]func(){
		"Traces":        func() { _ = life.Traces() },
		"Traces of nil": func() { _ = none.Traces() },
		"Begin":         func() { life.Begin(ctx, tracing.ActRestart).End(nil) },
		"a message": func() {
			_, sent := life.Sending(ctx, tracing.Call, message)
			_, p := life.Processing(ctx, tracing.Call, sent.Carrier(), message)
			p.End(nil)
			sent.End(nil)
		},
	} {
		check(t, "allocations of "+name, testing.AllocsPerRun(100, f), 0)
	}
}

func BenchmarkMessage(b *testing.B) {
	run := func(name string, options tracing.Options) {
		b.Run("tracer="+name, func(b *testing.B) {
			life := tracing.New(options).Life("bank/alice", "bank/{user}", nil)
			message := any(secret)
			b.ReportAllocs()
			for b.Loop() {
				if life.Traces() {
					_, sent := life.Sending(context.Background(), tracing.Call, message)
					_, p := life.Processing(context.Background(), tracing.Call, sent.Carrier(), message)
					p.End(nil)
					sent.End(nil)
				}
			}
		})
	}
	run("off", tracing.Options{})
	run("unsampled", tracing.Options{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))})
	run("sampled", tracing.Options{TracerProvider: sdktrace.NewTracerProvider()})
}

func BenchmarkEmit(b *testing.B) {
	run := func(name string, options tracing.Options) {
		b.Run("to="+name, func(b *testing.B) {
			life := tracing.New(options).Life("bank/alice", "", nil)
			b.ReportAllocs()
			for b.Loop() {
				life.Emit(tracing.DeadLetter{Message: nil, Why: "overflow"})
			}
		})
	}
	run("nobody", tracing.Options{Logger: slog.New(slog.DiscardHandler)})
	run("one sink", tracing.Options{Logger: slog.New(slog.DiscardHandler), Sinks: []tracing.Sink{func(tracing.Event) {}}})
}
