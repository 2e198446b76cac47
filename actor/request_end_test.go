package actor_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
)

// A call that is over while its server ends has ended with the server, if that was
// first: the goroutine that says so may still be on its way.
func TestRequestEndsWithItsServerBeforeItIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, end := context.WithCancelCause(t.Context())
		ctx, cancel := context.WithCancelCause(t.Context())
		onItsWay, released := make(chan struct{}), make(chan struct{}, 1)
		release := actor.EndWith(server, func(cause error) {
			if cause == exit.Killed {
				<-onItsWay
			}
			cancel(cause)
		})
		end(exit.Killed)
		synctest.Wait()
		go func() { release(); released <- struct{}{} }()
		synctest.Wait()
		check(t, "released before", len(released), 0)
		check(t, "error before", ctx.Err(), nil)
		close(onItsWay)
		<-released
		check(t, "cause", context.Cause(ctx), error(exit.Killed))
	})
}

// tardy is a context that says that it has ended before it tells what hangs on it.
type tardy struct {
	context.Context
	hung *int
}

func (c tardy) Done() <-chan struct{} { return make(chan struct{}) }

func (c tardy) AfterFunc(func()) (stop func() bool) {
	*c.hung++
	return func() bool { *c.hung--; return true }
}

// What Err has told of the server does the ctx of a call tell as well, at once.
func TestRequestOfAServerThatHasEnded(t *testing.T) {
	above, end := context.WithCancelCause(t.Context())
	end(exit.Killed)
	ctx, cancel := context.WithCancelCause(t.Context())
	hung := 0
	release := actor.EndWith(tardy{above, &hung}, cancel)
	check(t, "hung on the server", hung, 1)
	check(t, "cause", context.Cause(ctx), error(exit.Killed))
	release()
	check(t, "cause after the call", context.Cause(ctx), error(exit.Killed))
	check(t, "left on the server", hung, 0)
}

// A call that is over has ended before its server.
func TestRequestIsReleasedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, end := context.WithCancelCause(t.Context())
		ctx, cancel := context.WithCancelCause(t.Context())
		release := actor.EndWith(server, cancel)
		release()
		end(exit.Killed)
		synctest.Wait()
		check(t, "cause", context.Cause(ctx), context.Canceled)
	})
}
