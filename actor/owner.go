package actor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/tracing"
)

// owner is an actor as its mailbox knows it, and the life of the child that it is.
type owner[M any] Actor[M]

// Queue asks the mailbox.
func (o *owner[M]) Queue() (left uint64, waiting int) { return o.box.Queue() }

// Seal seals the mailbox.
func (o *owner[M]) Seal() { o.box.Seal() }

// Gone makes the actor free for another life.
func (o *owner[M]) Gone(exit.Reason) {
	defer o.scope.Store(nil) // also if a sink leaves by Goexit when it hears of dead letters
	o.box.Close()
	if o.server != nil {
		o.server.forget()
	}
}

// Refusal says whose mailbox refused.
func (o *owner[M]) Refusal(err error) error {
	if errors.Is(err, mailbox.ErrClosed) {
		err = ErrNoProc
	}
	return &SendError{Path: (*Actor[M])(o).lastPath(), Err: err}
}

// Around makes the span of a send or a cast. That of a call lasts longer.
func (o *owner[M]) Around() func(context.Context, M, int, func(context.Context, *mailbox.Note) error) error {
	life := o.life.Load()
	if !life.Traces() {
		return nil
	}
	a := (*Actor[M])(o)
	return func(ctx context.Context, first M, count int, deliver func(context.Context, *mailbox.Note) error) error {
		ctx, sent := life.Sending(ctx, a.operation(first), a.payload(first))
		if count > 1 {
			sent.Batch(count)
		}
		err := deliver(ctx, &mailbox.Note{Trace: sent.Carrier()})
		sent.End(err)
		return err
	}
}

// DeadLetter is told of every message that will not be handled.
func (o *owner[M]) DeadLetter(message M, note *mailbox.Note, why mailbox.Why) {
	a := (*Actor[M])(o)
	if a.server != nil && why != mailbox.CallerGone {
		a.failDead(message, why)
	}
	if a.life.Load().Hears(slog.LevelDebug) {
		a.tellDead(message, note, why)
	}
}

// failDead answers a request that has become a dead letter.
func (a *Actor[M]) failDead(message M, why mailbox.Why) {
	a.server.asked(message).fail(a.Path(), failures[why])
}

func (a *Actor[M]) tellDead(message M, note *mailbox.Note, why mailbox.Why) {
	life := a.life.Load()
	head := tracing.Head{Time: time.Now(), Path: life.Path()} // so that Emit need not copy the event to fill it in
	if note != nil {
		head.Incarnation = note.Incarnation
	}
	life.Emit(tracing.DeadLetter{
		Head:    head,
		Message: a.payload(message),
		Why:     why.String(),
		Resend:  func(ctx context.Context) error { return a.resend(ctx, message) },
	})
}

func (a *Actor[M]) resend(ctx context.Context, message M) error {
	if a.server != nil {
		message = a.server.again(message)
	}
	return a.box.SendNoted(ctx, message, new(mailbox.Note)) // beside all traces
}
