package mailbox

import (
	"context"
	"errors"
	"fmt"
)

// How a message gets into the channel: Send is the short way, all else what stands
// around a send, and what happens to one that is out of the ordinary.

// Send puts a message into the mailbox. nil means that it was accepted: it will
// be handled or become a dead letter. It says nothing about when.
//
// A send whose context has ended is refused, room or not. With the policy
// [Block] Send waits for room until ctx ends; the other policies never wait.
// Messages of one sender keep their order.
//
// This is the hot path of a sender. To try without waiting costs a third of a select
// that can wait, and one word tells of all that is out of the ordinary. Each way out is
// a call of its own, and there is no note among the arguments: a variable that must
// survive the send is spilled to the stack before the channel's lock, and the locked
// instruction waits for that store.
func (m *Mailbox[M]) Send(ctx context.Context, message M) error {
	if ctx.Err() != nil {
		return m.SendNoted(ctx, message, nil)
	}
	b := m.current.Load()
	if b == nil || b.state.Load() != 0 {
		return m.SendNoted(ctx, message, nil)
	}
	select {
	case b.channel <- Envelope[M]{message: message}:
		if b.state.Load() != 0 {
			b.delivered(0)
		}
		return nil
	default:
		return m.SendNoted(ctx, message, nil)
	}
}

// SendNoted is Send with a note, which makes the owner's Around superfluous; it may be
// nil.
func (m *Mailbox[M]) SendNoted(ctx context.Context, message M, note *Note) error {
	if around := m.around(note); around != nil {
		return around(ctx, message, 1, func(ctx context.Context, note *Note) error {
			return m.accept(ctx, Envelope[M]{message, note})
		})
	}
	return m.accept(ctx, Envelope[M]{message, note})
}

// around is what is to stand around a send with such a note, nil if nothing.
func (m *Mailbox[M]) around(note *Note) func(context.Context, M, int, func(context.Context, *Note) error) error {
	if note != nil {
		return nil
	}
	if b := m.current.Load(); b != nil {
		return b.around
	}
	if m.owner == nil {
		return nil
	}
	return m.owner.Around()
}

// refusal is the error that a sender gets instead of err.
func (m *Mailbox[M]) refusal(err error) error {
	if m.owner == nil {
		return err
	}
	return m.owner.Refusal(err)
}

func (m *Mailbox[M]) accept(ctx context.Context, e Envelope[M]) error {
	for {
		if ctx.Err() != nil {
			return m.refusal(refused(ctx, "send"))
		}
		b := m.current.Load()
		if b == nil || b.state.Load()&sealed != 0 {
			if !m.accepts(b) {
				return m.refusal(ErrClosed)
			}
			continue
		}
		switch err := b.deliver(ctx, e); err {
		case nil:
			return nil
		case errNotOpen:
		default:
			return m.refusal(err)
		}
	}
}

// accepts says whether the mailbox is open, although there was no box but b, and
// that is nil or sealed; then there is another one. It waits for the step to it if
// that is being taken.
func (m *Mailbox[M]) accepts(b *box[M]) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.door != open {
		return false
	}
	return m.boxLocked() != b
}

var errNotOpen = errors.New("mailbox not open")

// refused is the error of a send whose context has ended: errors.Is finds both
// what ctx.Err says and the cause.
func refused(ctx context.Context, doing string) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return fmt.Errorf("%s: %w", doing, cause)
	}
	return fmt.Errorf("%s: %w: %w", doing, err, cause)
}
