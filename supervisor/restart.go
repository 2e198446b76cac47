package supervisor

import (
	"log/slog"
	"slices"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/tracing"
)

// exited deals with the end of an incarnation (docs/otp.md, section 4).
func (l *loop) exited(r *runner) {
	m := r.member
	if m.current != r {
		return // stopped meanwhile: absorbed (S42, S7)
	}
	l.conclude(m, r.reason)
}

// conclude decides what follows the end of a member's incarnation.
func (l *loop) conclude(m *member, reason exit.Reason) {
	now := time.Now() // once for all that follows
	r, lived := m.current, m.current.lived(now)
	l.lost(m, reason)
	heard := m.life.Hears(slog.LevelDebug)
	if !reason.Clean() {
		l.crashed(m, reason, r, now)
		m.past.heard = heard
	}
	if heard {
		m.life.Emit(tracing.Exited{Head: m.headAt(now), Reason: reason, Lived: lived})
	}
	if !m.spec.Restart.Restarts(reason) {
		l.decided(m, tracing.Crash{Decision: tracing.StayDown})
		l.over(m, reason)
		l.autoShutdown(m)
		return
	}
	l.restart(m, lived, now)
}

// lived is how long the incarnation was up before it began to end.
func (r *runner) lived(now time.Time) time.Duration {
	if r.stop == nil || r.stop.asked.IsZero() {
		return r.upAt.until(now)
	}
	return max(0, r.stop.asked.Sub(r.upAt.time()))
}

// over deals with a child that has ended and is not to be restarted: its spec
// stays, unless it is temporary or dynamic (S30, S31, S126).
func (l *loop) over(m *member, reason exit.Reason) {
	if m.spec.Restart == strategy.Temporary || l.node.dynamic {
		l.remove(m, reason)
		return
	}
	m.gone(reason)
}

// restart is the decision to restart m after its end or a failed start: charge
// the intensity, stop the siblings that the strategy takes along, wait for the
// backoff, start (S49-S61, S35-S44, S187-S190).
func (l *loop) restart(m *member, lived time.Duration, now time.Time) {
	if l.window.Add(now) {
		l.giveUp(m, m.reason, nil)
		return
	}
	past := l.remember(m)
	delay, err := past.delays.Next(lived)
	if err != nil {
		l.giveUp(m, m.reason, err)
		return
	}
	if past.delays.Healthy(lived) {
		past.attempt = 0
	}
	past.attempt++
	decision := tracing.Restarting{Head: m.headAt(now), Attempt: past.attempt, Delay: delay, Reason: m.reason}
	l.mu.Lock()
	m.state = isRestarting
	past.add(decision)
	l.mu.Unlock()
	m.pending++
	l.decided(m, tracing.Crash{Decision: tracing.Restart, Attempt: past.attempt, Delay: delay})
	if m.life.Hears(slog.LevelInfo) {
		m.life.Emit(decision)
	}
	l.stopSiblings(m)
	if delay > 0 {
		l.plan(m, time.Now().Add(delay))
		return
	}
	l.attempt(m)
}

// plan has due called for a member, unless its pending number moves on before.
func (l *loop) plan(m *member, at time.Time) {
	if len(l.delays) > 2*len(l.members)+16 { // most of them are void: each member has one at most
		l.delays.compact()
	}
	l.remember(m).delayed = m.pending
	l.delays.add(plan{m, m.pending, at})
}

func (l *loop) due(p plan) {
	m := p.member
	switch {
	case m.pending != p.pending: // S70, S189
	case m.state == isRestarting:
		l.stopSiblings(m) // some may have been started by hand during the delay
		l.attempt(m)
	case m.state == isStopping:
		l.windDown(m.current)
	}
}

// retry asks for the restart of a member whose start has failed. It queues
// behind whatever waited then (S65).
type retry struct {
	member *member
}

// A member that failed again meanwhile is tried again at the earliest occasion
// (S70), unless its backoff has begun (S189).
func (l *loop) retry(r retry) {
	m := r.member
	if m.state == isRestarting && !m.delayed() {
		l.restart(m, 0, time.Now())
	}
}

