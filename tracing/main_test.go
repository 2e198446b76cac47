package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a sink that keeps what it sees.
type recorder struct {
	mu     sync.Mutex
	events []tracing.Event
}

func (r *recorder) sink(e tracing.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, e := range r.events {
		lines = append(lines, e.String())
	}
	return lines
}

// panicked is the reason of a real panic.
func panicked(value any) (p *exit.Panic) {
	defer func() { p = exit.Recovered(recover()) }()
	panic(value)
}

func failed(text string) exit.Reason { return exit.Of(errors.New(text)) }

// exporter is an SDK that keeps the spans in memory.
func exporter(t *testing.T, options ...sdktrace.TracerProviderOption) (*tracetest.InMemoryExporter, trace.TracerProvider) {
	t.Helper()
	kept := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(append(options, sdktrace.WithSyncer(kept))...)
	t.Cleanup(func() {
		if err := provider.Shutdown(context.Background()); err != nil {
			t.Errorf("shutdown of the provider: %v", err)
		}
	})
	return kept, provider
}

// named finds the one span of that name.
func named(t *testing.T, spans tracetest.SpanStubs, name string) tracetest.SpanStub {
	t.Helper()
	all := allNamed(spans, name)
	if len(all) != 1 {
		t.Fatalf("spans %q: got %d, want 1", name, len(all))
	}
	return all[0]
}

func allNamed(spans tracetest.SpanStubs, name string) (found tracetest.SpanStubs) {
	for _, s := range spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// attributes are those of a span as sorted key=value.
func attributes(s tracetest.SpanStub) []string {
	var all []string
	for _, kv := range s.Attributes {
		all = append(all, fmt.Sprintf("%s=%s", kv.Key, kv.Value.String()))
	}
	slices.Sort(all)
	return all
}

func links(s tracetest.SpanStub) []trace.SpanID {
	var all []trace.SpanID
	for _, l := range s.Links {
		all = append(all, l.SpanContext.SpanID())
	}
	return all
}

func check[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func checkList[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// logs is an SDK log processor that keeps the records.
type logs struct {
	mu      sync.Mutex
	records []sdklog.Record
	deny    bool
}

func (l *logs) Enabled(context.Context, sdklog.EnabledParameters) bool { return !l.deny }
func (l *logs) Shutdown(context.Context) error                         { return nil }
func (l *logs) ForceFlush(context.Context) error                       { return nil }
func (l *logs) OnEmit(_ context.Context, r *sdklog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r.Clone())
	return nil
}
