package supervisor_test

import (
	"fmt"
	"slices"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// work is one step of the supervisor's own goroutine. It is false if that waits.
func (m *model) work() bool {
	switch m.loop {
	case over:
		return false
	case between:
		if m.quit {
			m.finish()
		} else {
			m.begin()
		}
		return true
	}
	if m.todo.n > 0 {
		return m.perform(m.todo.all[0])
	}
	if m.asked { // before anything that waits in the queue
		m.end()
		return true
	}
	if m.queue.n == 0 {
		return false
	}
	heard := m.queue.first()
	k := &m.kids[heard.kid]
	current := k.known && k.serial == heard.serial
	switch heard.what {
	case death:
		if current && k.phase == ended {
			m.conclude(heard.kid)
		}
	case winding:
		if current && k.phase == left {
			m.move(heard.kid, supervisor.Stopping)
			k.byItself = true
		}
	case retry:
		if k.known && k.state == supervisor.Restarting && !k.backoff {
			m.toRestart(heard.kid)
		}
	case request:
		m.serve(heard.call, heard.kid)
	}
	return true
}

// conclude decides what follows the end of an incarnation.
func (m *model) conclude(i int8) {
	k := &m.kids[i]
	k.phase, k.byItself = absent, false
	reason := exit.Of(errBoom)
	if k.clean {
		reason = exit.Normal
	}
	if m.restart[i].Restarts(reason) {
		m.toRestart(i)
		return
	}
	m.move(i, supervisor.Stopped)
	m.settled(i)
}

func (m *model) toRestart(i int8) {
	m.move(i, supervisor.Restarting)
	m.todo = fewOf(append(m.victims(i), task{do: doWait, kid: i})...)
}

// end stops all children, and leaves.
func (m *model) end() {
	m.loop, m.todo = leaving, few[task]{}
	for _, i := range slices.Backward(m.order.list()) {
		m.todo.add(task{do: doEnd, kid: i})
	}
	m.todo.add(task{do: doLeave})
}

// serve deals with a caller.
func (m *model) serve(id, i int8) {
	at := slices.IndexFunc(m.calls.list(), func(c call) bool { return c.id == id })
	k, what := &m.kids[i], m.calls.all[at].what
	switch {
	case what == onStart && k.known && k.phase != absent:
		m.reply(id, alreadyStarted)
	case what == onStart && k.known:
		m.reply(id, alreadyPresent)
	case what == onStart:
		if k.fixed {
			k.before = k.number
		}
		k.known, k.fixed, k.number, k.state = true, false, 0, outside
		m.order.add(i)
		m.todo = fewOf(task{do: doStart, kid: i, call: id})
	case !k.known:
		m.reply(id, notFound)
	case what == onTerminate:
		m.todo = fewOf(task{do: doStop, kid: i, flag: true}, task{do: doCallOff, kid: i}, task{do: doForget, kid: i}, task{do: doReply, call: id})
	case k.phase != absent:
		m.reply(id, isRunning)
	case k.state == supervisor.Restarting:
		m.reply(id, isRestarting)
	case what == onRestart:
		m.todo = fewOf(task{do: doStart, kid: i, call: id, flag: true})
	case what == onDelete:
		m.forget(i)
		m.reply(id, ok)
	}
}

// perform does the first thing that is to be done, or a part of it. It is false
// if that has to wait.
func (m *model) perform(t task) bool {
	done := func() bool { m.todo.first(); return true }
	i := t.kid
	switch t.do {
	case doStop, doVictim, doEnd:
		switch {
		case m.kids[i].asked: // goes on
		case t.do == doVictim && m.asked:
			return done()
		case t.do == doVictim:
			m.todo.all[0].flag = m.restart[i] == strategy.Temporary
		case t.do == doEnd:
			m.todo.all[0].flag = m.final || !m.kids[i].fixed
		}
		over, waits := m.stop(i, m.todo.all[0].flag)
		if over && t.do == doVictim && m.restart[i] == strategy.Temporary {
			m.forget(i)
		}
		if over {
			return done()
		}
		return !waits
	case doWait:
		if m.delayed {
			m.kids[i].backoff = true
			return done()
		}
		m.todo.all[0].do = doAttempt
	case doAttempt:
		m.todo = few[task]{}
		for _, next := range m.group(i) {
			m.todo.add(task{do: doRestart, kid: next, call: i})
		}
	case doStart, doRestart, doFirst:
		return m.launch(t)
	case doUp:
		m.loop = running
		return done()
	case doCallOff:
		for _, victim := range m.group(i) {
			if k := m.kids[victim]; k.phase == absent && k.state == supervisor.Stopped && !m.awaits(victim) {
				m.die(victim)
			}
		}
		return done()
	case doForget:
		if m.restart[i] == strategy.Temporary {
			m.forget(i)
		}
		return done()
	case doReply:
		m.reply(t.call, ok)
		return done()
	case doLeave:
		m.leave()
	}
	return true
}

// stop is the next step of stopping a child: whether it is over, or has to wait.
func (m *model) stop(i int8, final bool) (over, waits bool) {
	k := &m.kids[i]
	switch {
	case k.phase == absent:
		m.move(i, supervisor.Stopped)
	case !k.asked:
		m.move(i, supervisor.Stopping)
		k.asked, k.final, k.byItself, k.ripe = true, final, false, false
		k.sealed = k.sealed || final
		return false, false
	case k.phase == ended:
		m.lost(i)
	case m.ticking && (k.phase != up || k.stubborn):
		k.zombies++
		k.latest = k.number
		m.lost(i)
	default:
		return false, true
	}
	if final {
		m.die(i)
	}
	return true, false
}

// lost is a child that has no process any more.
func (m *model) lost(i int8) {
	k := &m.kids[i]
	k.phase, k.asked, k.byItself = absent, false, false
	m.move(i, supervisor.Stopped)
}

// launch is the next step of starting a child.
func (m *model) launch(t task) bool {
	k := &m.kids[t.kid]
	switch {
	case k.state == supervisor.Stopping: // it did not come up before the stop
		over, waits := m.stop(t.kid, k.final)
		if over {
			m.interrupted(t)
		}
		return !waits
	case k.state != supervisor.Starting && m.asked:
		m.interrupted(t)
	case k.state != supervisor.Starting:
		m.move(t.kid, supervisor.Starting)
		k.sealed = k.sealed && k.life
		k.number = 1 + max(k.number, k.latest)
		k.serial++
		k.life, k.phase, k.asked, k.start, k.next = true, inStart, false, k.next, succeeds
	case k.phase == inStart && !m.asked:
		return false
	case k.phase == inStart:
		_, _ = m.stop(t.kid, m.final)
	case k.phase == ended && k.start == fails:
		m.failed(t)
	case k.phase == ended && k.start == declines:
		m.declined(t)
	default:
		m.move(t.kid, supervisor.Running)
		m.started(t, ok)
	}
	return true
}

func (m *model) started(t task, result string) {
	m.todo.first()
	if t.do == doStart {
		m.reply(t.call, result)
	}
}

// interrupted is a start that does not happen because the supervisor is to end.
func (m *model) interrupted(t task) {
	k := &m.kids[t.kid]
	switch {
	case t.do == doFirst:
		m.end()
		return
	case t.do == doStart && !t.flag:
		m.forget(t.kid)
	case t.do == doStart && k.phase == absent:
		m.die(t.kid)
	}
	m.todo = few[task]{}
	if t.do == doStart {
		m.reply(t.call, notRunning)
	}
}

// failed is a start that has failed.
func (m *model) failed(t task) {
	k := &m.kids[t.kid]
	k.phase, k.asked = absent, false
	switch {
	case t.do == doFirst: // so the supervisor fails to start, and will be tried again
		m.move(t.kid, supervisor.Stopped)
		m.end()
		return
	case t.do == doRestart:
		if origin := &m.kids[t.call]; origin.phase == absent && t.call != t.kid {
			m.move(t.call, supervisor.Stopped)
		}
		m.move(t.kid, supervisor.Restarting)
		m.queue.add(item{what: retry, kid: t.kid})
		m.todo = few[task]{}
		return
	case t.flag:
		m.move(t.kid, supervisor.Stopped)
		m.die(t.kid)
	default:
		m.forget(t.kid)
	}
	m.started(t, failed)
}

// declined is a start that the child has declined.
func (m *model) declined(t task) {
	k := &m.kids[t.kid]
	k.phase, k.asked = absent, false
	m.move(t.kid, supervisor.Stopped)
	if t.flag {
		m.die(t.kid)
	} else {
		m.settled(t.kid)
	}
	m.started(t, ok)
}

// awaits says whether a child waits with its group for the restart of another.
func (m *model) awaits(i int8) bool {
	for _, origin := range m.order.list() {
		if m.kids[origin].state == supervisor.Restarting && slices.Contains(m.group(origin), i) {
			return true
		}
	}
	return false
}

// leave is the end of the supervisor's incarnation: those who wait hear of it, and
// only the children of the constructor live on.
func (m *model) leave() {
	for _, heard := range m.queue.list() {
		if heard.what == request {
			m.reply(heard.call, notRunning)
		}
	}
	m.queue, m.todo, m.again = few[item]{}, few[task]{}, false
	for i := range int8(kids) {
		if !m.kids[i].fixed {
			m.die(i)
		}
	}
	if m.loop = between; m.final {
		m.finish()
	}
}

// finish is the end of the tree.
func (m *model) finish() {
	m.loop = over
	for i := range int8(kids) {
		if m.kids[i].known {
			m.edge(m.kids[i].state, gone)
		}
		m.die(i)
		m.stuck += m.kids[i].zombies
	}
	for _, c := range m.calls.list() {
		if c.sent && (c.what == onStop || c.what == onKill) {
			m.reply(c.id, fmt.Sprint(m.stuck, " stuck"))
		}
	}
}
