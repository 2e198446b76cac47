package tracing_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// outside is all that leaves a Tracing: its log, its sink, a subscription, its
// spans and its records of panics.
type outside struct {
	log     bytes.Buffer
	seen    recorder
	stream  *tracing.Subscription
	spans   *tracetest.InMemoryExporter
	records *logs
	kept    []tracing.Crash
	life    *tracing.Life
}

func watch(t *testing.T, redact func(tracing.Event) tracing.Event) *outside {
	t.Helper()
	spans, provider := exporter(t)
	o := &outside{spans: spans, records: new(logs)}
	tr := tracing.New(tracing.Options{
		Logger:         slog.New(slog.NewJSONHandler(&o.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Sinks:          []tracing.Sink{o.seen.sink},
		TracerProvider: provider,
		LoggerProvider: sdklog.NewLoggerProvider(sdklog.WithProcessor(o.records)),
		Redact:         redact,
	})
	o.stream = tr.Subscribe(1000)
	o.life = tr.Life("bank/alice", "", nil)
	return o
}

// texts is what is there to read, by place.
func (o *outside) texts() map[string]string {
	o.stream.Close()
	var stream, records []string
	for e := range o.stream.C {
		stream = append(stream, fmt.Sprintf("%+v %v", e, deep(e)))
	}
	for _, r := range o.records.records {
		records = append(records, fmt.Sprint(r.Body(), values(r)))
	}
	var sink []string
	for _, e := range o.seen.events {
		sink = append(sink, deep(e))
	}
	return map[string]string{
		"the log":           o.log.String(),
		"the sink":          strings.Join(sink, "\n"),
		"the subscription":  strings.Join(stream, "\n"),
		"the spans":         fmt.Sprintf("%+v", o.spans.GetSpans()),
		"the panic records": strings.Join(records, "\n"),
		"what is kept":      fmt.Sprintf("%+v", o.kept) + deepAll(o.kept),
	}
}

func deepAll(all []tracing.Crash) (text string) {
	for _, e := range all {
		text += deep(e)
	}
	return text
}

// deep is an event with everything inside of it.
func deep(e tracing.Event) string {
	text := fmt.Sprintf("%+v", e)
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		text += fmt.Sprintf(" %+v", v.Field(i).Interface())
		if p, ok := v.Field(i).Interface().(*exit.Panic); ok {
			text += fmt.Sprintf(" %+v", p.Value)
		}
	}
	return text
}

// password is in every place where a secret may be.
const password = "hunter2"

type login struct{ Password string }

var errPassword = fmt.Errorf("cannot log in with %q", password)

// tellAll has every kind of event with the secret in it, and messages whose spans
// fail with it.
func tellAll(t *testing.T, o *outside) {
	l, message := o.life, login{password}
	p := panicked(errPassword)
	reasons := []exit.Reason{p, exit.Of(errPassword), exit.ShutdownFor(errPassword),
		&exit.GaveUp{Supervisor: "s", Child: "c", Cause: exit.Of(errPassword), Why: errPassword}}
	for _, reason := range reasons {
		l.Begin(t.Context(), tracing.ActStart).End(tracing.Started{})
		_, sent := l.Sending(t.Context(), tracing.Call, message)
		ctx, handled := l.Processing(t.Context(), tracing.Call, sent.Carrier(), message)
		sent.End(errPassword)
		_ = ctx
		handled.End(errPassword)
		_, crashing := l.Processing(t.Context(), tracing.Send, nil, message)
		crashing.Crashed(reason)
		l.Emit(tracing.Exited{Reason: reason})
		l.Crash(&tracing.Crash{
			Reason: reason, Message: message, MessageType: "login", Why: errPassword, Decision: tracing.GiveUp,
			Restarts: []tracing.Restarting{{Reason: reason}},
		}, func(c tracing.Event) { o.kept = append(o.kept, c.(tracing.Crash)) })
		l.Emit(tracing.Restarting{Reason: reason})
		l.Begin(t.Context(), tracing.ActRestart).End(tracing.Restarted{Reason: reason})
		l.Begin(t.Context(), tracing.ActRestart).End(tracing.StartFailed{Reason: reason})
		l.Begin(t.Context(), tracing.ActStop).End(tracing.Terminated{Reason: reason})
		l.Emit(tracing.Returned{Reason: reason})
		l.Emit(tracing.GaveUp{Reason: reason, Why: errPassword})
		l.Emit(tracing.AutoShutdown{Reason: reason})
		l.Emit(tracing.Exited{Reason: panicked(errPassword)})
	}
	l.Emit(tracing.DeadLetter{Message: message})
	l.Emit(tracing.CastFailed{Message: message, Err: errPassword})
}

// masked is a text without the secret.
func masked(text string) string { return strings.ReplaceAll(text, password, "***") }

func TestRedactionHidesASecretEverywhere(t *testing.T) {
	hooks := map[string]func(tracing.Event) tracing.Event{
		"nothing":    nil,
		"everything": tracing.Redacted,
		"the texts":  func(e tracing.Event) tracing.Event { return tracing.RedactedBy(e, masked) },
		"the texts cannot be": func(e tracing.Event) tracing.Event {
			return tracing.RedactedBy(e, func(text string) string { panic(text) })
		},
		"fails: panic":         func(tracing.Event) tracing.Event { panic(errPassword) },
		"fails: nil":           func(tracing.Event) tracing.Event { return nil },
		"fails: another event": func(tracing.Event) tracing.Event { return tracing.Missed{} },
		"fails: a pointer":     func(e tracing.Event) tracing.Event { x, _ := e.(tracing.Exited); return &x },
		"by hand": func(e tracing.Event) tracing.Event {
			switch e := e.(type) {
			case tracing.Crash:
				e.Message, e.Reason, e.Why = nil, failed("hidden"), nil
				return e
			case tracing.Restarting: // those in a Crash too
				e.Reason = failed("hidden")
				return e
			case tracing.CastFailed:
				e.Message, e.Err = nil, nil
				return e
			}
			return tracing.Redacted(e)
		},
	}
	for name, hook := range hooks {
		t.Run(name, func(t *testing.T) {
			o := watch(t, hook)
			tellAll(t, o)
			for place, text := range o.texts() {
				// Without the hook it must be there: else this test proves nothing.
				if got, want := strings.Contains(text, password), hook == nil; got != want {
					i := max(0, strings.Index(text, password)-200)
					t.Errorf("the secret is in %s: got %v, want %v: …%s", place, got, want, text[i:min(len(text), i+300)])
				}
				if text == "" {
					t.Errorf("nothing is in %s", place)
				}
			}
		})
	}
}

// What is left tells what happened.
func TestRedactedKeepsWhatIsNoSecret(t *testing.T) {
	p := panicked(errPassword)
	crash := tracing.Redacted(tracing.Crash{Head: head(), Reason: p, Message: login{password}, MessageType: "tracing_test.login"}).(tracing.Crash)
	check(t, "crash", crash.String(),
		"bank/alice#2 crashed after 0s with a tracing_test.login in hand: panic: redacted *errors.errorString; ")
	check(t, "stack", crash.Reason.(*exit.Panic).Stack(), p.Stack())
	check(t, "the reason given is as it was", p.Value, any(errPassword))
	for _, c := range []struct {
		reason exit.Reason
		want   string
		clean  bool
	}{
		{exit.Normal, "normal", true},
		{exit.Shutdown, "shutdown", true},
		{exit.ShutdownFor(errPassword), "shutdown", true},
		{exit.Killed, "killed", false},
		{exit.Goexit, "goroutine left by runtime.Goexit", false},
		{exit.Of(errPassword), "redacted *errors.errorString", false},
		{panicked(password), "panic: redacted string", false},
		{&exit.GaveUp{Supervisor: "s", Child: "c", Cause: exit.Of(errPassword)}, `s gave up: too many restarts, the last one wanted by "c": redacted *errors.errorString`, true},
		{nil, "<nil>", true},
	} {
		got := tracing.Redacted(tracing.Redacted(tracing.Exited{Reason: c.reason})).(tracing.Exited).Reason // twice is the same
		check(t, "reason", fmt.Sprint(got), c.want)
		if got != nil {
			check(t, "clean", got.Clean(), c.clean)
		}
	}
	letter := tracing.Redacted(tracing.DeadLetter{Head: head(), Message: login{password}, Why: "overflow"})
	check(t, "dead letter", letter.String(), "bank/alice#2 dead letter: tracing_test.login: overflow")
	check(t, "nothing to hide", tracing.Redacted(tracing.Started{Head: head()}), tracing.Event(tracing.Started{Head: head()}))
}

// A hook that fails is told of once, without what it may have choked on.
func TestPanicOfTheRedactionHook(t *testing.T) {
	o := watch(t, func(tracing.Event) tracing.Event { panic(errors.New(password)) })
	o.life.Emit(tracing.Started{})
	o.life.Emit(tracing.Started{})
	check(t, "lines about the hook", strings.Count(o.log.String(), "redaction hook panicked"), 1)
	check(t, "with its stack", strings.Contains(o.log.String(), "TestPanicOfTheRedactionHook"), true)
	checkList(t, "events", o.seen.lines(), []string{"bank/alice started in 0s", "bank/alice started in 0s"})
}

// A panic stays one record, although the hook makes new reasons.
func TestRedactedPanicIsOneRecord(t *testing.T) {
	o := watch(t, tracing.Redacted)
	p := panicked(errPassword)
	_, message := o.life.Processing(t.Context(), tracing.Send, nil, login{password})
	message.Crashed(p)
	o.life.Emit(tracing.Exited{Reason: p})
	check(t, "records", len(o.records.records), 1)
	check(t, "stack", strings.Contains(values(o.records.records[0])["exception.stacktrace"], "tracing_test.panicked"), true)
	check(t, "type", values(o.records.records[0])["exception.type"], "*errors.errorString")
}

// What is no secret in a text stays, and so do types and the stack of a panic.
func TestRedactedByKeepsTheTexts(t *testing.T) {
	by := func(e tracing.Event) tracing.Event { return tracing.RedactedBy(e, masked) }
	p := panicked(errPassword)
	for _, c := range []struct {
		reason exit.Reason
		want   string
	}{
		{exit.Normal, "normal"},
		{exit.Shutdown, "shutdown"},
		{exit.ShutdownFor(errPassword), `shutdown: cannot log in with "***"`},
		{exit.Killed, "killed"},
		{exit.Of(errPassword), `cannot log in with "***"`},
		{p, `panic: cannot log in with "***"`},
		{panicked(password), "panic: ***"},
		{&exit.GaveUp{Supervisor: "s", Child: "c", Cause: exit.Of(errPassword), Why: errPassword},
			`s gave up: "c" cannot be restarted (cannot log in with "***"): cannot log in with "***"`},
		{nil, "<nil>"},
	} {
		got := by(by(tracing.Exited{Reason: c.reason})).(tracing.Exited).Reason // twice is the same
		check(t, "reason", fmt.Sprint(got), c.want)
		if got != nil {
			check(t, "clean", got.Clean(), c.reason.Clean())
		}
	}
	crash := by(tracing.Crash{Head: head(), Reason: p, Why: errPassword, Message: login{password}}).(tracing.Crash)
	check(t, "stack", crash.Reason.(*exit.Panic).Stack(), p.Stack())
	check(t, "why", crash.Why.Error(), `cannot log in with "***"`)
	check(t, "message", fmt.Sprint(crash.Message), "redacted tracing_test.login")
	check(t, "the reason given is as it was", p.Value, any(errPassword))
	failed := by(tracing.CastFailed{Head: head(), Message: login{password}, Err: errPassword})
	check(t, "cast", failed.String(), `bank/alice#2 cast failed: tracing_test.login: cannot log in with "***"`)

	o := watch(t, by)
	_, message := o.life.Processing(t.Context(), tracing.Send, nil, login{password})
	message.Crashed(p)
	check(t, "type in the record", values(o.records.records[0])["exception.type"], "*errors.errorString")
}

// A hook cannot take away whom an event is of.
func TestRedactionKeepsTheHead(t *testing.T) {
	o := watch(t, func(e tracing.Event) tracing.Event {
		if crash, ok := e.(tracing.Crash); ok {
			return tracing.Crash{Reason: crash.Reason}
		}
		return tracing.Started{}
	})
	o.life.Crash(&tracing.Crash{Head: head(), Reason: failed("no table")}, func(c tracing.Event) { o.kept = append(o.kept, c.(tracing.Crash)) })
	o.life.Emit(tracing.Started{Head: head(), Took: 1})
	for i, got := range []tracing.Event{o.kept[0], o.seen.events[0], o.seen.events[1]} {
		where := got.Where()
		check(t, fmt.Sprint(i, " path"), where.Path, "bank/alice")
		check(t, fmt.Sprint(i, " incarnation"), where.Incarnation, 2)
		check(t, fmt.Sprint(i, " has a time"), where.Time.IsZero(), false)
	}
	check(t, "what the hook has changed", o.seen.events[1].String(), "bank/alice#2 started in 0s")
}
