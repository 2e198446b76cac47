package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

func silent(provider trace.TracerProvider) *tracing.Tracing {
	return tracing.New(tracing.Options{TracerProvider: provider, Logger: slog.New(slog.DiscardHandler)})
}

// restart plays what a supervisor does about an incarnation that ended: it tells
// of the end, decides, waits, and makes one attempt that succeeds.
func restart(life *tracing.Life, ended int, reason exit.Reason, delay time.Duration) {
	life.Emit(tracing.Exited{Head: tracing.Head{Incarnation: ended}, Reason: reason})
	life.Emit(tracing.Restarting{Head: tracing.Head{Incarnation: ended}, Attempt: 1, Delay: delay, Reason: reason})
	time.Sleep(delay)
	act := life.Begin(context.Background(), tracing.ActRestart)
	act.End(tracing.Restarted{Head: tracing.Head{Incarnation: ended + 1}, Attempt: 1, Reason: reason})
}

func TestFiveLivesShareOneTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept, provider := exporter(t)
		tr := silent(provider)
		bank := tr.Life("bank", "", nil)
		booting := bank.Begin(t.Context(), tracing.ActStart)
		alice := tr.Life("bank/alice", "bank/{user}", bank)
		alice.Begin(bank.Context(t.Context()), tracing.ActStart).End(tracing.Started{Head: tracing.Head{Incarnation: 1}})
		booting.End(tracing.Started{Head: tracing.Head{Incarnation: 1}})

		var crashes []trace.SpanID // of lives 1 to 4
		for life := 1; life <= 4; life++ {
			_, message := alice.Processing(alice.Context(t.Context()), tracing.Send, nil, deposit{})
			message.Crashed(panicked(life))
			spans := kept.GetSpans()
			crashes = append(crashes, spans[len(spans)-1].SpanContext.SpanID())
			restart(alice, life, panicked(life), time.Duration(life)*time.Second)
		}
		stop := alice.Begin(t.Context(), tracing.ActStop)
		time.Sleep(time.Minute)
		stop.End(tracing.Terminated{Head: tracing.Head{Incarnation: 5}, Reason: exit.Shutdown})

		spans := kept.GetSpans()
		supervisor, start := named(t, spans, "start bank"), named(t, spans, "start bank/{user}")
		if supervisor.SpanContext.TraceID() == start.SpanContext.TraceID() {
			t.Error("supervisor and child: got the same trace, want one each")
		}
		check(t, "parent of the first start", start.Parent.IsValid(), false)
		checkList(t, "links of the first start", links(start), []trace.SpanID{supervisor.SpanContext.SpanID()})
		check(t, "kind", start.SpanKind, trace.SpanKindInternal)
		check(t, "scope", start.InstrumentationScope.Name, tracing.ScopeName)
		check(t, "schema", start.InstrumentationScope.SchemaURL, "https://opentelemetry.io/schemas/1.43.0")
		checkList(t, "attributes of the first start", attributes(start), []string{
			"coppice.incarnation=1", "coppice.lifecycle=start", "coppice.path=bank/alice",
		})

		restarts := allNamed(spans, "restart bank/{user}")
		check(t, "restarts", len(restarts), 4)
		last := start.SpanContext.SpanID()
		for i, s := range restarts {
			check(t, "trace of a restart", s.SpanContext.TraceID(), start.SpanContext.TraceID())
			check(t, "parent of a restart", s.Parent.SpanID(), start.SpanContext.SpanID())
			checkList(t, "links of a restart", links(s), []trace.SpanID{last, crashes[i]})
			check(t, "status of a restart", s.Status.Code, codes.Unset)
			last = s.SpanContext.SpanID()
		}
		checkList(t, "attributes of the last restart", attributes(restarts[3]), []string{
			"coppice.attempt=1", "coppice.backoff=4", "coppice.incarnation=5", "coppice.lifecycle=restart",
			"coppice.path=bank/alice", "coppice.reason=panic: 4", "coppice.reason_type=panic",
		})

		stopped := named(t, spans, "stop bank/{user}")
		check(t, "trace of the stop", stopped.SpanContext.TraceID(), start.SpanContext.TraceID())
		check(t, "time of the stop", stopped.EndTime.Sub(stopped.StartTime), time.Minute)
		check(t, "status of the stop", stopped.Status.Code, codes.Unset)
		checkList(t, "links of the stop", links(stopped), nil)
	})
}

