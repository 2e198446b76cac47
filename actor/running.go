package actor

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/tracing"
)

// running is one incarnation of an actor. Its fields belong to the goroutine of
// the incarnation, but for hand.
type running[M any] struct {
	actor   *Actor[M]
	cell    *incarnation.Cell
	receive func(ctx context.Context, message M) error // nil for a loop
	more    *more[M]                                   // nil if there is nothing but Receive
	in      mailbox.Receiver[M]
	hand    atomic.Pointer[hand] // nil until the incarnation is abandoned

	unsettled bool // what is in hand was not handled: a handler is running or did not return, or a loop did not end in order
	begun     bool // it has run before
	working   bool // Run has not come back from work
	parked    bool // the work has paused, to give the goroutine back
	alone     bool // nothing stands around the actor that would run with it
	mayPark   bool // before the first message
}

// more is what only some have.
type more[M any] struct {
	Behavior[M]
	span *tracing.Processed // around the handler, if there is a tracer
}

// hand is what an incarnation had in hand when it was abandoned.
type hand struct {
	message bool   // there was one
	stuck   string // its type
}

// behave takes over what open has made. It is a call of its own, and so is attach:
// what they need of the stack is needed by one of them at a time.
//
//go:noinline
func (r *running[M]) behave(behavior *Behavior[M]) error {
	if err := behavior.check(r.actor.options.Options); err != nil {
		return err
	}
	if behavior.Loop == nil {
		r.receive = r.around(behavior.Receive)
	}
	if behavior.Loop != nil || behavior.Continue != nil || behavior.Close != nil || behavior.serving != nil || r.actor.life.Load().Traces() {
		r.more = &more[M]{Behavior: *behavior}
	}
	return nil
}

// loops says whether the messages are received by a loop of the user's.
func (r *running[M]) loops() bool { return r.receive == nil }

// closes says whether there is a Close.
func (r *running[M]) closes() bool { return r.more != nil && r.more.Close != nil }

func (r *running[M]) attach() incarnation.Hooks {
	r.in.Incarnation = int32(r.cell.Number())
	r.in.Keeps = r.actor.options.ParkAfter == 0
	if r.loops() {
		r.actor.box.Loop(&r.in)
	} else {
		r.actor.box.Receive(&r.in)
	}
	if r.more != nil && r.more.serving != nil {
		r.more.serving.receives(&r.in)
	}
	r.mayPark, r.alone = r.cell.Is(r.actor.self())
	r.mayPark = r.mayPark && !r.loops() && (r.more == nil || r.more.Continue == nil)
	return r
}

// What follows are the hooks.

func (r *running[M]) Self() any { return r.actor.self() }

func (r *running[M]) Handler() any { return nil }

func (r *running[M]) Kill() { r.stop(false) }

func (r *running[M]) Stop(final bool) {
	drain := r.actor.options.Mailbox.Drain
	r.stop(final && drain == mailbox.DrainAll)
	if final && drain == mailbox.Discard {
		r.cell.Interrupt()
	}
}

// stop ends an incarnation that is parked. That happens on the spot, on whatever
// goroutine stops it, if nothing that is left to do is the user's.
func (r *running[M]) stop(drain bool) {
	if r.in.Stop(drain) {
		r.in.Wake(r.alone && !r.closes())
	}
}

// Run is the run function of the incarnation. It parks at once if it can: until
// the first message comes there is nothing to do, and most of a million actors wait
// for that most of the time. Its frame and those of Live, work and Serve are below
// each handler: what they need for a moment only is in functions of their own.
func (r *running[M]) Run() error {
	if !r.begun {
		if r.begun = true; r.mayPark {
			return parking[M]{r}
		}
		r.cell.Works()
	} else if !r.closes() && r.in.Over() { // nothing of the user's is left to do
		return r.stopped()
	}
	reason := exit.Goexit
	r.working, r.parked = true, false
	defer r.left(&reason)
	r.work(&reason)
	r.working = false
	if r.parked {
		return parking[M]{r}
	}
	return r.finish(reason)
}

