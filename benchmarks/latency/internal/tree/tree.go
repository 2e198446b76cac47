// Package tree makes supervision trees of a shape that is described by numbers, for
// the stopwatch.
package tree

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/benchmarks/stopwatch"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// Shape describes a tree: Depth levels of supervisors with FanOut children each; those
// of the last level are servers. Names in comments are those of the flags.
type Shape struct {
	Depth, FanOut int
	Strategy      strategy.Strategy

	Backoff, BackoffMax time.Duration // always Backoff, or random up to that and doubling up to BackoffMax
	Restarts            int           // of each supervisor within Within; 0 means any number
	Within              time.Duration

	Capacity int           // of a mailbox
	Shutdown time.Duration // of a server

	Stubborn    float64       // share of servers that ignore their stop
	StubbornFor time.Duration // for so long
}

// MaxNodes is how large a tree may be.
const MaxNodes = 2_000_000

// Size is how many supervisors and servers the tree has; with more than MaxNodes it
// does not count to the end.
func (s Shape) Size() (supervisors, servers int) {
	servers = 1
	for range s.Depth {
		supervisors += servers
		servers *= s.FanOut
		if supervisors+servers > MaxNodes {
			break
		}
	}
	return supervisors, servers
}

// Check says what is wrong with a shape, all of it. Each fault begins with what from
// says of a flag: where its value was given.
func (s Shape) Check(from func(flag string) string) error {
	var faults []error
	fault := func(flag, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", from(flag), fmt.Sprintf(format, args...)))
	}
	if s.Depth < 1 {
		fault("depth", "%d: at least one level of supervisors is needed", s.Depth)
	}
	if s.FanOut < 1 {
		fault("fanout", "%d: at least one child is needed", s.FanOut)
	}
	if supervisors, servers := s.Size(); s.Depth >= 1 && s.FanOut >= 1 && supervisors+servers > MaxNodes {
		fault("depth", "%d with -fanout %d makes more than %d nodes", s.Depth, s.FanOut, MaxNodes)
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"backoff", s.Backoff}, {"backoff-max", s.BackoffMax}, {"shutdown", s.Shutdown}, {"stubborn-for", s.StubbornFor}} {
		if d.value < 0 {
			fault(d.flag, "%v is negative", d.value)
		}
	}
	if s.BackoffMax > 0 && (s.Backoff <= 0 || s.BackoffMax < s.Backoff) {
		fault("backoff-max", "%v needs a -backoff of more than 0 and at most that, not %v", s.BackoffMax, s.Backoff)
	}
	if s.Restarts < 0 {
		fault("restarts", "%d is negative", s.Restarts)
	}
	if s.Within <= 0 {
		fault("within", "%v is not positive", s.Within)
	}
	if s.Capacity < 1 || s.Capacity > mailbox.MaxCapacity {
		fault("capacity", "%d is not from 1 to %d", s.Capacity, mailbox.MaxCapacity)
	}
	if !(s.Stubborn >= 0 && s.Stubborn <= 1) { // nor is NaN
		fault("stubborn", "%v is not from 0 to 1", s.Stubborn)
	}
	return errors.Join(faults...)
}

// stubborn says whether the server of that number is: they are spread evenly.
func (s Shape) stubborn(number int) bool {
	return math.Floor(float64(number+1)*s.Stubborn+1e-9) > math.Floor(float64(number)*s.Stubborn+1e-9)
}

// Stubborns is how many servers of a tree are stubborn.
func (s Shape) Stubborns() int {
	_, servers := s.Size()
	return int(math.Floor(float64(servers)*s.Stubborn + 1e-9))
}

// Patience is how long a crash or a stop of the tree may take, whatever it does: the
// stubborn are stopped one after the other, and may be so in a crash too.
func (s Shape) Patience() time.Duration {
	const spare = 30 * time.Second
	each := min(s.StubbornFor, s.Shutdown)
	return spare + time.Duration(s.Stubborns())*each + max(s.Backoff, s.BackoffMax)
}

// Make makes a tree of the shape.
func (s Shape) Make(events *tracing.Tracing) stopwatch.Tree {
	m := maker{shape: s, released: make(chan struct{})}
	root := m.supervisor("tree", s.Depth, events)
	return stopwatch.Tree{Root: root, Victims: m.victims, Release: func() { close(m.released) }}
}

// maker makes one tree.
type maker struct {
	shape    Shape
	released chan struct{} // closed when the stubborn are let go
	victims  []stopwatch.Victim
}

// supervisor makes a supervisor with so many levels, itself included. Only the root
// is given events.
func (m *maker) supervisor(name string, levels int, events *tracing.Tracing) *supervisor.Supervisor {
	children := make([]supervisor.Child, m.shape.FanOut)
	for i := range children {
		if levels > 1 {
			children[i] = m.supervisor(fmt.Sprintf("s%d", i), levels-1, nil)
		} else {
			children[i] = m.server(fmt.Sprintf("a%d", i))
		}
	}
	return supervisor.New(name, m.shape.policy(events), children...)
}

func (s Shape) policy(events *tracing.Tracing) supervisor.Policy {
	p := supervisor.Policy{Strategy: s.Strategy, Restarts: s.Restarts, Within: s.Within, Tracing: events}
	if s.Restarts == 0 {
		p.Restarts = strategy.Unlimited
	}
	switch {
	case s.BackoffMax > 0:
		p.Backoff = strategy.Exponential(s.Backoff, s.BackoffMax)
	case s.Backoff > 0:
		p.Backoff = strategy.Constant(s.Backoff)
	}
	return p
}

// state is that of a server; it does nothing but crash and be stopped.
type state struct{}

func open(context.Context) (*state, error) { return new(state), nil }

func (m *maker) server(name string) supervisor.Child {
	var options actor.ServerOptions[state]
	options.Mailbox.Capacity = m.shape.Capacity
	if m.shape.stubborn(len(m.victims)) {
		options.Close = m.linger
	}
	server := actor.NewServer(name, open, options)
	m.victims = append(m.victims, stopwatch.Server(server))
	return supervisor.Spec{Child: server, Shutdown: supervisor.Timeout(m.shape.Shutdown)}
}

// linger is the cleanup of a stubborn server. After a crash it is quick.
func (m *maker) linger(_ context.Context, _ *state, reason exit.Reason) error {
	if !reason.Clean() {
		return nil
	}
	timer := time.NewTimer(m.shape.StubbornFor)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.released:
	}
	return nil
}
