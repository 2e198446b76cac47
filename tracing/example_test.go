package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// A sink sees every event, on the goroutine that acts.
func ExampleNew() {
	restarts := map[string]int{} // one supervisor only, so no lock
	count := func(e tracing.Event) {
		if e, ok := e.(tracing.Restarted); ok {
			restarts[e.Path]++
		}
	}
	tr := tracing.New(tracing.Options{
		Logger: slog.New(slog.DiscardHandler),
		Sinks:  []tracing.Sink{count},
	})

	// This is what the runtime does.
	alice := tr.Life("bank/alice", "", nil)
	alice.Emit(tracing.Exited{Reason: exit.Killed})
	alice.Emit(tracing.Restarted{Attempt: 1, Reason: exit.Killed})

	fmt.Println(restarts)
	// Output: map[bank/alice:1]
}

// The reader of a subscription may be slow. It is told what it missed.
func ExampleTracing_Subscribe() {
	tr := tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})
	events := tr.Subscribe(2)

	for _, name := range []string{"alice", "bob", "carol", "dave"} {
		tr.Life("bank/"+name, "", nil).Emit(tracing.Started{Took: time.Millisecond})
	}
	events.Close()

	for e := range events.C {
		fmt.Println(e)
	}
	// Output:
	// bank/alice started in 1ms
	// bank/bob started in 1ms
	// missed 2 events
}

// What a supervisor does to start a child and to restart it once.
func ExampleTracing_Life() {
	show := func(e tracing.Event) { fmt.Println(e) }
	tr := tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler), Sinks: []tracing.Sink{show}})
	bank := tr.Life("bank", "", nil)
	life := tr.Life("bank/users/42", "bank/users/{user}", bank)

	ctx := context.Background()
	act := life.Begin(ctx, tracing.ActStart)
	child := life.Context(ctx) // for the child's Start
	act.End(tracing.Started{Head: tracing.Head{Incarnation: 1}, Took: time.Millisecond})

	boom := exit.Of(errors.New("lost connection"))
	life.Emit(tracing.Exited{Head: tracing.Head{Incarnation: 1}, Reason: boom, Lived: time.Hour})
	life.Emit(tracing.Restarting{Head: tracing.Head{Incarnation: 1}, Attempt: 1, Reason: boom})
	act = life.Begin(ctx, tracing.ActRestart)
	act.End(tracing.Restarted{Head: tracing.Head{Incarnation: 2}, Attempt: 1, Took: time.Millisecond, Reason: boom})

	fmt.Println(tracing.From(child) == life)
	// Output:
	// bank/users/42#1 started in 1ms
	// bank/users/42#1 exited after 1h0m0s: lost connection
	// bank/users/42#1 restarts at once, attempt 1: lost connection
	// bank/users/42#2 restarted in 1ms, attempt 1: lost connection
	// true
}
