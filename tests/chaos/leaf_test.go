package chaos_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
)

// kind is what a leaf of the forest is.
type kind uint8

const (
	receiver kind = iota // an actor.Actor with Receive
	looper               // one with a Loop
	server               // an actor.Server
	function             // a supervisor.Func with goroutines of supervisor.Go; it has no mailbox
)

// leaf is a child at the end of a branch: what is sent to, and what crashes.
type leaf struct {
	soak    *soak
	name    string
	kind    kind
	extra   bool // added while the tree runs
	number  atomic.Uint64
	child   *watched
	ledger  *ledger // nil for a function
	stats   func() mailbox.Stats
	send    func(context.Context, message) error           // or cast
	sendAll func(context.Context, []message) error         // nil for a server
	call    func(context.Context, message) (uint64, error) // nil but for a server
	poke    chan fate                                      // of a function
}

// host is the state of one incarnation of a leaf.
type host struct {
	*leaf
	life *life
	dice *rand.Rand
}

var (
	errOpen   = errors.New("does not open, as told")
	errAsTold = errors.New("fails, as told")
	errPanic  = errors.New("panics, as told")
)

// newLeaf makes a leaf of a random kind.
func (s *soak) newLeaf(t *tree, name string, exclusive bool, dice *rand.Rand) *leaf {
	l := &leaf{soak: s, name: name}
	options := randomOptions(dice)
	var child supervisor.Child
	switch n := dice.IntN(20); {
	case n < 8:
		l.kind = receiver
		a := actor.New(name, l.behavior, options)
		child, l.stats = a, a.Stats
		l.send, l.sendAll = a.Send, a.SendAll
	case n < 10:
		l.kind = looper
		options.Retries, options.ParkAfter, options.HandlerTimeout = 0, 0, 0
		a := actor.New(name, l.behavior, options)
		child, l.stats = a, a.Stats
		l.send, l.sendAll = a.Send, a.SendAll
	case n < 18:
		l.kind = server
		a := actor.NewServer(name, l.open, actor.ServerOptions[host]{Options: options, Continue: proceed, Close: closeHost})
		child, l.stats = a, a.Stats
		l.send = func(ctx context.Context, m message) error { return actor.Cast(ctx, a, m) }
		l.call = func(ctx context.Context, m message) (uint64, error) { return actor.Call(ctx, a, m) }
	default:
		l.kind = function
		l.poke = make(chan fate)
		child = supervisor.Func(name, l.function)
	}
	if l.kind != function {
		l.ledger = &ledger{soak: s, name: t.name + "/…/" + name, retries: options.Retries, unheard: t.unheard}
	}
	l.child = &watched{Child: child, lives: s.lives, tree: t, exclusive: exclusive}
	return l
}

// randomOptions are those of a mailbox: every policy, small capacities.
func randomOptions(dice *rand.Rand) actor.Options {
	capacities := [...]int{mailbox.Unbuffered, 1, 2, 0, 64, 256}
	o := actor.Options{Mailbox: mailbox.Options{
		Capacity: capacities[dice.IntN(len(capacities))],
		Drain:    mailbox.Drain(dice.IntN(3)),
		Fresh:    dice.IntN(6) == 0,
	}}
	if dice.IntN(2) == 0 {
		o.Mailbox.Overflow = mailbox.Overflow(dice.IntN(4))
	}
	unbuffered := o.Mailbox.Capacity == mailbox.Unbuffered
	if unbuffered && o.Mailbox.Overflow == mailbox.DropOldest {
		o.Mailbox.Overflow = mailbox.DropNewest
	}
	if !o.Mailbox.Fresh {
		o.Retries = dice.IntN(3)
	}
	if !unbuffered && dice.IntN(3) == 0 {
		o.ParkAfter = time.Duration(1+dice.IntN(3)) * time.Millisecond
	}
	if dice.IntN(4) == 0 {
		o.HandlerTimeout = time.Duration(1+dice.IntN(3)) * time.Millisecond
	}
	return o
}

// open begins an incarnation. It seldom fails the first time, or no tree would
// come up.
func (l *leaf) open(ctx context.Context) (*host, error) {
	n := l.number.Add(1)
	h := &host{leaf: l, life: lifeOf(ctx), dice: l.soak.dice(l.name, n)}
	if h.life.of != l.child {
		l.soak.violation("%s is opened in the incarnation of another child: %v", l.name, h.life)
	}
	trouble := 10_000
	if h.life.number > 1 {
		trouble = 400
	}
	switch h.dice.IntN(trouble) {
	case 0, 1, 2:
		return nil, errOpen
	case 3:
		return nil, actor.Ignore
	case 4:
		panic(errPanic)
	case 5, 6:
		l.soak.pause(ctx, h.dice, 5*time.Millisecond)
	case 7: // past its shutdown time, if it is stopped
		l.soak.hang(h.dice)
	}
	return h, nil
}

// proceed is the rest of the start.
func proceed(ctx context.Context, h *host) error {
	switch h.dice.IntN(200) {
	case 0:
		return errAsTold
	case 1:
		h.soak.pause(ctx, h.dice, 2*time.Millisecond)
	}
	return nil
}

func closeHost(ctx context.Context, h *host, _ exit.Reason) error {
	switch h.dice.IntN(100) {
	case 0:
		return errAsTold
	case 1:
		panic(errPanic)
	case 2:
		h.soak.pause(ctx, h.dice, 2*time.Millisecond)
	}
	return nil
}

// behavior is that of a receiver and of a looper.
func (l *leaf) behavior(ctx context.Context) (b actor.Behavior[message], err error) {
	h, err := l.open(ctx)
	if err != nil {
		return b, err
	}
	b.Close = func(ctx context.Context, reason exit.Reason) error { return closeHost(ctx, h, reason) }
	if l.kind == looper {
		b.Loop = h.loop
		return b, nil
	}
	b.Continue = func(ctx context.Context) error { return proceed(ctx, h) }
	b.Receive = func(ctx context.Context, m message) error {
		_, err := m.Handle(ctx, h)
		return err
	}
	return b, nil
}

// loop takes messages until it is asked to stop, then drains. Now and then it takes
// some more at once.
func (h *host) loop(ctx context.Context, in *mailbox.Inbox[message]) error {
	rest := func(most int) error {
		for m := range in.Rest() {
			if _, err := m.Handle(in.Context(), h); err != nil {
				in.Done() // the message is handled, though the loop fails
				return err
			}
			if most--; most == 0 {
				break
			}
		}
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return rest(0)
		case e := <-in.C:
			m, ok := in.Open(e)
			if !ok {
				continue
			}
			if _, err := m.Handle(in.Context(), h); err != nil {
				in.Done()
				return err
			}
			if m.id%16 == 3 {
				if err := rest(1 + h.dice.IntN(4)); err != nil {
					return err
				}
			}
			if m.id%4 != 0 { // else the next Open says it
				in.Done()
			}
		}
	}
}

// function does what it is poked to do, and starts goroutines.
func (l *leaf) function(ctx context.Context) error {
	h, err := l.open(ctx)
	if err != nil && err != actor.Ignore {
		return err
	}
	if h == nil {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case f := <-l.poke:
			m := message{fate: f}
			if _, err := m.act(ctx, h); err != nil {
				return err
			}
		}
	}
}