//go:noinline
func (r *running[M]) stopped() error { return r.finish(r.cell.Reason(r.cell.Cause())) }

// left ends an incarnation whose goroutine leaves by Goexit.
func (r *running[M]) left(reason *exit.Reason) {
	if r.working && *reason != nil {
		_ = r.finish(*reason)
	}
}

// work runs the behavior until it ends or parks. A panic is caught here and not in
// Run, so that it is gone from the stack when the end is seen to: a goroutine has
// two kilobytes, and to copy them into more takes longer than all else in a crash.
func (r *running[M]) work(reason *exit.Reason) {
	defer r.cell.Catch(reason)()
	if r.loops() {
		*reason = r.cell.Reason(r.runLoop())
		return
	}
	if err := r.proceed(r.cell.Work()); err != nil {
		*reason = r.cell.Reason(err)
		return
	}
	r.unsettled = true // until it has come to an end in order
	for again := true; again; {
		*reason, again = r.outcome(r.in.Serve(r.cell.Work(), r.actor.options.ParkAfter, r.receive))
	}
}

// outcome is how the work has ended: again if it has not, as nobody waits for what the
// message in hand asks for. An error leaves the message in hand, unless it is a reason
// that the handler chose.
func (r *running[M]) outcome(got mailbox.Got, err error) (reason exit.Reason, again bool) {
	switch {
	case err == errCallerGone:
		r.in.Skip(mailbox.CallerGone)
		return exit.Goexit, true
	case got == mailbox.Stopped:
		r.unsettled = false
		err = r.cell.Cause()
	case got == mailbox.Idle:
		r.unsettled, r.parked = false, true
	default:
		_, chosen := exit.Chosen(err)
		r.unsettled = !chosen
	}
	return r.cell.Reason(err), false
}

// runLoop counts what the loop has opened last as lost unless it ends in order.
func (r *running[M]) runLoop() error {
	r.unsettled = true
	watch := mailbox.Watch[M]{Ctx: r.cell}
	if r.actor.life.Load().Traces() {
		watch.Begun = func(message M) context.Context { return r.trace(r.cell, tracing.Send, message) }
		watch.Done = func() { r.endSpan(nil) }
	}
	if r.cell.Interceptor() != nil {
		watch = r.intercepted(watch)
	}
	r.in.Watch(watch)
	err := r.more.Loop(r.cell, r.in.Inbox())
	_, chosen := exit.Chosen(err)
	r.unsettled = err != nil && !chosen && !r.cell.Asked()
	return err
}

// finish ends the incarnation: it settles what is in hand, cleans up, and says
// what the reason is in the end. It runs on the incarnation's goroutine, also
// when that is on its way out through Goexit.
func (r *running[M]) finish(reason exit.Reason) error {
	end := ending{reason: reason}
	if !reason.Clean() || r.closes() { // else nobody asks
		end.last.Waiting = r.actor.box.Depth()
	}
	defer r.leave(&end) // also if a sink leaves by Goexit meanwhile
	if r.unsettled {
		var lost mailbox.Lost[M]
		if end.last.InHand = r.lose(reason, &lost); end.last.InHand {
			end.last.Message = r.actor.payload(lost.Message())
		}
		r.in.Bury(&lost, r.actor.life.Load().Hears(slog.LevelDebug)) // whoever waited for it has heard
		r.crashSpan(reason)
	} else {
		r.in.End()
	}
	if !r.closes() || r.cell.Abandoned() {
		end.orderly = true
		return reason
	}
	r.cleanUp(&end)
	return end.reason
}

// ending is how an incarnation has ended so far.
type ending struct {
	reason  exit.Reason
	last    incarnation.Last
	orderly bool
}

