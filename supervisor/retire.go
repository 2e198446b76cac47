package supervisor

import (
	"log/slog"
	"sync/atomic"

	"github.com/coppice-go/coppice/exit"
)

// retire asks a member to stop, and says whether that was its end already: an actor
// with nothing in hand and nothing to close, without a goroutine or with one that waits
// for a message, ends on the spot. Such a goroutine has to leave, and nothing else: see
// leaving. Most of a million are such, and of those nothing has to be noticed, remembered
// or awaited. If it has not ended [loop.ask] has to follow, told or not: whoever is
// winding down or to be killed was not, nor where an event tells how long it took.
func (l *loop) retire(m *member, cause exit.Reason, final bool) (told, ended bool) {
	r := m.current
	if r.stop != nil || m.spec.Shutdown.kills() || m.life.Hears(slog.LevelDebug) {
		return false, false
	}
	l.set(m, isStopping, r)
	l.tellStop(r, cause, final)
	if !r.dead() || !r.reason.Clean() {
		return true, false
	}
	l.lost(m, r.reason)
	if final {
		m.gone(r.reason)
	}
	return true, true
}

// tellStop tells an incarnation to stop. If it ends meanwhile, nothing of that comes
// through the queue: afterwards dead says so. An ending incarnation first sets its
// phase, then reads asking, and is not queued if it finds itself there; the loop sets
// asking first and reads the phase last, so it sees each end that was not queued.
func (l *loop) tellStop(r *runner, cause exit.Reason, final bool) {
	l.asking.Store(r)
	defer l.asking.Store(nil)
	r.cell.Stop(cause, final)
}

// leaving counts the goroutines of incarnations that have ended and were told to leave.
// There is nothing left for them to do, but a stop is not over before they have.
type leaving struct {
	n    atomic.Int32
	wake func() // tells the loop, who may wait for them
}

func (l *leaving) begin()        { l.n.Add(1) }
func (l *leaving) present() bool { return l.n.Load() > 0 }

// await is for a loop that waits for nothing else any more.
func (l *leaving) await(q *queue) {
	for l.present() {
		<-q.wake
	}
}

func (l *leaving) end() {
	if l.n.Add(-1) == 0 {
		l.wake()
	}
}
