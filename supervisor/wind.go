package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// winding says that an incarnation ends by itself, although goroutines of it are
// left: one of them has failed, or its run is over before them (S197).
//
// They have the time that a stop would give them. The supervisor does not wait
// for that: it serves everything else, and comes back when their time is over or
// when they have ended, which is the end of the incarnation. A stop of the child
// that is wanted meanwhile takes over, and does not begin the time anew.
type winding struct{ runner *runner }

// windDown does what is due for an incarnation that winds down.
func (l *loop) windDown(r *runner) {
	m := r.member
	if m.current != r || r.dead() {
		return // it was stopped meanwhile, or its death is on the way
	}
	again, abandoned := l.wind(m)
	switch {
	case abandoned:
		_, reason := r.crew.Load().settle()
		l.conclude(m, reason)
	case !again.IsZero():
		m.pending++
		l.plan(m, again)
	}
}

// wind says when to come again, zero for never, and whether the incarnation had
// to be abandoned because its time is over.
func (l *loop) wind(m *member) (again time.Time, abandoned bool) {
	r := m.current
	s := r.stopping()
	if s.asked.IsZero() {
		s.byItself, s.asked = true, time.Now()
		m.notice(s.asked)
		if r.limit(m.spec.Shutdown, s.asked); s.killed {
			r.cell.Kill(exit.Killed)
		}
	}
	l.set(m, isStopping, r)
	again, over := l.hurry(r, time.Now())
	waited := time.Since(s.asked)
	if !over || !l.tree.abandon(r, r.overdue()) {
		return again, false
	}
	m.life.Emit(tracing.Abandoned{Head: m.head(), Waited: waited})
	l.tree.told(r)
	return again, true
}
