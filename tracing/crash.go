package tracing

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/exit"
)

// Crash is the dossier of one crash: what is known about an incarnation that
// ended abnormally, or would not start, and what its supervisor has decided. It
// comes once for each, right after the decision and before what that leads to,
// such as [Restarting] or [GaveUp]. It repeats the [Exited], [StartFailed] or
// [Terminated] before it, so that nobody has to put those together.
//
// An end is abnormal if its reason is not clean. That an incarnation was killed
// because it was asked to stop and did not, or was abandoned, is no crash; but
// what had failed in it by then is one, also if its cleanup never came to an end.
// What an abandoned incarnation still does is told by [Returned]. A supervisor that
// is abandoned itself tells of the crashes that it had seen only if it comes back.
type Crash struct {
	Head
	Reason  exit.Reason   // why; a *[exit.Panic] has the stack
	InStart bool          // it was not up: its Start has failed
	Lived   time.Duration // from being up until it began to end, or was asked to; 0 if it never was up

	// Message is the message in hand that was lost, or will be tried again
	// (actor.Options.Retries). MessageType is its type, and empty if there was
	// none: also if the message was finished before the end, as when a goroutine
	// of the child has failed.
	Message     any
	MessageType string
	Waiting     int // messages in an actor's mailbox, without the one in hand

	// Restarts are the last few decisions to restart this child before this
	// crash, oldest first.
	Restarts []Restarting

	Decision Decision
	Attempt  int           // with Restart: as in [Restarting]
	Delay    time.Duration // with Restart: as in [Restarting]
	Why      error         // with GiveUp: as in [GaveUp]; nil means too many restarts

	// The traces of the child's lives and of the message in hand, in hex as the
	// W3C writes them. [Life.Crash] fills them in; empty without a
	// TracerProvider, or if there is none.
	TraceID        string
	MessageTraceID string
}

// Decision is what a supervisor does after a crash.
type Decision string

// The decisions. What is decided may still be overtaken: a stop calls a restart
// off.
const (
	// Restart: at once, or after Delay.
	Restart Decision = "restart"
	// GiveUp: the supervisor ends, because of Why.
	GiveUp Decision = "give up"
	// StayDown: the child is temporary, or it is the root of the tree, above
	// which nobody is.
	StayDown Decision = "stay down"
	// Stop: the child was being stopped, or was stopped before it came to a
	// decision; the crash changes nothing.
	Stop Decision = "stop"
	// Refuse: it was no restart, and whoever wanted the child started has the
	// error.
	Refuse Decision = "refuse"
)

// why is the text of Why.
func (e Crash) why() string { return GaveUp{Why: e.Why}.why() }

// decided is the decision as text.
func (e Crash) decided() string {
	switch e.Decision {
	case Restart:
		return Restarting{Attempt: e.Attempt, Delay: e.Delay}.plan()
	case GiveUp:
		return fmt.Sprintf("the supervisor gives up (%s)", e.why())
	case StayDown:
		return "stays down"
	case Stop:
		return "was being stopped"
	case Refuse:
		return "was not a restart"
	}
	return string(e.Decision)
}

// String is "bank/alice#1 crashed after 3s with a main.Deposit in hand, 2
// waiting: panic: negative deposit; restarts at once, attempt 1".
func (e Crash) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s crashed ", e.name())
	if e.InStart {
		text.WriteString("in its start")
	} else {
		fmt.Fprintf(&text, "after %v", e.Lived)
	}
	if e.MessageType != "" {
		fmt.Fprintf(&text, " with a %s in hand", e.MessageType)
	}
	if e.Waiting > 0 {
		fmt.Fprintf(&text, ", %d waiting", e.Waiting)
	}
	fmt.Fprintf(&text, ": %v; %s", e.Reason, e.decided())
	return text.String()
}

// LogValue is path, incarnation, reason, in_start, lived, message (its type), waiting,
// decision, attempt, delay, why, restarts, within, trace_id, message_trace_id and the
// stack of a panic, as far as there are such. restarts is the number of Restarts, and
// within the time from the oldest to this crash: they had lines of their own, and
// their reasons written again in each would take as long as all else of it.
func (e Crash) LogValue() slog.Value {
	attrs := append(make([]slog.Attr, 0, 11), slog.Bool("in_start", e.InStart), slog.Duration("lived", e.Lived))
	if e.MessageType != "" {
		attrs = append(attrs, slog.String("message", e.MessageType))
	}
	attrs = append(attrs, slog.Int("waiting", e.Waiting), slog.String("decision", string(e.Decision)))
	switch e.Decision {
	case Restart:
		attrs = append(attrs, slog.Int("attempt", e.Attempt), slog.Duration("delay", e.Delay))
	case GiveUp:
		attrs = append(attrs, slog.String("why", e.why()))
	}
	if n := len(e.Restarts); n > 0 {
		attrs = append(attrs, slog.Int("restarts", n), slog.Duration("within", e.Time.Sub(e.Restarts[0].Time)))
	}
	if e.TraceID != "" {
		attrs = append(attrs, slog.String("trace_id", e.TraceID))
	}
	if e.MessageTraceID != "" {
		attrs = append(attrs, slog.String("message_trace_id", e.MessageTraceID))
	}
	return e.ended(e.Reason, attrs...)
}

func (e Crash) stamped(path string) Event   { e.Head = e.Head.stamped(path); return e }
func (e Crash) entry() (string, slog.Level) { return "child crashed", slog.LevelError }

// Crash tells of a crash, as [Life.Emit] does, and fills in the traces. keep, if
// not nil, gets the event before everybody else, the same that they will see: it is
// large, and there is one for all. What e points to is the caller's again afterwards.
func (l *Life) Crash(e *Crash, keep func(Event)) {
	if l == nil {
		return
	}
	e.TraceID, e.MessageTraceID = l.traces(e.MessageType != "")
	e.Head = e.Head.stamped(l.path)
	told := l.prepare(*e)
	if keep != nil {
		keep(told)
	}
	if l.Hears(slog.LevelError) {
		l.tell(told, told, trace.SpanContext{})
	}
}
