package actor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/tracing"
)

// Behavior is what one incarnation of an actor does: functions over the state
// that open has made for it. Exactly one of Receive and Loop must be set.
type Behavior[M any] struct {
	// Receive handles one message. Its ctx ends when the shutdown time is over,
	// not when the stop is asked, so that the message can be finished.
	//
	// An error is a crash: the supervisor decides what follows, and the message
	// goes the way of [Options.Retries]. An [exit.Reason] ends the actor on
	// purpose; then the message counts as handled.
	Receive func(ctx context.Context, message M) error

	// Continue, if set, is the rest of the start, which nobody has to wait for
	// (S145). It runs once, when Start has returned to the supervisor, who goes
	// on with the siblings (later ones may not be there yet), and before any
	// message: also those that came while open ran or that were kept from the
	// incarnation before. Not for a Loop, whose own beginning is just that.
	//
	// Its ctx is like that of Receive: a stop waits for it until the shutdown
	// time is over. An error or a panic is a crash, an [exit.Reason] ends the
	// actor on purpose; Close follows, and no message was in hand. It is not
	// called if its ctx has ended before.
	Continue func(ctx context.Context) error

	// Loop is the whole life of the incarnation: it selects on in.C beside
	// channels of its own and gives each envelope to in.Open. A message is in
	// hand, and its span lasts, until the next Open or until in.Done;
	// in.Context is the ctx for the work on it. The loop's own ctx ends when the
	// stop is asked; then it is to return, after draining in.Rest if it wants
	// to. What it returns is read as with Receive. An idle timeout is a timer in
	// its select (S151).
	Loop func(ctx context.Context, in *mailbox.Inbox[M]) error

	// Close, if set, cleans up when the incarnation ends, whatever the reason:
	// after a crash, an ordered stop, an end on purpose (S152). It is not
	// called if open failed, nor for an incarnation that was abandoned, unless
	// that happened before open had returned. Its ctx is like that of Receive.
	// An error or a panic replaces the reason (S153), save that of a Goexit. After
	// a crash the supervisor waits for it, without a limit, before it restarts the
	// actor: supervisor.Watch tells if it hangs, and whoever abandons it in a stop
	// tells of the crash.
	Close func(ctx context.Context, reason exit.Reason) error

	// serving is set for a server.
	serving served[M]
}

// served is what the incarnation of a server wants to hear, and tells.
type served[M any] interface {
	// ended is told last, when nothing that the incarnation does counts any
	// more: after Close, with orderly telling that it did not fail, or when the
	// incarnation is abandoned.
	ended(reason exit.Reason, orderly bool)

	// takeOutcome is how the handler that returned last ended.
	takeOutcome() error

	// receives gives where the messages come from: to settle the one in hand, before
	// the handler returns.
	receives(*mailbox.Receiver[M])
}

func (b Behavior[M]) check(o Options) error {
	switch {
	case (b.Receive == nil) == (b.Loop == nil):
		return errors.New("Behavior: exactly one of Receive and Loop must be set")
	case b.Loop != nil && b.Continue != nil:
		return errors.New("Continue: a Loop begins with its own work")
	case b.Loop != nil && o.Retries > 0:
		return errors.New("Retries: a Loop takes its messages itself and cannot be given one again")
	case b.Loop != nil && o.ParkAfter > 0:
		return errors.New("ParkAfter: a Loop keeps its goroutine")
	case b.Loop != nil && o.HandlerTimeout > 0:
		return errors.New("HandlerTimeout: a Loop takes its messages itself and has one ctx for all")
	}
	return nil
}

// Actor handles typed messages, one at a time, on a goroutine that it has from its
// first message on. It is a child for a supervisor, and its own address: messages
// can be sent to it from anywhere, for as long as it lives, whichever incarnation is
// running.
//
// All methods may be called concurrently. One that was not made by [New] cannot be
// started, as its Check says, and refuses messages with [mailbox.ErrClosed].
type Actor[M any] struct {
	name    string
	open    func(context.Context) (Behavior[M], error)
	options *settings
	server  askable[M]                        // that it is part of; nil if its messages are just messages
	scope   atomic.Pointer[incarnation.Scope] // nil while the actor is not part of a tree
	life    atomic.Pointer[tracing.Life]
	box     mailbox.Mailbox[M]
}

