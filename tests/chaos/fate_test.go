package chaos_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/supervisor"
)

// fate is what a message makes its handler do.
type fate uint8

const (
	fine fate = iota
	slow
	relays // sends, casts or calls to a random leaf with the ctx of the handler
	administers
	defers    // the answer
	continues // after the answer
	replies   // and ends
	exits     // on purpose
	spawns    // a goroutine by supervisor.Go
	fails     // with an error: a crash, but the answer of a server
	panics
	goexits
	hangs // ignores its ctx until it is released
	fates
)

// weights are how often a message has which fate, in ten thousand. The first
// takes what is left.
var weights = [fates]int{
	slow: 20, relays: 300, administers: 15, defers: 150, continues: 60, replies: 10,
	exits: 40, spawns: 40, fails: 80, panics: 80, goexits: 30, hangs: 3,
}

func randomFate(dice *rand.Rand) fate {
	n := dice.IntN(10_000)
	for f := fates - 1; f > fine; f-- {
		if n -= weights[f]; n < 0 {
			return f
		}
	}
	return fine
}

// message is what is sent to every leaf. It is a server's message too.
type message struct {
	to      *leaf
	id      uint64
	fate    fate
	call    bool
	bounded bool // its sender has a deadline, so an answer need never come
	hops    uint8
}

// Handle does what the message says, and keeps the book of it.
func (m message) Handle(ctx context.Context, h *host) (uint64, error) {
	m.to.ledger.begin(m.id)
	if h.leaf != m.to {
		h.soak.violation("%s: message %d arrives at %s", m.to.name, m.id, h.name)
	}
	err := error(nil)
	switch m.fate {
	case continues:
		if h.kind != server {
			break
		}
		crash := h.dice.IntN(4) == 0
		return m.id, actor.Continue(func(context.Context) error {
			if crash {
				return errAsTold
			}
			m.to.ledger.handled(m.id)
			return nil
		})
	case replies:
		if h.kind == server {
			err = actor.AfterReply(randomReason(h.dice))
		}
	case fails:
		if h.kind == server && !m.call {
			m.to.ledger.failed(m.id)
		}
		if h.kind == receiver {
			return 0, errAsTold // a crash
		}
		err = errAsTold
	case defers:
		m.deferAnswer(ctx, h)
	default:
		_, err = m.act(ctx, h)
	}
	m.to.ledger.handled(m.id)
	return m.id, err
}

// act does what does not depend on the message being one.
func (m message) act(ctx context.Context, h *host) (uint64, error) {
	switch m.fate {
	case slow:
		h.soak.pause(ctx, h.dice, 2*time.Millisecond)
	case relays:
		h.relay(ctx, m.hops)
	case administers:
		h.soak.administer(ctx, h.dice, h)
	case exits:
		return m.id, randomReason(h.dice)
	case spawns:
		h.spawn(ctx)
	case fails:
		return 0, errAsTold
	case panics:
		panic(errPanic)
	case goexits:
		runtime.Goexit()
	case hangs:
		h.hangs(ctx)
	}
	return m.id, nil
}

func randomReason(dice *rand.Rand) exit.Reason {
	switch dice.IntN(4) {
	case 0:
		return exit.Shutdown
	case 1:
		return exit.ShutdownFor(errAsTold)
	}
	return exit.Normal
}

// relay sends to a random leaf with the ctx of a handler, and always with a
// deadline: two handlers may wait for room in each other's mailbox.
func (h *host) relay(ctx context.Context, hops uint8) {
	ctx, cancel := context.WithTimeout(ctx, h.soak.random(h.dice, 5*time.Millisecond))
	defer cancel()
	to := h.soak.forest.random(h.dice)
	f := fine
	switch n := h.dice.IntN(20); {
	case n == 0:
		f = panics
	case n < 5 && hops < 6:
		f = relays
	}
	h.soak.post(ctx, to, message{fate: f, bounded: true, hops: hops + 1, call: to.call != nil && h.dice.IntN(2) == 0}, true)
}

