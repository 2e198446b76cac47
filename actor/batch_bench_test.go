package actor_test

import (
	"context"
	"testing"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
)

// BenchmarkSendAll is for one message, sent in batches of so many. The slices are
// made once here, as the handler keeps nothing of them and the benchmark is the only
// sender: it waits for the last before it begins anew.
//
//	go test -run '^$' -bench 'Send(All)?$' -count 5 ./actor
func BenchmarkSendAll(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"1", 1}, {"8", 8}, {"64", 64}, {"512", 512}} {
		b.Run("batch="+size.name, func(b *testing.B) {
			handled, all := 0, make(chan struct{})
			a := actor.New("a", func(context.Context) (actor.Behavior[number], error) {
				return actor.Behavior[number]{Receive: func(_ context.Context, m number) error {
					if handled += m.n; handled >= b.N {
						handled = -1 << 62
						close(all)
					}
					return nil
				}}, nil
			}, actor.Options{Mailbox: mailbox.Options{Capacity: benchCapacity}})
			plant(b, a)
			ctx := b.Context()
			batch := make([]number, size.n) // shared: nobody writes to it
			for i := range batch {
				batch[i].n = 1
			}
			b.ReportAllocs()
			b.ResetTimer()
			for sent := 0; sent < b.N; sent += size.n {
				if err := a.SendAll(ctx, batch); err != nil {
					b.Fatal(err)
				}
			}
			<-all
		})
	}
}
