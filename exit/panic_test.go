package exit_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/exit"
)

// recovered is the panic of f, as a supervisor sees it.
func recovered(f func()) (crash *exit.Panic) {
	defer func() {
		if value := recover(); value != nil {
			crash = exit.Recovered(value)
		}
	}()
	f()
	return nil
}

// The functions that panic have names, so that tests find them in stacks.

func panicWith(value any) { panic(value) }

func nilPointer() { var c *exit.Panic; _ = c.Value }

func nilMap() { noMap["a"] = 1 }

var noMap map[string]int

func outOfRange() { var s []int; i := len(s); s[i] = 1 }

func wrongType() { var v any = 1; _ = v.(string) }

func divideByZero() { zero := 0; fmt.Fprint(io.Discard, 1/zero) }

func closeTwice() { c := make(chan int); close(c); close(c) }

func unhashable() { m := map[any]int{}; m[[]int{}] = 1 }

func panicsInCleanup() {
	defer cleanup()
	panic("work")
}

func cleanup() { panic("cleanup") }

func panicsAfterRecovery() {
	recovered(func() { panic("first") })
	panic("second")
}

func TestS3_PanicWithAnyValueIsACrash(t *testing.T) {
	for _, test := range []struct {
		name string
		f    func()
		want string
	}{
		{"string", func() { panicWith("boom") }, "panic: boom"},
		{"error", func() { panicWith(errDisk) }, "panic: disk full"},
		{"nil", func() { panic(nil) }, "panic: panic called with nil argument"},
		{"struct", func() { panicWith(struct{ A int }{1}) }, "panic: {1}"},
		{"shutdown", func() { panicWith(exit.Shutdown) }, "panic: shutdown"},
		{"runtime error", nilPointer, "panic: runtime error: invalid memory address or nil pointer dereference"},
		{"value whose Error panics", func() { panicWith((*exit.Failure)(nil)) }, "panic: <nil>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			crash := recovered(test.f)
			if got := crash.Error(); !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if crash.Clean() {
				t.Error("got clean, want a crash")
			}
			if got := exit.Of(crash); got != crash {
				t.Errorf("Of: got %v, want the panic itself", got)
			}
		})
	}
}

func TestS3_PanicShowsAnErrorButNoReason(t *testing.T) {
	t.Run("error", func(t *testing.T) {
		crash := recovered(func() { panicWith(fmt.Errorf("write: %w", list{errDisk})) })
		var found list
		if !errors.As(crash, &found) {
			t.Errorf("got %v, want errors.As to find the value", crash)
		}
	})
	t.Run("runtime error", func(t *testing.T) {
		var found runtime.Error
		if crash := recovered(outOfRange); !errors.As(crash, &found) {
			t.Errorf("got %v, want a runtime.Error", crash)
		}
	})
	t.Run("nil", func(t *testing.T) {
		var found *runtime.PanicNilError
		if crash := recovered(func() { panic(nil) }); !errors.As(crash, &found) {
			t.Errorf("got %v, want a *runtime.PanicNilError", crash)
		}
	})
	t.Run("no error", func(t *testing.T) {
		if got := recovered(func() { panicWith("boom") }).Unwrap(); got != nil {
			t.Errorf("got %v, want nil", got)
		}
	})
	for _, reason := range []exit.Reason{exit.Normal, exit.Shutdown, exit.ShutdownFor(errDetail), exit.Killed, &exit.GaveUp{Cause: exit.Killed}} {
		t.Run(reason.Error(), func(t *testing.T) {
			crash := recovered(func() { panicWith(reason) })
			if crash.Value != reason {
				t.Errorf("got value %v, want %v", crash.Value, reason)
			}
			if errors.Is(crash, reason) || errors.Is(crash, exit.Shutdown) || crash.Clean() {
				t.Errorf("got a %v that passes for its value, want a crash", crash)
			}
		})
	}
}

const here = "github.com/coppice-go/coppice/exit_test."

