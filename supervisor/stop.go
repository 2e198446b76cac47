package supervisor

import (
	"log/slog"
	"slices"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/tracing"
)

// killGrace is how long an incarnation has to end after it was killed without a
// shutdown time that says so, for each level of the tree below it.
const killGrace = 100 * time.Millisecond

// stopping is the stop of one incarnation under way.
type stopping struct {
	asked    time.Time // zero if it is not being stopped
	killAt   time.Time // zero: never
	endAt    time.Time // when it is abandoned; zero: never
	byItself bool      // nobody has asked: it winds down
	killed   bool
	overdue  bool             // it was killed because it was too slow
	ending   bool             // it has ended, but has not said so yet
	before   incarnation.Hand // what it had in hand when it was noticed last
	since    time.Time        // it has had that from then on at least
	act      tracing.Act
}

// stopping is the stop of an incarnation, which is about to begin if there is none
// yet.
func (r *runner) stopping() *stopping {
	if r.stop == nil {
		r.stop = new(stopping)
	}
	return r.stop
}

// stopping is that of an incarnation, for a stop that the loop waits for. Where one follows the other,
// they take what the one before has left.
func (l *loop) stopping(r *runner) *stopping {
	if r.stop == nil && l.spare != nil {
		r.stop, l.spare = l.spare, nil
	}
	return r.stopping()
}

// stopAll stops all members when the supervisor ends: one after the other, last
// first, or for a Dynamic all at once (S82, S83). Their mailboxes close only if
// no incarnation of the supervisor will follow.
func (l *loop) stopAll() {
	cause := exit.Shutdown
	if gaveUp, ok := l.end.(*exit.GaveUp); ok {
		cause = exit.ShutdownFor(gaveUp)
	}
	if l.node.dynamic {
		l.stopTogether(slices.Clone(l.members), cause, true) // S63: none of them will be started again
		return
	}
	l.unnoticed = l.members
	for _, m := range slices.Backward(slices.Clone(l.members)) {
		l.stopTogether([]*member{m}, cause, l.final.Load() || !m.fixed)
	}
}

// stopMember stops one member and waits until it is dead or abandoned. final
// says that this is the end of the child, not only of its incarnation.
func (l *loop) stopMember(m *member, cause exit.Reason, final bool) {
	l.stopTogether([]*member{m}, cause, final)
	for l.leaving.present() {
		l.wait(time.Time{})
	}
}

// stopTogether asks the members to stop at the same moment, and waits until
// each is dead or, when its time is over, abandoned.
func (l *loop) stopTogether(members []*member, cause exit.Reason, final bool) {
	alive := 0
	var now time.Time // when the last was asked
	for _, m := range members {
		m.pending++ // a restart to come is off (S72, S189)
		l.decided(m, tracing.Crash{Decision: tracing.Stop})
		switch {
		case m.current == nil:
			l.set(m, isStopped, nil)
			if final {
				m.gone(exit.Shutdown)
			}
		default:
			if told, ended := l.retire(m, cause, final); !ended {
				now = l.ask(m, cause, final, told)
				alive++
			}
		}
	}
	for ; alive > 0; now = time.Now() {
		next, dead := l.pressAll(members, now, final)
		// Until a time is over, only the ends count: so the stop of a million
		// children takes a million steps.
		for alive -= dead; alive > 0; {
			killed := l.killed
			alive -= l.awaitEnds(next, final)
			if len(members) == 1 || killed != l.killed || l.cell.Abandoned() || !next.IsZero() && !time.Now().Before(next) {
				break
			}
		}
	}
}

// pressAll does what is due for those that are still there. It says when to
// come again, zero for never, and how many are there no more.
func (l *loop) pressAll(members []*member, now time.Time, final bool) (next time.Time, dead int) {
	for _, m := range members {
		if m.current == nil {
			continue
		}
		again := l.press(m, now, final)
		if m.current == nil {
			dead++
		} else if !again.IsZero() && (next.IsZero() || again.Before(next)) {
			next = again
		}
	}
	return next, dead
}

// ask begins the stop of a member's incarnation that will have to be awaited, and says
// when that was. told says that the incarnation has been told already.
func (l *loop) ask(m *member, cause exit.Reason, final, told bool) (asked time.Time) {
	for _, other := range l.unnoticed { // those before one that is stuck may wait for long
		other.noticeBusy()
	}
	l.unnoticed = nil
	r := m.current
	s := l.stopping(r)
	asked = time.Now()
	if !s.byItself { // else its time has begun already
		r.limit(m.spec.Shutdown, asked)
	}
	s.byItself = false
	s.asked = asked
	m.notice(asked)
	s.act = m.life.Begin(l.kill, tracing.ActStop)
	l.set(m, isStopping, r)
	if !told && m.spec.Shutdown != BrutalKill {
		l.tellStop(r, cause, final)
	}
	if s.killed {
		r.cell.Kill(exit.Killed)
	}
	return asked
}

