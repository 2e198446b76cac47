package supervisor

import (
	"strings"
	"sync/atomic"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/tracing"
)

// State is what a child is doing, as a snapshot shows it.
type State string

// The states of a child. docs/lifecycle.md draws how they follow each other.
const (
	Stopped    State = "stopped"    // it has no process: ended for good, declined, stopped by hand, not started yet, or stopped with its group, which waits for the restart of another child
	Starting   State = "starting"   // its Start is running
	Running    State = "running"    // it is up
	Stopping   State = "stopping"   // it was asked to stop, or ends by itself and goroutines of it are left
	Restarting State = "restarting" // it has no process; its own restart is to come, now or after its backoff
)

// states are the states as a member keeps them, in one byte.
var states = [...]State{isStopped: Stopped, isStarting: Starting, isRunning: Running, isStopping: Stopping, isRestarting: Restarting}

type state uint8

const (
	isStopped state = iota
	isStarting
	isRunning
	isStopping
	isRestarting
)

// historyLength is how many restarts a child's history keeps.
const historyLength = 8

// member is a child and what has become of it. It belongs to the loop; fields
// that a snapshot reads are written under the loop's mutex.
type member struct {
	child Child // not a Spec
	spec  *Spec // without the child; may be shared by many

	life    tracing.Life
	watched *watched                          // nil if it has no limits
	scope   atomic.Pointer[incarnation.Scope] // nil while the child is gone
	current *runner                           // nil while there is no process
	reason  exit.Reason                       // why the last one ended, or would not start
	past    *past                             // nil until it crashes or is to be restarted: most never are

	index   int32 // among the members
	number  int32 // of the latest incarnation
	pending int32 // counts the plans that were made or called off; one with an older number is void
	state   state
	fixed   bool // named by the supervisor's constructor, not added while it runs
	lived   bool // first has been used

	first incarnation.Scope // the first that scope points to, as most have no other; it knows the path
}

func (m *member) path() string { return m.first.Path() }

// name is the last part of the path.
func (m *member) name() string {
	path := m.path()
	return path[strings.LastIndexByte(path, '/')+1:]
}

// past is what a supervisor remembers of a child that had to be restarted.
type past struct {
	history []tracing.Restarting
	crash   *tracing.Crash // that is still to be told, when it is known what follows
	delays  strategy.Delays
	attempt int
	delayed int32 // the number of the last plan that waits for its time
	heard   bool  // its last end was told, as its next will be
}

// add adds a decision to the history. Those who have seen it keep what they saw: what
// is behind that is new to them, and when there is no more room there is a new one.
func (p *past) add(decision tracing.Restarting) {
	if len(p.history) == historyLength {
		p.history = p.history[1:]
	}
	if have := len(p.history); have == cap(p.history) { // in a storm most are restarted once
		p.history = append(make([]tracing.Restarting, 0, min(2*have+1, 2*historyLength)), p.history...)
	}
	p.history = append(p.history, decision)
}

// history are the last few decisions to restart it, oldest first.
func (m *member) history() []tracing.Restarting {
	if m.past == nil {
		return nil
	}
	return m.past.history
}

// remember makes the past of a member that has none yet.
func (l *loop) remember(m *member) *past {
	if m.past == nil {
		past := &past{delays: strategy.NewDelays(m.spec.Backoff, l.node.policy.Healthy)}
		l.mu.Lock()
		m.past = past
		l.mu.Unlock()
	}
	return m.past
}

// delayed says whether a restart of it waits for its time, or did when the plan was
// called off.
func (m *member) delayed() bool { return m.past != nil && m.past.delayed == m.pending }

// lives is the child's life, which begins now if it is gone, or new.
func (m *member) lives() *incarnation.Scope {
	if scope := m.scope.Load(); scope != nil {
		return scope
	}
	scope := &m.first
	if m.lived {
		scope = incarnation.NewScope(m.path())
	}
	m.lived = true
	m.scope.Store(scope)
	return scope
}

// gone ends the child's life: its mailbox closes, and whoever waits for it
// hears.
func (m *member) gone(reason exit.Reason) {
	if scope := m.scope.Swap(nil); scope != nil {
		scope.End(reason)
	}
}
