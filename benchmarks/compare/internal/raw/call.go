package raw

import (
	"context"
	"time"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
)

// request is a call: a message, and where its answer goes.
type request struct {
	message *bench.Message
	reply   chan int
}

func call(deadline bool) (func(context.Context, int) error, bench.Stop, error) {
	g := newGroup()
	mailbox := make(chan request, bench.Capacity)
	ctx, cancel := context.WithCancel(g.ctx)
	g.all.Go(func() {
		defer cancel()
		done, handled := ctx.Done(), 0
		for {
			select {
			case r := <-mailbox:
				handled++
				r.reply <- handled
			case <-done:
				return
			}
		}
	})
	calls := func(ctx context.Context, n int) error {
		message := new(bench.Message)
		for range n {
			if _, err := ask(ctx, mailbox, message); err != nil {
				return err
			}
		}
		return nil
	}
	if deadline {
		calls = func(ctx context.Context, n int) error {
			message := new(bench.Message)
			for range n {
				ctx, cancel := context.WithTimeout(ctx, time.Minute)
				_, err := ask(ctx, mailbox, message)
				cancel()
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	return calls, g.stop, nil
}

func ask(ctx context.Context, mailbox chan<- request, message *bench.Message) (int, error) {
	reply := make(chan int, 1)
	select {
	case mailbox <- request{message, reply}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case n := <-reply:
		return n, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
