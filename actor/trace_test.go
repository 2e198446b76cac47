package actor_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// traced is a tree whose spans are kept in memory, and the user's own tracer.
type traced struct {
	kept   *tracetest.InMemoryExporter
	tracer trace.Tracer
	tree   *supervisor.Supervisor
}

func plantTraced(t *testing.T, policy supervisor.Policy, children ...supervisor.Child) *traced {
	t.Helper()
	kept := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept))
	policy.Tracing = tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler), TracerProvider: provider})
	tree, _ := plantWith(t, policy, children...)
	return &traced{kept, provider.Tracer("user"), tree}
}

// request gives a ctx with a span of the user.
func (tr *traced) request(t *testing.T) (context.Context, func()) {
	ctx, span := tr.tracer.Start(t.Context(), "request")
	return ctx, func() { span.End() }
}

// spans are those of a name, in the order of their ends, when all is quiet.
func (tr *traced) spans(name string) (found []tracetest.SpanStub) {
	synctest.Wait() // a caller has its answer before the span of the handler ends
	for _, s := range tr.kept.GetSpans() {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

func (tr *traced) span(t *testing.T, name string) tracetest.SpanStub {
	t.Helper()
	found := tr.spans(name)
	if len(found) != 1 {
		var names []string
		for _, s := range tr.kept.GetSpans() {
			names = append(names, s.Name)
		}
		t.Fatalf("spans %q: got %d, want 1 of %v", name, len(found), names)
	}
	return found[0]
}

func links(s tracetest.SpanStub) (all []trace.SpanID) {
	for _, l := range s.Links {
		all = append(all, l.SpanContext.SpanID())
	}
	return all
}

// attribute is one of a span as text, empty if it has none.
func attribute(s tracetest.SpanStub, key string) string {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

func checkParent(t *testing.T, what string, child, parent tracetest.SpanStub) {
	t.Helper()
	check(t, what+", parent", child.Parent.SpanID(), parent.SpanContext.SpanID())
	check(t, what+", trace", child.SpanContext.TraceID(), parent.SpanContext.TraceID())
}

// look starts a span of the user in the handler.
func (tr *traced) look(ctx context.Context) {
	_, span := tr.tracer.Start(ctx, "handler")
	span.End()
}

func TestTraceOfACall(t *testing.T) {
	for _, cancellable := range []bool{true, false} {
		t.Run(fmt.Sprint("cancellable ", cancellable), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				tr := plantTraced(t, supervisor.Policy{}, s)
				ctx, end := tr.request(t)
				if !cancellable {
					ctx = context.WithoutCancel(ctx)
				}
				n, err := actor.Call(ctx, s, do(func(ctx context.Context, _ *state) (int, error) { tr.look(ctx); return 3, nil }))
				check(t, "outcome", answer(n, err), "3, <nil>")
				end()
				request, call, process := tr.span(t, "request"), tr.span(t, "call tree/s"), tr.span(t, "process tree/s")
				checkParent(t, "call", call, request)
				checkParent(t, "process", process, call)
				checkParent(t, "handler", tr.span(t, "handler"), process)
				check(t, "links", len(process.Links), 0)
				check(t, "kind", process.SpanKind, trace.SpanKindConsumer)
			})
		})
	}
}

func TestTraceOfACastAndASend(t *testing.T) {
	for _, op := range []string{"cast", "send"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var tr *traced
				s := actor.NewServer("x", openState)
				a := actor.New("x", func(context.Context) (actor.Behavior[int], error) {
					return actor.Behavior[int]{Receive: func(ctx context.Context, _ int) error { tr.look(ctx); return nil }}, nil
				})
				send := func(ctx context.Context) error { return a.Send(ctx, 1) }
				child := supervisor.Child(a)
				if op == "cast" {
					child = s
					send = func(ctx context.Context) error {
						return actor.Cast(ctx, s, do(func(ctx context.Context, _ *state) (int, error) { tr.look(ctx); return 0, nil }))
					}
				}
				tr = plantTraced(t, supervisor.Policy{}, child)
				ctx, end := tr.request(t)
				if err := send(ctx); err != nil {
					t.Error(err)
				}
				end()
				synctest.Wait()
				sent, process := tr.span(t, "send tree/x"), tr.span(t, "process tree/x")
				checkParent(t, "send", sent, tr.span(t, "request"))
				checkParent(t, "process", process, sent)
				checkParent(t, "handler", tr.span(t, "handler"), process)
				check(t, "links", fmt.Sprint(links(process)), fmt.Sprint([]trace.SpanID{sent.SpanContext.SpanID()}))
				// Without a span there is only the receiver's, a root.
				tr.kept.Reset()
				if err := send(t.Context()); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				check(t, "send spans", len(tr.spans("send tree/x")), 0)
				check(t, "process is a child", tr.span(t, "process tree/x").Parent.IsValid(), false)
			})
		})
	}
}

