package supervisor

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/strategy"
)

// node is what a supervisor is between and across its incarnations. It is the
// common part of [Supervisor] and [Dynamic], which embed it.
type node struct {
	name     string
	policy   Policy
	dynamic  bool
	children []Child // of a static supervisor, as constructed

	loop atomic.Pointer[loop] // the running incarnation
	root atomic.Pointer[root] // the tree of which this was or is the root

	mu      sync.Mutex
	scope   *incarnation.Scope // the supervisor's own life; nil while it is not part of a tree
	members []*member          // of children: they outlive the supervisor's incarnations
}

// nodeOf is the node of a child that is a supervisor, nil for others.
func nodeOf(child Child) *node {
	switch s := child.(type) {
	case *Supervisor:
		return &s.node
	case *Dynamic:
		return &s.node
	case *node: // a root, as its own runner sees it
		return s
	}
	return nil
}

// Name is the name given to the constructor.
func (n *node) Name() string { return n.name }

// String is the path in the tree, or just the name while it is not part of one.
func (n *node) String() string { return n.path() }

// Check says what is wrong with the supervisor and everything below it, all of
// it, each fault with supervisor, child and field. It is nil if the supervisor
// can be started. It starts nothing.
func (n *node) Check() error { return checkAll(n.name, n.policy, n.dynamic, n.children) }

func (n *node) path() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.scope != nil {
		return n.scope.Path()
	}
	return n.name
}

// Start begins an incarnation of the supervisor: it checks everything, then
// starts the children one after the other and returns when all are up. If one
// fails, those that were started are stopped in reverse order, and the error
// says which failed and why (S9-S13).
//
// Supervisors above call it. Called with any other context it starts a tree, as
// [Supervisor.Run] does, but returns when the tree is up; then run waits for
// its end. A tree that was started must be ended, by Stop or by the end of ctx.
func (n *node) Start(ctx context.Context) (run func() error, err error) {
	if err := n.Check(); err != nil {
		return nil, err
	}
	cell := incarnation.From(ctx)
	if cell == nil {
		return n.startRoot(ctx)
	}
	if err := n.enter(cell.Scope()); err != nil {
		return nil, err
	}
	l := newLoop(n, cell)
	l.members = n.kept(l)
	for i, m := range l.members {
		m.index = i
		l.byName[m.name] = m
	}
	n.loop.Store(l)
	cell.Attach(incarnation.Hooks{Self: n, Stop: l.stop})
	if err := l.startAll(); err != nil {
		l.leave()
		return nil, err
	}
	return l.run, nil
}

// enter ties the supervisor to its own life in a tree: one at a time. When that
// is over, so is the life of its children.
func (n *node) enter(scope *incarnation.Scope) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch n.scope {
	case scope:
		return nil
	case nil:
	default:
		return &ChildError{Path: n.scope.Path(), Op: "start", Err: ErrAlreadyStarted}
	}
	n.scope = scope
	n.members = nil
	scope.AfterGone(func(cause exit.Reason) {
		n.mu.Lock()
		members := n.members
		n.scope, n.members = nil, nil
		n.mu.Unlock()
		for _, m := range members {
			m.gone(cause)
		}
	})
	return nil
}

// kept gives the members for the children that the supervisor was constructed
// with, made anew where they were deleted (S63). Their lives go on.
func (n *node) kept(l *loop) []*member {
	n.mu.Lock()
	old := n.members
	n.mu.Unlock()
	byName := make(map[string]*member, len(old))
	for _, m := range old {
		byName[m.name] = m
	}
	members := make([]*member, len(n.children))
	for i, child := range n.children {
		m := byName[child.Name()]
		if m == nil {
			m = l.newMember(child, child.Name(), true)
		}
		members[i] = m
	}
	n.mu.Lock()
	n.members = members
	n.mu.Unlock()
	return append([]*member(nil), members...)
}

// left is told by an incarnation that it is over. The children that were added
// while it ran are forgotten (S63).
func (n *node) left(l *loop) {
	n.loop.CompareAndSwap(l, nil)
	for _, m := range l.members {
		if !m.fixed {
			m.gone(exit.Shutdown)
		}
	}
}

// healthy is how long an incarnation must live for its child's attempts to be
// counted anew.
func (n *node) healthy() time.Duration {
	if n.policy.Healthy == 0 {
		return strategy.DefaultHealthy
	}
	return n.policy.Healthy
}

// height is how many levels of supervisors a child has below itself, one more
// for itself if it is one: the levels that pass a kill on.
func height(child Child) int {
	n := nodeOf(child)
	if n == nil {
		return 0
	}
	highest := 0
	if l := n.loop.Load(); l != nil {
		l.mu.Lock()
		members := append([]*member(nil), l.members...)
		l.mu.Unlock()
		for _, m := range members {
			highest = max(highest, height(m.spec.Child))
		}
	}
	return 1 + highest
}

var _, _ Child = (*Supervisor)(nil), (*Dynamic)(nil)
