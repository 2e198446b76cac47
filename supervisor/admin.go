package supervisor

import (
	"context"
	"fmt"

	"github.com/coppice-go/coppice/internal/incarnation"
)

// request is an administration call: the loop does it when its turn comes.
type request struct {
	do     func() error
	refuse func(error) error // names the act and the child
	reply  chan error        // has room for the one reply
}

// serve does what was asked for and replies, also if a sink leaves by Goexit
// meanwhile: then the supervisor is no more.
func (r *request) serve() {
	err := r.refuse(ErrNotRunning)
	defer func() { r.reply <- err }()
	err = r.do()
}

// answer is the reply if there is one, else the refusal.
func (r *request) answer(refusal error) error {
	select {
	case err := <-r.reply:
		return err
	default:
		return r.refuse(refusal)
	}
}

// ask has the running incarnation do something with a child and waits for it,
// unless it would wait for itself (S110).
func (n *node) ask(ctx context.Context, op, name string, do func(*loop) error) error {
	refuse := func(err error) error {
		return &ChildError{Path: n.path() + "/" + name, Op: op, Err: err}
	}
	if ctx.Err() != nil {
		return refuse(incarnation.Ended(ctx))
	}
	if from := incarnation.From(ctx); from != nil && from.Abandoned() { // it must change nothing, whatever it made of its ctx (S194)
		return refuse(incarnation.Ended(from))
	}
	l := n.loop.Load()
	if l == nil {
		return refuse(ErrNotRunning)
	}
	asker, starting := l.below(ctx)
	if asker != nil && (starting || asker.Stopping()) {
		return refuse(ErrReentrant)
	}
	r := &request{do: func() error { return do(l) }, refuse: refuse, reply: make(chan error, 1)}
	if !l.queue.push(r) {
		<-l.gone // which is closed right after the queue
		return l.ended(refuse(ErrNotRunning))
	}
	var stopping <-chan struct{}
	if asker != nil {
		stopping = asker.Done()
	}
	for {
		select {
		case err := <-r.reply:
			return err
		case <-l.gone:
			return l.ended(r.answer(ErrNotRunning))
		case <-ctx.Done():
			if asker == nil || !asker.Stopping() {
				return refuse(incarnation.Ended(ctx))
			}
			return r.answer(overtaken(asker))
		case <-stopping:
			if asker.Stopping() {
				return r.answer(overtaken(asker))
			}
			stopping = nil // it has ended by itself, so nobody waits for that
		}
	}
}

// overtaken is the refusal of a request that waited when a stop of the asker
// began. Whether the request's own ctx has heard of that yet makes no difference.
func overtaken(asker *incarnation.Cell) error {
	return fmt.Errorf("%w: %w", ErrReentrant, incarnation.Ended(asker))
}

// below finds the child of this supervisor, or the supervisor itself, inside of
// which ctx lives; nil if ctx comes from elsewhere. starting says that all the
// way up to there every incarnation is still in its Start: then each supervisor
// waits for the one below, and this one for ctx (S110).
func (l *loop) below(ctx context.Context) (child *incarnation.Cell, starting bool) {
	child, starting = incarnation.From(ctx), true
	for child != nil {
		starting = starting && child.Starting()
		above := child.Parent()
		if above == l.cell || child == l.cell {
			return child, starting
		}
		child = above
	}
	return nil, false
}

// idle finds a child without a process for an act that needs one.
func (l *loop) idle(op, name string) (*member, error) {
	m := l.byName[name]
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
