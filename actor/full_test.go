package actor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// full is an actor that has 0 in hand until it is released, a mailbox without
// room, and senders that wait for some.
type full struct {
	a        *actor.Actor[int]
	release  chan func() error // what the handler of 0 does in the end
	outcomes chan error        // of the sends of 1 to 4
}

func newFull(loop bool, options mailbox.Options) *full {
	f := &full{release: make(chan func() error, 1), outcomes: make(chan error, 4)}
	receive := func(ctx context.Context, n int) error {
		if n > 0 {
			return nil
		}
		select {
		case end := <-f.release:
			return end()
		case <-ctx.Done():
			return nil
		}
	}
	f.a = actor.New("a", func(context.Context) (actor.Behavior[int], error) {
		if !loop {
			return actor.Behavior[int]{Receive: receive}, nil
		}
		return actor.Behavior[int]{Loop: func(ctx context.Context, in *mailbox.Inbox[int]) error {
			for {
				select {
				case e := <-in.C:
					n, ok := in.Open(e)
					if !ok {
						continue
					}
					if err := receive(ctx, n); err != nil {
						return err
					}
				case <-ctx.Done():
					for range in.Rest() {
					}
					return nil
				}
			}
		}}, nil
	}, actor.Options{Mailbox: options})
	return f
}

// fill sends 0, which is in hand then, and 1 to 4, of which two wait for room
// at least.
func (f *full) fill(t *testing.T) {
	t.Helper()
	if err := f.a.Send(t.Context(), 0); err != nil {
		t.Error(err)
	}
	synctest.Wait()
	for n := range 4 {
		go func() { f.outcomes <- f.a.Send(context.Background(), n+1) }()
	}
	synctest.Wait()
	if waiting := 4 - len(f.outcomes); waiting < 2 {
		t.Fatalf("senders that wait: got %d, want 2 at least", waiting)
	}
}

// Whatever is full, the control goes its own way: nothing takes any time.
func TestS160_FullMailboxHoldsUpNothing(t *testing.T) {
	kinds := map[string]func(mailbox.Drain) *full{
		"receive": func(d mailbox.Drain) *full { return newFull(false, mailbox.Options{Capacity: 2, Drain: d}) },
		"unbuffered": func(d mailbox.Drain) *full {
			return newFull(false, mailbox.Options{Capacity: mailbox.Unbuffered, Drain: d})
		},
		"loop": func(d mailbox.Drain) *full { return newFull(true, mailbox.Options{Capacity: 2, Drain: d}) },
	}
	for _, test := range []struct {
		name  string
		drain mailbox.Drain
		act   func(t *testing.T, f *full, tree *supervisor.Supervisor, crash chan<- struct{})
		want  string // exits
		lost  bool   // the senders that wait are refused, and what waits is discarded
	}{
		{name: "requests to the supervisor", act: func(t *testing.T, f *full, tree *supervisor.Supervisor, _ chan<- struct{}) {
			if err := tree.StartChild(t.Context(), actor.NewServer("another", openState)); err != nil {
				t.Error(err)
			}
			check(t, "state", tree.Snapshot().Children[0].State, supervisor.Running)
			f.release <- func() error { return nil }
		}},
		{name: "exit of a sibling", want: "bad", act: func(_ *testing.T, f *full, _ *supervisor.Supervisor, crash chan<- struct{}) {
			crash <- struct{}{} // stops this one too
			synctest.Wait()
			f.release <- func() error { return nil }
		}},
		{name: "exit of its own", want: "panic: boom", act: func(_ *testing.T, f *full, _ *supervisor.Supervisor, _ chan<- struct{}) {
			f.release <- func() error { panic("boom") }
		}},
		{name: "stop", drain: mailbox.Discard, lost: true, act: func(t *testing.T, _ *full, tree *supervisor.Supervisor, _ chan<- struct{}) {
			if err := tree.TerminateChild(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		}},
		{name: "stop of the tree", drain: mailbox.Discard, lost: true, act: func(t *testing.T, _ *full, tree *supervisor.Supervisor, _ chan<- struct{}) {
			if err := tree.Stop(context.Background()); err != nil {
				t.Errorf("Stop: got %v, want nil", err)
			}
		}},
	} {
		for kind, newKind := range kinds {
			t.Run(fmt.Sprintf("%s, %s", test.name, kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f, crash := newKind(test.drain), make(chan struct{})
					tree, kept := plantWith(t, supervisor.Policy{Strategy: strategy.OneForAll}, f.a, crashing(crash))
					f.fill(t)
					start := time.Now()
					test.act(t, f, tree, crash)
					synctest.Wait()
					check(t, "took", time.Since(start), 0)
					check(t, "exits", kept.exits(), test.want)
					sent := sends{accepted: 1}
					for range 4 {
						switch err := <-f.outcomes; {
						case err == nil:
							sent.accepted++
						case !test.lost || !errors.Is(err, actor.ErrNoProc):
							t.Errorf("Send: got %v", err)
						}
					}
					check(t, "after all sends", time.Since(start), 0)
					synctest.Wait()
					check(t, "Waiting", f.a.Stats().Waiting, 0)
					sent.conserved(t, f.a.Stats())
				})
			})
		}
	}
}
