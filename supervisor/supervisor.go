package supervisor

import (
	"context"
	"slices"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
)

// Supervisor starts its children in order, restarts them when they end, by its
// strategy, and stops them in reverse order. It is a [Child] itself.
//
// All methods may be called concurrently. When its tree has ended it may be
// started again. A type that embeds a *Supervisor is a child like any other: it
// gets the shutdown time of one unless a [Spec] says otherwise.
type Supervisor struct{ node }

// New makes a supervisor of the children, in start order. Nothing is checked
// and nothing starts here: Start, Run and Check report all faults.
func New(name string, policy Policy, children ...Child) *Supervisor {
	return &Supervisor{node{name: name, policy: policy, children: slices.Clone(children)}}
}

// StartChild adds a child at the end and starts it; it returns when the child
// is up. A name that is taken is refused with [ErrAlreadyStarted] or
// [ErrAlreadyPresent], a child that is not made right with all its faults, each a
// [*CheckError] (S26); one that fails to start is forgotten (S100, S101).
// When the supervisor itself restarts, it knows only the children that it was
// constructed with (S63).
//
// Like all administration the request waits until the supervisor has done what
// came before. When ctx ends first, its error is returned: the request is no
// longer waited for, but carried out all the same when its turn comes (S113). A
// supervisor that is not running, or ends before it comes to the request, refuses
// it with [ErrNotRunning] (S111).
//
// A request from inside a child that the supervisor is starting or stopping
// would wait for itself. It is refused with [ErrReentrant], and nothing is done. One
// that waits when the stop begins, or brings it about, like that of a child to
// terminate itself, is no longer waited for: it returns the same error, in which
// errors.Is finds the reason of the stop too, and is carried out unless the
// supervisor ends first (S110); the text of the error says which of the two it is.
// That requests of several supervisors wait for each other in a circle is not found
// out.
//
// ctx tells where a request comes from: one that was handed to the child or to
// anything below it, or is derived from such. What Start's ctx is passed to, such
// as a goroutine, counts as Start until that has returned. A sink or a backoff has
// no such ctx, and waits for ever if it asks the supervisor that calls it.
func (s *Supervisor) StartChild(ctx context.Context, child Child) error {
	name, err := s.checkChild(child)
	if err != nil {
		return &ChildError{Path: s.path() + "/" + name, Op: "start", Err: err}
	}
	_, err = s.ask(ctx, "start", name, child, func(l *loop, r *request) error {
		if m := l.roster.find(r.name); m != nil {
			err := errNamePresent
			if m.current != nil {
				err = errNameStarted
			}
			return &ChildError{Path: m.path(), Op: "start", Err: err}
		}
		m := l.newMember(r.child, l.path+"/"+r.name, false)
		l.add(m)
		declines, err := l.launch(m, nil)
		switch {
		case err != nil:
			l.remove(m, exit.Shutdown)
		case declines:
			l.over(m, exit.Normal)
		}
		return l.childError(m, "start", err)
	})
	return err
}

// TerminateChild stops a child and keeps its place, so that RestartChild can
// start it again; a temporary child is removed. A restart to come is called
// off, and siblings that were to be started with the child stay without process
// too, until the next restart of their group (S73). A child without a process is
// left as it is (S102). It returns when the child is stopped or abandoned.
//
// For when ctx ends, when the supervisor is not running, and for requests from
// inside the tree see StartChild.
func (s *Supervisor) TerminateChild(ctx context.Context, name string) error {
	_, err := s.ask(ctx, "terminate", name, nil, func(l *loop, r *request) error {
		m := l.roster.find(r.name)
		if m == nil {
			return l.unknown(r.op, r.name)
		}
		l.stopMember(m, exit.Shutdown, true)
		l.calledOff(m)
		if m.spec.Restart == strategy.Temporary {
			l.remove(m, exit.Shutdown)
		}
		return nil
	})
	return err
}

// RestartChild starts a child that has no process, in its old place. It is
// refused with [ErrRunning] or [ErrRestarting] otherwise. If the child fails to
// start, the error says why, and the child stays without a process (S103). An
// actor gets a new mailbox.
//
// For when ctx ends, when the supervisor is not running, and for requests from
// inside the tree see StartChild.
func (s *Supervisor) RestartChild(ctx context.Context, name string) error {
	_, err := s.ask(ctx, "restart", name, nil, func(l *loop, r *request) error {
		m, err := l.idle(r.op, r.name)
		if err != nil {
			return err
		}
		_, err = l.launch(m, nil)
		if m.current == nil {
			m.gone(exit.Shutdown)
		}
		return l.childError(m, r.op, err)
	})
	return err
}

// DeleteChild forgets a child that has no process. It is refused with
// [ErrRunning] or [ErrRestarting] otherwise: it never stops anything (S104).
//
// For when ctx ends, when the supervisor is not running, and for requests from
// inside the tree see StartChild.
func (s *Supervisor) DeleteChild(ctx context.Context, name string) error {
	_, err := s.ask(ctx, "delete", name, nil, func(l *loop, r *request) error {
		m, err := l.idle(r.op, r.name)
		if err != nil {
			return err
		}
		l.remove(m, exit.Shutdown)
		return nil
	})
	return err
}