// A span fails if its message failed, and only then.
func TestStatusOfMessageSpans(t *testing.T) {
	for _, test := range []struct {
		name          string
		handle        do
		call, process string // status of the spans of a call
		cast          string // status of the process span of a cast
	}{
		{"value", next, "", "", ""},
		{"error", give(0, errBad), "bad", "bad", "bad"},
		{"panic", crash, "tree/s: callee ended before it replied: panic: boom", "panic: boom", "panic: boom"},
		{"end on purpose", give(0, exit.Normal), "tree/s: callee ended before it replied: normal", "", ""},
		{"end on purpose, abnormal", give(0, exit.Killed), "tree/s: callee ended before it replied: killed", "killed", "killed"},
		{"after the reply", give(0, actor.AfterReply(nil)), "", "", ""},
		{"after the reply, abnormal", give(0, actor.AfterReply(exit.Killed)), "", "killed", "killed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", openState)
				tr := plantTraced(t, supervisor.Policy{}, s)
				_, _ = actor.Call(t.Context(), s, test.handle)
				synctest.Wait()
				check(t, "call", tr.span(t, "call tree/s").Status.Description, test.call)
				check(t, "process", tr.span(t, "process tree/s").Status.Description, test.process)
				tr.kept.Reset()
				cast(t, s, test.handle, next)
				synctest.Wait()
				spans := tr.spans("process tree/s")
				check(t, "process of the cast", spans[0].Status.Description, test.cast)
				check(t, "process of the next", spans[1].Status.Description, "")
			})
		})
	}
}

func TestRefusedMessagesHaveAFailedSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		tr := plantTraced(t, supervisor.Policy{}, s)
		if err := tr.tree.TerminateChild(t.Context(), "s"); err != nil {
			t.Error(err)
		}
		ctx, end := tr.request(t)
		defer end()
		_, _ = actor.Call(ctx, s, next)
		_ = actor.Cast(ctx, s, next)
		for _, name := range []string{"call tree/s", "send tree/s"} {
			status := tr.span(t, name).Status
			check(t, name, status.Code, codes.Error)
			check(t, name, status.Description, "tree/s: no such process: not started, or gone for good")
		}
	})
}

// The span of a call lasts until the deferred answer, that of its processing
// until the handler returns.
// leaving ends the caller's ctx when the span of the handler begins.
type leaving struct {
	sdktrace.SpanProcessor
	cancel context.CancelFunc
}

func (l leaving) OnStart(ctx context.Context, s sdktrace.ReadWriteSpan) {
	if s.Name() == "process tree/s" {
		l.cancel()
	}
	l.SpanProcessor.OnStart(ctx, s)
}

// A span that has begun ends, also if its call is skipped because its caller has left
// at this moment.
func TestTraceOfACallerWhoLeavesBeforeTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		kept := tracetest.NewInMemoryExporter()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(leaving{sdktrace.NewSimpleSpanProcessor(kept), cancel}))
		s := actor.NewServer("s", openState)
		tree, _ := plantWith(t, supervisor.Policy{Tracing: tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler), TracerProvider: provider})}, s)
		tr := &traced{kept, provider.Tracer("user"), tree}
		_, err := actor.Call(ctx, s, next)
		check(t, "outcome", fmt.Sprint(err), "tree/s: context canceled")
		status := tr.span(t, "process tree/s").Status
		check(t, "status", fmt.Sprint(status.Code, " ", status.Description), "Error the caller has gone")
		check(t, "Stats", s.Stats(), mailbox.Stats{Dead: 1})
	})
}

func TestTraceOfADeferredAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		tr := plantTraced(t, supervisor.Policy{}, s)
		n, err := actor.Call(t.Context(), s, do(func(ctx context.Context, _ *state) (int, error) {
			reply, err := actor.Defer[int](ctx)
			time.AfterFunc(time.Second, func() { tr.look(ctx); reply.Give(6, nil) })
			return 0, err
		}))
		check(t, "outcome", answer(n, err), "6, <nil>")
		call, process := tr.span(t, "call tree/s"), tr.span(t, "process tree/s")
		check(t, "process", process.EndTime.Sub(process.StartTime), 0)
		check(t, "call", call.EndTime.Sub(call.StartTime), time.Second)
		checkParent(t, "what led to the answer", tr.span(t, "handler"), process)
	})
}

// Five lives, one trace; each restart links to the life before and to the span
// of the message that crashed it.
func TestS199_OneTraceOverFiveLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		tr := plantTraced(t, supervisor.Policy{Restarts: strategy.Unlimited}, s)
		for range 4 {
			ctx, end := tr.request(t)
			_, _ = actor.Call(ctx, s, crash)
			end()
			synctest.Wait()
		}
		start, restarts, crashed := tr.span(t, "start tree/s"), tr.spans("restart tree/s"), tr.spans("process tree/s")
		check(t, "restarts", len(restarts), 4)
		check(t, "messages", len(crashed), 4)
		before := start
		for i, restart := range restarts {
			check(t, "trace", restart.SpanContext.TraceID(), start.SpanContext.TraceID())
			check(t, "status of the message", crashed[i].Status.Code, codes.Error)
			want := []trace.SpanID{before.SpanContext.SpanID(), crashed[i].SpanContext.SpanID()}
			if got := links(restart); !slices.Equal(got, want) {
				t.Errorf("restart %d: got links %v, want the last life's and the message's %v", i+1, got, want)
			}
			before = restart
		}
	})
}