// askable is what handlers find with Self, if that is not the actor alone.
type askable[M any] interface {
	asked(M) request // the message as the request that it is
	again(M) M       // the message once more, for nobody to wait for
	forget()         // drops what belongs to a life in a tree
}

// New makes an actor. open makes the behavior of each incarnation, fresh: what
// it allocates is the incarnation's state. It runs on a goroutine of the actor's
// while the supervisor waits; an error means that the actor could not start.
//
// That goroutine may end when open has returned: the one for the messages begins
// with the first, and is kept unless [Options.ParkAfter] says otherwise. A Loop and
// a Continue run on the goroutine of open, as all does if a type of yours stands
// around the actor.
//
// At most one options value may be given. Nothing is checked here: the
// supervisor reports all faults before it starts anything.
func New[M any](name string, open func(context.Context) (Behavior[M], error), options ...Options) *Actor[M] {
	a := &Actor[M]{name: name, open: open}
	a.init(options)
	return a
}

func (a *Actor[M]) init(options []Options) {
	a.options = settingsOf(options)
	a.box.Init(a.options.Mailbox, (*owner[M])(a))
}

// self is what handlers find with Self.
func (a *Actor[M]) self() any {
	if a.server != nil {
		return a.server
	}
	return a
}

// Name is the name given to New.
func (a *Actor[M]) Name() string { return a.name }

// Path is the actor's path in its tree, such as bank/accounts/alice, or just
// its name while it is not part of one.
func (a *Actor[M]) Path() string {
	if scope := a.scope.Load(); scope != nil {
		return scope.Path()
	}
	return a.name
}

// lastPath is the path, or what it was when the actor was last part of a tree: errors
// name it when it is gone.
func (a *Actor[M]) lastPath() string {
	if a.scope.Load() == nil {
		if last := a.life.Load(); last != nil {
			return last.Path()
		}
	}
	return a.Path()
}

// String is the path.
func (a *Actor[M]) String() string { return a.Path() }

// Check says what is wrong with the actor's construction, all of it. It is nil
// if the actor can be started. Supervisors call it.
func (a *Actor[M]) Check() error {
	if a.options == nil {
		return errUnmade
	}
	if a.open == nil {
		return errors.Join(a.options.faults, errors.New("open: nil"))
	}
	return a.options.faults
}