func TestRestartThatFailsAtFirst(t *testing.T) {
	kept, provider := exporter(t)
	life := silent(provider).Life("a", "", nil)
	life.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
	_, message := life.Processing(t.Context(), tracing.Send, nil, 1)
	message.Crashed(failed("boom"))

	life.Emit(tracing.Restarting{Attempt: 1, Reason: failed("boom")})
	life.Begin(t.Context(), tracing.ActRestart).End(tracing.StartFailed{Reason: failed("no table")})
	life.Emit(tracing.Restarting{Attempt: 2, Delay: time.Second / 2, Reason: failed("no table")})
	life.Begin(t.Context(), tracing.ActRestart).End(tracing.Restarted{Attempt: 2, Reason: failed("no table")})
	restart(life, 2, failed("later"), 0)

	spans := kept.GetSpans()
	restarts := allNamed(spans, "restart a")
	origin := []trace.SpanID{named(t, spans, "start a").SpanContext.SpanID(), named(t, spans, "process a").SpanContext.SpanID()}
	checkList(t, "links of the failed attempt", links(restarts[0]), origin)
	checkList(t, "links of the next attempt", links(restarts[1]), origin)
	checkList(t, "links after a life without a crashing message", links(restarts[2]), []trace.SpanID{restarts[1].SpanContext.SpanID()})

	check(t, "status", restarts[0].Status, sdktrace.Status{Code: codes.Error, Description: "no table"})
	checkList(t, "attributes", attributes(restarts[0]), []string{
		"coppice.attempt=1", "coppice.backoff=0", "coppice.lifecycle=restart", "coppice.path=a",
		"coppice.reason=boom", "coppice.reason_type=*errors.errorString", "error.type=*errors.errorString",
	})
	check(t, "status of the next", restarts[1].Status.Code, codes.Unset)
	checkList(t, "attributes of the next", attributes(restarts[1]), []string{
		"coppice.attempt=2", "coppice.backoff=0.5", "coppice.lifecycle=restart", "coppice.path=a",
		"coppice.reason=no table", "coppice.reason_type=*errors.errorString",
	})
}

type codedError struct{ error }

func (codedError) ErrorType() string { return "no_funds" }

func TestStatusOfActs(t *testing.T) {
	ok := ""
	for name, c := range map[string]struct {
		kind  tracing.ActKind
		event tracing.Event
		error string // error.type; empty means no error
	}{
		"started":           {tracing.ActStart, tracing.Started{}, ok},
		"start failed":      {tracing.ActStart, tracing.StartFailed{Reason: failed("boom")}, "*errors.errorString"},
		"start gave up":     {tracing.ActStart, tracing.StartFailed{Reason: &exit.GaveUp{Cause: exit.Killed}}, "gave_up"},
		"start without end": {tracing.ActStart, nil, ok},
		"restarted":         {tracing.ActRestart, tracing.Restarted{Reason: exit.Killed}, ok},
		"stopped":           {tracing.ActStop, tracing.Terminated{Reason: exit.Shutdown}, ok},
		"returned nil":      {tracing.ActStop, tracing.Terminated{Reason: exit.Normal}, ok},
		"with a detail":     {tracing.ActStop, tracing.Terminated{Reason: exit.ShutdownFor(errors.New("deploy"))}, ok},
		"killed as asked":   {tracing.ActStop, tracing.Terminated{Reason: exit.Killed, Killed: true}, ok},
		"killed by nobody":  {tracing.ActStop, tracing.Terminated{Reason: exit.Killed}, "killed"},
		"killed overdue":    {tracing.ActStop, tracing.Terminated{Reason: exit.Killed, Killed: true, Overdue: true}, "killed"},
		"panic at stop":     {tracing.ActStop, tracing.Terminated{Reason: panicked(1)}, "panic"},
		"goexit at stop":    {tracing.ActStop, tracing.Terminated{Reason: exit.Goexit}, "goexit"},
		"exited at stop":    {tracing.ActStop, tracing.Exited{Reason: failed("boom")}, "*errors.errorString"},
		"timeout at stop":   {tracing.ActStop, tracing.Terminated{Reason: exit.Of(context.DeadlineExceeded)}, "context.DeadlineExceeded"},
		"canceled at stop":  {tracing.ActStop, tracing.Terminated{Reason: exit.Of(context.Canceled)}, "context.Canceled"},
		"user's error type": {tracing.ActStop, tracing.Terminated{Reason: exit.Of(fmt.Errorf("x: %w", codedError{}))}, "no_funds"},
		"abandoned":         {tracing.ActStop, tracing.Abandoned{Waited: time.Second}, "abandoned"},
	} {
		t.Run(name, func(t *testing.T) {
			kept, provider := exporter(t)
			silent(provider).Life("a", "", nil).Begin(t.Context(), c.kind).End(c.event)
			span, want := kept.GetSpans()[0], codes.Unset
			if c.error != ok {
				want = codes.Error
			}
			check(t, "status", span.Status.Code, want)
			var got string
			for _, kv := range span.Attributes {
				if kv.Key == "error.type" {
					got = kv.Value.AsString()
				}
			}
			check(t, "error.type", got, c.error)
		})
	}
}

