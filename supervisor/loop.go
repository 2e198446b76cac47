package supervisor

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/tracing"
)

// loop is one incarnation of a supervisor. One goroutine runs it; what that
// goroutine hears comes through the queue, except the request to stop, which
// must not wait its turn.
type loop struct {
	node   *node
	path   string
	cell   *incarnation.Cell
	tree   *tree
	crash  bool
	events *tracing.Tracing // for the children
	window strategy.Window
	queue  *queue
	held   []any       // taken from the queue and not dealt with, also while something else was awaited
	taken  []any       // where these were, for the next; held is empty then
	ends   []any       // the same for awaitEnds
	why    exit.Reason // that no request is answered any more; set before they are refused
	delays delays
	alarm  alarm
	above  *above // what the children know

	leaving leaving   // goroutines of children
	spare   *stopping // for the next stop; nil if there is none
	usual   *Spec     // of the last child that has no backoff of its own

	dossier *tracing.Crash // empty, for the next crash; nil if there is none

	requests requests
	prompt   prompt

	lookout lookout // for children that are stuck

	kill     context.Context // the children's contexts descend from it; its end kills them
	killNow  context.CancelCauseFunc
	unhook   func() bool   // of the function that passes a kill on to the children
	unhooked chan struct{} // closed when that function has run
	killed   time.Time     // when the loop saw the kill; zero before

	unnoticed []*member // that are to be looked at before the loop waits for one: see ask

	up    atomic.Bool // all children have been started
	asked atomic.Bool // to stop
	final atomic.Bool // no incarnation of the supervisor will follow

	asking atomic.Pointer[runner] // that is being told to stop this moment; see tellStop

	end    exit.Reason // why the loop ends; nil while it runs
	ending atomic.Bool // it does, and stops its children

	mu      *sync.Mutex // the node's; guards members and their visible fields against snapshots; never held across a wait
	members []*member
	roster  roster // the same by name
	fenced  bool   // the supervisor has ended or was abandoned: no incarnation begins any more
}

func newLoop(n *node, cell *incarnation.Cell) *loop {
	l := &loop{
		node:     n,
		mu:       &n.visible,
		path:     cell.Scope().Path(),
		cell:     cell,
		tree:     treeOf(cell),
		crash:    n.policy.CrashOnPanic || cell.Terms().CrashOnPanic,
		events:   n.policy.Tracing,
		window:   strategy.NewWindow(n.policy.Restarts, n.policy.Within),
		queue:    newQueue(),
		unhooked: make(chan struct{}),
		roster:   newRoster(n.dynamic),
	}
	if l.events == nil {
		l.events = tracing.From(cell).Tracing()
	}
	l.kill, l.killNow = context.WithCancelCause(cell.Work())
	l.leaving.wake = l.queue.nudge
	l.above = &above{l.kill, l.tree, l.notify, &l.leaving}
	l.unhook = context.AfterFunc(l.kill, func() {
		l.killAll()
		close(l.unhooked)
	})
	return l
}

// hooks are a loop as its own incarnation knows it.
type hooks loop

func (h *hooks) Self() any                 { return nil }
func (h *hooks) Handler() any              { return (*loop)(h) }
func (h *hooks) Run() error                { return nil }
func (h *hooks) Stop(final bool)           { (*loop)(h).stop(final) }
func (h *hooks) Kill()                     {} // the children's contexts descend from it
func (h *hooks) Abandon()                  { (*loop)(h).abandoned() }
func (h *hooks) Holding() incarnation.Hand { return incarnation.Hand{} }

// stop is for when the supervisor is asked to stop.
func (l *loop) stop(final bool) {
	l.final.Store(final)
	l.asked.Store(true)
	l.queue.nudge()
}

// killAll passes a kill on to the children, past a loop that may be stuck in
// code of the user (S89).
func (l *loop) killAll() {
	cause, ok := context.Cause(l.kill).(exit.Reason)
	if !ok {
		cause = exit.Killed
	}
	for _, r := range l.alive() {
		r.cell.Kill(cause)
	}
	l.queue.nudge()
}

// abandoned is for when the supervisor was abandoned. With it goes all
// that is alive below, so that a successor finds nothing that nobody looks
// after (S194). The lives of the children that were added end here: the loop may
// never come back to see to that, and no successor knows them (S63).
func (l *loop) abandoned() {
	l.fence(exit.Killed)
	defer l.queue.nudge()
	defer func() { incarnation.Each(l.added(), func(m *member) { m.gone(exit.Killed) }) }()
	incarnation.Each(l.alive(), func(r *runner) { l.tree.abandon(r, overdueNow(r)) })
}

// added are the members that the supervisor was not constructed with, as far as
// they are not gone.
func (l *loop) added() (members []*member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.members {
		if !m.fixed && m.scope.Load() != nil {
			members = append(members, m)
		}
	}
	return members
}

// fence keeps the loop from beginning another incarnation, wherever it is, and
// tells whoever waits for an answer that there will be none (S111).
func (l *loop) fence(why exit.Reason) {
	l.mu.Lock()
	first := !l.fenced
	if first {
		l.fenced, l.why = true, why
	}
	l.mu.Unlock()
	if first {
		l.requests.refuse()
	}
}

// isFenced says whether the loop has been fenced.
func (l *loop) isFenced() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fenced
}

// alive are the incarnations of the children that have not ended.
func (l *loop) alive() (runners []*runner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.members {
		if r := m.current; r != nil && !r.dead() {
			runners = append(runners, r)
		}
	}
	return runners
}

// run is the loop: the supervisor's incarnation from the moment its children
// are up.
func (l *loop) run() error {
	defer l.leave()
	for l.end == nil {
		l.turn()
	}
	l.ending.Store(true)
	l.stopAll()
	return l.end
}

