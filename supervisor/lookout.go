package supervisor

import (
	"cmp"
	"runtime"
	"slices"
	"time"

	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/internal/stacks"
	"github.com/coppice-go/coppice/tracing"
)

// lookout is the loop's side of [Watch]: what is to be looked at, and when. One
// time to come is enough for all children, and without limits there is none.
type lookout struct {
	next   time.Time // when something is due; zero: never
	rounds map[kind]*round

	opening *member   // whose Start the loop waits for, if that has a limit
	patient time.Time // until when; zero when that is over
}

// kind is what the concerns of a round have in common.
type kind struct {
	doing tracing.Doing
	limit time.Duration
}

// round are concerns that are looked at together.
type round struct {
	next     time.Time
	concerns []*concern
}

// looks is how many there are in each limit, shortest how close they come.
const (
	looks    = 4
	shortest = time.Millisecond
)

func (k kind) every() time.Duration { return max((k.limit-1)/looks+1, shortest) }

// watched is what a supervisor remembers of a child that has limits; nil for others.
type watched struct {
	limits      Watch
	hand, queue *concern  // nil without a limit
	start       time.Time // when the Start began that is stuck; zero if none is
	since       time.Time // when anything began that is stuck; guarded by the loop's mutex
}

func newWatched(m *member, limits Watch) *watched {
	if limits == (Watch{}) {
		return nil
	}
	w := &watched{limits: limits}
	if limits.Message > 0 {
		w.hand = &concern{member: m, kind: kind{tracing.StuckWithMessage, limits.Message}, sight: new(inHand)}
	}
	if limits.Queue > 0 {
		w.queue = &concern{member: m, kind: kind{tracing.StuckInQueue, limits.Queue}, sight: new(inQueue)}
	}
	return w
}

// concern is one limit of a child that is looked at from time to time.
type concern struct {
	kind
	member *member
	place  int // in its round
	sight  sight

	since   time.Time     // when it began that is stuck; zero while nothing is
	longest time.Duration // that it was seen to last
}

// sight is what the looks have seen so far.
type sight interface {
	// look says since when at least the same thing has been going on, the zero
	// time if nothing is. same is false when it is not that of the last look
	// because the incarnation, or the child's life, has ended.
	look(m *member, now time.Time) (since time.Time, same bool)
}

// inHand is the sight of a message in hand, or of what an actor does without one.
type inHand struct {
	number int // of the incarnation
	phase  incarnation.Phase
	begun  uint64
	since  time.Time
}

func (h *inHand) look(m *member, now time.Time) (since time.Time, same bool) {
	r := m.current
	if r == nil || r.dead() {
		*h = inHand{}
		return h.since, false
	}
	number, hand := r.cell.Number(), r.cell.Holding()
	same = h.number == number
	switch {
	case !hand.Busy && hand.Phase != incarnation.Closing:
		*h = inHand{number: number}
	case !same || h.phase != hand.Phase || h.begun != hand.Begun || h.since.IsZero():
		*h = inHand{number, hand.Phase, hand.Begun, now}
	}
	return h.since, same
}

// busySince is since when at least an incarnation has had in hand what it has, as
// far as the looks have seen it; the zero time if they have not.
func (w *watched) busySince(r *runner, hand incarnation.Hand) (since time.Time) {
	if w == nil || w.hand == nil || !hand.Busy {
		return since
	}
	h := w.hand.sight.(*inHand)
	if h.number == r.cell.Number() && h.phase == hand.Phase && h.begun == hand.Begun {
		since = h.since
	}
	return since
}

// inQueue is the sight of the head of a mailbox, which has no number that could
// be read. But as long as a message that had arrived by an earlier look is still
// queued, the head is at least as old as that look.
type inQueue struct {
	scope any    // the child's life
	marks []mark // with what is still there; never more than mostMarks
}

// mark says that so many messages had come.
type mark struct {
	come uint64
	at   time.Time
}

// mostMarks are the oldest mark, and enough later ones to judge the next head when
// that goes.
const mostMarks = looks + 2

func (q *inQueue) look(m *member, now time.Time) (since time.Time, same bool) {
	scope := m.scope.Load()
	if scope == nil {
		*q = inQueue{}
		return since, false
	}
	if same = q.scope == any(scope); !same {
		*q = inQueue{scope: scope}
	}
	left, waiting := scope.Queue()
	if waiting == 0 {
		q.marks = q.marks[:0]
		return since, same
	}
	q.marks = slices.DeleteFunc(q.marks, func(m mark) bool { return m.come <= left })
	if len(q.marks) == mostMarks {
		q.marks = slices.Delete(q.marks, 1, 2)
	}
	q.marks = append(q.marks, mark{left + uint64(waiting), now})
	return q.marks[0].at, same
}

// add begins to look at a member, if it has limits.
func (w *lookout) add(m *member) {
	if m.watched == nil {
		return
	}
	m.watched.ended()
	w.join(m.watched.hand)
	w.join(m.watched.queue)
}

func (w *lookout) join(c *concern) {
	if c == nil {
		return
	}
	r := w.rounds[c.kind]
	if r == nil {
		if w.rounds == nil {
			w.rounds = make(map[kind]*round)
		}
		r = &round{next: time.Now().Add(c.every())}
		w.rounds[c.kind] = r
		w.next = earlier(w.next, r.next)
	}
	c.place = len(r.concerns)
	r.concerns = append(r.concerns, c)
}

// remove is for a member that was added.
func (w *lookout) remove(m *member) {
	if m.watched != nil {
		w.leave(m.watched.hand)
		w.leave(m.watched.queue)
	}
}