func TestDecisionBelongsToOneRestart(t *testing.T) {
	kept, provider := exporter(t)
	life := silent(provider).Life("a", "", nil)
	restart(life, 1, failed("boom"), time.Nanosecond)
	life.Begin(t.Context(), tracing.ActRestart).End(nil) // nobody told of this one
	checkList(t, "attributes of the second", attributes(allNamed(kept.GetSpans(), "restart a")[1]), []string{
		"coppice.lifecycle=restart", "coppice.path=a",
	})
}

func TestGaveUpIsASpanOfTheSupervisor(t *testing.T) {
	kept, provider := exporter(t)
	bank := silent(provider).Life("bank", "", nil)
	bank.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
	bank.Emit(tracing.GaveUp{Head: tracing.Head{Incarnation: 1}, Child: "alice", Reason: panicked("boom")})

	span := named(t, kept.GetSpans(), "give_up bank")
	check(t, "parent", span.Parent.SpanID(), named(t, kept.GetSpans(), "start bank").SpanContext.SpanID())
	check(t, "status", span.Status, sdktrace.Status{Code: codes.Error, Description: "panic: boom"})
	checkList(t, "attributes", attributes(span), []string{
		"coppice.child=alice", "coppice.incarnation=1", "coppice.lifecycle=give_up", "coppice.path=bank",
		"coppice.reason=panic: boom", "coppice.reason_type=panic", "coppice.why=too many restarts", "error.type=panic",
	})
}

func TestContextCarriesTheLatestStart(t *testing.T) {
	kept, provider := exporter(t)
	life := silent(provider).Life("a", "", nil)
	check(t, "before the first", trace.SpanContextFromContext(life.Context(t.Context())).IsValid(), false)

	user := provider.Tracer("user")
	work := func() {
		_, span := user.Start(life.Context(t.Context()), "work")
		span.End()
	}
	act := life.Begin(t.Context(), tracing.ActStart)
	work() // in Start
	act.End(tracing.Started{})
	work() // in run
	restart(life, 1, failed("boom"), 0)
	work()

	spans := kept.GetSpans()
	start, again := named(t, spans, "start a").SpanContext, named(t, spans, "restart a").SpanContext
	var parents []trace.SpanID
	for _, s := range allNamed(spans, "work") {
		check(t, "trace of the work", s.SpanContext.TraceID(), start.TraceID())
		parents = append(parents, s.Parent.SpanID())
	}
	checkList(t, "parents of the work", parents, []trace.SpanID{start.SpanID(), start.SpanID(), again.SpanID()})
}

func TestActsLinkToWhoAsked(t *testing.T) {
	kept, provider := exporter(t)
	life := silent(provider).Life("a", "", nil)
	ctx, request := provider.Tracer("user").Start(t.Context(), "request")
	life.Begin(ctx, tracing.ActStart).End(tracing.Started{})
	life.Begin(ctx, tracing.ActStop).End(tracing.Terminated{Reason: exit.Shutdown})
	life.Begin(ctx, tracing.ActStart).End(tracing.Started{}) // by hand
	request.End()

	asked, spans := request.SpanContext(), kept.GetSpans()
	starts := allNamed(spans, "start a")
	check(t, "own trace", starts[0].SpanContext.TraceID() == asked.TraceID(), false)
	checkList(t, "links of the start", links(starts[0]), []trace.SpanID{asked.SpanID()})
	checkList(t, "links of the stop", links(named(t, spans, "stop a")), []trace.SpanID{asked.SpanID()})
	checkList(t, "links of the start by hand", links(starts[1]), []trace.SpanID{asked.SpanID(), starts[0].SpanContext.SpanID()})
	check(t, "trace of the start by hand", starts[1].SpanContext.TraceID(), starts[0].SpanContext.TraceID())
}

func TestLivesOfManyChildrenAtOnce(t *testing.T) {
	kept, provider := exporter(t)
	tr := silent(provider)
	bank := tr.Life("bank", "", nil)
	bank.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
	var all sync.WaitGroup
	for i := range 4 {
		life := tr.Life(fmt.Sprintf("bank/%d", i), "bank/{n}", bank)
		all.Go(func() {
			life.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
			for n := range 20 {
				var messages sync.WaitGroup
				for range 2 {
					messages.Go(func() {
						ctx, sent := life.Sending(life.Context(t.Context()), tracing.Call, n)
						_, p := life.Processing(ctx, tracing.Call, sent.Carrier(), n)
						p.Crashed(panicked(n))
						sent.End(nil)
					})
				}
				restart(life, n, panicked(n), 0)
				messages.Wait()
			}
		})
	}
	all.Wait()
	check(t, "spans", len(kept.GetSpans()), 1+4*(1+20*(1+2*2)))
}
