package exit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/exit"
)

var (
	errDisk   = errors.New("disk full")
	errDetail = errors.New("upgrade")
)

// list is an error of a type that cannot be compared: == on it panics.
type list []error

func (l list) Error() string { return fmt.Sprintf("%d errors", len(l)) }

// describe is kind and text of a reason, for tables.
func describe(r exit.Reason) string {
	kind := map[exit.Reason]string{
		exit.Normal: "Normal", exit.Shutdown: "Shutdown", exit.Killed: "Killed", exit.Goexit: "Goexit",
	}[r]
	if kind == "" {
		kind = strings.TrimPrefix(fmt.Sprintf("%T", r), "*exit.")
	}
	return kind + ": " + r.Error()
}

func TestS1S2_Clean(t *testing.T) {
	for _, test := range []struct {
		reason exit.Reason
		want   bool
	}{
		{exit.Normal, true},
		{exit.Shutdown, true},
		{exit.ShutdownFor(errDetail), true},
		{exit.ShutdownFor(exit.Killed), true}, // the detail does not matter
		{&exit.GaveUp{Cause: exit.Killed}, true},
		{exit.Killed, false},
		{exit.Goexit, false},
		{&exit.Failure{Err: errDisk}, false},
		{&exit.Failure{Err: exit.Shutdown}, false},
		{exit.Recovered("boom"), false},
		{exit.Recovered(exit.Shutdown), false},
	} {
		if got := test.reason.Clean(); got != test.want {
			t.Errorf("%s: got clean %v, want %v", describe(test.reason), got, test.want)
		}
	}
}