// limit says how long an incarnation has to end from now on.
func (r *runner) limit(shutdown Shutdown, now time.Time) {
	if shutdown.mode == infinity {
		return
	}
	s := r.stop
	grace := killGrace * time.Duration(1+r.height())
	switch {
	case shutdown.kills():
		s.killed, s.overdue, s.endAt = true, shutdown != BrutalKill, now.Add(grace)
	default:
		s.endAt = now.Add(shutdown.time)
		s.killAt = s.endAt.Add(-min(max(min(shutdown.time/10, time.Second), grace-killGrace), shutdown.time/2))
	}
}

// press does what is due for a member that is being stopped, and says when to
// come again; zero for never.
func (l *loop) press(m *member, now time.Time, final bool) (again time.Time) {
	r := m.current
	s := r.stop
	switch {
	case r.dead():
		l.stopped(m, final)
		return again
	case r.cell.Abandoned():
		l.abandon(m, final)
		return again
	case s.ending:
		return again
	}
	again, over := l.hurry(r, now)
	if over {
		l.abandon(m, final)
	}
	return again
}

// hurry kills an incarnation whose time is nearly over. It says when to come
// again, zero for never, and whether the time is over.
func (l *loop) hurry(r *runner, now time.Time) (again time.Time, over bool) {
	s := r.stop
	if !l.killed.IsZero() { // everything below was killed, and gets its grace
		s.killed = true
		if end := l.killed.Add(killGrace * time.Duration(1+r.height())); s.endAt.IsZero() || end.Before(s.endAt) {
			s.endAt = end
		}
	}
	if !s.killed && !s.killAt.IsZero() && !now.Before(s.killAt) {
		s.killed, s.overdue = true, true
		s.endAt = now.Add(s.endAt.Sub(s.killAt)) // the grace is granted even if the loop comes late
		r.cell.Kill(exit.Killed)
	}
	switch {
	case !s.endAt.IsZero() && !now.Before(s.endAt):
		return again, true
	case !s.killed && !s.killAt.IsZero():
		return s.killAt, false
	}
	return s.endAt, false
}

// stopped is the end of an incarnation that was asked to stop.
func (l *loop) stopped(m *member, final bool) {
	r := m.current
	l.lost(m, r.reason)
	if r.stop.overdue || r.reason == exit.Killed || m.life.Hears(slog.LevelDebug) {
		r.stop.act.End(tracing.Terminated{
			Head:    m.head(),
			Reason:  r.reason,
			Took:    time.Since(r.stop.asked),
			Killed:  r.stop.killed || l.kill.Err() != nil,
			Overdue: r.stop.overdue,
		})
	} else {
		r.stop.act.End(nil)
	}
	l.crashedInStop(m, r, r.reason)
	if final {
		m.gone(r.reason)
	}
	*r.stop = stopping{}
	l.spare, r.stop = r.stop, nil
}

// abandon declares an incarnation dead whose goroutine did not end in time (S6,
// S192-S194).
func (l *loop) abandon(m *member, final bool) {
	r := m.current
	waited := time.Since(r.stop.asked)
	together := r.cell.Abandoned() // with this supervisor
	if !together && !l.tree.abandon(r, r.overdue()) {
		r.stop.ending = true
		return
	}
	l.lost(m, exit.Killed)
	r.stop.act.End(tracing.Abandoned{Head: m.head(), Waited: waited})
	l.crashedInStop(m, r, r.failure())
	l.tree.told(r)
	if final {
		m.gone(exit.Killed)
	}
}

// awaitEnds waits for something to happen and deals with the ends of those who
// are being stopped; everything else is kept for later. It says how many ended.
func (l *loop) awaitEnds(until time.Time, final bool) (ends int) {
	items := l.queue.take(l.ends)
	if len(items) == 0 {
		l.wait(until)
		items = l.queue.take(items)
	}
	l.ends = items
	for _, item := range items {
		if e, ok := item.(death); ok && e.runner.isStopping() {
			l.stopped(e.runner.member, final)
			ends++
			continue
		}
		l.held = append(l.held, item)
	}
	return ends
}

// isStopping says whether the incarnation was asked to stop, and is awaited.
func (r *runner) isStopping() bool {
	return r.member.current == r && r.stop != nil && !r.stop.asked.IsZero() && !r.stop.byItself
}
