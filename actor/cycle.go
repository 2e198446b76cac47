package actor

import (
	"context"
	"runtime"
	"strings"

	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/tracing"
)

// inside is what a call needs besides if it is made inside of a server, which
// waits meanwhile: it must not wait for itself. It is the ctx with which the
// message is sent.
type inside struct {
	context.Context
	wait incarnation.Wait
}

// Done is what a sender asks for when it is about to wait for room. There it
// does not hear when it is asked whose wait this is, so it says so before.
func (in *inside) Done() <-chan struct{} {
	in.wait.Tell()
	return in.Context.Done()
}

// newCallInside makes a call of a server that waits meanwhile.
func newCallInside[S, R any, M Message[S, R]](ctx context.Context, message M, caller *incarnation.Cell) (*call[S, R, M], *inside) {
	made := new(struct { // one allocation for all
		call   call[S, R, M]
		inside inside
	})
	made.inside.wait.Cell = caller
	made.call.message, made.call.caller, made.call.told = message, ctx, make(chan struct{}, 2)
	return &made.call, &made.inside
}

// askSlowly is the rest of Call where there is a tracer, or where the caller is a server.
func askSlowly[S, R any, M Message[S, R]](ctx context.Context, s *Server[S], message M, caller *incarnation.Cell) (R, error) {
	var c *call[S, R, M]
	var in *inside
	if caller != nil && caller.Waits() {
		c, in = newCallInside[S, R](ctx, message, caller)
	} else {
		c = newCall[S, R](ctx, ctx.Done(), s, message)
	}
	life := s.actor.life.Load()
	if !life.Traces() {
		return c.askInside(ctx, s, nil, in)
	}
	ctx, sent := life.Sending(ctx, tracing.Call, message)
	value, err := c.askInside(ctx, s, &mailbox.Note{Trace: sent.Carrier()}, in)
	sent.End(err)
	return value, err
}

func (c *call[S, R, M]) askInside(ctx context.Context, s *Server[S], note *mailbox.Note, in *inside) (R, error) {
	sender := ctx
	if in != nil {
		in.Context, sender = ctx, in
		defer in.wait.End() // also when a sink leaves by Goexit
		if cycle := in.wait.Begin(ctx, &s.actor.scope, c); cycle != nil {
			return c.value, &SendError{Path: s.actor.lastPath(), Err: ErrCallCycle, Cycle: cycle}
		}
	}
	if err := s.actor.box.SendNoted(sender, c, note); err != nil {
		return c.refused(err)
	}
	for {
		select {
		case <-c.told:
			if in == nil || c.state.Load() == answered {
				return c.outcome()
			}
			in.wait.Tell()
		case <-ctx.Done():
			return c.leave(ctx, s)
		}
	}
}

// Ask is for the graph of who waits for whom.
func (c *call[S, R, M]) Ask() { c.told <- struct{}{} }

// Pending is for the graph of who waits for whom: an answer that was deferred
// may come from anybody.
func (c *call[S, R, M]) Pending() bool {
	return c.state.Load() == unanswered && c.caller.Err() == nil && !c.deferred.Load()
}

// Own is for the graph of who waits for whom.
func (c *call[S, R, M]) Own() bool { return onOwnGoroutine() }

// onOwnGoroutine looks at the stack for the one frame below which a server's own
// goroutine runs all code of users, and no other goroutine any.
func onOwnGoroutine() bool {
	const caller = 2 // who asks, and runtime.Callers
	var some [64]uintptr
	for skip := caller; ; skip += len(some) {
		n := runtime.Callers(skip, some[:])
		for frames := runtime.CallersFrames(some[:n]); n > 0; {
			frame, more := frames.Next()
			if name, ours := strings.CutPrefix(frame.Function, ownFrames); ours && (name == openFrame || name == runFrame) {
				return true
			}
			if !more {
				break
			}
		}
		if n < len(some) {
			return false
		}
	}
}

// The names of Actor.Start, for what open calls, and of running.Run.
const (
	ownFrames = "github.com/coppice-go/coppice/actor."
	openFrame = "(*Actor[...]).Start"
	runFrame  = "(*running[...]).Run"
)