// nilError is an error whose method needs what a nil pointer does not have.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestS3_OfLooksAtTheOutermostValueOnly(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"nil", nil, "Normal: normal"},
		{"normal", exit.Normal, "Normal: normal"},
		{"shutdown", exit.Shutdown, "Shutdown: shutdown"},
		{"shutdown with detail", exit.ShutdownFor(errDetail), "detailed: shutdown: upgrade"},
		{"shutdown without detail", exit.ShutdownFor(nil), "Shutdown: shutdown"},
		{"killed", exit.Killed, "Killed: killed"},
		{"goexit", exit.Goexit, "Goexit: goroutine left by runtime.Goexit"},
		{"gave up", &exit.GaveUp{Supervisor: "root", Child: "a", Cause: exit.Killed},
			`GaveUp: root gave up: too many restarts, the last one wanted by "a": killed`},
		{"panic", exit.Recovered("boom"), "Panic: panic: boom"},
		{"gave up for another reason", &exit.GaveUp{Supervisor: "root", Child: "a", Cause: exit.Killed, Why: errDisk},
			`GaveUp: root gave up: "a" cannot be restarted (disk full): killed`},
		{"failure", &exit.Failure{Err: errDisk}, "Failure: disk full"},
		{"error", errDisk, "Failure: disk full"},
		{"error that wraps shutdown", fmt.Errorf("call: %w", exit.Shutdown), "Failure: call: shutdown"},
		{"error that wraps normal", fmt.Errorf("call: %w", exit.Normal), "Failure: call: normal"},
		{"error that joins shutdown", errors.Join(exit.Shutdown), "Failure: shutdown"},
		{"error that wraps gave up", fmt.Errorf("below: %w", &exit.GaveUp{Supervisor: "s", Child: "a", Cause: exit.Normal}),
			`Failure: below: s gave up: too many restarts, the last one wanted by "a": normal (a permanent child is restarted even when it is done)`},
		{"detail of a sibling", &exit.SiblingEnded{Sibling: "a", Reason: exit.Killed}, `Failure: sibling "a" ended: killed`},
		{"nil inside", (*exit.GaveUp)(nil), "Failure: <nil>"},
		{"nil error of the user", (*nilError)(nil), "Failure: <nil>"},
		{"type around nothing", struct{ exit.Reason }{}, "Failure: %!v(PANIC=Error method: runtime error: invalid memory address or nil pointer dereference)"},
		{"type around a reason", struct{ exit.Reason }{exit.Normal}, "Failure: normal"},
		{"S4 canceled while nobody asked", context.Canceled, "Failure: context canceled"},
		{"S4 deadline while nobody asked", context.DeadlineExceeded, "Failure: context deadline exceeded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := describe(exit.Of(test.err)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestS4_OfStoppedTakesObedienceForTheCause(t *testing.T) {
	detailed := exit.ShutdownFor(errDetail)
	uncomparable := exit.ShutdownFor(list{errDisk})
	for _, test := range []struct {
		name  string
		err   error
		cause exit.Reason
		want  exit.Reason // nil: a *Failure of err
	}{
		{"canceled", context.Canceled, exit.Shutdown, exit.Shutdown},
		{"canceled, killed", context.Canceled, exit.Killed, exit.Killed},
		{"canceled, detail", context.Canceled, detailed, detailed},
		{"wrapped canceled", fmt.Errorf("read: %w", context.Canceled), exit.Shutdown, exit.Shutdown},
		{"deadline", context.DeadlineExceeded, exit.Shutdown, exit.Shutdown},
		{"wrapped deadline", fmt.Errorf("read: %w", context.DeadlineExceeded), exit.Killed, exit.Killed},
		{"joined canceled", errors.Join(errDisk, context.Canceled), exit.Shutdown, exit.Shutdown},
		{"cause", exit.Shutdown, exit.Shutdown, exit.Shutdown},
		{"wrapped cause", fmt.Errorf("read: %w", detailed), detailed, detailed},
		{"wrapped cause, kind only", fmt.Errorf("read: %w", detailed), exit.Shutdown, exit.Shutdown},
		{"wrapped cause, uncomparable detail", fmt.Errorf("read: %w", uncomparable), uncomparable, uncomparable},
		{"another uncomparable detail", fmt.Errorf("read: %w", exit.ShutdownFor(list{})), uncomparable, nil},
		{"nil", nil, exit.Shutdown, exit.Normal},
		{"reason of its own", exit.Killed, exit.Shutdown, exit.Killed},
		{"error", errDisk, exit.Shutdown, nil},
		{"error that wraps another reason", fmt.Errorf("call: %w", exit.Killed), exit.Shutdown, nil},
		{"error that wraps shutdown when killed", fmt.Errorf("call: %w", exit.Shutdown), exit.Killed, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := exit.OfStopped(test.err, test.cause)
			if test.want != nil {
				if got != test.want {
					t.Errorf("got %s, want %s", describe(got), describe(test.want))
				}
				return
			}
			if failure, ok := got.(*exit.Failure); !ok || failure.Err != test.err {
				t.Errorf("got %s, want a Failure of %v", describe(got), test.err)
			}
		})
	}
	t.Run("panic", func(t *testing.T) {
		crash := exit.Recovered(context.Canceled)
		if got := exit.OfStopped(crash, exit.Shutdown); got != crash {
			t.Errorf("got %s, want the panic: it is a crash whatever its value", describe(got))
		}
	})
}

