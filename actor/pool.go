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

type pool struct {
	sync.Pool
	of any // the nil of its type
}

// newCall makes a call of a caller whose ctx ends when done is closed. in is nil if
// nobody is held up by it who can be called.
func newCall[S, R any, M Message[S, R]](ctx context.Context, done <-chan struct{}, s *Server[S], message M) (c *call[S, R, M], in *inside) {
	if c, in = newCallInside[S, R](ctx, message); in != nil {
		return c, in
	}
	home := s.calls.Load().recent()
	if home == nil || !isOf[*call[S, R, M]](home) {
		home = s.poolOf((*call[S, R, M])(nil))
	}
	if c, _ = home.Get().(*call[S, R, M]); c == nil {
		c = &call[S, R, M]{home: home, answer: answer[R]{told: make(chan struct{}, 1)}}
	}
	c.message = message
	if done != nil || s.actor.options.HandlerTimeout > 0 {
		c.caller = ctx
	}
	return c, nil
}

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
	c.home.Put(c)
	return value, err
}
