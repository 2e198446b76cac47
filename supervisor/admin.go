package supervisor

import (
	"context"
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/internal/incarnation"
)

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
	from := incarnation.From(ctx)
	if from != nil && from.Abandoned() { // it must change nothing, whatever it made of its ctx (S194)
		return "", n.refuse(op, name, incarnation.Ended(from))
	}
	l := n.loop.Load()
	if l == nil {
		return "", n.refuse(op, name, ErrNotRunning)
	}
	asker := l.askerOf(from)
	if asker.awaited() {
		return "", n.refuse(op, name, ErrReentrant)
	}
	r := l.requests.begin(l)
	if r == nil {
		return "", l.ended(n.refuse(op, name, ErrNotRunning))
	}
	r.op, r.name, r.child, r.do = op, name, child, do
	l.queue.push(r)
	if asker == nil && ctx.Done() == nil {
		return r.heard(<-r.reply)
	}
	for {
		topmost, first := asker.stops()
		select {
		case reply := <-r.reply:
			return r.heard(reply)
		case <-ctx.Done():
			if asker.awaited() {
				return r.leave(asker.overtaken())
			}
			return r.leave(incarnation.Ended(ctx))
		case <-topmost:
		case <-first:
		}
		if asker.awaited() {
			return r.leave(asker.overtaken())
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
		return nil, &ChildError{Path: m.path(), Op: op, Err: ErrRunning}
	case m.state == isRestarting:
		return nil, &ChildError{Path: m.path(), Op: op, Err: ErrRestarting}
	}
	return m, nil
}

// unknown is for a name that no child has. In a Dynamic it may be that of a kind.
func (l *loop) unknown(op, name string) error {
	err := ErrNotFound
	if l.node.dynamic && !strings.Contains(name, "#") {
		err = fmt.Errorf("%w: the name is what StartChild gave back, such as %s#1", err, name)
	}
	return &ChildError{Path: l.path + "/" + name, Op: op, Err: err}
}

// childError gives the error of a launch to whoever asked for it.
func (l *loop) childError(m *member, op string, err error) error {
	if err == errStopping {
		return &ChildError{Path: m.path(), Op: op, Err: ErrNotRunning, Reason: l.ordered()}
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
