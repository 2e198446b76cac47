package actor

import (
	"context"

	"github.com/coppice-go/coppice/internal/incarnation"
)

// Path is the path of the child that ctx belongs to, such as bank/accounts/bob:
// ctx is what a supervisor handed to Start, what a handler was given, or derived
// from one of these. It is empty for any other context.
func Path(ctx context.Context) string {
	if cell := incarnation.From(ctx); cell != nil {
		return cell.Scope().Path()
	}
	return ""
}

// Self is the actor that ctx belongs to, so that a handler can pass on its own
// address: T is *[Actor] or *[Server] with its type arguments, or [Target]. It
// is false if ctx does not belong to such an actor, or its open has not returned.
func Self[T any](ctx context.Context) (T, bool) {
	var none T
	cell := incarnation.From(ctx)
	if cell == nil {
		return none, false
	}
	self, ok := cell.Self().(T)
	return self, ok
}