func TestStackBeginsWithTheFunctionThatPanicked(t *testing.T) {
	for _, test := range []struct {
		f    func()
		want string
	}{
		{func() { panicWith("boom") }, here + "panicWith"},
		{nilPointer, here + "nilPointer"},
		{nilMap, here + "nilMap"},
		{outOfRange, here + "outOfRange"},
		{wrongType, here + "wrongType"},
		{divideByZero, here + "divideByZero"},
		{closeTwice, here + "closeTwice"},
		{unhashable, here + "unhashable"},
		{panicsInCleanup, here + "cleanup"},
		{panicsAfterRecovery, here + "panicsAfterRecovery"},
		{func() { _ = strings.Repeat("x", -1) }, "strings.Repeat"},
	} {
		t.Run(test.want, func(t *testing.T) {
			stack := recovered(test.f).Stack()
			if got, _, _ := strings.Cut(stack, "\n"); got != test.want {
				t.Errorf("got a stack that begins with %s, want %s:\n%s", got, test.want, stack)
			}
		})
	}
}

func TestStackHasTheLayoutOfATraceback(t *testing.T) {
	stack := recovered(func() { panicWith("boom") }).Stack()
	lines := strings.Split(strings.TrimSuffix(stack, "\n"), "\n")
	if len(lines)%2 != 0 {
		t.Fatalf("got %d lines, want pairs:\n%s", len(lines), stack)
	}
	for i := 0; i < len(lines); i += 2 {
		if strings.HasPrefix(lines[i], "\t") || !strings.HasPrefix(lines[i+1], "\t") || !strings.Contains(lines[i+1], ":") {
			t.Errorf("got %q and %q, want a function, then a tab, its file and line", lines[i], lines[i+1])
		}
	}
	if strings.Contains(stack, "exit.Recovered") || strings.Contains(stack, "runtime.gopanic") {
		t.Errorf("got frames of the recovery:\n%s", stack)
	}
}

func TestStackShowsThePanicDuringWhichItHappened(t *testing.T) {
	crash := recovered(panicsInCleanup)
	if crash.Value != "cleanup" {
		t.Errorf("got %v, want the later panic", crash.Value)
	}
	if stack := crash.Stack(); !strings.Contains(stack, "exit_test.panicsInCleanup\n") {
		t.Errorf("got a stack without the function that panicked first:\n%s", stack)
	}
}

func TestStackIsBounded(t *testing.T) {
	var deep func(n int)
	deep = func(n int) {
		if n == 0 {
			panicWith("deep")
		}
		deep(n - 1)
	}
	stack := recovered(func() { deep(10_000) }).Stack()
	if frames := strings.Count(stack, "\n\t"); frames == 0 || frames > 64 {
		t.Errorf("got %d frames, want at most 64", frames)
	}
	if !strings.HasPrefix(stack, "github.com/coppice-go/coppice/exit_test.panicWith\n") {
		t.Errorf("got a stack without its top:\n%s", stack)
	}
}

// How many frames are asked for at first depends on the panics before: none of that
// shows.
func TestStackIsWholeWhateverWasThereBefore(t *testing.T) {
	var deep func(n int)
	deep = func(n int) {
		if n == 0 {
			panicWith("deep")
		}
		deep(n - 1)
	}
	for i := range 3 * 64 {
		n := i * 29 % 50
		stack := recovered(func() { deep(n) }).Stack()
		if got := strings.Count(stack, here+"TestStackIsWholeWhateverWasThereBefore.func1\n"); got != n+1 {
			t.Errorf("got %d of %d calls:\n%s", got, n+1, stack)
		}
		if !strings.Contains(stack, "\ntesting.tRunner\n") {
			t.Errorf("after %d calls: got a stack without its bottom:\n%s", n, stack)
		}
	}
}

func TestStackOfAPanicThatWasNotRecovered(t *testing.T) {
	if got := (&exit.Panic{Value: "made by hand"}).Stack(); got != "" {
		t.Errorf("got %q, want none", got)
	}
	if got := exit.Recovered("outside of a panic").Stack(); !strings.Contains(got, "TestStackOfAPanicThatWasNotRecovered") {
		t.Errorf("got %q, want the stack of the caller", got)
	}
}
