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
	held   []any // taken from the queue while something else was awaited; dealt with first
	delays delays

	kill     context.Context // the children's contexts descend from it; its end kills them
	killNow  context.CancelCauseFunc
	unhook   func() bool   // of the function that passes a kill on to the children
	unhooked chan struct{} // closed when that function has run
	killed   time.Time     // when the loop saw the kill; zero before

	asked atomic.Bool // to stop
	final atomic.Bool // no incarnation of the supervisor will follow

	end exit.Reason // why the loop ends; nil while it runs

	mu      sync.Mutex // guards members and their visible fields against snapshots; never held across a wait
	members []*member
	byName  map[string]*member
}

func newLoop(n *node, cell *incarnation.Cell) *loop {
	l := &loop{
		node:     n,
		path:     cell.Scope().Path(),
		cell:     cell,
		tree:     treeOf(cell),
		crash:    n.policy.CrashOnPanic || cell.CrashOnPanic(),
		events:   n.policy.Tracing,
		window:   strategy.NewWindow(n.policy.Restarts, n.policy.Within),
		queue:    newQueue(),
		unhooked: make(chan struct{}),
		byName:   make(map[string]*member),
	}
	if l.events == nil {
		l.events = tracing.From(cell).Tracing()
	}
	l.kill, l.killNow = context.WithCancelCause(cell.Work())
	l.unhook = context.AfterFunc(l.kill, func() {
		l.killAll()
		close(l.unhooked)
	})
	return l
}

// stop is the supervisor's hook: it is asked to stop.
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
	l.mu.Lock()
	var cells []*incarnation.Cell
	for _, m := range l.members {
		if m.current != nil {
			cells = append(cells, m.current.cell)
		}
	}
	l.mu.Unlock()
	for _, cell := range cells {
		cell.Kill(cause)
	}
	l.queue.nudge()
}

// run is the loop: the supervisor's incarnation from the moment its children
// are up.
func (l *loop) run() error {
	defer l.leave()
	for l.end == nil {
		l.turn()
	}
	l.stopAll()
	return l.end
}

// leave cleans up behind the loop, also when code of the user has made its
// goroutine leave by Goexit.
func (l *loop) leave() {
	if l.unhook() {
		close(l.unhooked)
	}
	l.killNow(exit.Killed) // nobody is left in order; after a Goexit somebody may be
	<-l.unhooked
	for _, item := range slices.Concat(l.held, l.queue.close()) {
		if r, ok := item.(*request); ok {
			r.reply <- &ChildError{Path: l.path, Err: ErrNotRunning}
		}
	}
	l.node.left(l)
}

// turn waits for something to happen and deals with it.
func (l *loop) turn() {
	if l.asked.Load() {
		l.end = l.cell.Reason(context.Cause(l.cell))
		return
	}
	if len(l.held) == 0 {
		l.held = l.queue.take()
	}
	if len(l.held) == 0 {
		l.wait(l.delays.next())
		l.held = slices.Concat(l.delays.due(time.Now()), l.queue.take())
		return
	}
	item := l.held[0]
	l.held = l.held[1:]
	switch item := item.(type) {
	case ended:
		l.exited(item.runner)
	case retry:
		l.retry(item)
	case attempt:
		l.attemptDue(item)
	case *request:
		item.reply <- item.do()
	}
}

// ended says that an incarnation is over.
type ended struct{ runner *runner }

// notify is how the incarnations of the children tell.
func (l *loop) notify(r *runner) {
	if r.phase.Load() == over {
		l.queue.push(ended{r})
		return
	}
	l.queue.nudge() // the end of a Start is awaited in launch
}

// wait waits for a nudge, a point in time (zero for none), or the kill of the
// supervisor.
func (l *loop) wait(until time.Time) {
	var timeout <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		timeout = timer.C
	}
	var kill <-chan struct{}
	if l.killed.IsZero() {
		kill = l.kill.Done()
	}
	select {
	case <-l.queue.wake:
	case <-timeout:
	case <-kill:
		l.killed = time.Now()
		l.asked.Store(true)
	}
}

// add makes a member of a child.
func (l *loop) add(m *member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.index = len(l.members)
	l.members = append(l.members, m)
	l.byName[m.name] = m
}

// remove takes a member out. The order of a static supervisor's children is
// kept; a Dynamic has none.
func (l *loop) remove(m *member, reason exit.Reason) {
	l.mu.Lock()
	if l.byName[m.name] == m {
		delete(l.byName, m.name)
		if l.node.dynamic {
			last := l.members[len(l.members)-1]
			l.members[m.index], last.index = last, m.index
			l.members[len(l.members)-1] = nil
			l.members = l.members[:len(l.members)-1]
		} else {
			l.members = slices.Delete(l.members, m.index, m.index+1)
			for i, later := range l.members[m.index:] {
				later.index = m.index + i
			}
		}
	}
	m.state = Stopped
	l.mu.Unlock()
	m.pending++
	m.gone(reason)
}

// set changes what snapshots see of a member.
func (l *loop) set(m *member, state State, current *runner) {
	l.mu.Lock()
	m.state, m.current = state, current
	l.mu.Unlock()
}

func (m *member) head() tracing.Head {
	return tracing.Head{Time: time.Now(), Path: m.path, Incarnation: m.number}
}
