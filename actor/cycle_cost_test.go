package actor_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// Once a call of a server has its outcome, nothing of it is left in the server.
func TestCallsOfAServerCanBeCollected(t *testing.T) {
	a, b := actor.NewServer("a", openState), actor.NewServer("b", openState)
	events := tracing.New(tracing.Options{ // which would keep a message, as the record of a crash does
		Logger: slog.New(slog.DiscardHandler),
		Redact: tracing.Redacted,
	})
	plantWith(t, supervisor.Policy{Restarts: strategy.Unlimited, Tracing: events}, a, b)
	gone := actor.NewServer("gone", openState)
	for _, test := range []struct {
		name string
		to   *actor.Server[state]
		ends func(left <-chan struct{}) (int, error)
		want string
	}{
		{"answered", b, func(<-chan struct{}) (int, error) { return 1, nil }, "1, <nil>"},
		{"crashed", b, func(<-chan struct{}) (int, error) { panic("boom") }, "0, tree/b: callee ended before it replied: panic: boom"},
		{"not there", gone, nil, "0, gone: no such process: not started, or gone for good"},
		{"refused", a, nil, "0, tree/a: the call would wait for itself: tree/a → tree/a"},
		{"given up", b, func(left <-chan struct{}) (int, error) { <-left; return 0, nil }, "0, tree/b: context canceled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			call := func() weak.Pointer[[64]byte] {
				big, left := new([64]byte), make(chan struct{})
				n, err := actor.Call(context.Background(), a, do(func(ctx context.Context, _ *state) (int, error) {
					defer close(left)
					ctx, leave := context.WithCancel(ctx)
					defer leave()
					return actor.Call(ctx, test.to, do(func(context.Context, *state) (int, error) {
						big[0]++
						if test.name == "given up" {
							leave()
						}
						return test.ends(left)
					}))
				}))
				check(t, "outcome", answer(n, err), test.want)
				return weak.Make(big)
			}
			kept := call()
			for deadline := time.Now().Add(10 * time.Second); kept.Value() != nil; runtime.Gosched() {
				if time.Now().After(deadline) {
					t.Fatal("the message is still alive, want it collected")
				}
				_, _ = actor.Call(context.Background(), b, next) // it forgets what it had in hand
				runtime.GC()
			}
		})
	}
}

// many is a message whose handler calls another server so many times.
type many struct {
	to *actor.Server[state]
	n  int
}

func (m many) Handle(ctx context.Context, _ *state) (int, error) {
	for range m.n {
		if _, err := actor.Call(ctx, m.to, plain{}); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// What a call costs that a handler makes: its own, and now and then the names of the
// next contexts.
func TestAllocationsOfACallInAHandler(t *testing.T) {
	all := plantServers(t, 2)
	cost := func(n int) float64 {
		return testing.AllocsPerRun(100, func() {
			if _, err := actor.Call(context.Background(), all[0], many{all[1], n}); err != nil {
				t.Error(err)
			}
		})
	}
	check(t, "allocations of a call", math.Round((cost(11)-cost(1))/10), 2)
}

// BenchmarkCallInAHandler is a call by a server, beside one by a function.
func BenchmarkCallInAHandler(b *testing.B) {
	to := actor.NewServer("to", openState)
	from := actor.NewServer("from", openState)
	plant(b, to, from)
	b.Run("by=server", func(b *testing.B) {
		b.ReportAllocs()
		if _, err := actor.Call(b.Context(), from, many{to, b.N}); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("by=function", func(b *testing.B) {
		b.ReportAllocs()
		done := make(chan error)
		plant(b, supervisor.Spec{Restart: strategy.Temporary, Child: supervisor.Func("f", func(ctx context.Context) error {
			_, err := many{to, b.N}.Handle(ctx, nil)
			done <- err
			return nil
		})})
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkCycle is what it costs to refuse a call, by the length of the way.
func BenchmarkCycle(b *testing.B) {
	all := plantServers(b, 5)
	for _, length := range []int{1, 2, 5} {
		b.Run(fmt.Sprint("length=", length), func(b *testing.B) {
			refused := do(func(ctx context.Context, _ *state) (int, error) {
				for range b.N {
					if _, err := actor.Call(ctx, all[0], plain{}); err == nil {
						b.Error("got no error, want one")
					}
				}
				return 0, nil
			})
			if _, err := calling(refused, all[:length]...)(b.Context(), nil); err != nil {
				b.Error(err)
			}
		})
	}
}
