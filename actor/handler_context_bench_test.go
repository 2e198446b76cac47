package actor_test

import (
	"context"
	"testing"
	"time"

	"github.com/coppice-go/coppice/actor"
)

// looking is a message whose handler does something with its ctx.
type looking struct{ look func(context.Context) }

func (l *looking) Handle(ctx context.Context, _ *state) (int, error) { l.look(ctx); return 0, nil }

// looks are what handlers do with their ctx.
var looks = []struct {
	name string
	look func(context.Context)
}{
	{"Nothing", func(context.Context) {}},
	{"Done", func(ctx context.Context) {
		select {
		case <-ctx.Done():
		default:
		}
	}},
	{"Err", func(ctx context.Context) { _ = ctx.Err() }},
	{"Deadline", func(ctx context.Context) { _, _ = ctx.Deadline() }},
	{"WithTimeout", func(ctx context.Context) { _, cancel := context.WithTimeout(ctx, time.Second); cancel() }},
	{"AfterFunc", func(ctx context.Context) { context.AfterFunc(ctx, func() {})() }},
}

// callerContexts are what callers call with: one for all their calls, or one for each.
var callerContexts = []struct {
	name string
	with func(context.Context) (context.Context, context.CancelFunc)
}{
	{"background", func(context.Context) (context.Context, context.CancelFunc) {
		return context.Background(), func() {}
	}},
	{"cancellable", func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} }},
	{"timeout", func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Minute)
	}},
}

// What a handler pays for looking at its ctx. The handler by hand has the caller's own.
func BenchmarkHandlerContext(b *testing.B) {
	for _, caller := range callerContexts {
		for _, l := range looks {
			run := func(name string, call func(context.Context, *looking) (int, error)) {
				b.Run("ctx="+caller.name+"/look="+l.name+"/impl="+name, func(b *testing.B) {
					message := &looking{l.look}
					b.ReportAllocs()
					for b.Loop() {
						ctx, cancel := caller.with(b.Context())
						if _, err := call(ctx, message); err != nil {
							b.Fatal(err)
						}
						cancel()
					}
				})
			}
			channel := raw(b.Context(), b, func(r rawRequest) {
				n, err := r.message.Handle(r.ctx, nil)
				r.reply <- rawReply{n, err}
			})
			run("raw", func(ctx context.Context, l *looking) (int, error) { return rawCall(ctx, channel, l) })
			s := benchServer(b)
			run("actor", func(ctx context.Context, l *looking) (int, error) { return actor.Call(ctx, s, l) })
		}
	}
}
