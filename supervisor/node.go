package supervisor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
)

// node is what a supervisor is between and across its incarnations. It is the
// common part of [Supervisor] and [Dynamic], which embed it.
type node struct {
	name     string
	policy   Policy
	dynamic  bool
	children []Child       // of a static supervisor, as constructed
	started  atomic.Uint64 // children of a Dynamic, for their numbers; a loop that was abandoned may count beside its successor's

	loop atomic.Pointer[loop] // the running incarnation
	root atomic.Pointer[root] // the tree of which this was or is the root
	last atomic.Pointer[loop] // the last incarnation that has ended: its members are as it left them

	// visible is the mutex of all incarnations: they share the members, and a
	// snapshot may still look at them through one that has ended.
	visible sync.Mutex

	mu      sync.Mutex
	scope   *incarnation.Scope // the supervisor's own life; nil while it is not part of a tree
	latest  *tree              // that it is or was part of
	where   string             // its path there
	members []*member          // of children: they outlive the supervisor's incarnations
}

// nodeOf is the node of a child that is a supervisor, nil for others.
func nodeOf(child Child) *node {
	switch s := incarnation.Inside(child).(type) {
	case *Supervisor:
		return &s.node
	case *Dynamic:
		return &s.node
	case *node: // as the root of a tree
		return s
	}
	return nil
}

// Name is the name given to the constructor.
func (n *node) Name() string { return n.name }

// String is the path in the tree, or just the name while it is not part of one.
func (n *node) String() string { return n.path() }

// Check says what is wrong with the supervisor and everything below it, all of
// it: each fault is a [*CheckError] with supervisor, child and field, and all are
// joined. It is nil if the supervisor can be started. It starts nothing.
func (n *node) Check() error {
	var in inspection
	path := n.path()
	in.supervisor(n, path)
	in.places(n, path)
	return in.err()
}

// placed says whether the supervisor is part of a tree.
func (n *node) placed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.scope != nil
}

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
// Supervisors above call it, and the Start of a child that stands around this
// supervisor and returns run as its own. Called with any other context, also that
// of a handler, of a [Func] or of what [Factory] and [Serve] open, whatever stands
// around these, or of a child that is up or has started something else with it, it
// starts a tree, as [Supervisor.Run] does, but returns when the tree is up; then run
// waits for its end. ctx is for the life of the tree, not for its start: when it ends,
// the tree stops in order. If it ends before the tree is up, the error is, by
// errors.Is, [exit.Shutdown]. A tree that was started must be ended, by the end of ctx
// or by Stop. run may be called more than once.
func (n *node) Start(ctx context.Context) (run func() error, err error) {
	if cell := incarnation.Own(ctx); cell != nil && mayBeNested(ctx, cell) {
		if run, err := n.begin(cell); err != errSecond {
			return run, err
		}
	}
	r, err := n.startRoot(ctx)
	if err != nil {
		return nil, err
	}
	return r.started()
}

// mayBeNested says whether what is started with a context of this incarnation may be
// what that runs: only then is there somebody who looks after the children. What
// Start returns is run by nobody else.
func mayBeNested(ctx context.Context, cell *incarnation.Cell) bool {
	return cell.Starting() && !cell.Attached() && ctx.Value(withinKey{}) != cell
}

type withinKey struct{}

// within is ctx for code of the user that a child of ours runs: what that starts is not
// the child. The context says so, and not the child, because types of the user's may
// stand around that. Once the incarnation is up there is no need to say it.
func within(ctx context.Context) context.Context {
	if cell := incarnation.From(ctx); cell != nil && cell.Starting() {
		return context.WithValue(ctx, withinKey{}, cell)
	}
	return ctx
}

// errSecond is no error: the incarnation has become somebody else's meanwhile.
var errSecond = errors.New("another child was started with this ctx")

// begin begins an incarnation of the supervisor as part of a tree.
func (n *node) begin(cell *incarnation.Cell) (run func() error, err error) {
	var in inspection
	if in.supervisor(n, cell.Scope().Path()); in.faults != nil {
		return nil, in.err()
	}
	l := newLoop(n, cell)
	defer func() {
		if run == nil { // an error, or code of the user has left by Goexit
			l.leave()
		}
	}()
	if !cell.Attach(func() incarnation.Hooks { return (*hooks)(l) }) {
		if cell.Abandoned() { // before it began: the children may be a successor's
			return nil, exit.Killed
		}
		return nil, errSecond
	}
	if err := n.enter(cell.Scope()); err != nil {
		return nil, err
	}
	n.put(treeOf(cell), cell.Scope().Path())
	l.take(n.kept(l))
	n.loop.Store(l)
	if err := l.startAll(); err != nil {
		return nil, err
	}
	l.up.Store(true)
	return l.run, nil
}

// put says in which place of which tree the supervisor is.
func (n *node) put(t *tree, path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.latest == nil || n.latest.number <= t.number { // else it comes late
		n.latest, n.where = t, path
	}
}

// place is where the supervisor is, or was in the last tree that it was part of.
func (n *node) place() (t *tree, path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.latest, n.where
}

// enter ties the supervisor to its own life in a tree: one at a time. When that
// is over, so is the life of its children.
func (n *node) enter(scope *incarnation.Scope) error {
	n.mu.Lock()
	before := n.scope
	if before == nil {
		n.scope, n.members = scope, nil
	}
	n.mu.Unlock()
	switch before {
	case scope:
		return nil
	case nil:
	default:
		return &ChildError{Path: before.Path(), Op: "start", Err: ErrAlreadyStarted}
	}
	scope.AfterGone(func(cause exit.Reason) {
		n.mu.Lock()
		members := n.members
		n.scope, n.members = nil, nil
		n.mu.Unlock()
		incarnation.Each(members, func(m *member) { m.gone(cause) })
	})
	return nil
}

// kept gives the members for the children that the supervisor was constructed
// with (S63). Their lives go on.
func (n *node) kept(l *loop) []*member {
	before := n.loop.Load() // abandoned, and has not come back
	n.mu.Lock()
	old := n.members
	n.mu.Unlock()
	members := make([]*member, len(n.children))
	for i, child := range n.children {
		switch { // by place, so that nothing depends on a name that is another now
		case old == nil:
			members[i] = l.newMember(child, l.path+"/"+child.Name(), true)
		case before != nil:
			members[i] = l.inherit(child, old[i], before)
		default:
			members[i] = old[i]
		}
	}
	n.mu.Lock()
	n.members = members
	n.mu.Unlock()
	return slices.Clone(members)
}

// inherit makes the member of a child whose record an abandoned incarnation of
// the supervisor still holds: the child's life passes over to this one, unless it
// was being ended for good.
func (l *loop) inherit(child Child, m *member, from *loop) *member {
	heir := l.newMember(child, l.path+"/"+m.name(), true)
	from.mu.Lock()
	heir.number, heir.reason = m.number, m.reason
	history := slices.Clone(m.history())
	from.mu.Unlock()
	if history != nil {
		l.remember(heir).history = history
	}
	heir.life = m.life
	if scope := m.scope.Load(); scope != nil && scope.Sealed() {
		m.gone(exit.Killed)
	}
	heir.scope.Store(m.scope.Swap(nil))
	return heir
}

// left is told by an incarnation that it is over. The children that were added
// while it ran are forgotten (S63).
func (n *node) left(l *loop) {
	if n.loop.Load() == l {
		n.last.Store(l)
		n.loop.CompareAndSwap(l, nil)
	}
	incarnation.Each(l.added(), func(m *member) { m.gone(exit.Shutdown) })
}

var _, _ Child = (*Supervisor)(nil), (*Dynamic)(nil)
