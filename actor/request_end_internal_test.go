package actor

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/exit"
)

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

type noTeller struct{}

func (noTeller) tell(*handlerContext) {}

// contextOf is the context of the handler of a call that is in hand.
func contextOf(server, caller context.Context) *handlerContext {
	r := &requestContext{server: server, names: make([]handlerContext, 1), once: true, caller: caller, call: noTeller{}}
	r.names[0].request = r
	return &r.names[0]
}

// Those that a caller has: told of its end, and hanging below it.
func callersOf(t *testing.T) map[string]context.Context {
	told, cancelTold := context.WithCancel(context.Background())
	below, cancelBelow := context.WithTimeout(told, 1<<40)
	t.Cleanup(func() { cancelBelow(); cancelTold() })
	return map[string]context.Context{"told": told, "below": below}
}

func checkCause(t *testing.T, what string, ctx context.Context, want error) {
	t.Helper()
	if got := context.Cause(ctx); got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// A call that is over while its server ends has ended with the server, if that was
// first: what says so may still be on its way.
func TestRequestEndsWithItsServerBeforeItIsReleased(t *testing.T) {
	for kind, caller := range callersOf(t) {
		server, end := context.WithCancelCause(context.Background())
		hung := 0
		h := contextOf(tardy{server, &hung}, caller)
		done := h.Done()
		end(exit.Killed)
		h.leave(false)
		<-done
		checkCause(t, kind, h, exit.Killed)
		if hung != 0 {
			t.Errorf("%s: got %d left on the server, want none", kind, hung)
		}
	}
}

// What Err has told of the server does the ctx of a call tell as well, at once.
func TestRequestOfAServerThatHasEnded(t *testing.T) {
	for kind, caller := range callersOf(t) {
		server, end := context.WithCancelCause(context.Background())
		hung := 0
		h := contextOf(tardy{server, &hung}, caller)
		if kind == "told" {
			_ = h.Done() // before
		}
		end(exit.Killed)
		<-h.Done()
		checkCause(t, kind, h, exit.Killed)
		if hung != 1 {
			t.Errorf("%s: got %d hung on the server, want 1", kind, hung)
		}
		h.leave(false)
		checkCause(t, kind+", after the call", h, exit.Killed)
		if hung != 0 {
			t.Errorf("%s: got %d left on the server, want none", kind, hung)
		}
	}
}

// A call that is over has ended before its server.
func TestRequestIsReleasedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for kind, caller := range callersOf(t) {
			server, end := context.WithCancelCause(context.Background())
			h := contextOf(server, caller)
			_ = h.Done()
			h.leave(false)
			end(exit.Killed)
			synctest.Wait()
			checkCause(t, kind, h, context.Canceled)
		}
	})
}