// cleanUp calls Close, which may end with a reason of its own.
func (r *running[M]) cleanUp(end *ending) {
	if !end.reason.Clean() {
		r.cell.Failed(end.reason, &end.last)
	}
	r.cell.Enter(incarnation.Closing)
	r.cell.Protect(func() error {
		return r.more.Close(r.cell.Work(), end.reason)
	}, func(closed exit.Reason) {
		if end.orderly = closed == exit.Normal; !end.orderly {
			end.reason = closed
		}
	})
}

// leave tells the supervisor what a crash leaves behind, and those who want to know
// that this is the end.
func (r *running[M]) leave(end *ending) {
	if !end.reason.Clean() && !r.cell.Abandoned() {
		r.cell.Crashed(&end.last)
	}
	r.ended(end.reason, end.orderly)
}

// lose settles the message in hand after a crash. Its caller, if it has one,
// hears at once.
func (r *running[M]) lose(reason exit.Reason, lost *mailbox.Lost[M]) (inHand bool) {
	retries := r.actor.options.Retries
	if message, ok := r.in.InHand(); ok && r.actor.server != nil {
		request := r.actor.server.asked(message)
		request.fail(r.actor.Path(), failure{ErrEnded, reason})
		request.handled()
		if request.operation() == tracing.Call {
			retries = 0
		}
	}
	return r.in.Lose(retries, lost)
}

// late is what Start returns when nothing can be attached any more: a successor may
// have the mailbox by now, or open has started another actor with its ctx.
//
//go:noinline
func (r *running[M]) late() (run func() error, err error) {
	if r.cell.Abandoned() {
		return r.closeOnly, nil
	}
	_ = r.closeOnly()
	return nil, fmt.Errorf("%w: another one was started with this ctx, that of %s", ErrUnsupervised, r.cell.Scope().Path())
}

// closeOnly is the run function of an incarnation that was abandoned while it
// was opening: what it has opened after all is closed again.
func (r *running[M]) closeOnly() (err error) {
	if !r.closes() {
		return exit.Killed
	}
	r.cell.Enter(incarnation.Closing)
	r.cell.Protect(func() error {
		return r.more.Close(r.cell.Work(), exit.Killed)
	}, func(reason exit.Reason) { err = reason })
	return err
}

func (r *running[M]) ended(reason exit.Reason, orderly bool) {
	if r.more != nil && r.more.serving != nil {
		r.more.serving.ended(reason, orderly)
	}
}

// Abandon cuts off the effects of an incarnation that did not end in time. It
// runs on the supervisor's goroutine.
func (r *running[M]) Abandon() {
	defer r.ended(exit.Killed, false) // also if a sink leaves by Goexit meanwhile
	_, busy := r.in.Begun()
	r.hand.Store(&hand{busy, ""}) // to freeze may take the time of a sink, who hears of dead letters
	last := incarnation.Last{}
	if message, inHand := r.in.Freeze(); inHand {
		last.Message, last.InHand = r.actor.payload(message), true
		r.hand.Store(&hand{true, fmt.Sprintf("%T", last.Message)})
	} else {
		r.hand.Store(nil)
	}
	last.Waiting = r.actor.box.Depth()
	r.cell.Crashed(&last) // in case that it had failed
}

func (r *running[M]) Holding() incarnation.Hand {
	begun, busy := r.in.Begun()
	depth, parked := r.in.Waits()
	holding := incarnation.Hand{
		Busy:   busy || r.cell.Phase() == incarnation.Continuing,
		Begun:  begun,
		Depth:  depth,
		Parked: parked,
	}
	if hand := r.hand.Load(); hand != nil {
		holding.Message, holding.Busy = hand.stuck, holding.Busy || hand.message
	}
	return holding
}

// parking is what the run function returns to give its goroutine back. It is no
// reason: the supervisor asks Park and calls the run function again later.
type parking[M any] struct{ run *running[M] }

func (parking[M]) Error() string {
	return "parked: what stands around an actor must return what its run function has returned as it is (see Options.ParkAfter)"
}

// Park arms wake. It is false if there is work already.
func (p parking[M]) Park(w incarnation.Waker) bool { return p.run.in.Park(w) }
