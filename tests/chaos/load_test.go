package chaos_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
)

// sender sends to random leaves until the end.
func (s *soak) sender(n int) {
	dice := s.dice("sender", uint64(n))
	for !s.over.Load() {
		s.gate.RLock()
		var ctx context.Context = context.Background()
		cancel := func() {}
		bounded := dice.IntN(16) > 0
		if bounded {
			ctx, cancel = context.WithTimeout(ctx, s.random(dice, 15*time.Millisecond))
		}
		to := s.forest.random(dice)
		for range 1 + dice.IntN(32) {
			if dice.IntN(32) == 0 {
				to = s.forest.random(dice)
			}
			m := message{fate: randomFate(dice), bounded: bounded}
			there := false
			if to.sendAll != nil && dice.IntN(8) == 0 {
				there = s.postAll(ctx, to, m, dice)
			} else {
				m.call = to.call != nil && dice.IntN(4) == 0
				there = s.post(ctx, to, m, false)
			}
			if !there {
				to = s.forest.random(dice)
			}
			if ctx.Err() != nil {
				break
			}
		}
		cancel()
		s.gate.RUnlock()
	}
}

// post sends, casts or calls, and enters how that ended. inside says that ctx is
// that of a handler. It is false if there was nobody.
func (s *soak) post(ctx context.Context, to *leaf, m message, inside bool) (there bool) {
	m.to = to
	if to.kind == function {
		select {
		case to.poke <- m.fate:
			return true
		default:
			return false
		}
	}
	defer s.late(ctx, to, time.Now())
	if !m.call {
		id, epoch := to.ledger.open(bySend)
		m.id = id
		v := accepted
		err := to.send(ctx, m)
		if err != nil {
			v = refused
			s.refusal(ctx, to, err)
		}
		there = !errors.Is(err, actor.ErrNoProc)
		to.ledger.close(id, epoch, v, noCall)
	} else {
		id, epoch := to.ledger.open(byCall)
		m.id = id
		value, err := to.call(ctx, m)
		v, o := s.outcome(ctx, to, err, inside)
		if err == nil && value != id {
			s.violation("%s: call %d is answered with %d", to.name, id, value)
		}
		to.ledger.close(id, epoch, v, o)
		there = o != noproc
	}
	return there
}

// mostInBatch is how many messages a batch may have.
const mostInBatch = 12

// postAll sends a batch of messages with fates of their own, and enters how that ended
// for each. What one of them does to its actor must not touch the others.
func (s *soak) postAll(ctx context.Context, to *leaf, first message, dice *rand.Rand) (there bool) {
	defer s.late(ctx, to, time.Now())
	type entered struct {
		id    uint64
		epoch int
	}
	var batch []message
	var book []entered // the batch belongs to the receiver once it is sent
	for range 2 + dice.IntN(mostInBatch-1) {
		m := message{to: to, fate: randomFate(dice), bounded: first.bounded}
		if batch == nil {
			m.fate = first.fate
		}
		id, epoch := to.ledger.open(bySend)
		m.id = id
		batch, book = append(batch, m), append(book, entered{id, epoch})
	}
	v := accepted
	err := to.sendAll(ctx, batch)
	if err != nil {
		v = refused
		s.refusal(ctx, to, err)
	} else {
		s.figures.batches.Add(1)
	}
	for _, e := range book {
		to.ledger.close(e.id, e.epoch, v, noCall)
	}
	return !errors.Is(err, actor.ErrNoProc)
}

// late checks that a sender came back in time.
func (s *soak) late(ctx context.Context, to *leaf, begun time.Time) {
	deadline, limited := ctx.Deadline()
	if late := time.Since(deadline); limited && late > s.patience {
		s.violation("%s: a sender came back %v after its deadline, %v after it began", to.name, late, time.Since(begun))
	}
}

// refusal checks the error of a send.
func (s *soak) refusal(ctx context.Context, to *leaf, err error) {
	var refusal *actor.SendError
	switch {
	case !errors.As(err, &refusal):
		s.violation("%s: a send fails with something else than a SendError: %v", to.name, err)
	case refusal.Err == actor.ErrNoProc, refusal.Err == mailbox.ErrFull:
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
	default:
		s.violation("%s: a send fails, and why? %v (its ctx: %v)", to.name, err, ctx.Err())
	}
}

// outcome says how a call has ended, and what that says about its message.
func (s *soak) outcome(ctx context.Context, to *leaf, err error, inside bool) (verdict, outcome) {
	var refusal *actor.SendError
	switch {
	case err == nil:
		return accepted, answered
	case err == errAsTold:
		return accepted, handlerErr
	case !errors.As(err, &refusal):
		s.violation("%s: a call fails with something else than a SendError: %v", to.name, err)
	case refusal.Err == actor.ErrNoProc:
		return unknown, noproc
	case refusal.Err == actor.ErrEnded:
		return accepted, calleeEnded
	case refusal.Err == mailbox.ErrFull:
		return unknown, full
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return unknown, callerLeft
	case inside && refusal.Err == actor.ErrCallCycle:
		return refused, circle
	default:
		s.violation("%s: a call fails, and why? %v (its ctx: %v)", to.name, err, ctx.Err())
	}
	return unknown, noCall
}
