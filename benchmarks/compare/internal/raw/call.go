package raw

import (
	"context"
	"time"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
)

// request is a call: a message, the caller's ctx, and where its answer goes.
type request struct {
	message *bench.Message
	ctx     context.Context
	reply   chan int
}

func call(deadline bool) (func(context.Context, int) error, bench.Stop, error) {
	if deadline {
		return asking(handle, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		})
	}
	return asking(handle, nil)
}

func looking() (func(context.Context, int) error, bench.Stop, error) {
	return asking(lookAndHandle, nil)
}

func handle(r request, handled *int) {
	*handled++
	r.reply <- *handled
}

// lookAndHandle looks first whether the caller still waits.
func lookAndHandle(r request, handled *int) {
	select {
	case <-r.ctx.Done():
		return
	default:
	}
	handle(r, handled)
}

// asking calls a server that handles so, each time with a ctx that derive gives, if
// there is one.
func asking(handle func(request, *int), derive func(context.Context) (context.Context, context.CancelFunc)) (func(context.Context, int) error, bench.Stop, error) {
	g := newGroup()
	mailbox := make(chan request, bench.Capacity)
	ctx, cancel := context.WithCancel(g.ctx)
	g.all.Go(func() {
		defer cancel()
		done, handled := ctx.Done(), 0
		for {
			select {
			case r := <-mailbox:
				handle(r, &handled)
			case <-done:
				return
			}
		}
	})
	return func(ctx context.Context, n int) error {
		message := new(bench.Message)
		for range n {
			own, cancel := ctx, context.CancelFunc(nil)
			if derive != nil {
				own, cancel = derive(ctx)
			}
			_, err := ask(own, mailbox, message)
			if cancel != nil {
				cancel()
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, g.stop, nil
}

func ask(ctx context.Context, mailbox chan<- request, message *bench.Message) (int, error) {
	reply := make(chan int, 1)
	select {
	case mailbox <- request{message, ctx, reply}:
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
