package actor_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// descend panics below so many calls of its own.
func descend(n int) {
	if n > 0 {
		descend(n - 1)
		return
	}
	panic("bottom")
}

// down is a message to a server that panics there.
type down struct{ calls int }

func (d down) Handle(context.Context, *state) (int, error) { descend(d.calls); return 0, nil }

// The stack of a handler is whole up to the mailbox, and ends there, however deep it
// is and however deep those before were.
func TestTheStackOfAHandlerEndsWithTheMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(_ context.Context, n int) error { descend(n); return nil }}, nil
		})
		s := actor.NewServer("s", openState)
		_, kept := plant(t, a, s)
		var want []int
		for i := range 100 {
			n := i * 7 % 40
			want = append(want, n+1)
			var err error
			switch i % 3 {
			case 0:
				err = a.Send(t.Context(), n)
			case 1:
				err = a.SendAll(t.Context(), []int{n, n})
				want = append(want, n+1)
			case 2:
				err = actor.Cast(t.Context(), s, down{n})
			}
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		crashes := eventsOf[tracing.Crash](kept)
		if len(crashes) != len(want) {
			t.Fatalf("got %d crashes, want %d", len(crashes), len(want))
		}
		for i, c := range crashes {
			var p *exit.Panic
			if !errors.As(c.Reason, &p) {
				t.Fatalf("got %v, want a panic", c.Reason)
			}
			lines := strings.Split(strings.TrimSuffix(p.Stack(), "\n"), "\n")
			if got := strings.Count(p.Stack(), "actor_test.descend\n"); got != want[i] {
				t.Errorf("crash %d: got %d calls of the handler's, want %d:\n%s", i, got, want[i], p.Stack())
			}
			const last = "github.com/coppice-go/coppice/mailbox.(*Receiver[...]).Serve"
			if got := lines[len(lines)-2]; got != last {
				t.Errorf("crash %d: got a stack that ends with %s, want %s", i, got, last)
			}
		}
	})
}

// The stack of what has no messages goes down to the end of the goroutine.
func TestTheStackOfAFunctionIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := false
		_, kept := plant(t, supervisor.Func("f", func(ctx context.Context) error {
			if !again {
				again = true
				descend(3)
			}
			<-ctx.Done()
			return nil
		}))
		synctest.Wait()
		crashes := eventsOf[tracing.Crash](kept)
		if len(crashes) != 1 {
			t.Fatalf("got %d crashes, want 1", len(crashes))
		}
		var p *exit.Panic
		if !errors.As(crashes[0].Reason, &p) || !strings.Contains(p.Stack(), "actor_test.descend\n") || !strings.Contains(p.Stack(), "\nruntime.goexit\n") {
			t.Errorf("got %v, want the whole stack", crashes[0].Reason)
		}
	})
}
