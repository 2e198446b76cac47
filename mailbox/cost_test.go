package mailbox_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/coppice-go/coppice/mailbox"
)

type command struct {
	id   uint64
	name string
}

func TestAMessageCostsNoAllocation(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for name, f := range map[string]func(){
		"a pointer":         exchange(ctx, &command{1, "pointer"}),
		"a small struct":    exchange(ctx, command{2, "struct"}),
		"an int":            exchange(ctx, 3),
		"an interface":      exchange[any](ctx, &command{4, "interface"}),
		"a pointer, opened": exchangeByOpen(ctx, &command{5, "opened"}),
	} {
		check(t, "allocations of "+name, testing.AllocsPerRun(1000, f), 0)
	}
}

func exchange[M any](ctx context.Context, message M) func() {
	box := mailbox.New(mailbox.Options{}, mailbox.DeadLetters[M](func(M, *mailbox.Note, mailbox.Why) {}))
	box.Open()
	in := box.Incarnate(true)
	return func() {
		for range 3 {
			box.Send(ctx, message)
		}
		for range 3 {
			in.Next(0)
		}
	}
}

func exchangeByOpen[M any](ctx context.Context, message M) func() {
	box := mailbox.New(mailbox.Options{}, mailbox.DeadLetters[M](func(M, *mailbox.Note, mailbox.Why) {}))
	box.Open()
	in := box.Incarnate(false)
	return func() {
		box.Send(ctx, message)
		in.Open(<-in.C())
		in.Done()
	}
}

// BenchmarkSend compares a mailbox with what one writes by hand: a channel for
// 64 messages, and a receiver that selects on it and on the end of its context.
//
//	go test -run '^$' -bench Send -count 5 ./mailbox | benchstat -col /impl -
func BenchmarkSend(b *testing.B) {
	for _, shape := range []struct{ receivers, senders int }{{1, 1}, {1, 8}, {100, 1}} {
		name := fmt.Sprintf("pairs=%d/senders=%d", shape.receivers, shape.senders)
		b.Run(name+"/impl=raw", func(b *testing.B) { run(b, shape.receivers, shape.senders, raw) })
		b.Run(name+"/impl=mailbox", func(b *testing.B) { run(b, shape.receivers, shape.senders, boxed) })
	}
}

// run sends b.N messages, divided among the receivers and the senders of each.
func run(b *testing.B, receivers, senders int, pair func(ctx context.Context) (send, receive func(n int))) {
	b.ReportAllocs()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	each := b.N/(receivers*senders) + 1
	var wg sync.WaitGroup
	var begin []func()
	for range receivers {
		send, receive := pair(ctx)
		begin = append(begin, func() { receive(each * senders) })
		for range senders {
			begin = append(begin, func() { send(each) })
		}
	}
	b.ResetTimer()
	for _, f := range begin {
		wg.Go(f)
	}
	wg.Wait()
}

func raw(ctx context.Context) (send, receive func(n int)) {
	messages := make(chan *command, 64)
	message := new(command)
	send = func(n int) {
		for range n {
			messages <- message
		}
	}
	receive = func(n int) {
		for range n {
			select {
			case <-messages:
			case <-ctx.Done():
				return
			}
		}
	}
	return send, receive
}

func boxed(ctx context.Context) (send, receive func(n int)) {
	box := mailbox.New(capacity(64), mailbox.DeadLetters[*command](func(*command, *mailbox.Note, mailbox.Why) {}))
	box.Open()
	in := box.Incarnate(true)
	message := new(command)
	send = func(n int) {
		for range n {
			if box.Send(ctx, message) != nil {
				return
			}
		}
	}
	receive = func(n int) {
		for range n {
			if _, got := in.Next(0); got != mailbox.Message {
				return
			}
		}
	}
	return send, receive
}