func TestReasonsAreFoundByIsAndAs(t *testing.T) {
	detailed := exit.ShutdownFor(errDetail)
	crash := exit.Recovered("boom")
	gaveUp := &exit.GaveUp{Supervisor: "root", Child: "a", Cause: crash}
	for _, test := range []struct {
		name   string
		err    error
		target error
		want   bool
	}{
		{"shutdown is shutdown", exit.Shutdown, exit.Shutdown, true},
		{"shutdown is not normal", exit.Shutdown, exit.Normal, false},
		{"killed is not shutdown", exit.Killed, exit.Shutdown, false},
		{"detailed is shutdown", detailed, exit.Shutdown, true},
		{"detailed is itself", detailed, detailed, true},
		{"detailed is its detail", detailed, errDetail, true},
		{"detailed is not killed", detailed, exit.Killed, false},
		{"shutdown is not detailed", exit.Shutdown, detailed, false},
		{"detailed is not of another detail", detailed, exit.ShutdownFor(errDisk), false},
		{"gave up is shutdown", gaveUp, exit.Shutdown, true},
		{"gave up is its cause", gaveUp, crash, true},
		{"gave up is not normal", gaveUp, exit.Normal, false},
		{"gave up is why", &exit.GaveUp{Cause: crash, Why: fmt.Errorf("write: %w", errDisk)}, errDisk, true},
		{"gave up without a cause", &exit.GaveUp{}, exit.Killed, false},
		{"failure is its error", &exit.Failure{Err: fmt.Errorf("write: %w", errDisk)}, errDisk, true},
		{"failure is what it wraps", exit.Of(fmt.Errorf("call: %w", exit.Shutdown)), exit.Shutdown, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := errors.Is(test.err, test.target); got != test.want {
				t.Errorf("errors.Is(%v, %v): got %v, want %v", test.err, test.target, got, test.want)
			}
		})
	}

	var found *exit.GaveUp
	if !errors.As(fmt.Errorf("run: %w", gaveUp), &found) || found != gaveUp {
		t.Errorf("got %v, want the GaveUp that was wrapped", found)
	}
	var cause *exit.Panic
	if !errors.As(&exit.GaveUp{Why: crash}, &cause) || cause != crash {
		t.Errorf("got %v, want the panic of a backoff, without a cause", cause)
	}
	if cause = nil; !errors.As(gaveUp, &cause) || cause != crash {
		t.Errorf("got %v, want the panic that made the supervisor give up", cause)
	}
	var numbers list
	if !errors.As(exit.ShutdownFor(list{errDisk}), &numbers) || len(numbers) != 1 {
		t.Errorf("got %v, want the detail of the shutdown", numbers)
	}
}

func TestS5_ReasonTravelsAsTheCauseOfAContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(exit.ShutdownFor(&exit.SiblingEnded{Sibling: "db", Reason: exit.Killed}))
	if got := ctx.Err(); got != context.Canceled {
		t.Errorf("got %v, want %v", got, context.Canceled)
	}
	cause := context.Cause(ctx)
	if !errors.Is(cause, exit.Shutdown) {
		t.Errorf("got %v, want a shutdown", cause)
	}
	var sibling *exit.SiblingEnded
	if !errors.As(cause, &sibling) || sibling.Sibling != "db" || sibling.Reason != exit.Killed {
		t.Errorf("got %v, want the sibling and its reason", cause)
	}
	if got, want := cause.Error(), `shutdown: sibling "db" ended: killed`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// broken is an error that reads what a nil pointer has not.
type broken struct{ text string }

func (b *broken) Error() string { return b.text }

// hopeless panics with itself when it is printed, which fmt does not survive.
type hopeless struct{}

func (h hopeless) Error() string { panic(h) }

// Whoever prints a reason must not end because of what is in it.
func TestReasonsAroundWhatCannotBePrinted(t *testing.T) {
	const text = "a exit_test.hopeless that panics when it is printed"
	for _, test := range []struct {
		reason exit.Reason
		want   string
	}{
		{exit.ShutdownFor((*broken)(nil)), "shutdown: <nil>"},
		{exit.Of((*broken)(nil)), "<nil>"},
		{exit.Recovered((*broken)(nil)), "panic: <nil>"},
		{exit.ShutdownFor(hopeless{}), "shutdown: " + text},
		{exit.Of(hopeless{}), text},
		{exit.Recovered(hopeless{}), "panic: " + text},
		{&exit.GaveUp{Supervisor: "s", Child: "c", Cause: exit.Of(hopeless{})}, `s gave up: too many restarts, the last one wanted by "c": ` + text},
	} {
		if got := test.reason.Error(); got != test.want {
			t.Errorf("%T: got %q, want %q", test.reason, got, test.want)
		}
	}
}
