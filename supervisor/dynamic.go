package supervisor

import (
	"context"
	"slices"
	"strconv"

	"github.com/coppice-go/coppice/exit"
)

// Dynamic is a supervisor whose children come and go while it runs: Elixir's
// DynamicSupervisor (S122-S129). It starts without any, also when it is restarted
// itself: whoever has filled it must do so anew, best a [Func] after it under
// RestForOne, as in the example. The children know no order: each is restarted by
// itself, and all are stopped at the same moment. A child that has ended for good is
// forgotten.
//
// Children with the same name are fine: each gets a number of its own. All
// methods may be called concurrently.
type Dynamic struct{ node }

// NewDynamic makes a supervisor without children. Nothing is checked and
// nothing starts here: Start, Run and Check report all faults.
func NewDynamic(name string, policy Policy) *Dynamic {
	return &Dynamic{node: node{name: name, policy: policy, dynamic: true}}
}

// StartChild adds a child and starts it; it returns when the child is up. The
// name given back, such as user#17, tells the child from others of its kind; it
// is the last part of its path. It is empty if the child declined to start,
// which is no error. A child that fails or declines is forgotten. With
// MaxChildren children it is refused with [ErrMaxChildren], and nothing is
// started (S123).
//
// For when ctx ends, when the supervisor is not running, and for requests from
// inside the tree see [Supervisor.StartChild].
func (d *Dynamic) StartChild(ctx context.Context, child Child) (name string, err error) {
	kind, err := d.checkChild(child)
	if err != nil {
		return "", &ChildError{Path: d.path() + "/" + kind, Op: "start", Err: err}
	}
	return d.ask(ctx, "start", kind, child, (*loop).startNumbered)
}

// startNumbered starts a child of a kind, and gives it a number of its own.
func (l *loop) startNumbered(r *request) error {
	kind, n := r.name, l.node
	if most := n.policy.MaxChildren; most > 0 && len(l.members) >= most {
		return &ChildError{Path: l.path + "/" + kind, Op: "start", Err: ErrMaxChildren}
	}
	m := l.newMember(r.child, pathOf(l.path, kind, n.started.Add(1)), false)
	l.add(m)
	r.given = m.path()[len(l.path)+1:]
	l.offer(r)
	declines, err := l.launch(m, nil)
	replied := l.prompt.withdraw()
	if err != nil || declines {
		l.remove(m, exit.Shutdown)
	}
	switch {
	case replied:
		return errReplied
	case err != nil || declines:
		r.given = ""
		return l.childError(m, "start", err)
	}
	return nil
}

// pathOf is the path of a child of some kind with its number. It is made a million
// times, so at once.
func pathOf(above, kind string, number uint64) string {
	var room [128]byte
	path := append(append(append(append(room[:0], above...), '/'), kind...), '#')
	return string(strconv.AppendUint(path, number, 10))
}

// TerminateChild stops a child, or calls its restart off, and forgets it. It
// returns when the child is stopped or abandoned. A child that is gone already
// is [ErrNotFound] (S125).
//
// For when ctx ends, when the supervisor is not running, and for requests from
// inside the tree see [Supervisor.StartChild].
func (d *Dynamic) TerminateChild(ctx context.Context, name string) error {
	_, err := d.ask(ctx, "terminate", name, nil, func(l *loop, r *request) error {
		m := l.roster.find(r.name)
		if m == nil {
			return l.unknown(r.op, r.name)
		}
		l.stopMember(m, exit.Shutdown, true)
		l.remove(m, exit.Shutdown)
		return nil
	})
	return err
}

// Children are the names of the children, those that wait for their restart
// included, sorted. It does not wait for the supervisor's turn.
func (d *Dynamic) Children() []string {
	l := d.loop.Load()
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	names := make([]string, len(l.members))
	for i, m := range l.members {
		names[i] = m.name()
	}
	slices.Sort(names)
	return names
}
