package incarnation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
)

// trap is an error of a user that panics when it is asked what it is.
type trap struct{}

func (trap) Error() string   { return "trap" }
func (trap) Is(error) bool   { panic("asked") }
func describe(r any) string  { return fmt.Sprintf("%T: %v", r, r) }
func panics(value any) error { panic(value) }

func TestS3_Protect(t *testing.T) {
	errDisk := errors.New("disk full")
	type event func(*incarnation.Cell)
	stopped := func(c *incarnation.Cell) { c.Stop(exit.Shutdown, true) }
	killed := func(c *incarnation.Cell) { c.Kill(exit.Killed) }
	for _, test := range []struct {
		name   string
		before event
		f      func() error
		want   string
	}{
		{"nil", nil, func() error { return nil }, "exit.plain: normal"},
		{"error", nil, func() error { return errDisk }, "*exit.Failure: disk full"},
		{"reason", nil, func() error { return exit.Shutdown }, "exit.plain: shutdown"},
		{"canceled while nobody asked", nil, func() error { return context.Canceled }, "*exit.Failure: context canceled"},
		{"S4 canceled after the stop", stopped, func() error { return context.Canceled }, "exit.plain: shutdown"},
		{"S4 canceled after the kill", killed, func() error { return fmt.Errorf("read: %w", context.Canceled) }, "exit.plain: killed"},
		{"error after the stop", stopped, func() error { return errDisk }, "*exit.Failure: disk full"},
		{"nil after the stop", stopped, func() error { return nil }, "exit.plain: normal"},
		{"panic", nil, func() error { return panics("boom") }, "*exit.Panic: panic: boom"},
		{"panic after the stop", stopped, func() error { return panics("boom") }, "*exit.Panic: panic: boom"},
		{"panic with a reason", nil, func() error { return panics(exit.Shutdown) }, "*exit.Panic: panic: shutdown"},
		{"panic with an error", nil, func() error { return panics(errDisk) }, "*exit.Panic: panic: disk full"},
		{"panic with nil", nil, func() error { return panics(nil) }, "*exit.Panic: panic: panic called with nil argument"},
		{"an error that panics when it is asked", stopped, func() error { return trap{} }, "*exit.Panic: panic: asked"},
		{"Goexit", nil, func() error { runtime.Goexit(); return nil }, "exit.plain: goroutine left by runtime.Goexit"},
		{"Goexit after the stop", stopped, func() error { runtime.Goexit(); return nil }, "exit.plain: goroutine left by runtime.Goexit"},
		{"Goexit in a deferred function of a panic", nil, func() error {
			defer runtime.Goexit()
			return panics("boom")
		}, "exit.plain: goroutine left by runtime.Goexit"},
		{"Goexit, and a panic in a deferred function of it", nil, func() error {
			defer func() { _ = panics("boom") }()
			runtime.Goexit()
			return nil
		}, "*exit.Panic: panic: boom"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCell(t.Context())
			if test.before != nil {
				test.before(c)
			}
			var reasons []string
			returned := false
			done := make(chan struct{})
			go func() {
				defer close(done)
				c.Protect(test.f, func(reason exit.Reason) { reasons = append(reasons, describe(reason)) })
				returned = true
			}()
			<-done
			check(t, "reasons", strings.Join(reasons, ", "), test.want)
			check(t, "the goroutine lives on", returned, !strings.HasPrefix(test.name, "Goexit"))
		})
	}
}

func TestProtectKeepsTheStackOfAPanic(t *testing.T) {
	newCell(t.Context()).Protect(func() error { return panics("boom") }, func(reason exit.Reason) {
		crash, ok := reason.(*exit.Panic)
		if !ok {
			t.Fatalf("got %v, want a panic", describe(reason))
		}
		if function, _, _ := strings.Cut(crash.Stack(), "\n"); !strings.Contains(function, "incarnation_test.panics") {
			t.Errorf("top of the stack: got %s, want panics", function)
		}
	})
}

// asChild makes a test crash, in a process of its own.
const asChild = "COPPICE_TEST_CRASHES"

func TestProtectLeavesPanicsAloneWhenTheyAreToCrash(t *testing.T) {
	if os.Getenv(asChild) != "" {
		c := incarnation.New(context.Background(), incarnation.NewScope("root"), 1, incarnation.Terms{CrashOnPanic: true})
		c.Protect(func() error { return panics("boom") }, func(exit.Reason) { fmt.Println("went on") })
		return
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), executable, "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), asChild+"=yes")
	output, err := child.CombinedOutput()
	var failed *exec.ExitError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v, want a crash; output:\n%s", err, output)
	}
	for _, want := range []string{"panic: boom", "incarnation_test.panics"} {
		if !bytes.Contains(output, []byte(want)) {
			t.Errorf("got no %q in the output, want the panic and its stack:\n%s", want, output)
		}
	}
	if bytes.Contains(output, []byte("went on")) {
		t.Errorf("got an end, want none:\n%s", output)
	}
}

// In crash mode everything but a panic is as always.
func TestProtectInCrashMode(t *testing.T) {
	c := incarnation.New(t.Context(), incarnation.NewScope("root"), 1, incarnation.Terms{CrashOnPanic: true})
	for want, f := range map[string]func() error{
		"exit.plain: normal":                           func() error { return nil },
		"*exit.Failure: x":                             func() error { return errors.New("x") },
		"exit.plain: goroutine left by runtime.Goexit": func() error { runtime.Goexit(); return nil },
	} {
		got := make(chan string, 1)
		go c.Protect(f, func(reason exit.Reason) { got <- describe(reason) })
		check(t, "reason", <-got, want)
	}
}
