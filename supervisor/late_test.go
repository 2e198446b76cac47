package supervisor_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// lateBed is a tree in which the first incarnation of x is stuck and then, when
// the test releases it, does what it can.
type lateBed struct {
	*bed
	t        *testing.T
	released chan struct{}
	target   *actor.Actor[int] // of another tree
	how      func() error
	told     int
}

// late is what the first incarnation does.
func (b *lateBed) late(ctx context.Context) error {
	<-b.released
	refused := func(what string, err error) {
		if b.told++; err == nil {
			b.t.Errorf("%s: got nil, want it refused", what)
		}
	}
	refused("StartChild", b.root.StartChild(ctx, named("late")))
	refused("TerminateChild", b.root.TerminateChild(ctx, "a"))
	refused("Go", supervisor.Go(ctx, func(context.Context) error { panic("called") }))
	refused("Send", b.target.Send(ctx, 1))
	return b.how()
}

// first makes a handler whose first call is late.
func (b *lateBed) first() func(context.Context) error {
	called := false
	return func(ctx context.Context) error {
		if called {
			return nil
		}
		called = true
		return b.late(ctx)
	}
}

// lateMessage is a message whose first one is late.
type lateMessage struct{ f func(context.Context) error }

func (m lateMessage) Handle(ctx context.Context, _ *struct{}) (int, error) { return 1, m.f(ctx) }

// Whatever an abandoned goroutine ends with, wherever it was stuck: it has no
// effect on its successor, in the same run of the tree or in the next, nor on the
// program.
func TestS194_LateEndsHaveNoEffect(t *testing.T) {
	for _, place := range []struct {
		name  string
		plant func(b *lateBed) (x supervisor.Child, stick func())
	}{
		{"run", func(b *lateBed) (supervisor.Child, func()) {
			first := b.first()
			return supervisor.Func("x", func(ctx context.Context) error {
				if err := first(ctx); err != nil {
					return err
				}
				<-ctx.Done()
				return nil
			}), nil
		}},
		{"Start", func(b *lateBed) (supervisor.Child, func()) {
			x, first := named("x"), b.first()
			x.onStart = func(ctx context.Context, _ int) error { return first(ctx) }
			return x, nil
		}},
		{"Go", func(b *lateBed) (supervisor.Child, func()) {
			return with(named("x"), b.first()), nil
		}},
		{"open", func(b *lateBed) (supervisor.Child, func()) {
			first := b.first()
			return actor.NewServer("x", func(ctx context.Context) (*struct{}, error) { return new(struct{}), first(ctx) },
				actor.ServerOptions[struct{}]{Close: func(context.Context, *struct{}, exit.Reason) error { panic("late close") }}), nil
		}},
		{"Continue", func(b *lateBed) (supervisor.Child, func()) {
			first := b.first()
			return actor.NewServer("x", idle, actor.ServerOptions[struct{}]{
				Continue: func(ctx context.Context, _ *struct{}) error { return first(ctx) },
			}), nil
		}},
		{"Close", func(b *lateBed) (supervisor.Child, func()) {
			first := b.first()
			return actor.NewServer("x", idle, actor.ServerOptions[struct{}]{
				Close: func(ctx context.Context, _ *struct{}, _ exit.Reason) error { return first(ctx) },
			}), nil
		}},
		{"handler", func(b *lateBed) (supervisor.Child, func()) {
			x := actor.NewServer("x", idle)
			return x, func() { go func() { _, _ = actor.Call(context.Background(), x, lateMessage{b.first()}) }() }
		}},
	} {
		for _, end := range ends {
			for _, again := range []bool{false, true} {
				if !again && (place.name == "Start" || place.name == "open") {
					continue // nothing else happens while they run
				}
				t.Run(fmt.Sprintf("%s, %s, in the next run %v", place.name, end.name, again), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { lateEnd(t, place.plant, end.how, again) })
				})
			}
		}
	}
}

func lateEnd(t *testing.T, plant func(*lateBed) (supervisor.Child, func()), how func() error, again bool) {
	b := &lateBed{t: t, released: make(chan struct{}), how: how, target: receiving("target", ignores)}
	target := start(t, supervisor.Policy{}, b.target)
	x, stick := plant(b)
	a := named("a")
	b.bed = newBed(t, supervisor.Policy{Strategy: strategy.OneForAll, Restarts: 1}, a,
		supervisor.Spec{Child: x, Shutdown: supervisor.Timeout(time.Second)})
	ended := make(chan error, 1)
	go func() { ended <- b.root.Run(context.Background()) }()
	synctest.Wait()
	if stick != nil {
		stick()
	}
	synctest.Wait()
	incarnation := 2
	if again {
		reported(t, b.root.Stop(context.Background()))
		reported(t, <-ended)
		go func() { ended <- b.root.Run(context.Background()) }()
		incarnation = 1
	} else {
		a.crash()
	}
	time.Sleep(time.Minute)
	check(t, "states", b.states(), "a x")
	check(t, "abandoned", len(b.root.Abandoned()), 1)
	b.take()

	close(b.released)
	synctest.Wait()
	check(t, "refused", b.told, 4)
	lines := b.take()
	if len(lines) != 1 || lines[0].text[:9] != "return x:" {
		t.Errorf("events: got %v, want the return of x alone", lines)
	}
	check(t, "states", b.states(), "a x")
	check(t, "incarnation", b.root.Snapshot().Children[1].Incarnation, incarnation)
	check(t, "abandoned after the return", len(b.root.Abandoned()), 0)
	check(t, "messages of others", b.target.Stats().Handled, 0)
	checkError(t, "stop", b.root.Stop(context.Background()), "")
	checkError(t, "run", <-ended, "")
	target.stopInOrder()
}
