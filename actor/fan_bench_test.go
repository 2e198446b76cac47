package actor_test

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
)

// counter tells done when it has counted as many as there will be.
type counter struct {
	left int
	done func()
}

func (c *counter) count(number) {
	if c.left--; c.left == 0 {
		c.done()
	}
}

// BenchmarkSendAtOnce has many senders at once, eight to one actor or a hundred to as
// many; the figures are for one message.
func BenchmarkSendAtOnce(b *testing.B) {
	for _, size := range []struct{ senders, actors int }{{8, 1}, {100, 100}} {
		run := func(name string, start func(b *testing.B, handle func(number)) func(context.Context, number) error) {
			b.Run("to="+strconv.Itoa(size.actors)+"/senders="+strconv.Itoa(size.senders)+"/impl="+name, func(b *testing.B) {
				each := b.N/size.senders + 1
				var all sync.WaitGroup
				puts := make([]func(context.Context, number) error, size.actors)
				for i := range puts {
					all.Add(1)
					c := &counter{left: each * size.senders / size.actors, done: all.Done}
					puts[i] = start(b, c.count)
				}
				ctx := b.Context()
				b.ReportAllocs()
				b.ResetTimer()
				for i := range size.senders {
					all.Go(func() {
						for range each {
							if err := puts[i%size.actors](ctx, number{1}); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
			})
		}
		run("raw", rawPut)
		run("actor", actorPut)
	}
}

// BenchmarkRing passes a token around, from one of a hundred to the next, none of which
// has anything else to do; the figures are for one hop.
func BenchmarkRing(b *testing.B) {
	const size = 100
	type put = func(context.Context, number) error
	run := func(name string, start func(b *testing.B, handle func(context.Context, number)) put) {
		b.Run("impl="+name, func(b *testing.B) {
			puts, done := make([]put, size), make(chan struct{})
			for i := range puts {
				puts[i] = start(b, func(ctx context.Context, m number) {
					if m.n == 0 {
						close(done)
					} else if err := puts[(i+1)%size](ctx, number{m.n - 1}); err != nil {
						b.Error(err)
					}
				})
			}
			b.ReportAllocs()
			b.ResetTimer()
			if err := puts[0](b.Context(), number{b.N}); err != nil {
				b.Fatal(err)
			}
			<-done
		})
	}
	run("raw", func(b *testing.B, handle func(context.Context, number)) put {
		ctx := b.Context()
		channel := raw(ctx, b, func(m number) { handle(ctx, m) })
		return func(ctx context.Context, m number) error { return rawSend(ctx, channel, m) }
	})
	run("actor", func(b *testing.B, handle func(context.Context, number)) put {
		a := actor.New("a", func(context.Context) (actor.Behavior[number], error) {
			return actor.Behavior[number]{Receive: func(ctx context.Context, m number) error { handle(ctx, m); return nil }}, nil
		}, actor.Options{Mailbox: mailbox.Options{Capacity: benchCapacity}})
		plant(b, a)
		return a.Send
	})
}
