package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/tracing"
)

// A snapshot that has come to an incarnation of a supervisor when that ends looks
// at children which the next one starts. What it reads and what that writes, the
// race detector sees.
func TestSnapshotThroughAnIncarnationThatHasEnded(t *testing.T) {
	crash := make(chan struct{})
	restarted := make(chan struct{}, 2)
	child := Func("c", func(ctx context.Context) error {
		restarted <- struct{}{}
		select {
		case <-crash:
			return errors.New("boom")
		case <-ctx.Done():
			return nil
		}
	})
	sub := New("sub", Policy{Restarts: strategy.NoRestarts}, child)
	root := New("root", Policy{Tracing: tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})}, sub)
	if _, err := root.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-restarted
	before := sub.loop.Load()
	crash <- struct{}{} // sub gives up, and is restarted
	for range 1000 {
		if n := len(before.snapshots()); n != 1 {
			t.Fatalf("children: got %d, want 1", n)
		}
	}
	<-restarted
	if err := root.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// A child that has replied to who started it is not starting any more, also if it ended
// before its supervisor has looked.
func TestSnapshotOfAChildBeforeItsSupervisorHasLooked(t *testing.T) {
	for phase, want := range map[uint32]State{starting: Starting, up: Running, over: Running, failed: Starting} {
		m := &member{child: Func("c", nil)}
		r := newRunner(&above{t.Context(), newTree(t.Context(), nil), nil, nil}, m, incarnation.NewScope("root/c"), 1, incarnation.Terms{})
		r.phase.Store(phase)
		s := Snapshot{State: Starting}
		if s.look(m, r); s.State != want {
			t.Errorf("phase %d: got %v, want %v", phase, s.State, want)
		}
	}
}
