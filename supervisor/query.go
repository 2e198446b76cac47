package supervisor

// ChildSpec gives the spec of a child with its defaults filled in, whatever the
// child is doing (S107). A child of a [Dynamic] is known by the name that
// StartChild gave back. It is refused with [ErrNotFound] or [ErrNotRunning] in a
// [*ChildError]. Like Snapshot it never waits for the supervisor's turn.
func (n *node) ChildSpec(name string) (Spec, error) {
	l := n.loop.Load()
	if l == nil {
		return Spec{}, &ChildError{Path: n.path() + "/" + name, Op: "find", Err: ErrNotRunning}
	}
	l.mu.Lock()
	m := l.roster.find(name)
	l.mu.Unlock()
	if m == nil {
		return Spec{}, l.unknown("find", name)
	}
	spec := *m.spec // which does not change
	spec.Child = m.child
	return spec, nil
}

// Count is how many children a supervisor has (S106).
type Count struct {
	Specs       int // all that it knows
	Active      int // those with a process: starting, running or stopping
	Supervisors int // those that are supervisors, with a process or without
	Workers     int // all others
}

// Count counts the children, not what is below them (S106). A child that waits
// for its restart is in Specs, and not in Active (S72, S127).
func (s Snapshot) Count() Count {
	c := Count{Specs: len(s.Children)}
	for _, child := range s.Children {
		if child.State != Stopped && child.State != Restarting {
			c.Active++
		}
		if child.Supervisor {
			c.Supervisors++
		}
	}
	c.Workers = c.Specs - c.Supervisors
	return c
}
