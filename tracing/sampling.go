package tracing

import (
	"context"

	"go.opentelemetry.io/otel/trace"
)

// Sampling is what a sampler needs to keep all lifecycle spans and to leave the
// rest to another sampler. Give it the parent context of the span to decide on:
//
//	func (s keepLifecycle) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
//		keep, parent := tracing.Sampling(p.ParentContext)
//		if keep {
//			return sdk.SamplingResult{Decision: sdk.RecordAndSample}
//		}
//		p.ParentContext = parent
//		return s.next.ShouldSample(p)
//	}
//
// keep is true for a span that [Life.Begin] or a [GaveUp] starts. Without such a
// sampler the decision for a child's first start is the decision for its whole
// trace: all later restarts of an unsampled child are lost.
//
// parent is the context to hand to the other sampler. It is ctx, but if the
// current span of ctx is the start that [Life.Context] put there, then without
// it: that start was kept in any case, so a sampler that follows the parent would
// keep everything below it.
func Sampling(ctx context.Context) (keep bool, parent context.Context) {
	if ctx.Value(lifecycleKey{}) != nil {
		return true, ctx
	}
	start, ok := ctx.Value(startKey{}).(trace.SpanContext)
	if ok && trace.SpanContextFromContext(ctx).SpanID() == start.SpanID() {
		ctx = trace.ContextWithSpanContext(ctx, trace.SpanContext{})
	}
	return false, ctx
}