// A life may be over, by a message that had waited for it, before the supervisor
// has told that it has begun.
func TestS199_LinksOfLivesThatCrashAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 20 {
			s := actor.NewServer("s", openState)
			tr := plantTraced(t, supervisor.Policy{Restarts: strategy.Unlimited}, s)
			for range 5 {
				if err := actor.Cast(t.Context(), s, crash); err != nil {
					t.Error(err)
				}
			}
			synctest.Wait()
			for i, restart := range tr.spans("restart tree/s") {
				crashed := tr.spans("process tree/s")[i].SpanContext.SpanID()
				if got := links(restart); !slices.Contains(got, crashed) {
					t.Errorf("restart %d: got links %v, want the message's %v too", i+1, got, crashed)
				}
			}

		}
	})
}

// A retried message keeps the trace of its sender.
func TestTraceOfARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState, actor.ServerOptions[state]{Options: actor.Options{Retries: 1}})
		tr := plantTraced(t, supervisor.Policy{}, s)
		ctx, end := tr.request(t)
		if err := actor.Cast(ctx, s, crash); err != nil {
			t.Error(err)
		}
		end()
		synctest.Wait()
		sent, tries := tr.span(t, "send tree/s"), tr.spans("process tree/s")
		check(t, "tries", len(tries), 2)
		for _, process := range tries {
			checkParent(t, "process", process, sent)
		}
	})
}

// S194: what an abandoned handler does in the end is no part of the next life.
func TestS194_LatePanicIsNoCauseOfALaterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, sibling := make(chan struct{}), make(chan struct{})
		s := actor.NewServer("s", openState)
		tr := plantTraced(t, supervisor.Policy{Strategy: strategy.OneForAll}, within(time.Second, s), crashing(sibling))
		cast(t, s, func(ctx context.Context, s *state) (int, error) { <-release; return crash(ctx, s) })
		synctest.Wait()
		sibling <- struct{}{}
		time.Sleep(2 * time.Second)
		close(release)
		synctest.Wait()
		late := tr.span(t, "process tree/s")
		check(t, "status", late.Status.Description, "killed")
		cast(t, s, crash)
		synctest.Wait()
		restarts := tr.spans("restart tree/s")
		last := restarts[len(restarts)-1]
		if slices.Contains(links(last), late.SpanContext.SpanID()) || len(last.Links) != 2 {
			t.Errorf("got %d links, want two and none to the span of the abandoned handler", len(last.Links))
		}
	})
}

// The span of a message that a loop opens lasts until the loop is done with it
// or opens the next, and what is sent meanwhile belongs to it.
func TestTraceOfALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := actor.New("next", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(context.Context, int) error { return nil }}, nil
		})
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Loop: func(ctx context.Context, in *mailbox.Inbox[int]) error {
				if in.Context() != ctx {
					t.Error("Context with nothing in hand: got another ctx, want the loop's")
				}
				for {
					select {
					case e := <-in.C:
						in.Open(e)
						time.Sleep(time.Second)
						if err := next.Send(in.Context(), 1); err != nil {
							t.Error(err)
						}
						in.Done()
					case <-ctx.Done():
						return nil
					}
				}
			}}, nil
		})
		tr := plantTraced(t, supervisor.Policy{}, a, next)
		ctx, end := tr.request(t)
		defer end()
		if err := a.Send(ctx, 1); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		sent, processed := tr.span(t, "send tree/a"), tr.span(t, "process tree/a")
		check(t, "parent of the process span", processed.Parent.SpanID(), sent.SpanContext.SpanID())
		check(t, "its length", processed.EndTime.Sub(processed.StartTime), time.Second)
		check(t, "parent of what the loop sends", tr.span(t, "send tree/next").Parent.SpanID(), processed.SpanContext.SpanID())
	})
}

// A loop that goes on after it was abandoned ends its span once, with that.
func TestS194_TraceOfAnAbandonedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ended := make(chan any, 1)
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Loop: func(_ context.Context, in *mailbox.Inbox[int]) error {
				defer func() { ended <- recover() }()
				in.Open(<-in.C)
				<-release
				in.Done()
				for range in.Rest() {
					t.Error("Rest: got a message, want none")
				}
				in.Done()
				return nil
			}}, nil
		})
		tr := plantTraced(t, supervisor.Policy{}, within(time.Second, a))
		ctx, end := tr.request(t)
		defer end()
		if err := a.Send(ctx, 1); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := tr.tree.TerminateChild(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		close(release)
		check(t, "panic", <-ended, nil)
		check(t, "status", tr.span(t, "process tree/a").Status.Code, codes.Error)
	})
}