// group are the members that a restart of m covers, in start order.
func (l *loop) group(m *member) []*member {
	lo, hi := l.node.policy.Strategy.Span(int(m.index), len(l.members))
	return slices.Clone(l.members[lo:hi])
}

// stopSiblings stops what a restart of m takes along, last first, one at a time
// (S37). The mailboxes of those that will be started again are kept.
func (l *loop) stopSiblings(m *member) {
	if l.node.policy.Strategy == strategy.OneForOne {
		return
	}
	for _, victim := range slices.Backward(l.group(m)) {
		if victim == m || l.asked.Load() {
			continue
		}
		temporary := victim.spec.Restart == strategy.Temporary
		l.stopMember(victim, m.reasonFor(victim), temporary)
		if temporary {
			l.remove(victim, exit.Shutdown) // S39
		}
	}
}

// attempt starts m and all that its strategy takes along, in start order (S37,
// S40). The first that fails is tried again later (S65-S69).
func (l *loop) attempt(m *member) {
	one := [...]*member{m}
	group := one[:]
	if l.node.policy.Strategy != strategy.OneForOne {
		group = l.group(m)
	}
	for _, next := range group {
		if l.occupied(next) && !l.asked.Load() {
			l.giveUp(next, m.reasonFor(next), ErrAbandoned)
			return
		}
	}
	for _, next := range group {
		next.pending++
		declines, err := l.launch(next, m)
		switch {
		case err == errStopping:
			return
		case err != nil:
			if m.current == nil {
				l.set(m, isStopped, nil) // it comes after next, whose restart brings it back (S68, S69)
			}
			l.set(next, isRestarting, nil)
			l.queue.push(retry{next})
			return
		case declines:
			l.over(next, exit.Normal) // S77, S124
		}
	}
}

// waiting are the members whose group waits for the restart of one of it, or only
// for one in its backoff: they are to be started with it.
func (l *loop) waiting(inBackoff bool) map[*member]bool {
	waiting := make(map[*member]bool)
	for _, origin := range l.members {
		if origin.state == isRestarting && (!inBackoff || origin.delayed()) {
			for _, m := range l.group(origin) {
				waiting[m] = true
			}
		}
	}
	return waiting
}

// calledOff ends the lives of the members that waited with their group for the
// restart of m, which will not come (S73).
func (l *loop) calledOff(m *member) {
	waiting := l.waiting(false)
	for _, victim := range l.group(m) {
		if victim.current == nil && victim.state == isStopped && !waiting[victim] {
			victim.gone(exit.Shutdown)
		}
	}
}

// autoShutdown ends the supervisor by itself if its policy wants that now that m
// has ended for good by itself (S92-S95).
func (l *loop) autoShutdown(m *member) {
	if !m.spec.Significant {
		return // S97
	}
	left, waiting := 0, l.waiting(true)
	for _, other := range l.members {
		if other.spec.Significant && (other.current != nil || other.state == isRestarting || waiting[other]) {
			left++
		}
	}
	if !l.node.policy.AutoShutdown.Ends(left) {
		return
	}
	tracing.From(l.cell).Emit(tracing.AutoShutdown{Head: l.head(), Child: m.name(), Reason: m.reason})
	l.endWith(exit.Shutdown)
}

// giveUp ends the supervisor because m cannot be restarted once more, as it would
// have to be because of cause (S56). A nil why means the intensity.
func (l *loop) giveUp(m *member, cause exit.Reason, why error) {
	l.set(m, isStopped, nil)
	l.decided(m, tracing.Crash{Decision: tracing.GiveUp, Why: why})
	tracing.From(l.cell).Emit(tracing.GaveUp{Head: l.head(), Child: m.name(), Reason: cause, Why: why})
	l.endWith(&exit.GaveUp{Supervisor: l.path, Child: m.name(), Cause: cause, Why: why})
}

// endWith ends the supervisor by itself with a clean reason. That is the end of
// the children too, unless the supervisor will be restarted even so.
func (l *loop) endWith(reason exit.Reason) {
	l.end = reason
	if !l.cell.Terms().Permanent {
		l.final.Store(true)
	}
}

func (l *loop) head() tracing.Head {
	return tracing.Head{Time: time.Now(), Path: l.path, Incarnation: l.cell.Number()}
}
