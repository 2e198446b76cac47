package exit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/exit"
)

func ExampleOf() {
	for _, err := range []error{
		nil,
		exit.Shutdown,
		errors.New("disk full"),
		fmt.Errorf("call: %w", exit.Shutdown), // the callee was stopped, so this child has failed
	} {
		reason := exit.Of(err)
		fmt.Printf("%v, clean: %v\n", reason, reason.Clean())
	}
	// Output:
	// normal, clean: true
	// shutdown, clean: true
	// disk full, clean: false
	// call: shutdown, clean: false
}

func ExampleOfStopped() {
	fmt.Println(exit.OfStopped(context.Canceled, exit.Shutdown))
	fmt.Println(exit.OfStopped(errors.New("disk full"), exit.Shutdown))
	// Output:
	// shutdown
	// disk full
}

func ExampleShutdownFor() {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(exit.ShutdownFor(errors.New("upgrade")))

	cause := context.Cause(ctx)
	fmt.Println(cause, errors.Is(cause, exit.Shutdown))
	// Output: shutdown: upgrade true
}

func ExampleRecovered() {
	run := func(f func()) (reason exit.Reason) {
		defer func() {
			if value := recover(); value != nil {
				reason = exit.Recovered(value)
			}
		}()
		f()
		return exit.Normal
	}
	reason := run(func() { panic("negative deposit") })

	var crash *exit.Panic
	if errors.As(reason, &crash) {
		function, _, _ := strings.Cut(crash.Stack(), "\n")
		fmt.Println(crash)
		fmt.Println("in this example:", strings.Contains(function, "ExampleRecovered"))
	}
	// Output:
	// panic: negative deposit
	// in this example: true
}

func ExampleGaveUp() {
	var err error = &exit.GaveUp{Supervisor: "bank/accounts", Child: "alice", Cause: exit.Killed}

	var gaveUp *exit.GaveUp
	if errors.As(err, &gaveUp) {
		fmt.Println(gaveUp.Child, gaveUp.Cause)
	}
	fmt.Println(err)
	// Output:
	// alice killed
	// bank/accounts gave up: too many restarts, the last one wanted by "alice": killed
}
