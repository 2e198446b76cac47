package actor_test

import (
	"context"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/coppice-go/coppice/actor"
)

// ping is a message by pointer, pong one by value; both tell that they were
// handled, so that a test counts what both sides have allocated.
type (
	ping struct{ handled chan struct{} }
	pong struct {
		handled chan struct{}
		n       int
	}
)

func (p *ping) Handle(context.Context, *state) (int, error) { p.handled <- struct{}{}; return 0, nil }
func (p pong) Handle(context.Context, *state) (int, error)  { p.handled <- struct{}{}; return 0, nil }

// done is a message that asks for its ctx's channel.
type done struct{}

func (done) Handle(ctx context.Context, _ *state) (int, error) { _ = ctx.Done(); return 0, nil }

// derived is a message that derives a ctx from its own.
type derived struct{}

func (derived) Handle(ctx context.Context, _ *state) (int, error) {
	_, cancel := context.WithTimeout(ctx, time.Second)
	cancel()
	return 0, nil
}

// plain is a message that does nothing.
type plain struct{}

func (plain) Handle(context.Context, *state) (int, error) { return 0, nil }

// What messages cost without a tracer, both sides together.
func TestAllocationsOfAMessage(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	timed, cancelTimed := context.WithTimeout(ctx, time.Hour)
	defer cancelTimed()
	handled := make(chan struct{})
	s := actor.NewServer("s", openState)
	a := actor.New("a", func(context.Context) (actor.Behavior[*ping], error) {
		return actor.Behavior[*ping]{Receive: func(_ context.Context, p *ping) error { p.handled <- struct{}{}; return nil }}, nil
	})
	plant(t, s, a)
	p := &ping{handled}
	for _, test := range []struct {
		name string
		want float64
		f    func()
	}{
		{"Send of a pointer", 0, func() { _ = a.Send(ctx, p); <-handled }},
		{"Cast of a pointer", 0, func() { _ = actor.Cast(ctx, s, p); <-handled }},
		{"Cast of a value", 1, func() { _ = actor.Cast(ctx, s, pong{handled, 1}); <-handled }},
		{"Call, background", 0 + notUsedAgain, func() { _, _ = actor.Call(context.Background(), s, plain{}) }},
		{"Call, cancellable", 0 + notUsedAgain, func() { _, _ = actor.Call(ctx, s, plain{}) }},
		{"Call, background, whose handler asks for Done", 0 + notUsedAgain, func() { _, _ = actor.Call(context.Background(), s, done{}) }},
		{"Call, cancellable, whose handler asks for Done", 3 + notUsedAgain, func() { _, _ = actor.Call(ctx, s, done{}) }},
		{"Call, with a deadline, whose handler asks for Done", 4 + notUsedAgain, func() { _, _ = actor.Call(timed, s, done{}) }},
		{"Call, cancellable, whose handler derives", 9 + notUsedAgain, func() { _, _ = actor.Call(ctx, s, derived{}) }},
	} {
		test.f()
		if got := testing.AllocsPerRun(200, test.f); got > test.want {
			t.Errorf("%s: got %v allocations, want at most %v", test.name, got, test.want)
		} else {
			t.Logf("%s: %v allocations", test.name, got)
		}
	}
}

// An idle server keeps nothing of the message that it has handled last.
func TestHandledMessagesCanBeCollected(t *testing.T) {
	s := actor.NewServer("s", openState)
	plant(t, s)
	send := func() weak.Pointer[[64]byte] {
		big := new([64]byte)
		_, err := actor.Call(context.Background(), s, do(func(context.Context, *state) (int, error) { return int(big[0]), nil }))
		if err != nil {
			t.Error(err)
		}
		return weak.Make(big)
	}
	left := send()
	for deadline := time.Now().Add(10 * time.Second); left.Value() != nil; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the message is still alive, want it collected")
		}
		runtime.GC()
	}
}
