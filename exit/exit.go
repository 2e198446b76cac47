// Package exit names the reasons for which an incarnation of a child ends.
//
// The set is sealed: a [Reason] is one of [Normal], [Shutdown], a shutdown with
// a detail ([ShutdownFor]), [Killed], [Goexit], *[Panic], *[Failure] or
// *[GaveUp]. Supervisors decide by [Reason.Clean] alone whether an end was an
// orderly one (rules S1-S3).
//
// A reason is an error, so that it can travel as the cause of a context
// ([context.Cause]) and be returned by a child that ends on purpose.
package exit

import (
	"context"
	"errors"
	"fmt"
)

// Reason says why an incarnation ended.
//
// Only this package implements it. Values are immutable and may be shared
// between goroutines.
type Reason interface {
	error

	// Clean reports whether the end was orderly: normal, or a shutdown with or
	// without a detail (S2). A transient child is restarted only after an end
	// that was not clean.
	Clean() bool

	sealed()
}

// The reasons that carry nothing but their name. They are comparable with ==.
var (
	// Normal is the end of a child that has done its work and returned nil.
	Normal Reason = plain{name: "normal", clean: true}

	// Shutdown is the end of a child that was asked to stop, and the cause of
	// the context of a child that is being asked (S5, S79).
	Shutdown Reason = plain{name: "shutdown", clean: true}

	// Killed is the end of a child that did not stop within its shutdown time,
	// or was not given any (S6). It is abnormal.
	Killed Reason = plain{name: "killed"}

	// Goexit is the end of a child whose goroutine left through
	// [runtime.Goexit] (which t.FailNow calls too) instead of returning (S3).
	// It is abnormal.
	Goexit Reason = plain{name: "goroutine left by runtime.Goexit"}
)

type plain struct {
	name  string
	clean bool
}

func (p plain) Error() string { return p.name }
func (p plain) Clean() bool   { return p.clean }
func (plain) sealed()         {}

// ShutdownFor is [Shutdown] with a detail, OTP's {shutdown, Detail}. It is
// clean, and errors.Is finds both Shutdown and the detail in it. A nil detail
// gives Shutdown itself.
func ShutdownFor(detail error) Reason {
	if detail == nil {
		return Shutdown
	}
	return &detailed{detail}
}

// detailed is used by pointer: compared as a value it would panic when the
// detail is of a type that cannot be compared.
type detailed struct{ detail error }

func (d *detailed) Error() string        { return "shutdown: " + text(d.detail) }
func (d *detailed) Clean() bool          { return true }
func (d *detailed) Is(target error) bool { return target == Shutdown }
func (d *detailed) Unwrap() error        { return d.detail }
func (*detailed) sealed()                {}

// Failure is the end of a child that returned an error which is not a Reason.
// It is abnormal; errors.Is and errors.As see the error.
type Failure struct {
	Err error // never nil
}

// Error is the text of the error itself, however that was made: a nil pointer
// returned as an error must not end whoever prints it.
func (f *Failure) Error() string {
	if f.Err == nil { // made by hand, against the rule
		return "failure without an error"
	}
	return text(f.Err)
}

// text is a value as text, also if its own method panics: fmt survives that, but
// not that the value of this panic does the same.
func text(value any) (text string) {
	switch value := value.(type) { // what most are, as fmt has it
	case string:
		return value
	case *Panic:
		if value != nil {
			return value.Error()
		}
	}
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a %T that panics when it is printed", value)
		}
	}()
	return fmt.Sprint(value)
}

// Clean is false.
func (f *Failure) Clean() bool { return false }

// Unwrap gives the error that the child returned.
func (f *Failure) Unwrap() error { return f.Err }
func (*Failure) sealed()         {}

// GaveUp is the end of a supervisor that could not restart a child once more: its
// children needed more restarts than its intensity allows, or what Why says. To
// the supervisor above it counts as a shutdown: it is clean, so a transient
// supervisor that gave up stays down (S56, S62).
type GaveUp struct {
	Supervisor string // path of the supervisor that gave up
	Child      string // name of the child that it could not restart
	Cause      Reason // why that child ended, or why it would not start, the last time; never nil
	Why        error  // what ruled the restart out; nil means too many restarts
}

// Error names supervisor, child and cause, and says why.
func (g *GaveUp) Error() string {
	how := fmt.Sprintf("too many restarts, the last one wanted by %q", g.Child)
	if g.Why != nil {
		how = fmt.Sprintf("%q cannot be restarted (%v)", g.Child, g.Why)
	}
	text := fmt.Sprintf("%s gave up: %s: %v", g.Supervisor, how, g.Cause)
	if g.Cause == Normal {
		text += " (a permanent child is restarted even when it is done)"
	}
	return text
}

// Clean is true: giving up ends a supervisor with the reason shutdown (S56).
func (g *GaveUp) Clean() bool { return true }

// Is reports that giving up is a kind of [Shutdown].
func (g *GaveUp) Is(target error) bool { return target == Shutdown }

// Unwrap gives Cause and Why, as far as they are set.
func (g *GaveUp) Unwrap() (inside []error) {
	if g.Cause != nil {
		inside = append(inside, g.Cause)
	}
	if g.Why != nil {
		inside = append(inside, g.Why)
	}
	return inside
}

func (*GaveUp) sealed() {}

// SiblingEnded is the detail of the shutdown of a child that is stopped because
// its supervisor's strategy restarts it together with a sibling:
//
//	var sibling *exit.SiblingEnded
//	if errors.As(context.Cause(ctx), &sibling) { … }
//
// It is not a Reason by itself.
type SiblingEnded struct {
	Sibling string // name of the child that ended or failed to start
	Reason  Reason // why
}

// Error names the sibling and its reason.
func (s *SiblingEnded) Error() string {
	return fmt.Sprintf("sibling %q ended: %v", s.Sibling, s.Reason)
}

// Of is the reason that belongs to what a child returned. It looks at the
// outermost value only: nil is [Normal], a Reason is itself, and any other
// error is a *[Failure], even if it wraps a Reason. A worker that wraps the
// error of a call to an orderly stopped callee has failed.
func Of(err error) Reason {
	if err == nil {
		return Normal
	}
	if reason, ok := Chosen(err); ok {
		return reason
	}
	return &Failure{Err: err}
}

// Chosen tells whether an error is itself one of the reasons of this package, and
// not nil inside: the way of a child, or of a handler, to end on purpose. A type
// that embeds a Reason is none.
func Chosen(err error) (reason Reason, ok bool) {
	switch reason := err.(type) {
	case plain:
		return err.(Reason), true // as it is: reason would be made anew
	case *detailed:
		return reason, reason != nil
	case *Panic:
		return reason, reason != nil
	case *Failure:
		return reason, reason != nil
	case *GaveUp:
		return reason, reason != nil
	}
	return nil, false
}

// OfStopped is the reason that belongs to what a child returned after it had
// been asked to end with cause. Beside what [Of] does, an error that is or
// wraps [context.Canceled], [context.DeadlineExceeded] or the cause is the
// cause: the child only says that it obeyed (S4).
func OfStopped(err error, cause Reason) Reason {
	reason := Of(err)
	failure, ok := reason.(*Failure)
	if ok && (errors.Is(failure.Err, context.Canceled) || errors.Is(failure.Err, context.DeadlineExceeded) || errors.Is(failure.Err, cause)) {
		return cause
	}
	return reason
}
