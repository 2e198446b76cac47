package supervisor_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// givenUp is what an error says of a request that the supervisor has: how the wait for
// it has ended follows.
const givenUp = "no longer waited for, but carried out unless the supervisor ends first: "

// What the error of a request says that is not waited for any more is true: it is
// carried out, also if whoever has asked is gone, but not by a supervisor that ends.
func TestS110S113_WhatIsNoLongerWaitedForIsCarriedOut(t *testing.T) {
	done := map[string]string{
		"start": "other idle:stopped slow new", "terminate": "other:stopped idle:stopped slow",
		"restart": "other idle slow", "delete": "other slow",
	}
	for _, ask := range asks {
		for _, test := range []struct {
			name string
			end  func(b *bed, cancel context.CancelFunc) // of the wait
			why  string
			done bool
		}{
			{"its ctx has ended", func(_ *bed, cancel context.CancelFunc) { cancel() }, "context canceled", true},
			{"whoever asks is terminated", func(*bed, context.CancelFunc) {}, "the request would wait for itself: context canceled: shutdown", true},
			{"the tree is stopped", func(b *bed, _ context.CancelFunc) { b.stopInOrder() },
				"the request would wait for itself: context canceled: shutdown", false},
		} {
			t.Run(ask.op+"/"+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var b *bed
					result, goes := make(chan error, 1), make(chan struct{})
					var cancel context.CancelFunc
					asking := supervisor.Func("asking", func(ctx context.Context) error {
						<-goes
						ctx, cancel = context.WithCancel(ctx)
						defer cancel()
						result <- ask.do(ctx, b.root)
						return nil
					})
					slow := named("slow")
					slow.onStart = func(context.Context, int) error { time.Sleep(time.Second); return nil }
					b = start(t, supervisor.Policy{}, append(others(), supervisor.Spec{Child: asking, Restart: strategy.Temporary})...)
					go func() { _ = b.root.StartChild(t.Context(), slow) }() // what the others wait for
					synctest.Wait()
					if test.why != "context canceled" {
						go func() { _ = b.root.TerminateChild(t.Context(), "asking") }()
						synctest.Wait()
					}
					close(goes)
					synctest.Wait()
					test.end(b, cancel)
					checkError(t, "ask", <-result, fmt.Sprintf("%s root/%s: %s%s", ask.op, ask.name, givenUp, test.why))
					time.Sleep(time.Minute)
					if test.done {
						check(t, "states", b.states(), done[ask.op])
						b.stopInOrder()
						return
					}
					check(t, "states", b.states(), "other:stopped idle:stopped asking:stopped")
				})
			})
		}
	}
}
