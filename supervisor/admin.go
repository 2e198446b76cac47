package supervisor

import (
	"context"

	"github.com/coppice-go/coppice/internal/incarnation"
)

// request is an administration call: the loop does it when its turn comes.
type request struct {
	loop     *loop // that is asked
	op, name string
	do       func(*loop) error
	reply    chan error // has room for the one reply
}

// serve does what was asked for and replies. If a sink leaves by Goexit meanwhile,
// the supervisor is no more, which ask hears.
func (r *request) serve() { r.reply <- r.do(r.loop) }

// answer is the reply if there is one, else the refusal.
func (r *request) answer(refusal error) error {
	select {
	case err := <-r.reply:
		return err
	default:
		return r.loop.node.refuse(r.op, r.name, refusal)
	}
}

// refuse names the act and the child.
func (n *node) refuse(op, name string, err error) error {
	return &ChildError{Path: n.path() + "/" + name, Op: op, Err: err}
}

// ask has the running incarnation do something with a child and waits for it,
// unless it would wait for itself (S110).
func (n *node) ask(ctx context.Context, op, name string, do func(*loop) error) error {
	if ctx.Err() != nil {
		return n.refuse(op, name, incarnation.Ended(ctx))
	}
	if from := incarnation.From(ctx); from != nil && from.Abandoned() { // it must change nothing, whatever it made of its ctx (S194)
		return n.refuse(op, name, incarnation.Ended(from))
	}
	l := n.loop.Load()
	if l == nil {
		return n.refuse(op, name, ErrNotRunning)
	}
	asker := l.below(ctx)
	if asker.awaited() {
		return n.refuse(op, name, ErrReentrant)
	}
	r := &request{loop: l, op: op, name: name, do: do, reply: make(chan error, 1)}
	if !l.queue.push(r) {
		return l.ended(n.refuse(op, name, ErrNotRunning))
	}
	for {
		topmost, first := asker.stops()
		select {
		case err := <-r.reply:
			return err
		case <-l.gone:
			return l.ended(r.answer(ErrNotRunning))
		case <-ctx.Done():
			if asker.awaited() {
				return r.answer(asker.overtaken())
			}
			return r.answer(incarnation.Ended(ctx))
		case <-topmost:
		case <-first:
		}
		if asker.awaited() {
			return r.answer(asker.overtaken())
		}
	}
}

// idle finds a child without a process for an act that needs one.
func (l *loop) idle(op, name string) (*member, error) {
	m := l.byName[name]
	switch {
	case m == nil:
		return nil, l.unknown(op, name)
	case m.current != nil:
		return nil, &ChildError{Path: m.path, Op: op, Err: ErrRunning}
	case m.state == isRestarting:
		return nil, &ChildError{Path: m.path, Op: op, Err: ErrRestarting}
	}
	return m, nil
}

func (l *loop) unknown(op, name string) error {
	return &ChildError{Path: l.path + "/" + name, Op: op, Err: ErrNotFound}
}

// childError gives the error of a launch to whoever asked for it.
func (l *loop) childError(m *member, op string, err error) error {
	if err == errStopping {
		return &ChildError{Path: m.path, Op: op, Err: ErrNotRunning, Reason: l.ordered()}
	}
	return err
}

// ended adds to a refusal why the supervisor ended, which it has.
func (l *loop) ended(err error) error {
	if refusal, ok := err.(*ChildError); ok && refusal.Err == ErrNotRunning && refusal.Reason == nil {
		refusal.Reason = l.why
	}
	return err
}