// deferAnswer takes the answer out of the handler's hands. It comes late, or if
// the caller has a deadline perhaps never.
func (m message) deferAnswer(ctx context.Context, h *host) {
	if h.kind != server {
		return
	}
	reply, err := actor.Defer[uint64](ctx)
	if err != nil {
		h.soak.violation("%s: message %d: %v", m.to.name, m.id, err)
		return
	}
	never := m.bounded && h.dice.IntN(4) == 0
	if never {
		return
	}
	late := h.dice.IntN(4) > 0
	delay := h.soak.random(h.dice, 10*time.Millisecond)
	give := func() {
		if !reply.Give(m.id, nil) {
			return
		}
		if !m.call {
			h.soak.violation("%s: message %d: an answer to a cast was taken", m.to.name, m.id)
		}
		m.to.ledger.gave(m.id)
	}
	if !late {
		give()
		return
	}
	h.soak.work.add(1)
	go func() {
		defer h.soak.work.add(-1)
		h.soak.until(delay)
		give()
		if reply.Give(m.id, nil) {
			h.soak.violation("%s: message %d: an answer was taken twice", m.to.name, m.id)
		}
	}()
}

// spawn starts a goroutine that belongs to the incarnation.
func (h *host) spawn(ctx context.Context) {
	how := h.dice.IntN(8)
	delay := h.soak.random(h.dice, 3*time.Millisecond)
	dice := rand.New(rand.NewPCG(h.dice.Uint64(), 0))
	h.life.join()
	brief := how != 0
	if brief {
		h.soak.work.add(1)
	}
	err := supervisor.Go(ctx, func(ctx context.Context) error {
		defer h.life.leave()
		if brief {
			defer h.soak.work.add(-1)
			h.soak.pause(ctx, dice, delay)
		}
		switch how {
		case 0:
			<-ctx.Done()
			return ctx.Err()
		case 1:
			return errAsTold
		case 2:
			panic(errPanic)
		case 3:
			runtime.Goexit()
		case 4:
			h.soak.hang(dice)
		case 5, 6:
			other := &host{leaf: h.leaf, life: h.life, dice: dice}
			other.relay(ctx, 0)
		}
		return nil
	})
	if err == nil {
		return
	}
	h.life.leave()
	if brief {
		h.soak.work.add(-1)
	}
	if ctx.Err() == nil && h.life.ctx.Err() == nil {
		h.soak.violation("%s: Go fails, though nothing has ended: %v", h.name, err)
	}
}

// hangs ignores its ctx. If its incarnation has been abandoned meanwhile, nothing
// that it does may have an effect.
func (h *host) hangs(ctx context.Context) {
	if h.dice.IntN(3) == 0 { // so that it is abandoned without anybody who stops it
		h.life.join()
		if err := supervisor.Go(ctx, func(context.Context) error {
			defer h.life.leave()
			return errAsTold
		}); err != nil {
			h.life.leave()
		}
	}
	h.soak.figures.hangs.Add(1)
	h.soak.hang(h.dice)
	if h.life.isAbandoned() {
		h.fenced(ctx)
	}
}

// fenced tries what an abandoned incarnation must not be able to do.
func (h *host) fenced(ctx context.Context) {
	h.soak.figures.fenced.Add(1)
	if ctx.Err() == nil {
		h.soak.violation("%v is abandoned, and its handler's ctx lives", h.life)
	}
	for range 3 {
		to := h.soak.forest.random(h.dice)
		if to.ledger == nil {
			continue
		}
		id, epoch := to.ledger.open(bySend)
		m := message{to: to, id: id}
		var err error
		if to.sendAll != nil && h.dice.IntN(2) == 0 {
			err = to.sendAll(ctx, []message{m, m})
		} else {
			err = to.send(ctx, m)
		}
		if err == nil {
			to.ledger.close(id, epoch, accepted, noCall)
			h.soak.violation("%v is abandoned, and can send", h.life)
			continue
		}
		to.ledger.close(id, epoch, refused, noCall)
	}
	if err := supervisor.Go(ctx, func(context.Context) error { return nil }); err == nil {
		h.soak.violation("%v is abandoned, and can start a goroutine", h.life)
	}
	h.soak.stopFromInside(ctx, h)
	if h.kind == server && !h.child.tree.unheard { // else the abandonment may not be complete
		reply, err := actor.Defer[uint64](ctx)
		if err == nil && reply.Give(0, errors.New("never")) {
			h.soak.violation("%v is abandoned, and can answer", h.life)
		}
	}
}
