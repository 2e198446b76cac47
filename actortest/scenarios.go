package actortest

import (
	"context"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// scenario is something that a child must bear. It is played in a bubble, with a
// fresh child.
type scenario struct {
	name string
	play func(*script)
}

// script is a scenario being played.
type script struct {
	child  supervisor.Child
	load   func(context.Context, supervisor.Child)
	stages []*stage

	messages bool // it was seen that the child takes messages
	over     bool // nothing more can be played: the child is not made right, or the load lets no time pass
}

// stage sets the child up in a new tree; those before must have been stopped.
func (c *script) stage(set setting) *stage {
	if set.policy.Within == 0 {
		set.policy.Restarts, set.policy.Within = 10, time.Minute
	}
	s := newStage(c.child, c.load, set)
	s.again = len(c.stages) > 0
	c.stages = append(c.stages, s)
	return s
}

// scenarios are what Run plays, in this order.
var scenarios = []scenario{
	{"starts and stops", startsAndStops},
	{"stopped at once", stoppedAtOnce},
	{"stopped before Start", stoppedBeforeStart},
	{"stopped during Start", stoppedDuringStart},
	{"stopped after Start, before run", stoppedBeforeRun},
	{"crashed and restarted", crashedAndRestarted},
	{"crashed during Start", crashedDuringStart},
	{"crashed after Start, before run", crashedBeforeRun},
	{"crashed while it is stopped", crashedWhileStopped},
	{"restarted with its group", restartedWithItsGroup},
	{"restarted with its supervisor", restartedWithItsSupervisor},
	{"terminated, restarted by hand, deleted, added", terminatedAndRestarted},
	{"stopped in its backoff", stoppedInBackoff},
	{"terminated and restarted in its backoff", restartedInBackoff},
	{"restarted with its supervisor in its backoff", restartedAboveInBackoff},
	{"killed", killed},
	{"stopped with no time left", stoppedWithNoTime},
	{"used again", usedAgain},
}

// messageScenarios are for children with a load.
var messageScenarios = []scenario{
	{"panic in a handler", func(c *script) { crashedByMessages(c, Panic) }},
	{"error in a handler", func(c *script) { crashedByMessages(c, Error) }},
	{"Goexit in a handler", func(c *script) { crashedByMessages(c, Goexit) }},
	{"abandoned in a handler", abandonedInAHandler},
}

func startsAndStops(c *script) {
	s := c.stage(setting{})
	if s.start() {
		s.settle()
		c.messages = takesMessages(c.child)
	}
	s.stop()
}

func stoppedAtOnce(c *script) {
	s := c.stage(setting{})
	s.start()
	s.stop()
}

func stoppedBeforeStart(c *script) {
	s := c.stage(setting{})
	stopAt(s, &s.beforeStart)
	startsAndStops(c) // nothing was taken that is not given back
}

func stoppedBeforeRun(c *script) {
	s := c.stage(setting{})
	stopAt(s, &s.beforeRun)
	startsAndStops(c)
}

// stopAt asks for the stop while an incarnation is at a gate.
func stopAt(s *stage, gate *func()) {
	open := make(chan struct{})
	*gate = func() { <-open }
	up := s.starting()
	s.state() // at the gate
	down := s.stopping()
	s.state() // the stop has been asked for
	close(open)
	s.stopped(<-down)
	<-up
}

// stoppedDuringStart finds out how long a Start takes, and stops the next one
// halfway.
func stoppedDuringStart(c *script) {
	began := time.Now()
	s := c.stage(setting{})
	up := s.start()
	took := time.Since(began)
	s.stop()
	if !up {
		return
	}
	s = c.stage(setting{})
	started := s.starting()
	time.Sleep(took / 2)
	s.state() // the tree has begun to start
	s.stop()
	<-started
	startsAndStops(c)
}

func crashedAndRestarted(c *script) {
	s := c.stage(setting{})
	if s.start() {
		for range 3 {
			s.settle()
			if !s.crash() {
				break
			}
		}
		s.settle()
	}
	s.stop()
}

func crashedDuringStart(c *script) {
	s := c.stage(setting{})
	crashAt(s, &s.beforeStart)
}

func crashedBeforeRun(c *script) {
	s := c.stage(setting{})
	crashAt(s, &s.beforeRun)
}

// crashAt makes the second incarnation fail while it is at a gate.
func crashAt(s *stage, gate *func()) {
	if s.start() {
		s.settle()
		*gate = func() { s.crash() }
		if s.crash() {
			s.settle()
		}
	}
	s.stop()
}

func crashedWhileStopped(c *script) {
	s := c.stage(setting{})
	if s.start() {
		s.settle()
		crashed := background(func() error { s.crash(); return nil })
		s.stop()
		<-crashed
		return
	}
	s.stop()
}

func restartedWithItsGroup(c *script) {
	crash := make(chan struct{})
	s := c.stage(setting{
		policy:   supervisor.Policy{Strategy: strategy.OneForAll},
		siblings: []supervisor.Child{crashingSibling("beside "+c.child.Name(), crash)},
	})
	if s.start() {
		for range 2 {
			s.settle()
			select {
			case crash <- struct{}{}:
			case <-time.After(patience): // it has gone with its supervisor
			}
		}
		s.settle()
	}
	s.stop()
}

func restartedWithItsSupervisor(c *script) {
	s := c.stage(setting{})
	if s.start() {
		for range 2 {
			s.settle()
			s.crashParent()
		}
		s.settle()
	}
	s.stop()
}

func terminatedAndRestarted(c *script) {
	s := c.stage(setting{})
	if s.start() {
		s.settle()
		steps := []struct {
			name string
			do   func(context.Context, string) error
		}{
			{"TerminateChild", s.parent.TerminateChild},
			{"RestartChild", s.parent.RestartChild},
			{"TerminateChild", s.parent.TerminateChild},
			{"DeleteChild", s.parent.DeleteChild},
			{"StartChild", func(ctx context.Context, _ string) error { return s.parent.StartChild(ctx, s.spec) }},
		}
		for _, step := range steps {
			if err := s.ask(step.do); err != nil {
				s.follows("%s: %v", step.name, err)
				break
			}
			s.settle()
		}
	}
	s.stop()
}

var slowly = supervisor.Policy{Backoff: strategy.Constant(time.Minute), Restarts: 10, Within: time.Hour}

func stoppedInBackoff(c *script) {
	s := c.stage(setting{policy: slowly})
	if s.start() {
		s.settle()
		s.crash()
		s.state()
	}
	s.stop()
}

func restartedInBackoff(c *script) {
	s := c.stage(setting{policy: slowly})
	if s.start() {
		s.settle()
		if s.crash() {
			s.state()
			if err := s.ask(s.parent.TerminateChild); err != nil {
				s.follows("TerminateChild in its backoff: %v", err)
			}
			if err := s.ask(s.parent.RestartChild); err != nil {
				s.follows("RestartChild after its backoff was called off: %v", err)
			}
			s.settle()
		}
	}
	s.stop()
}

func restartedAboveInBackoff(c *script) {
	s := c.stage(setting{policy: slowly})
	if s.start() {
		s.settle()
		if began := s.count(); s.crash() {
			s.state()
			s.crashParent()
			if s.settle(); s.count() != began+1 {
				s.follows("its supervisor has begun %d incarnations after a restart, want 1", s.count()-began)
			}
		}
	}
	s.stop()
}

func killed(c *script) {
	s := c.stage(setting{kill: true})
	if s.start() {
		s.settle()
	}
	s.stop()
}

func stoppedWithNoTime(c *script) {
	s := c.stage(setting{})
	if s.start() {
		s.settle()
	}
	s.hasty = true
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.stopped(s.root.Stop(ctx))
}

// usedAgain starts the same value in the same tree, and in another one.
func usedAgain(c *script) {
	s := c.stage(setting{})
	for range 2 {
		if s.start() {
			s.settle()
		}
		s.stop()
	}
	startsAndStops(c)
}

func crashedByMessages(c *script, kind Kind) {
	faults := newInjector(1, []Fault{{Kind: kind, At: 1}, {Kind: kind, At: 2}, {Kind: kind, At: 4}})
	s := c.stage(setting{faults: faults})
	s.goexits = kind == Goexit
	if s.start() {
		s.settle()
		s.awaitFaults(3)
		s.settle()
	}
	s.stop()
}

// abandonedInAHandler has a successor work beside what hangs.
func abandonedInAHandler(c *script) {
	faults := newInjector(1, []Fault{{Kind: Hang, At: 1}})
	s := c.stage(setting{faults: faults})
	s.hangs = true
	if s.start() {
		s.settle()
		s.awaitFaults(1)
		for _, do := range []func(context.Context, string) error{s.parent.TerminateChild, s.parent.RestartChild} {
			if err := s.ask(do); err != nil {
				s.follows("%v", err)
			}
		}
		s.settle()
		time.Sleep(patience / 100) // for the load
	}
	faults.Release()
	s.state() // it has come back
	s.stop()
}
