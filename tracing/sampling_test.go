package tracing_test

import (
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/tracing"
)

// play is a child that lives five times, and in each life works, handles a
// message and crashes with it.
func play(t *testing.T, sampler sdktrace.Sampler) (names map[string]int) {
	t.Helper()
	kept, provider := exporter(t, sdktrace.WithSampler(sampler))
	tr := silent(provider)
	a, user := tr.Life("a", "", nil), provider.Tracer("user")
	a.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
	for life := 1; life <= 4; life++ {
		ctx := a.Context(t.Context())
		_, work := user.Start(ctx, "work")
		work.End()
		_, sent := a.Sending(ctx, tracing.Cast, 1)
		_, message := a.Processing(ctx, tracing.Cast, sent.Carrier(), 1)
		message.Crashed(failed("boom"))
		sent.End(nil)
		restart(a, life, failed("boom"), 0)
	}
	a.Begin(t.Context(), tracing.ActStop).End(tracing.Terminated{Reason: failed("boom")})
	a.Emit(tracing.GaveUp{Reason: failed("boom")})

	names = map[string]int{}
	for _, s := range kept.GetSpans() {
		names[s.Name]++
	}
	return names
}

func TestSamplerKeepsEveryRestart(t *testing.T) {
	for name, none := range map[string]sdktrace.Sampler{
		"by ratio":  sdktrace.TraceIDRatioBased(0),
		"by parent": sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0)),
		"never":     sdktrace.NeverSample(),
	} {
		t.Run(name, func(t *testing.T) {
			check(t, "spans without it", len(play(t, none)), 0)
			got := play(t, keepLifecycle{none})
			check(t, "starts", got["start a"], 1)
			check(t, "restarts", got["restart a"], 4)
			check(t, "stops", got["stop a"], 1)
			check(t, "give ups", got["give_up a"], 1)
			check(t, "names of other spans", len(got)-4, 0)
		})
	}
}

func TestSamplerKeepsTheRestOfASampledTrace(t *testing.T) {
	got := play(t, keepLifecycle{sdktrace.ParentBased(sdktrace.AlwaysSample())})
	for name, want := range map[string]int{"restart a": 4, "work": 4, "send a": 4, "process a": 4} {
		check(t, name, got[name], want)
	}
}

func TestSamplingLeavesOtherParentsAlone(t *testing.T) {
	_, provider := exporter(t)
	life := silent(provider).Life("a", "", nil)
	life.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
	ctx, span := provider.Tracer("user").Start(life.Context(t.Context()), "request")
	defer span.End()

	keep, parent := tracing.Sampling(ctx)
	check(t, "keep", keep, false)
	check(t, "parent", trace.SpanContextFromContext(parent).SpanID(), span.SpanContext().SpanID())
	keep, parent = tracing.Sampling(t.Context())
	check(t, "keep without a span", keep, false)
	check(t, "parent without a span", parent, t.Context())
}
