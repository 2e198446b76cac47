package actor_test

import (
	"context"
	"errors"
	"testing"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
)

type zero struct{}

type zeroMessage struct{}

func (zeroMessage) Handle(context.Context, *zero) (int, error) { return 1, nil }

// What was not made by its constructor is a fault, and refuses; it does not panic.
func TestActorsThatNobodyHasMade(t *testing.T) {
	a, s := new(actor.Actor[int]), new(actor.Server[zero])
	ctx := t.Context()
	for name, err := range map[string]error{
		"send":                            a.Send(ctx, 1),
		"send all":                        a.SendAll(ctx, []int{1, 2}),
		"call":                            func() error { _, err := actor.Call(ctx, s, zeroMessage{}); return err }(),
		"call with a ctx that cannot end": func() error { _, err := actor.Call(context.Background(), s, zeroMessage{}); return err }(),
		"cast":                            actor.Cast(ctx, s, zeroMessage{}),
	} {
		if !errors.Is(err, mailbox.ErrClosed) {
			t.Errorf("%s: got %v, want %v", name, err, mailbox.ErrClosed)
		}
	}
	const unmade = "not made by New or NewServer"
	for name, child := range map[string]supervisor.Child{"an actor": a, "a server": s} {
		want := "supervisor \"s\": child 1: Name: empty\nsupervisor \"s\": child 1: " + unmade
		if err := supervisor.New("s", supervisor.Policy{}, child).Run(ctx); err == nil || err.Error() != want {
			t.Errorf("run with %s: got %v, want %s", name, err, want)
		}
		if _, err := child.Start(ctx); err == nil || err.Error() != unmade {
			t.Errorf("start of %s: got %v, want %s", name, err, unmade)
		}
	}
	if a.Stats() != (mailbox.Stats{}) || s.Stats() != (mailbox.Stats{}) || a.Path() != "" || s.Path() != "" {
		t.Errorf("got %v, %v, %q, %q, want nothing", a.Stats(), s.Stats(), a.Path(), s.Path())
	}
}
