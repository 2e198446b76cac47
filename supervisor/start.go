package supervisor

import (
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/tracing"
)

// errStopping interrupts a start because the supervisor is asked to stop.
var errStopping = errors.New("the supervisor is stopping")

// startAll starts the children in order, and stops those that were started when
// one fails (S9-S11).
func (l *loop) startAll() error {
	for _, m := range slices.Clone(l.members) {
		declines, err := l.launch(m, nil)
		if declines {
			l.over(m, exit.Normal) // S14
		}
		if err != nil {
			l.end = exit.ShutdownFor(err)
			if l.asked.Load() {
				l.end = l.ordered()
			}
			l.stopAll()
			if err == errStopping {
				return l.end
			}
			return err
		}
	}
	return nil
}

// launch starts the next incarnation of a member and waits until it is up. The
// member has no process after an error, nor if it declines. origin is the member
// whose end made the restart necessary, nil for a start that is none.
func (l *loop) launch(m, origin *member) (declines bool, err error) {
	if l.asked.Load() {
		return false, errStopping
	}
	if l.occupied(m) {
		l.lost(m, exit.Of(ErrAbandoned))
		m.life.Emit(tracing.StartFailed{Head: m.head(), Reason: m.reason})
		l.crashed(m, m.reason, nil, time.Now())
		l.decided(m, tracing.Crash{Decision: tracing.Refuse})
		return false, &ChildError{Path: m.path(), Op: "start", Err: ErrAbandoned}
	}
	scope := m.lives()
	kind := tracing.ActStart
	if origin != nil {
		kind = tracing.ActRestart
	}
	act := m.life.Begin(l.kill, kind)
	terms := incarnation.Terms{CrashOnPanic: l.crash, Permanent: m.spec.Restart == strategy.Permanent}
	number := 1 + min(max(int(m.number), l.tree.latest(m.path())), math.MaxInt32-1) // where it stays
	r := newRunner(l.above, m, scope, number, terms)
	r.heard = m.past != nil && m.past.heard
	r.cell.Intercept(l.cell.Interceptor())
	l.mu.Lock()
	if l.fenced {
		l.mu.Unlock()
		act.End(nil)
		return false, errStopping
	}
	m.number, m.state, m.current = int32(number), isStarting, r
	l.mu.Unlock()
	if l.kill.Err() != nil { // the kill may have gone by before the member could be seen
		r.cell.Kill(exit.Killed)
	}
	l.lookout.opens(m)
	l.prompt.arm(r)
	r.launch()
	phase, reason := l.awaitStart(m)
	l.prompt.settle()
	if phase != starting {
		l.opened(m, r)
	}
	switch phase {
	case starting:
		act.End(nil)
		l.stopMember(m, exit.Shutdown, l.final.Load())
		l.opened(m, r)
		return false, errStopping
	case failed:
		took := r.began.since()
		l.lost(m, reason)
		l.crashed(m, reason, r, time.Now())
		act.End(tracing.StartFailed{Head: m.head(), Reason: reason, Took: took})
		if origin == nil {
			l.decided(m, tracing.Crash{Decision: tracing.Refuse})
		} // else its next try is decided when its turn comes: see retry
		return false, &ChildError{Path: m.path(), Op: "start", Err: reason}
	case declined:
		l.set(m, isStopped, nil)
		act.End(nil)
		return true, nil
	}
	l.set(m, isRunning, r)
	switch {
	case l.prompt.replied: // when nobody heard
	case !m.life.Hears(slog.LevelDebug):
		act.End(nil)
	case origin != nil:
		act.End(tracing.Restarted{Head: m.head(), Attempt: origin.past.attempt, Took: r.took(), Reason: origin.reasonFor(m)})
	default:
		act.End(tracing.Started{Head: m.head(), Took: r.took()})
	}
	return false, nil
}

// awaitStart waits for the end of a member's Start, and says what phase follows;
// if that is failed, why. It is still starting if the supervisor is to stop
// meanwhile.
func (l *loop) awaitStart(m *member) (phase uint32, reason exit.Reason) {
	r := m.current
	l.queue.postpone(true)
	defer l.queue.postpone(false)
	for {
		switch phase = r.phase.Load(); {
		case phase == failed:
			return failed, r.reason
		case phase != starting || l.asked.Load():
			return phase, nil
		}
		var again time.Time
		if r.ending() { // it has failed, but goroutines that it has started are left
			var abandoned bool
			if again, abandoned = l.wind(m); abandoned {
				return r.crew.Load().settle()
			}
		}
		l.wait(again)
	}
}

// occupied says whether an abandoned incarnation of a member keeps the next one
// from being started (S196).
func (l *loop) occupied(m *member) bool {
	return l.node.policy.Exclusive && l.tree.occupied(m.path())
}

// reasonFor is why another member, or m itself, is restarted after the end of m.
func (m *member) reasonFor(other *member) exit.Reason {
	if other == m {
		return m.reason
	}
	return exit.ShutdownFor(&exit.SiblingEnded{Sibling: m.name(), Reason: m.reason})
}

// newMember makes the record of a child of this supervisor, whose path ends in the
// child's name.
func (l *loop) newMember(child Child, path string, fixed bool) *member {
	m := &member{fixed: fixed}
	m.first.Init(path)
	m.child, m.spec = l.resolve(child)
	if l.events.Remembers() {
		m.life.Init(l.events, path, destination(path), tracing.From(l.cell))
	} else {
		m.life.Init(l.events, path, "", nil)
	}
	limits := l.node.policy.Watch
	if m.spec.Watch != nil {
		limits = *m.spec.Watch
	}
	m.watched = newWatched(m, limits)
	return m
}

// resolve gives a child and its spec, which is that of the child before if it says
// the same: a million equal ones need it once.
func (l *loop) resolve(child Child) (Child, *Spec) {
	spec := resolve(child)
	child, spec.Child = spec.Child, nil
	if usual := l.usual; usual != nil && usual.Restart == spec.Restart && usual.Significant == spec.Significant &&
		usual.Shutdown == spec.Shutdown && spec.Backoff == nil && usual.Watch == spec.Watch {
		return child, usual
	}
	kept := new(Spec)
	*kept = spec
	if spec.Backoff == nil {
		kept.Backoff = l.node.policy.Backoff
		l.usual = kept
	}
	return child, kept
}

// destination is a path for the names of spans: the numbered children of a
// Dynamic are one kind.
func destination(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if kind, _, numbered := strings.Cut(part, "#"); numbered {
			parts[i] = "{" + kind + "}"
		}
	}
	return strings.Join(parts, "/")
}
