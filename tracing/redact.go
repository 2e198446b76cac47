package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"

	"github.com/coppice-go/coppice/exit"
)

// Redacted is e without what may tell a secret: the contents of a message, and
// the texts of reasons and errors. What is left tells what happened and where:
// the types of messages and errors, and the stack of a panic without its value.
// [DeadLetter.Resend] still sends the real message.
//
// It is a value for [Options.Redact] by itself, and a part of a hook of your own:
//
//	func(e tracing.Event) tracing.Event {
//		if letter, ok := e.(tracing.DeadLetter); ok {
//			if _, public := letter.Message.(Tick); public {
//				return e
//			}
//		}
//		return tracing.Redacted(e)
//	}
func Redacted(e Event) Event { return redaction{}.event(e) }

// RedactedBy is [Redacted], but keeps of each text of a reason or an error what
// the function makes of it, such as with the digits masked. For a panic that is the
// text of its value. Types and stacks stay as they are, the contents of messages
// are removed. The function may be given a text that it has returned before.
func RedactedBy(e Event, text func(string) string) Event { return redaction{text}.event(e) }

// redaction takes out what may be secret. What text, if not nil, makes of a text
// stays.
type redaction struct{ text func(string) string }

func (r redaction) event(e Event) Event {
	switch e := e.(type) {
	case StartFailed:
		e.Reason = r.reason(e.Reason)
		return e
	case Exited:
		e.Reason = r.reason(e.Reason)
		return e
	case Terminated:
		e.Reason = r.reason(e.Reason)
		return e
	case Restarting:
		e.Reason = r.reason(e.Reason)
		return e
	case Restarted:
		e.Reason = r.reason(e.Reason)
		return e
	case GaveUp:
		e.Reason, e.Why = r.reason(e.Reason), r.error(e.Why)
		return e
	case AutoShutdown:
		e.Reason = r.reason(e.Reason)
		return e
	case Returned:
		e.Reason = r.reason(e.Reason)
		return e
	case Crash:
		e.Reason, e.Why = r.reason(e.Reason), r.error(e.Why)
		e.Message = redactedMessage(e.Message)
		e.Restarts = slices.Clone(e.Restarts)
		for i := range e.Restarts {
			e.Restarts[i].Reason = r.reason(e.Restarts[i].Reason)
		}
		return e
	case DeadLetter:
		e.Message = redactedMessage(e.Message)
		return e
	case CastFailed:
		e.Message, e.Err = redactedMessage(e.Message), r.error(e.Err)
		return e
	}
	return e // has neither
}

// removed stands where a message or an error was: its type, and of an error what
// may be read of its text.
type removed struct{ kind, text string }

func (r removed) Error() string { return r.text }

// ErrorType is the type, for error.type.
func (r removed) ErrorType() string { return r.kind }

func redactedMessage(message any) any {
	if message == nil {
		return nil
	}
	return redaction{}.remove(messageType(message), message)
}

// remove is what stands for a value of that kind from now on.
func (r redaction) remove(kind string, value any) removed {
	if r.text == nil {
		return removed{kind, "redacted " + kind}
	}
	return removed{kind, r.text(fmt.Sprint(value))}
}

func (r redaction) error(err error) error {
	if err == nil {
		return nil
	}
	return r.remove(errorType(err), err)
}

// reason is the same kind of reason, so that what is clean stays clean.
func (r redaction) reason(reason exit.Reason) exit.Reason {
	switch reason := reason.(type) {
	case *exit.Panic:
		p := *reason // with its stack
		p.Value = r.remove(exceptionType(p.Value), p.Value)
		return &p
	case *exit.Failure:
		return exit.Of(r.remove(errorType(reason), reason))
	case *exit.GaveUp:
		g := *reason
		g.Cause, g.Why = r.reason(g.Cause), r.error(g.Why)
		return &g
	case nil:
		return nil
	}
	if reason.Clean() && reason != exit.Normal { // a shutdown
		if detail := errors.Unwrap(reason); detail != nil && r.text != nil {
			return exit.ShutdownFor(r.error(detail))
		}
		return exit.Shutdown
	}
	return reason // nothing but its name
}

// redact has the hook look at an event, and at those inside of it.
func (t *Tracing) redact(e Event) Event {
	if t.options.Redact == nil {
		return e
	}
	if c, ok := e.(Crash); ok && len(c.Restarts) > 0 {
		c.Restarts = slices.Clone(c.Restarts)
		for i, r := range c.Restarts {
			c.Restarts[i] = t.ask(r).(Restarting)
		}
		e = c
	}
	return t.ask(e)
}

// ask calls the hook. It gives an event of the same type and with the same Head in
// any case: without contents if the hook has failed to give one.
func (t *Tracing) ask(e Event) Event {
	var told Event
	t.guard(hook, func() { told = t.options.Redact(e) })
	if reflect.TypeOf(told) != reflect.TypeOf(e) {
		return Redacted(e)
	}
	if told.Where() != e.Where() { // else it would be an event of nobody
		whole := reflect.New(reflect.TypeOf(told)).Elem()
		whole.Set(reflect.ValueOf(told))
		whole.FieldByName("Head").Set(reflect.ValueOf(e.Where()))
		return whole.Interface().(Event)
	}
	return told
}

// redactError has the hook look at what a span is going to say of a message.
func (l *Life) redactError(message any, err error) error {
	if l.tracing.options.Redact == nil {
		return err
	}
	told := l.tracing.ask(CastFailed{Message: message, Err: err}.stamped(l.path)).(CastFailed)
	if told.Err == nil {
		return redaction{}.error(err)
	}
	return told.Err
}

// redactCrash is redactError for a message that crashed.
func (l *Life) redactCrash(message any, reason exit.Reason) exit.Reason {
	if l.tracing.options.Redact == nil {
		return reason
	}
	e := Crash{Message: message, MessageType: messageType(message), Reason: reason}
	told := l.tracing.ask(e.stamped(l.path)).(Crash)
	if told.Reason == nil {
		return redaction{}.reason(reason)
	}
	return told.Reason
}

// logPanic tells of a panic in the user's code. That of the hook is told without
// its value, which may be what it was to hide.
func (t *Tracing) logPanic(who string, p *exit.Panic, hide bool) {
	what := text(p)
	if hide {
		what = text(redaction{}.reason(p))
	}
	t.logger().LogAttrs(context.Background(), slog.LevelError, "tracing: "+who+" panicked",
		slog.String("panic", what), slog.String("stack", p.Stack()))
}