// Start begins an incarnation. It is called by supervisors; with a context that
// does not come from one it fails with [ErrUnsupervised].
func (a *Actor[M]) Start(ctx context.Context) (run func() error, err error) {
	// Below open is only what must be there: a goroutine has two kilobytes, and to copy
	// them into more takes longer than all else in a start.
	cell := incarnation.From(ctx)
	if err := a.enter(cell); err != nil {
		return nil, err
	}
	behavior, err := a.open(ctx)
	if err == Ignore {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return a.run(cell, &behavior)
}

// enter lets the actor begin an incarnation, and prepares its mailbox.
//
//go:noinline
func (a *Actor[M]) enter(cell *incarnation.Cell) error {
	first, err := a.admit(cell)
	switch {
	case err != nil:
		return err
	case first:
		a.life.Store(tracing.From(cell.Above()))
		a.box.Open()
		a.belong(cell.Scope())
	case a.options.Mailbox.Fresh && cell.Number() > 1:
		a.box.Renew()
	}
	return nil
}

// run makes what open has made into an incarnation that can run.
//
//go:noinline
func (a *Actor[M]) run(cell *incarnation.Cell, behavior *Behavior[M]) (run func() error, err error) {
	r := &running[M]{actor: a, cell: cell}
	if err := r.behave(behavior); err != nil {
		return nil, err
	}
	if !cell.Attach(r.attach) {
		return r.late()
	}
	if r.alone {
		return incarnation.ByHooks, nil
	}
	return r.Run, nil
}

// admit lets the actor begin an incarnation in the life of a child, one life at a
// time. first says that it is the first one there.
func (a *Actor[M]) admit(cell *incarnation.Cell) (first bool, err error) {
	if a.options == nil {
		return false, errUnmade
	}
	if cell == nil {
		return false, fmt.Errorf("%s: %w", a.name, ErrUnsupervised)
	}
	if cell.Attached() { // ctx is a handler's, or of a child that starts two actors with it
		return false, fmt.Errorf("%s: %w: this ctx is that of %s, which runs already", a.name, ErrUnsupervised, cell.Scope().Path())
	}
	if cell.Abandoned() { // before its goroutine came to run
		return false, exit.Killed
	}
	scope := cell.Scope()
	for !a.scope.CompareAndSwap(nil, scope) {
		switch owner := a.scope.Load(); owner {
		case scope:
			return false, nil
		case nil: // it has just become free
		default:
			return false, fmt.Errorf("%w as %s", ErrAlreadyStarted, owner.Path())
		}
	}
	return true, nil
}

var errUnmade = errors.New("not made by New or NewServer")

// belong ties the mailbox, which is open, to the life of the child.
func (a *Actor[M]) belong(scope *incarnation.Scope) {
	if a.server != nil {
		scope.Callable()
	}
	scope.SetTenant((*owner[M])(a))
}

// Send puts a message into the actor's mailbox. nil means that it was accepted:
// it will be handled, or become a dead letter that can be seen and sent again.
// It does not mean that it has been handled, or ever will be.
//
// Send fails with [ErrNoProc] when the actor is not started or gone, with
// [mailbox.ErrFull] by its overflow policy, and with what ctx says if that has
// ended. With the default policy it waits for room until ctx ends. While the
// actor restarts, messages are accepted and wait for the next incarnation.
// Messages of one goroutine arrive in order.
//
// Pass a handler its own ctx: so a trace follows the message, and an
// incarnation that was abandoned can send nothing more.
func (a *Actor[M]) Send(ctx context.Context, message M) error {
	return a.box.Send(ctx, message)
}

// SendAll puts a batch of messages into the actor's mailbox, all of them or none. It
// is for streams: a batch of 64 costs what a few sends cost. The batch takes one place
// there, so the capacity counts batches, and the overflow policy treats it as one: it
// is refused as a whole, or each of its messages becomes a dead letter.
//
// For the receiver nothing is different (for a Loop see [mailbox.Inbox]): the
// messages are handled one by one, in order and with no other between them. One at a
// time is in hand, to be tried again or to become a dead letter after a crash; those
// behind it wait for the next incarnation, before all others. [Actor.Stats] counts
// messages.
//
// nil means, as with [Actor.Send], that each message was accepted; then the slice
// belongs to the receiver, and must not be written to again. After an error it is the
// sender's own, and can be sent again. SendAll allocates nothing, and there is no
// limit to the size of a batch but memory. An empty batch is nothing to send: the
// error is nil.
//
// To handle many messages at once, in one transaction for example, make an actor of
// slices, Actor[[]M]: then the slice is the message, which is in hand as a whole.
func (a *Actor[M]) SendAll(ctx context.Context, messages []M) error {
	return a.box.SendAll(ctx, messages, nil)
}

// Stats is an account of the messages that the actor has accepted since it was
// first started.
func (a *Actor[M]) Stats() mailbox.Stats { return a.box.Stats() }

// operation is how the message was sent.
func (a *Actor[M]) operation(message M) tracing.Operation {
	if a.server != nil {
		return a.server.asked(message).operation()
	}
	return tracing.Send
}

// payload is the message as the user knows it.
func (a *Actor[M]) payload(message M) any {
	if a.server != nil {
		return a.server.asked(message).payload()
	}
	return message
}
