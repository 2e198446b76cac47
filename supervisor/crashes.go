package supervisor

import (
	"hash/maphash"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// How many crashes a tree remembers: the last of all its children together, and
// of each child, so that one in a crash loop does not push out all others.
const (
	KeptCrashes         = 64
	KeptCrashesPerChild = 16
)

// Crashes are the last crashes of this supervisor and everything below it, oldest
// first, each with what its supervisor has decided: as the events say it, so
// also redacted by [tracing.Options].Redact. They are kept in the memory of the
// whole tree, which holds KeptCrashes of them, and of each child
// KeptCrashesPerChild at most. The children of a [Dynamic] are all different, so a
// storm of theirs does push out others. Messages in hand and reasons are kept
// alive with them.
//
// It does not wait for the supervisor's turn. A crash is there before any sink or
// log sees it. After the end of the tree they are still there, until it is
// started again.
func (n *node) Crashes() []tracing.Crash {
	tree, path := n.place()
	if tree == nil {
		return nil
	}
	return tree.crashes.below(path)
}

// crashes is what a tree remembers of its crashes.
type crashes struct {
	mu   sync.Mutex
	kept []kept // oldest first; a part of room
	room []kept // where they move on, and go back to the beginning; nil until the first

	// places count them by a hash of their path. Where few are, nobody has too many: so
	// in a storm, in which each child crashes once, none is looked for.
	places [256]uint8
}

// kept is one of them, as sinks have it.
type kept struct {
	crash tracing.Event
	path  string
	place uint8
}

var placeSeed = maphash.MakeSeed()

// keep adds a crash, and forgets the oldest of the same child or of all if there
// are too many.
func (c *crashes) keep(crash tracing.Event) {
	path := crash.Where().Path
	place := uint8(maphash.String(placeSeed, path))
	c.mu.Lock()
	defer c.mu.Unlock()
	own, oldest := 0, 0
	if c.places[place] >= KeptCrashesPerChild {
		own, oldest = c.of(path)
	}
	switch {
	case own >= KeptCrashesPerChild:
		c.forget(oldest)
	case len(c.kept) >= KeptCrashes:
		c.forget(0)
	}
	if len(c.kept) == cap(c.kept) {
		c.goBack()
	}
	c.kept = append(c.kept, kept{crash, path, place})
	c.places[place]++
}

// of says how many there are of the child at path, and where the oldest is.
func (c *crashes) of(path string) (n, oldest int) {
	for i := len(c.kept) - 1; i >= 0; i-- {
		if c.kept[i].path == path {
			n, oldest = n+1, i
		}
	}
	return n, oldest
}

func (c *crashes) forget(i int) {
	c.places[c.kept[i].place]--
	if i == 0 { // as mostly
		c.kept[0] = kept{}
		c.kept = c.kept[1:]
		return
	}
	c.kept = slices.Delete(c.kept, i, i+1)
}

// goBack makes room for as many as there may be.
func (c *crashes) goBack() {
	if c.room == nil {
		c.room = make([]kept, 2*KeptCrashes)
	}
	n := copy(c.room, c.kept)
	clear(c.room[n:])
	c.kept = c.room[:n]
}

// below are those of the child at path and all below it.
func (c *crashes) below(path string) (found []tracing.Crash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.kept {
		if k.path == path || strings.HasPrefix(k.path, path+"/") {
			one := k.crash.(tracing.Crash)
			one.Restarts = slices.Clone(one.Restarts) // those of the member itself are in there
			found = append(found, one)
		}
	}
	return found
}

// crashedInStop tells of the crash of an incarnation that was being stopped, if
// there was one: that it was killed is none. reason is nil if it has not ended, nor
// has anything in it failed.
func (l *loop) crashedInStop(m *member, r *runner, reason exit.Reason) {
	if reason == nil || reason.Clean() || reason == exit.Killed {
		return
	}
	l.crashed(m, reason, r, time.Now())
	l.decided(m, tracing.Crash{Decision: tracing.Stop})
}

// crashed begins the dossier of a member's incarnation; [loop.decided] ends it.
// r is nil if none could begin.
func (l *loop) crashed(m *member, reason exit.Reason, r *runner, now time.Time) {
	past, c := l.remember(m), l.dossier
	if c == nil {
		c = new(tracing.Crash)
	}
	past.crash, l.dossier = c, nil
	c.Head, c.Reason, c.InStart = m.headAt(now), reason, true
	c.Restarts = slices.Clip(past.history)
	if r != nil {
		r.describe(c, now)
	}
}

// describe adds what the incarnation knows.
func (r *runner) describe(c *tracing.Crash, now time.Time) {
	c.InStart = r.phase.Load() == starting || r.upAt == 0
	if !c.InStart {
		c.Lived = r.lived(now)
	}
	last := r.cell.Last()
	if c.Waiting = last.Waiting; c.InStart { // then it has left nothing, but what it had is there
		_, c.Waiting = r.cell.Scope().Queue()
	}
	if last.InHand {
		c.Message, c.MessageType = last.Message, typeName(last.Message)
	}
}

// decided tells of the crash of a member, if there is one that was not told yet,
// now that it is known what follows: the decision, and what belongs to it.
func (l *loop) decided(m *member, what tracing.Crash) {
	if m.past == nil || m.past.crash == nil {
		return
	}
	c := m.past.crash
	m.past.crash = nil
	c.Decision, c.Attempt, c.Delay, c.Why = what.Decision, what.Attempt, what.Delay, what.Why
	m.life.Crash(c, l.tree.crashes.keep)
	*c = tracing.Crash{}
	l.dossier = c
}

// typeName is the name of a value's type, as fmt has it.
func typeName(value any) string {
	if value == nil {
		return "<nil>"
	}
	return reflect.TypeOf(value).String()
}