func (w *lookout) leave(c *concern) {
	if c == nil {
		return
	}
	r := w.rounds[c.kind]
	if r == nil || c.place >= len(r.concerns) || r.concerns[c.place] != c {
		return // the lookout of an abandoned supervisor, which has forgotten all
	}
	last := len(r.concerns) - 1
	r.concerns[c.place], r.concerns[last].place = r.concerns[last], c.place
	r.concerns[last] = nil
	r.concerns = r.concerns[:last]
	if last == 0 {
		delete(w.rounds, c.kind)
		w.plan()
	}
}

// opens is told that the Start of a member begins.
func (w *lookout) opens(m *member) {
	if m.watched != nil && m.watched.limits.Start > 0 {
		w.opening, w.patient = m, m.current.began.time().Add(m.watched.limits.Start)
		w.next = earlier(w.next, w.patient)
	}
}

// plan finds out when to look next.
func (w *lookout) plan() {
	w.next = w.patient
	for _, r := range w.rounds {
		w.next = earlier(w.next, r.next)
	}
}

// earlier is the earlier one of two times, where zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// news is that something lasts for longer than its limit, or does not any more.
type news struct {
	member *member
	doing  tracing.Doing
	lasts  time.Duration
	over   bool
}

// look does what is due for the watched children.
func (l *loop) look() {
	w := &l.lookout
	if w.next.IsZero() {
		return
	}
	now := time.Now()
	if now.Before(w.next) {
		return
	}
	if l.cell.Abandoned() { // the children are not its own any more
		*w = lookout{}
		return
	}
	var all []news
	if m := w.opening; m != nil && !w.patient.IsZero() && !now.Before(w.patient) {
		w.patient = time.Time{}
		if r := m.current; r != nil && r.cell.Starting() {
			m.watched.start = r.began.time()
			l.showStuck(m)
			all = append(all, news{m, tracing.StuckInStart, r.began.since(), false})
		}
	}
	for kind, r := range w.rounds {
		if now.Before(r.next) {
			continue
		}
		r.next = now.Add(kind.every())
		for _, c := range r.concerns {
			if n, is := l.lookAt(c, now); is {
				all = append(all, n)
			}
		}
	}
	w.plan()
	l.tell(all)
}

// lookAt says what is new of a concern, if anything is.
func (l *loop) lookAt(c *concern, now time.Time) (n news, is bool) {
	since, same := c.sight.look(c.member, now)
	stuck := !c.since.IsZero()
	var lasts time.Duration
	if !since.IsZero() {
		lasts = now.Sub(since)
	}
	switch {
	case lasts >= c.limit:
		if !stuck {
			c.longest = 0
		}
		c.since, c.longest = since, max(c.longest, lasts)
		l.showStuck(c.member)
		return news{c.member, c.doing, lasts, false}, !stuck
	case stuck:
		c.since = time.Time{}
		l.showStuck(c.member)
		return news{c.member, c.doing, c.longest, true}, same
	}
	return news{}, false
}

// opened ends the watch of a member's Start. It tells that the Start has returned
// after all, if it was stuck and has: the one of an abandoned incarnation may not.
func (l *loop) opened(m *member, r *runner) {
	w := &l.lookout
	if w.opening != m {
		return
	}
	w.opening, w.patient = nil, time.Time{}
	w.plan()
	if !m.watched.start.IsZero() {
		m.watched.start = time.Time{}
		l.showStuck(m)
		if !r.cell.Starting() {
			l.tell([]news{{m, tracing.StuckInStart, r.began.since(), true}})
		}
	}
}

// tell tells the news, with the stacks of one profile for all of it.
func (l *loop) tell(all []news) {
	slices.SortFunc(all, func(a, b news) int {
		return cmp.Or(cmp.Compare(a.member.path(), b.member.path()), cmp.Compare(a.doing, b.doing))
	})
	var found map[stacks.Incarnation]string
	if slices.ContainsFunc(all, news.hasStack) && runtime.NumGoroutine() <= mostStacks {
		found = stacks.Of(l.tree.id, "goroutine")
	}
	for _, n := range all {
		m := n.member
		if n.over {
			m.life.Emit(tracing.Unstuck{Head: m.head(), Doing: n.doing, For: n.lasts})
			continue
		}
		e := tracing.Stuck{Head: m.head(), Doing: n.doing, For: n.lasts}
		if scope := m.scope.Load(); scope != nil {
			_, e.Waiting = scope.Queue()
		}
		if n.hasStack() {
			e.Stack = found[stacks.Incarnation{Path: m.path(), Number: int(m.number)}]
		}
		m.life.Emit(e)
	}
}

// hasStack says whether the stack is told too: not for messages that wait for what
// was or is told with its own.
func (n news) hasStack() bool {
	w := n.member.watched
	told := n.doing == tracing.StuckInQueue && (!w.start.IsZero() || w.hand != nil && !w.hand.since.IsZero())
	return !n.over && n.member.current != nil && !told
}

// showStuck changes what snapshots see of that.
func (l *loop) showStuck(m *member) {
	l.mu.Lock()
	m.watched.show()
	l.mu.Unlock()
}

func (w *watched) show() {
	w.since = w.start
	for _, c := range []*concern{w.hand, w.queue} {
		if c != nil {
			w.since = earlier(w.since, c.since)
		}
	}
}

// stuckFor is how long the member has been stuck, zero if it is not. Nobody is who
// is gone.
func (w *watched) stuckFor(m *member) time.Duration {
	if w == nil || w.since.IsZero() || m.scope.Load() == nil {
		return 0
	}
	return time.Since(w.since)
}

// ended forgets what was stuck in an incarnation that has ended. The mailbox is
// the child's.
func (w *watched) ended() {
	if w == nil {
		return
	}
	w.start = time.Time{}
	if w.hand != nil {
		w.hand.since = time.Time{}
	}
	w.show()
}
