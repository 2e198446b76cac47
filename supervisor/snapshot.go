package supervisor

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/exit"
)

// Snapshot is a supervisor or child as it was at one moment, with everything
// below it. It is plain data: it does not change any more.
type Snapshot struct {
	Name        string
	Path        string
	State       State
	Incarnation int         // the latest; 0 if there was none
	Reason      exit.Reason // why the last incarnation ended, or would not start; nil if none has
	Restarts    []Restart   // the last few, oldest first
	Busy        bool        // an actor has a message in hand
	Waiting     int         // messages waiting for an actor
	Supervisor  bool
	Children    []Snapshot // in start order; those of a Dynamic in any
}

// Snapshot shows the supervisor and everything below it. It never waits, also
// while a child is stuck in its Start or the supervisor is stopping. The levels
// are looked at one after the other, so they may belong to slightly different
// moments.
func (n *node) Snapshot() Snapshot {
	s := Snapshot{Name: n.name, Path: n.path(), State: Stopped, Supervisor: true}
	if l := n.loop.Load(); l != nil {
		s.State, s.Incarnation = Running, l.cell.Number()
		switch {
		case l.cell.Asked():
			s.State = Stopping
		case !l.up.Load():
			s.State = Starting
		}
	}
	s.Children = n.childSnapshots(s.Path)
	return s
}

func (n *node) childSnapshots(path string) []Snapshot {
	l := n.loop.Load()
	if l == nil {
		return n.restingSnapshots(path)
	}
	l.mu.Lock()
	members := slices.Clone(l.members)
	children := make([]Snapshot, len(members))
	runners := make([]*runner, len(members))
	for i, m := range members {
		children[i] = Snapshot{
			Name:        m.name,
			Path:        m.path,
			State:       m.state,
			Incarnation: m.number,
			Reason:      m.reason,
			Restarts:    slices.Clone(m.history),
		}
		runners[i] = m.current
	}
	l.mu.Unlock()
	for i, m := range members {
		if r := runners[i]; r != nil {
			hand := r.cell.Holding()
			children[i].Busy, children[i].Waiting = hand.Busy, hand.Depth
		}
		if below := nodeOf(m.spec.Child); below != nil {
			children[i].Supervisor = true
			children[i].Children = below.childSnapshots(m.path)
		}
	}
	return children
}

// restingSnapshots shows the children of a supervisor that is not running.
func (n *node) restingSnapshots(path string) (children []Snapshot) {
	for _, child := range n.children {
		name, err := nameOf(child)
		if err != nil {
			continue // Check tells
		}
		s := Snapshot{Name: name, Path: path + "/" + name, State: Stopped}
		if below := nodeOf(resolve(child).Child); below != nil {
			s.Supervisor = true
			s.Children = below.restingSnapshots(s.Path)
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
	if last := len(s.Restarts) - 1; last >= 0 {
		fmt.Fprintf(text, ", last restart after: %v", s.Restarts[last].Reason)
	} else if s.Reason != nil && s.State == Stopped {
		fmt.Fprintf(text, ", ended: %v", s.Reason)
	}
	text.WriteString("\n")
	for _, child := range s.Children {
		child.write(text, level+1)
	}
}
