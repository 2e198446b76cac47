package otp_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// How near to the edge of a second or to the end of a shutdown time something
// may happen, on a machine where everything comes a little late.
const margin = 300 * time.Millisecond

// busy are the supervisors that wait for a start or a stop, with their states.
func (st *stage) busy() map[string]supervisor.State {
	busy := make(map[string]supervisor.State)
	for path, s := range st.root.Snapshot().All() {
		if !s.Supervisor || s.State == supervisor.Stopped {
			continue
		}
		waits := s.State != supervisor.Running
		for _, child := range s.Children {
			waits = waits || child.State == supervisor.Starting || child.State == supervisor.Stopping
		}
		if waits {
			busy[path] = s.State
		}
	}
	return busy
}

// mustBeIdle is for acts that wait for their turn in OTP, but not in Coppice.
func (st *stage) mustBeIdle(act string) {
	for path := range st.busy() {
		st.unfair = fmt.Errorf("%s while %s is busy", act, path)
	}
}

// checkFair finds what an act has made unfair.
func (st *stage) checkFair(a act, before map[string]supervisor.State) {
	for path, state := range st.busy() {
		was, busy := before[path]
		switch {
		case busy && was != supervisor.Stopping && state == supervisor.Stopping:
			// It does not go on to what has waited before, while OTP's does (S74).
			st.unfair = fmt.Errorf("%v: %s is asked to stop while it is busy", a, path)
		case state == supervisor.Starting && path != st.root.Name() && st.queued(a, path):
			// When it is up, it and the one above go on at the same time.
			st.unfair = fmt.Errorf("%v: %s has something to do when it is up", a, path)
		}
	}
}

// queued says whether something waits for a supervisor that is being started.
func (st *stage) queued(a act, path string) bool {
	name := path[strings.LastIndex(path, "/")+1:]
	if a.sup == name {
		return true
	}
	for _, child := range st.sups[name].Snapshot().Children {
		if child.State != supervisor.Running {
			continue
		}
		if sup := st.sups[child.Name]; sup != nil && sup.Snapshot().State == supervisor.Stopped {
			return true
		}
		if name := kind(child.Name); st.cast[name] != nil && st.alive(name) == nil {
			return true
		}
	}
	return false
}

// checkClock finds times that OTP, which counts in whole seconds (S54), or a
// slow machine could see otherwise.
func (st *stage) checkClock() {
	periods := make(map[string]int)
	for _, n := range st.scenario.nodes() {
		if n.sup != nil {
			periods[n.name] = n.sup.period
		}
	}
	for path, times := range st.charges {
		period := time.Duration(periods[path[strings.LastIndex(path, "/")+1:]]) * time.Second
		for i, late := range times {
			for _, early := range times[:i] {
				if d := late.Sub(early); d > margin && d > period-margin && d < period+time.Second+margin {
					st.unfair = fmt.Errorf("%v between two restarts, with a period of %v", d, period)
				}
			}
		}
	}
	for _, expired := range st.expired {
		for _, acted := range st.acted {
			if d := expired.Sub(acted).Abs(); d < margin {
				st.unfair = fmt.Errorf("%v between an act and the end of a shutdown time", d)
			}
		}
	}
}
