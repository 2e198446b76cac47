package tracing_test

import (
	"context"
	"fmt"
	"log/slog"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// keepLifecycle keeps the lifecycle spans and leaves the rest to another sampler.
type keepLifecycle struct{ next sdktrace.Sampler }

func (s keepLifecycle) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	keep, parent := tracing.Sampling(p.ParentContext)
	if keep {
		return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
	}
	p.ParentContext = parent
	return s.next.ShouldSample(p)
}

func (s keepLifecycle) Description() string { return "KeepLifecycle(" + s.next.Description() + ")" }

// A sampler that drops everything else keeps the restarts.
func ExampleSampling() {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSyncer(spans),
		sdktrace.WithSampler(keepLifecycle{next: sdktrace.TraceIDRatioBased(0)}),
	)
	tr := tracing.New(tracing.Options{TracerProvider: provider, Logger: slog.New(slog.DiscardHandler)})

	ctx := context.Background()
	alice := tr.Life("bank/alice", "", nil)
	alice.Begin(ctx, tracing.ActStart).End(tracing.Started{})
	_, message := alice.Processing(ctx, tracing.Send, nil, "a message")
	message.Crashed(exit.Killed)
	alice.Begin(ctx, tracing.ActRestart).End(tracing.Restarted{Reason: exit.Killed})

	for _, s := range spans.GetSpans() {
		fmt.Println(s.Name)
	}
	// Output:
	// start bank/alice
	// restart bank/alice
}
