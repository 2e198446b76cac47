package supervisor

import (
	"context"

	"github.com/coppice-go/coppice/internal/incarnation"
)

// request is an administration call: the loop does it when its turn comes.
//
// One that was replied to is used again, by the same loop. Whoever asks has read the
// reply then, and the loop has nothing more to do with it; a request that was given
// up is left to the collector, as its reply may still come.
type request struct {
	loop     *loop // that is asked
	op, name string
	do       func(*loop, *request) error
	reply    chan error // has room for the one reply

	child Child  // that is to be started
	given string // the name that do has given it; to be read after a reply without an error
}

// newRequest has a request ready to be filled in.
func (l *loop) newRequest() *request {
	if r, ok := l.requests.Get().(*request); ok {
		return r
	}
	return &request{loop: l, reply: make(chan error, 1)}
}

// done is for whoever has read the reply.
func (r *request) done(reply error) (given string, err error) {
	given = r.given
	*r = request{loop: r.loop, reply: r.reply}
	r.loop.requests.Put(r)
	return given, reply
}

// serve does what was asked for and replies. If a sink leaves by Goexit meanwhile,
// the supervisor is no more, which ask hears.
func (r *request) serve() { r.reply <- r.do(r.loop, r) }

// answer is the reply if there is one, else the refusal.
func (r *request) answer(refusal error) (given string, err error) {
	select {
	case reply := <-r.reply:
		return r.done(reply)
	default:
		return "", r.loop.node.refuse(r.op, r.name, refusal)
	}
}

// refuse names the act and the child.
func (n *node) refuse(op, name string, err error) error {
	return &ChildError{Path: n.path() + "/" + name, Op: op, Err: err}
}

// ask has the running incarnation do something with a child and waits for it,
// unless it would wait for itself (S110). child is one that is to be started, and
// given its name then.
func (n *node) ask(ctx context.Context, op, name string, child Child, do func(*loop, *request) error) (given string, err error) {
	if ctx.Err() != nil {
		return "", n.refuse(op, name, incarnation.Ended(ctx))
	}
	if from := incarnation.From(ctx); from != nil && from.Abandoned() { // it must change nothing, whatever it made of its ctx (S194)
		return "", n.refuse(op, name, incarnation.Ended(from))
	}
	l := n.loop.Load()
	if l == nil {
		return "", n.refuse(op, name, ErrNotRunning)
	}
	asker := l.below(ctx)
	if asker.awaited() {
		return "", n.refuse(op, name, ErrReentrant)
	}
	r := l.newRequest()
	r.op, r.name, r.child, r.do = op, name, child, do
	if !l.queue.push(r) {
		return "", l.ended(n.refuse(op, name, ErrNotRunning))
	}
	for {
		topmost, first := asker.stops()
		select {
		case reply := <-r.reply:
			return r.done(reply)
		case <-l.gone:
			given, err = r.answer(ErrNotRunning)
			return given, l.ended(err)
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
	m := l.roster.find(name)
	switch {
	case m == nil:
		return nil, l.unknown(op, name)
	case m.current != nil:
		return nil, &ChildError{Path: m.path, Op: op, Err: ErrRunning}
	case m.state == Restarting:
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
