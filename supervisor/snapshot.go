package supervisor

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// Snapshot is a supervisor or child as it was at one moment, with everything
// below it. It is plain data: it does not change any more.
type Snapshot struct {
	Name        string
	Path        string
	State       State
	Incarnation int                  // the latest; 0 if there was none; it counts up to math.MaxInt32, and stays there
	Reason      exit.Reason          // why the last incarnation ended, or would not start; nil if none has
	Restarts    []tracing.Restarting // the last few decisions to restart it, oldest first
	Busy        bool                 // an actor has a message in hand, or is in its Continue
	Waiting     int                  // messages waiting for an actor
	Parked      bool                 // an actor has no goroutine at this moment, until work or a stop comes (see actor.Options.ParkAfter); String leaves it out
	Supervisor  bool                 // it is one; of a type around a supervisor this is known while it runs
	Tree        string               // see Supervisor.Snapshot; empty for what is below
	Children    []Snapshot           // in start order, those that were added last (S45, S105); those of a Dynamic in any

	// Abandoned is how many incarnations of it were abandoned and are still there, as
	// Supervisor.Abandoned lists them; State tells of the one after these, or of none.
	Abandoned int

	// Stuck is how long ago something began that has crossed a limit of the
	// child's Watch and, when the supervisor looked last, was not over; 0 if
	// nothing has.
	Stuck time.Duration
}

// Snapshot shows the supervisor and everything below it. It never waits, also
// while a child is stuck in its Start or the supervisor is stopping. The levels
// are looked at one after the other, so they may belong to slightly different
// moments.
//
// After the end it shows what the last incarnation left behind.
//
// Tree tells the goroutines of the tree, or of the latest one that the supervisor
// was the root of, from all others: each goroutine of a child, and each that it
// starts in whatever way, carries the pprof labels coppice.tree, with this value,
// coppice.path and coppice.incarnation. They help to read any goroutine profile.
// Tree is empty if there is no such tree.
func (n *node) Snapshot() Snapshot {
	s := n.snapshot()
	if tree, _ := n.place(); tree != nil {
		if count := tree.abandonments(); len(count) > 0 {
			s.abandoned(count)
		}
	}
	return s
}

// abandoned adds how many of each path are still there.
func (s *Snapshot) abandoned(count map[string]int) {
	s.Abandoned = count[s.Path]
	s.Children = slices.Clone(s.Children) // those of a supervisor that is over may be shared
	for i := range s.Children {
		s.Children[i].abandoned(count)
	}
}

func (n *node) snapshot() Snapshot {
	s := Snapshot{Name: n.name, Path: n.path(), State: Stopped, Supervisor: true}
	l := n.loop.Load()
	if r := n.root.Load(); r != nil {
		s.Tree = r.tree.id
	}
	if l == nil {
		if last := n.last.Load(); last != nil {
			s.Incarnation = last.cell.Number()
		}
		if r := n.root.Load(); r != nil && r.ended() {
			s.Reason = r.reason
		}
		s.Children = n.resting(s.Path)
		return s
	}
	s.State, s.Incarnation, s.Tree = Running, l.cell.Number(), l.tree.id
	switch {
	case l.cell.Asked() || l.ending.Load():
		s.State = Stopping
	case !l.up.Load():
		s.State = Starting
	}
	s.Children = l.snapshots()
	return s
}

// snapshots shows the children of a running supervisor.
func (l *loop) snapshots() []Snapshot {
	l.mu.Lock()
	members := slices.Clone(l.members)
	children := make([]Snapshot, len(members))
	runners := make([]*runner, len(members))
	for i, m := range members {
		children[i] = Snapshot{
			Name:        m.name(),
			Path:        m.path(),
			State:       states[m.state],
			Incarnation: int(m.number),
			Reason:      m.reason,
			Restarts:    slices.Clone(m.history()),
			Stuck:       m.watched.stuckFor(m),
		}
		runners[i] = m.current
	}
	l.mu.Unlock()
	for i, m := range members {
		children[i].look(m, runners[i])
	}
	return children
}

// look adds what the incarnation itself knows, if there is one.
func (s *Snapshot) look(m *member, r *runner) {
	below := nodeOf(m.child)
	s.Supervisor = below != nil
	switch {
	case r == nil && below != nil:
		s.Children = below.resting(m.path())
	case r == nil:
	default:
		if phase := r.phase.Load(); s.State == Starting && (phase == up || phase == over) {
			s.State = Running // the supervisor has not looked yet
		}
		hand := r.cell.Holding()
		s.Busy, s.Waiting, s.Parked = hand.Busy, hand.Depth, hand.Parked
		if l, ok := r.cell.Handler().(*loop); ok { // also behind a type of the user's
			s.Supervisor = true
			s.Children = l.snapshots()
		}
	}
}

// resting shows the children of a supervisor that is not running, as its last
// incarnation left them.
func (n *node) resting(path string) (children []Snapshot) {
	if last := n.last.Load(); last != nil {
		return last.snapshots()
	}
	for _, child := range n.children {
		name, err := nameOf(child)
		if err != nil {
			continue // Check tells
		}
		s := Snapshot{Name: name, Path: path + "/" + name, State: Stopped}
		if below := nodeOf(resolve(child).Child); below != nil {
			s.Supervisor = true
			s.Children = below.resting(s.Path)
		}
		children = append(children, s)
	}
	return children
}

// All gives the snapshot itself and everything below it by path, each before
// its children.
func (s Snapshot) All() iter.Seq2[string, Snapshot] {
	return func(yield func(string, Snapshot) bool) { s.all(yield) }
}

func (s Snapshot) all(yield func(string, Snapshot) bool) bool {
	if !yield(s.Path, s) {
		return false
	}
	for _, child := range s.Children {
		if !child.all(yield) {
			return false
		}
	}
	return true
}

// String is the tree as text, a line for each child, indented by level.
func (s Snapshot) String() string {
	var text strings.Builder
	s.write(&text, 0)
	return text.String()
}

func (s Snapshot) write(text *strings.Builder, level int) {
	fmt.Fprintf(text, "%s%s %s", strings.Repeat("  ", level), s.Name, s.State)
	if s.Incarnation > 1 {
		fmt.Fprintf(text, ", incarnation %d", s.Incarnation)
	}
	if s.Busy {
		text.WriteString(", busy")
	}
	if s.Waiting > 0 {
		fmt.Fprintf(text, ", %d waiting", s.Waiting)
	}
	if s.Abandoned > 0 {
		fmt.Fprintf(text, ", %d abandoned, still there", s.Abandoned)
	}
	if s.Stuck > 0 {
		fmt.Fprintf(text, ", stuck for %v", s.Stuck)
	}
	switch last := len(s.Restarts) - 1; {
	case s.State == Stopped && s.Reason != nil:
		fmt.Fprintf(text, ", ended: %v", s.Reason)
	case last >= 0:
		if delay := s.Restarts[last].Delay; s.State == Restarting && delay > 0 {
			fmt.Fprintf(text, " (delay %v)", delay)
		}
		fmt.Fprintf(text, ", last ended: %v", s.Restarts[last].Reason)
	}
	text.WriteString("\n")
	for _, child := range s.Children {
		child.write(text, level+1)
	}
}
