package supervisor_test

import (
	"fmt"
	"slices"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// begin makes the supervisor start the children that it was constructed with.
func (m *model) begin() {
	m.loop, m.asked, m.final, m.todo, m.queue, m.order = starting, false, false, few[task]{}, few[item]{}, few[int8]{}
	for i := range int8(kids) {
		if k := &m.kids[i]; !k.fixed {
			k.fixed, k.number = true, k.before
		}
		if k := &m.kids[i]; !k.known {
			k.known = true
			m.edge(outside, k.state)
		}
		m.order.add(i)
		m.todo.add(task{do: doFirst, kid: i})
	}
	m.todo.add(task{do: doUp})
}

// heed follows what is seen of a kid that was killed. The kill, which says nothing
// of a drain, may have got there before or after the request to stop, or in the
// middle of the drain; what was accepted is handled, or dead, in any case.
func (m *model) heed(got [kids]seen) {
	for i := range m.kids {
		k, g := &m.kids[i], got[i]
		if !m.killed || k.waiting+k.handled+k.dead != g.waiting+g.handled+g.dead || g.handled < k.handled {
			continue
		}
		k.handled = g.handled
		if k.life && k.phase != absent {
			k.sealed, k.waiting, k.dead = !g.accepts, g.waiting, g.dead
		} else if k.life {
			k.waiting = g.waiting
		} else {
			k.dead = g.dead
		}
	}
}

// steps are the states that may come next. There are none at a quiet moment.
func (m model) steps() (next []model) {
	add := func(step func(*model) bool) {
		if n := m; step(&n) {
			next = append(next, n)
		}
	}
	for at, c := range m.calls.list() {
		if c.sent {
			continue
		}
		add(func(n *model) bool { return n.input(&n.calls.all[at]) })
		if c.what == onKill { // which may get to the supervisor before the stop
			add(func(n *model) bool { final := n.final; n.input(&n.calls.all[at]); n.final = final; return true })
		}
		if k := m.kids[c.kid]; c.serial > 0 && (k.asked || m.killed) && k.phase == up {
			add(func(n *model) bool { n.calls.all[at].sent, n.calls.all[at].result = true, ok; return true }) // it heeds the stop
		}
	}
	for i := range int8(kids) {
		add(func(n *model) bool { return n.opens(i) })
		add(func(n *model) bool { return n.yields(i) })
		add(func(n *model) bool { return n.parts(i) })
		if m.loop == running && !m.asked && m.todo.n == 0 {
			add(func(n *model) bool { return n.due(i) })
		}
	}
	if m.killed && m.asked && !m.final {
		add(func(n *model) bool { n.final = true; return true }) // the request to stop has got there too
	}
	if m.again && m.loop == running {
		add(func(n *model) bool { n.asked, n.again = true, false; return true })
	}
	add((*model).work)
	return next
}

// input is what comes from outside: of a caller, or of a child.
func (m *model) input(c *call) bool {
	c.sent = true
	k := &m.kids[c.kid]
	switch c.what {
	case onCrash, onEnd, onLeave:
		c.result = ok
		if k.serial == c.serial && k.phase == up {
			k.clean = c.what == onEnd
			if k.phase = ended; c.what == onLeave && !k.asked {
				k.phase = left
			}
			m.tell(c.kid)
		}
	case onParent:
		c.result = ok
		m.again = m.again || (m.loop == starting || m.loop == running) && !m.asked
	case onStop, onKill:
		m.killed = m.killed || c.what == onKill
		m.quit, m.again = true, false
		switch {
		case m.loop == over:
			c.result = fmt.Sprint(m.stuck, " stuck")
		case m.loop != between && !m.asked:
			m.asked, m.final = true, true
		}
	default:
		if m.loop == over || m.loop == between {
			c.result = notRunning
			return true
		}
		m.queue.add(item{what: request, kid: c.kid, call: c.id})
	}
	return true
}

// tell has the supervisor hear of the end of an incarnation.
func (m *model) tell(i int8) {
	what := death
	if m.kids[i].phase == left {
		what = winding
	}
	if m.loop != over {
		m.queue.add(item{what: what, kid: i, serial: m.kids[i].serial})
	}
}

// opens is the end of a Start.
func (m *model) opens(i int8) bool {
	k := &m.kids[i]
	if k.phase != inStart || k.start == hangs {
		return false
	}
	if k.phase = ended; k.start == succeeds {
		k.phase = up
	}
	return true
}

// yields is an incarnation that ends because it was asked to, or killed.
func (m *model) yields(i int8) bool {
	k := &m.kids[i]
	if k.phase != up || !k.asked && !m.killed || k.stubborn {
		return false
	}
	m.obey(i)
	return true
}

// obey drains the mailbox if that is to be, and ends the incarnation.
func (m *model) obey(i int8) {
	k := &m.kids[i]
	if k.asked && k.final && !m.killed {
		k.handled += k.waiting
		k.waiting = 0
	}
	k.phase, k.clean = ended, true
	m.tell(i)
}

// release lets go of all that hangs; a Start that hangs has this outcome.
func (m *model) release(i int8, as outcome) {
	k := &m.kids[i]
	k.parting = k.zombies > 0
	switch {
	case k.phase == inStart:
		k.start = as
	case k.phase == up && (k.asked || m.killed) && k.stubborn:
		m.obey(i)
	case k.phase == left:
		k.phase = ended
		m.tell(i)
	}
}

// parts is the end of the zombies. Until then a new incarnation is numbered above them.
func (m *model) parts(i int8) bool {
	k := &m.kids[i]
	if !k.parting {
		return false
	}
	k.zombies, k.latest, k.parting = 0, 0, false
	return true
}

// due is a restart whose time has come, or a wind-down whose time is over.
func (m *model) due(i int8) bool {
	k := &m.kids[i]
	switch {
	case k.state == supervisor.Restarting && k.backoff && (m.ticking || k.ripe):
		m.todo = fewOf(append(m.victims(i), task{do: doAttempt, kid: i})...)
	case k.byItself && k.phase == left && m.ticking:
		k.zombies++
		k.latest = k.number
		m.conclude(i)
	default:
		return false
	}
	k.backoff, k.ripe = false, false
	return true
}

// tick is the end of a long time: a restart that could not be because the
// supervisor was busy will be when it is not. What winds down has its grace then.
func (m *model) tick() {
	m.ticking = false
	for i := range m.kids {
		m.kids[i].ripe = m.kids[i].backoff
	}
}

// group are the children that a restart covers.
func (m *model) group(i int8) []int8 {
	lo, hi := m.strategy.Span(slices.Index(m.order.list(), i), m.order.n)
	return slices.Clone(m.order.list()[lo:hi])
}

func (m *model) victims(i int8) (todo []task) {
	if m.strategy == strategy.OneForOne {
		return nil
	}
	for _, victim := range slices.Backward(m.group(i)) {
		if victim != i {
			todo = append(todo, task{do: doVictim, kid: victim})
		}
	}
	return todo
}

// reply is what a caller hears.
func (m *model) reply(id int8, result string) {
	for at := range m.calls.n {
		if c := &m.calls.all[at]; c.id == id {
			c.result = result
		}
	}
}

// die is the end of a child's own life.
func (m *model) die(i int8) {
	k := &m.kids[i]
	if k.life {
		k.dead += k.waiting
		k.life, k.waiting = false, 0
	}
}

// move is the one place in which a state changes.
func (m *model) move(i int8, to supervisor.State) {
	k := &m.kids[i]
	if k.state != to {
		m.edge(k.state, to)
		k.state = to
	}
	if to != supervisor.Restarting {
		k.backoff, k.ripe = false, false
	}
}

// edge is a transition that the diagram must have.
func (m *model) edge(from, to supervisor.State) {
	m.edges[[2]supervisor.State{from, to}] = true
}

// gone is the end of a child's life in the diagram: the supervisor does not know
// it any more.
const gone supervisor.State = "gone"

// outside is where a life begins and ends in the diagram.
const outside supervisor.State = "[*]"

// forget removes a child.
func (m *model) forget(i int8) {
	m.die(i)
	if state := m.kids[i].state; state != outside { // else it has not even begun
		m.edge(state, gone)
		m.edge(gone, outside)
	}
	m.kids[i].known, m.kids[i].state = false, supervisor.Stopped
	m.order.remove(func(other int8) bool { return other == i })
}

// settled is a child that has ended and is not to be restarted.
func (m *model) settled(i int8) {
	if m.restart[i] == strategy.Temporary {
		m.forget(i)
		return
	}
	m.die(i)
}