// finish stops what a type of the user's around the supervisor has left running:
// its own Start failed or declined after the supervisor's, or its run has ended
// without the supervisor's.
func (l *loop) finish() {
	if l.up.Load() && !l.isFenced() {
		l.end = exit.Shutdown
		_ = l.run()
	}
}

// leave cleans up behind the loop, also when code of the user, such as a sink,
// has made its goroutine leave by Goexit.
func (l *loop) leave() {
	defer l.node.left(l)
	why := l.end
	if why == nil {
		why = exit.Goexit
	}
	l.fence(why)
	l.lookout = lookout{}
	defer l.release() // whatever a sink does meanwhile
	l.cutDown()
}

// release ends what the loop has started beside the children, and waits for it.
func (l *loop) release() {
	if l.unhook() {
		close(l.unhooked)
	}
	l.killNow(exit.Killed) // nobody is left who would notice
	<-l.unhooked
	l.leaving.await(l.queue)
	l.alarm.off()
	l.queue.close()
}

// cutDown kills what is left of the children when the loop cannot go on, and
// abandons what does not end in its grace. It emits nothing but dead letters: what
// the loop could not bear may be a sink.
func (l *loop) cutDown() {
	rest := l.alive()
	if len(rest) == 0 {
		return
	}
	l.killNow(exit.Killed)
	l.killed = time.Now()
	for _, r := range rest {
		end := l.killed.Add(killGrace * time.Duration(1+r.height()))
		for !r.dead() && time.Now().Before(end) {
			l.wait(end)
		}
	}
	defer func() { // also if a sink hears of dead letters and leaves once more
		for _, m := range l.members {
			l.set(m, isStopped, nil)
		}
	}()
	l.abandoned()
}

// turn waits for something to happen and deals with it.
func (l *loop) turn() {
	l.look() // here too, for a loop that never has to wait; first, as it may be abandoned meanwhile
	if l.asked.Load() {
		l.end = l.ordered()
		return
	}
	if len(l.held) == 0 {
		l.taken = l.queue.take(l.taken)
		l.held = l.taken
		if len(l.delays) > 0 {
			l.held = append(l.delays.due(time.Now()), l.held...)
		}
	}
	if len(l.held) == 0 {
		l.wait(l.delays.next())
		return
	}
	item := l.held[0]
	l.held = l.held[1:]
	switch item := item.(type) {
	case death:
		l.exited(item.runner)
	case retry:
		l.retry(item)
	case winding:
		l.windDown(item.runner)
	case plan:
		l.due(item)
	case *request:
		item.serve()
	}
}

// ordered is the reason that the supervisor was asked to end with.
func (l *loop) ordered() exit.Reason {
	cause := l.cell.Cause()
	if cause == nil { // a kill ends the context of the work first
		cause = context.Cause(l.kill)
	}
	return l.cell.Reason(cause)
}

// death says that an incarnation is over.
type death struct{ runner *runner }

// notify is how the incarnations of the children tell.
func (l *loop) notify(r *runner) {
	switch {
	case r.phase.Load() == over:
		if l.asking.Load() != r { // else whoever asks looks when he has asked
			l.queue.push(death{r})
		}
	case r.ending():
		l.queue.push(winding{r})
		l.queue.nudge() // its Start may be awaited
	case r.phase.Load() == up:
		l.reply(r)
	default:
		l.queue.nudge() // the end of a Start is awaited in launch
	}
}

// wait waits for a nudge, a point in time (zero for none), or the kill of the
// supervisor, which is passed on with a nudge. It may come back before.
func (l *loop) wait(until time.Time) {
	l.alarm.set(earlier(until, l.lookout.next), l.queue)
	<-l.queue.wake
	if l.killed.IsZero() && l.kill.Err() != nil {
		l.killed = time.Now()
		l.asked.Store(true)
	}
	l.look()
}

// take takes over the members that the supervisor starts with.
func (l *loop) take(members []*member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.members = members
	for i, m := range members {
		m.index = int32(i)
		l.roster.add(m)
		l.lookout.add(m)
	}
}

// add makes a member of a child.
func (l *loop) add(m *member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.index = int32(len(l.members))
	l.members = append(l.members, m)
	l.roster.add(m)
	l.lookout.add(m)
}

// remove takes a member out. The order of a static supervisor's children is
// kept; a Dynamic has none.
func (l *loop) remove(m *member, reason exit.Reason) {
	l.mu.Lock()
	if l.roster.find(m.name()) == m {
		l.roster.remove(m)
		l.lookout.remove(m)
		if l.node.dynamic {
			last := l.members[len(l.members)-1]
			l.members[m.index], last.index = last, m.index
			l.members[len(l.members)-1] = nil
			l.members = l.members[:len(l.members)-1]
		} else {
			l.members = slices.Delete(l.members, int(m.index), int(m.index)+1)
			for i, later := range l.members[m.index:] {
				later.index = m.index + int32(i)
			}
		}
	}
	m.state = isStopped
	l.mu.Unlock()
	m.pending++
	m.gone(reason)
}

// set changes what snapshots see of a member.
func (l *loop) set(m *member, state state, current *runner) {
	l.mu.Lock()
	m.state, m.current = state, current
	l.mu.Unlock()
}

// lost is set for a member that has no process any more, and why.
func (l *loop) lost(m *member, reason exit.Reason) {
	l.mu.Lock()
	m.state, m.current, m.reason = isStopped, nil, reason
	m.watched.ended()
	l.mu.Unlock()
}

func (m *member) head() tracing.Head { return m.headAt(time.Now()) }

func (m *member) headAt(now time.Time) tracing.Head {
	return tracing.Head{Time: now, Path: m.path(), Incarnation: int(m.number)}
}
