package tracing

import (
	"context"
	"log/slog"
	"runtime"

	"github.com/coppice-go/coppice/exit"
)

// log writes e as one line of constant text with the event's group of
// attributes, at the time of the event. ctx lets handlers find the span.
func (t *Tracing) log(ctx context.Context, e Event) {
	defer t.caught(logHandler)
	handler := t.logger().Handler()
	message, level := e.entry()
	if handler.Enabled(ctx, level) {
		line := slog.NewRecord(e.Where().Time, level, message, source)
		line.AddAttrs(slog.Attr{Key: group, Value: e.LogValue()})
		_ = handler.Handle(ctx, line) // a Logger does not say either that it could not write
	}
}

// source is where handlers that tell it say that a line comes from. It is always here:
// so it is not looked up for each, as a [slog.Logger] does.
var source = func() uintptr {
	var here [1]uintptr
	runtime.Callers(1, here[:])
	return here[0]
}()

// group keeps the attributes of an event apart from the user's own.
const group = "coppice"

func (t *Tracing) logger() *slog.Logger {
	if t.options.Logger != nil {
		return t.options.Logger
	}
	return slog.Default() // at each event, so that a later SetDefault counts
}

// entry is the text and the level of an event's log line.
// What a [Crash] will say at level error is not said twice.
func (e Started) entry() (string, slog.Level)     { return "child started", slog.LevelDebug }
func (e StartFailed) entry() (string, slog.Level) { return "child failed to start", slog.LevelDebug }
func (e Exited) entry() (string, slog.Level)      { return "child exited", slog.LevelDebug }
func (e Terminated) entry() (string, slog.Level) {
	if e.Overdue || e.Reason == exit.Killed && !e.Killed {
		return "child stopped", slog.LevelWarn
	}
	return "child stopped", slog.LevelDebug
}
func (e Restarting) entry() (string, slog.Level) {
	if clean(e.Reason) { // so there was no Crash
		return "child restarting", slog.LevelInfo
	}
	return "child restarting", slog.LevelDebug
}
func (e Restarted) entry() (string, slog.Level) { return "child restarted", slog.LevelDebug }
func (e GaveUp) entry() (string, slog.Level)    { return "supervisor gave up", slog.LevelError }
func (e AutoShutdown) entry() (string, slog.Level) {
	return "supervisor shuts itself down", slog.LevelInfo
}
func (e Abandoned) entry() (string, slog.Level)  { return "child abandoned", slog.LevelError }
func (e Returned) entry() (string, slog.Level)   { return "abandoned child returned", slog.LevelInfo }
func (e Stuck) entry() (string, slog.Level)      { return "child stuck", slog.LevelWarn }
func (e Unstuck) entry() (string, slog.Level)    { return "child no longer stuck", slog.LevelInfo }
func (e DeadLetter) entry() (string, slog.Level) { return "dead letter", slog.LevelDebug }
func (e CastFailed) entry() (string, slog.Level) { return "cast failed", slog.LevelWarn }
func (e Missed) entry() (string, slog.Level)     { return "missed events", slog.LevelWarn }

// LogValue is path, incarnation and took.
func (e Started) LogValue() slog.Value { return e.group(slog.Duration("took", e.Took)) }

// LogValue is path, incarnation, reason, took and the stack of a panic.
func (e StartFailed) LogValue() slog.Value {
	return e.ended(e.Reason, slog.Duration("took", e.Took))
}

// LogValue is path, incarnation, reason, lived and the stack of a panic.
func (e Exited) LogValue() slog.Value {
	return e.ended(e.Reason, slog.Duration("lived", e.Lived))
}

// LogValue is path, incarnation, reason, took, killed, overdue and the stack of a
// panic.
func (e Terminated) LogValue() slog.Value {
	return e.ended(e.Reason, slog.Duration("took", e.Took), slog.Bool("killed", e.Killed), slog.Bool("overdue", e.Overdue))
}

// LogValue is path, incarnation, reason, attempt and delay.
func (e Restarting) LogValue() slog.Value {
	return e.group(because(e.Reason), slog.Int("attempt", e.Attempt), slog.Duration("delay", e.Delay))
}

// LogValue is path, incarnation, reason, attempt and took.
func (e Restarted) LogValue() slog.Value {
	return e.group(because(e.Reason), slog.Int("attempt", e.Attempt), slog.Duration("took", e.Took))
}

// LogValue is path, incarnation, child, reason and why.
func (e GaveUp) LogValue() slog.Value {
	return e.group(slog.String("child", e.Child), because(e.Reason), slog.String("why", e.why()))
}

// LogValue is path, incarnation, child and reason.
func (e AutoShutdown) LogValue() slog.Value {
	return e.group(slog.String("child", e.Child), because(e.Reason))
}

// LogValue is path, incarnation and waited.
func (e Abandoned) LogValue() slog.Value { return e.group(slog.Duration("waited", e.Waited)) }

// LogValue is path, incarnation, reason and the stack of a panic.
func (e Returned) LogValue() slog.Value { return e.ended(e.Reason) }

// LogValue is path, incarnation, doing, for, waiting and the stack, if there is one.
func (e Stuck) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("doing", string(e.Doing)), slog.Duration("for", e.For), slog.Int("waiting", e.Waiting)}
	if e.Stack != "" {
		attrs = append(attrs, slog.String("stack", e.Stack))
	}
	return e.group(attrs...)
}

// LogValue is path, incarnation, doing and for.
func (e Unstuck) LogValue() slog.Value {
	return e.group(slog.String("doing", string(e.Doing)), slog.Duration("for", e.For))
}

// LogValue is path, incarnation, message (its type) and why.
func (e DeadLetter) LogValue() slog.Value {
	return e.group(typeOf(e.Message), slog.String("why", e.Why))
}

// LogValue is path, incarnation, message (its type) and error.
func (e CastFailed) LogValue() slog.Value {
	return e.group(typeOf(e.Message), slog.String("error", text(e.Err)))
}

// LogValue is count.
func (e Missed) LogValue() slog.Value { return slog.GroupValue(slog.Int("count", e.Count)) }

// group puts the head in front of attrs.
func (h Head) group(attrs ...slog.Attr) slog.Value {
	return slog.GroupValue(append(h.attrs(len(attrs)), attrs...)...)
}

// attrs are those of the head, with room for more.
func (h Head) attrs(more int) []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 2+more), slog.String("path", h.Path))
	if h.Incarnation > 0 {
		attrs = append(attrs, slog.Int("incarnation", h.Incarnation))
	}
	return attrs
}

func because(reason exit.Reason) slog.Attr { return slog.String("reason", text(reason)) }

func typeOf(message any) slog.Attr { return slog.String("message", messageType(message)) }

// ended is group for a reason that is told for the first time, so with the stack
// of a panic, last because it is long.
func (h Head) ended(reason exit.Reason, attrs ...slog.Attr) slog.Value {
	all := append(h.attrs(2+len(attrs)), because(reason))
	all = append(all, attrs...)
	if p := panicOf(reason); p != nil {
		all = append(all, slog.String("stack", p.Stack()))
	}
	return slog.GroupValue(all...)
}

// panicOf is reason as a panic, or nil.
func panicOf(reason exit.Reason) *exit.Panic {
	p, _ := reason.(*exit.Panic)
	return p
}
