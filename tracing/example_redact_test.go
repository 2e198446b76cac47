package tracing_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// Ticks are no secret. Of everything else nobody sees more than the types.
func ExampleRedacted() {
	type tick struct{ N int }
	type login struct{ Password string }
	hide := func(e tracing.Event) tracing.Event {
		if letter, ok := e.(tracing.DeadLetter); ok {
			if _, public := letter.Message.(tick); public {
				return e
			}
		}
		return tracing.Redacted(e)
	}
	show := func(e tracing.Event) {
		if letter, ok := e.(tracing.DeadLetter); ok {
			fmt.Println(letter.Message)
		}
	}
	life := tracing.New(tracing.Options{
		Logger: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: noTime})),
		Sinks:  []tracing.Sink{show},
		Redact: hide,
	}).Life("bank/alice", "", nil)

	life.Emit(tracing.DeadLetter{Message: tick{7}})
	life.Emit(tracing.DeadLetter{Message: login{"hunter2"}})
	life.Emit(tracing.CastFailed{Message: login{"hunter2"}, Err: errors.New("cannot log in with hunter2")})
	// Output:
	// {7}
	// redacted tracing_test.login
	// level=WARN msg="cast failed" coppice.path=bank/alice coppice.message=tracing_test.login coppice.error="redacted *errors.errorString"
}

// Card numbers are hidden wherever an error or a panic repeats them; the rest of
// the text, the types and the stacks stay.
func ExampleRedactedBy() {
	digits := regexp.MustCompile(`[0-9]`)
	life := tracing.New(tracing.Options{
		Logger: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: noTime})),
		Redact: func(e tracing.Event) tracing.Event {
			return tracing.RedactedBy(e, func(text string) string { return digits.ReplaceAllString(text, "*") })
		},
	}).Life("bank/alice", "", nil)

	life.Emit(tracing.GaveUp{Child: "alice", Reason: exit.Of(errors.New("card 4929 was refused"))})
	// Output:
	// level=ERROR msg="supervisor gave up" coppice.path=bank/alice coppice.child=alice coppice.reason="card **** was refused" coppice.why="too many restarts"
}
