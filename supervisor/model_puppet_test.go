package supervisor_test

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
)

// puppet is a child that does what the model says.
type puppet struct {
	*actor.Actor[int]
	live   atomic.Int32 // goroutines of its incarnations
	mu     sync.Mutex
	starts int8
	serial int8       // of the latest incarnation that was up
	ends   chan input // tells it to end
	hung   []chan outcome
	next   outcome
	stub   bool
	free   bool // nothing hangs any more: the test is over
}

func newPuppet(name string) *puppet {
	p := new(puppet)
	p.Actor = actor.New(name, p.open, actor.Options{Mailbox: mailbox.Options{Capacity: 100, Overflow: mailbox.Reject}})
	return p
}

func (p *puppet) hang() outcome {
	p.mu.Lock()
	if p.free {
		p.mu.Unlock()
		return fails
	}
	h := make(chan outcome, 1)
	p.hung = append(p.hung, h)
	p.mu.Unlock()
	return <-h
}

func (p *puppet) release(as outcome, forEver bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = p.free || forEver
	for _, h := range p.hung {
		h <- as
	}
	p.hung = nil
}

func (p *puppet) stubborn() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stub
}

func (p *puppet) open(context.Context) (none actor.Behavior[int], err error) {
	p.live.Add(1)
	var left sync.Once
	leave := func() { left.Do(func() { p.live.Add(-1) }) }
	p.mu.Lock()
	p.starts++
	serial, how := p.starts, p.next
	p.next = succeeds
	p.mu.Unlock()
	if how == hangs {
		how = p.hang()
	}
	switch how {
	case fails:
		leave()
		return none, errBoom
	case declines:
		leave()
		return none, actor.Ignore
	}
	return actor.Behavior[int]{
		Loop: func(ctx context.Context, in *mailbox.Inbox[int]) error {
			defer leave()
			ends := make(chan input, 1)
			p.mu.Lock()
			p.serial, p.ends = serial, ends
			p.mu.Unlock()
			return p.run(ctx, in, ends)
		},
		Close: func(context.Context, exit.Reason) error { leave(); return nil }, // of one that was abandoned in its Start
	}, nil
}

func (p *puppet) run(ctx context.Context, in *mailbox.Inbox[int], ends chan input) error {
	select {
	case how := <-ends:
		switch how {
		case onEnd:
			return nil
		case onLeave:
			p.live.Add(1)
			err := supervisor.Go(ctx, func(context.Context) error {
				defer p.live.Add(-1)
				p.hang()
				return nil
			})
			if err != nil {
				p.live.Add(-1)
			}
		}
		return errBoom
	case <-ctx.Done():
	}
	if p.stubborn() {
		p.hang()
	}
	for range in.Rest() {
	}
	return ctx.Err()
}
