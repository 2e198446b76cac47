package actor_test

import (
	"context"
	"testing"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
)

// Each benchmark stands beside what one would write by hand: a goroutine with a
// channel that selects on its ctx as well, as do those who send. For ratios:
//
//	go test -run '^$' -bench . -count 5 ./actor | benchstat -col /impl -

const benchCapacity = 64

// number is a message for a handler that adds it up; zero tells done that all
// before it was handled.
type number struct{ n int }

// raw runs a goroutine that handles what comes through the channel.
func raw[M any](ctx context.Context, b *testing.B, handle func(M)) chan<- M {
	channel := make(chan M, benchCapacity)
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(ended)
		for {
			select {
			case m := <-channel:
				handle(m)
			case <-ctx.Done():
				return
			}
		}
	}()
	b.Cleanup(func() { cancel(); <-ended })
	return channel
}

func rawSend[M any](ctx context.Context, channel chan<- M, m M) error {
	select {
	case channel <- m:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// rawPut and actorPut start what handles messages, and give what sends it one.
func rawPut(b *testing.B, handle func(number)) func(context.Context, number) error {
	channel := raw(b.Context(), b, handle)
	return func(ctx context.Context, m number) error { return rawSend(ctx, channel, m) }
}

func actorPut(b *testing.B, handle func(number)) func(context.Context, number) error {
	a := actor.New("a", func(context.Context) (actor.Behavior[number], error) {
		return actor.Behavior[number]{Receive: func(_ context.Context, m number) error { handle(m); return nil }}, nil
	}, actor.Options{Mailbox: mailbox.Options{Capacity: benchCapacity}})
	plant(b, a)
	return a.Send
}

func BenchmarkSend(b *testing.B) {
	run := func(name string, send func(b *testing.B, handle func(number)) func(context.Context, number) error) {
		b.Run("impl="+name, func(b *testing.B) {
			sum, done := 0, make(chan int)
			put := send(b, func(m number) {
				if m.n == 0 {
					done <- sum
				}
				sum += m.n
			})
			ctx := b.Context()
			b.ReportAllocs()
			sent := 0
			for b.Loop() {
				sent++
				if err := put(ctx, number{1}); err != nil {
					b.Fatal(err)
				}
			}
			if err := put(ctx, number{}); err != nil {
				b.Fatal(err)
			}
			if got := <-done; got != sent {
				b.Fatalf("handled: got %d, want %d", got, sent)
			}
		})
	}
	run("raw", rawPut)
	run("actor", actorPut)
}

// tally is the message of the casts and calls: a pointer, which a server takes
// without an allocation.
type tally struct{ done chan int }

func (m *tally) Handle(_ context.Context, s *state) (int, error) {
	if m.done != nil {
		m.done <- s.n
	}
	s.n++
	return s.n, nil
}

// handler is what a server is, written by hand.
type handler interface {
	Handle(context.Context, *state) (int, error)
}

func benchServer(b *testing.B) *actor.Server[state] {
	s := actor.NewServer("s", openState, actor.ServerOptions[state]{
		Options: actor.Options{Mailbox: mailbox.Options{Capacity: benchCapacity}},
	})
	plant(b, s)
	return s
}

func BenchmarkCast(b *testing.B) {
	run := func(name string, start func(b *testing.B) func(context.Context, *tally) error) {
		b.Run("impl="+name, func(b *testing.B) {
			put := start(b)
			message, last := new(tally), &tally{done: make(chan int)}
			ctx := b.Context()
			b.ReportAllocs()
			sent := 0
			for b.Loop() {
				sent++
				if err := put(ctx, message); err != nil {
					b.Fatal(err)
				}
			}
			if err := put(ctx, last); err != nil {
				b.Fatal(err)
			}
			if got := <-last.done; got != sent {
				b.Fatalf("handled: got %d, want %d", got, sent)
			}
		})
	}
	run("raw", func(b *testing.B) func(context.Context, *tally) error {
		s := new(state)
		channel := raw(b.Context(), b, func(m handler) { _, _ = m.Handle(context.Background(), s) })
		return func(ctx context.Context, m *tally) error { return rawSend(ctx, channel, handler(m)) }
	})
	run("actor", func(b *testing.B) func(context.Context, *tally) error {
		s := benchServer(b)
		return func(ctx context.Context, m *tally) error { return actor.Cast(ctx, s, m) }
	})
}

// rawRequest is a call by hand.
type rawRequest struct {
	ctx     context.Context
	message handler
	reply   chan rawReply
}

type rawReply struct {
	value int
	err   error
}

func rawCall(ctx context.Context, channel chan<- rawRequest, m handler) (int, error) {
	reply := make(chan rawReply, 1)
	if err := rawSend(ctx, channel, rawRequest{ctx, m, reply}); err != nil {
		return 0, err
	}
	select {
	case r := <-reply:
		return r.value, r.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func BenchmarkCall(b *testing.B) {
	run := func(name string, start func(b *testing.B) func(context.Context, *tally) (int, error)) {
		for _, kind := range []string{"background", "cancellable"} {
			b.Run("ctx="+kind+"/impl="+name, func(b *testing.B) {
				call := start(b)
				ctx := context.Background()
				if kind == "cancellable" {
					ctx = b.Context()
				}
				message := new(tally)
				b.ReportAllocs()
				called := 0
				for b.Loop() {
					called++
					if n, err := call(ctx, message); err != nil || n != called {
						b.Fatalf("got %d, %v, want %d", n, err, called)
					}
				}
			})
		}
	}
	run("raw", func(b *testing.B) func(context.Context, *tally) (int, error) {
		s := new(state)
		channel := raw(b.Context(), b, func(r rawRequest) {
			n, err := r.message.Handle(r.ctx, s)
			r.reply <- rawReply{n, err}
		})
		return func(ctx context.Context, m *tally) (int, error) { return rawCall(ctx, channel, m) }
	})
	run("actor", func(b *testing.B) func(context.Context, *tally) (int, error) {
		s := benchServer(b)
		return func(ctx context.Context, m *tally) (int, error) { return actor.Call(ctx, s, m) }
	})
}
