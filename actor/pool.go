package actor

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
)

// Calls that are over are used again, so that a call allocates nothing but, where the
// caller's ctx can end, a name for the ctx of its handler. Each server has its own: a
// channel that was made in a testing/synctest bubble must not leave it. They are
// dropped when the server's life in a tree ends.

// pools are the calls of a server that are over, by their type.
type pools struct {
	latest atomic.Pointer[pool] // the one that was used last: most servers are asked for one thing most of the time
	byType sync.Map             // of all: *pool by reflect.Type
}

// pool is the calls of one type. One of them is its resident, which a caller takes that
// finds it free: that costs two atomic operations, a third of what a [sync.Pool] does.
// The others are for those who call at the same time. If a caller's goroutine
// exits inside the call (its ctx calls Goexit, say), the resident stays taken for good,
// and everybody uses the others.
type pool struct {
	of     any // the nil of its type
	others sync.Pool

	_        [8]byte     // what follows is written for each call; so it has 64 bytes to itself
	busy     atomic.Bool // somebody has the resident, and may write the next field
	resident any         // nil if there is none: it is made when it is needed
	_        [40]byte
}

// newCall makes a call of a caller whose ctx ends when done is closed, or takes one that
// is over.
func newCall[S, R any, M Message[S, R]](ctx context.Context, done <-chan struct{}, s *Server[S], message M) *call[S, R, M] {
	home := s.calls.Load().recent()
	if home == nil || !isOf[*call[S, R, M]](home) {
		home = s.poolOf((*call[S, R, M])(nil))
	}
	var c *call[S, R, M]
	resident := home.claim()
	if resident {
		c, _ = home.resident.(*call[S, R, M])
	} else {
		c, _ = home.others.Get().(*call[S, R, M])
	}
	if c == nil {
		c = &call[S, R, M]{home: home, resident: resident, answer: answer[R]{told: make(chan struct{}, 1)}}
		if resident {
			home.resident = c
		}
	}
	c.message = message
	if done != nil || s.actor.options != nil && s.actor.options.HandlerTimeout > 0 {
		c.caller = ctx
	}
	return c
}

// claim says whether the resident is free. Then it is the caller's.
func (p *pool) claim() bool { return !p.busy.Load() && p.busy.CompareAndSwap(false, true) }

func isOf[C any](p *pool) bool { _, is := p.of.(C); return is }

func (p *pools) recent() *pool {
	if p == nil {
		return nil
	}
	return p.latest.Load()
}

// poolOf finds or makes the pool of the calls of one type.
func (s *Server[S]) poolOf(none any) *pool {
	all := s.calls.Load()
	if all == nil {
		s.calls.CompareAndSwap(nil, new(pools))
		if all = s.calls.Load(); all == nil { // its life ended this moment
			return new(pool)
		}
	}
	kind := reflect.TypeOf(none)
	found, ok := all.byType.Load(kind)
	if !ok {
		found, _ = all.byType.LoadOrStore(kind, &pool{of: none})
	}
	latest := found.(*pool)
	all.latest.Store(latest)
	return latest
}

// recycle is for the caller, who reads the answer of a call that is settled.
func (c *call[S, R, M]) recycle() (value R, err error) {
	var message M
	var none R
	value, err = c.value, c.err
	c.message, c.value, c.err, c.settled = message, none, nil, false
	c.caller, c.own, c.serving, c.returned = nil, nil, nil, false // it was not deferred, and nobody has left it
	if c.hears.Load() != nil {
		c.hears.Store(nil)
	}
	if c.resident {
		c.home.busy.Store(false)
	} else {
		c.home.others.Put(c)
	}
	return value, err
}

// lose is for the caller of a call that cannot be used again: if it was the resident,
// the next caller makes another.
func (c *call[S, R, M]) lose() {
	if c.resident {
		c.resident, c.home.resident = false, nil
		c.home.busy.Store(false)
	}
}
