package actor_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/tracing"
)

// What waits in a Fresh mailbox goes with the incarnation: its caller hears why that
// has ended. Only of a server that is gone for good it hears that there is none.
func TestFreshMailboxFailsTheCallsInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState, actor.ServerOptions[state]{Options: actor.Options{Mailbox: mailbox.Options{Fresh: true}}})
		tree, kept := plant(t, s)
		waiting := func(ends do) (outcome chan string, end func()) {
			release := make(chan struct{})
			cast(t, s, func(ctx context.Context, s *state) (int, error) { <-release; return ends(ctx, s) })
			outcome = make(chan string, 1)
			go func() { outcome <- answer(actor.Call(t.Context(), s, next)) }()
			synctest.Wait()
			return outcome, func() { close(release) }
		}
		outcome, end := waiting(crash)
		end()
		check(t, "behind a crash", <-outcome, "0, tree/s: callee ended before it replied: panic: boom")
		n, err := actor.Call(t.Context(), s, next)
		check(t, "the next incarnation", answer(n, err), "1, <nil>")
		check(t, "dead letters", len(eventsOf[tracing.DeadLetter](kept)), 2)

		outcome, end = waiting(give(0, exit.Shutdown))
		stopped := make(chan error, 1)
		go func() { stopped <- tree.Stop(context.Background()) }()
		synctest.Wait()
		end()
		check(t, "stop", <-stopped, nil)
		check(t, "gone for good", <-outcome, "0, tree/s: no such process: not started, or gone for good")
	})
}
