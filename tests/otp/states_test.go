package otp_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/supervisor"
)

func describe(spec supervisor.Spec) string {
	kind, shutdown := "worker", spec.Shutdown.String()
	if _, ok := spec.Child.(tree); ok {
		kind = "supervisor"
	}
	switch spec.Shutdown {
	case supervisor.BrutalKill:
		shutdown = "brutal_kill"
	case supervisor.Infinity:
	default:
		shutdown = fmt.Sprint(duration(shutdown).Milliseconds())
	}
	return fmt.Sprintf("%v %s %t %s", spec.Restart, shutdown, spec.Significant, kind)
}

// states notes all supervisors that run, with their children.
func (st *stage) states() {
	st.mustBeIdle("states")
	lines := make(map[string]string)
	var names []string
	for _, s := range st.root.Snapshot().All() {
		if !s.Supervisor || s.State != supervisor.Running {
			continue
		}
		names = append(names, s.Name)
		if st.scenario.dynamic(s.Name) {
			lines[s.Name] = "states " + s.Name + ":" + dynamicState(s)
			continue
		}
		line := "states " + s.Name + ":"
		for _, child := range s.Children {
			line += " " + child.Name
			switch child.State {
			case supervisor.Running:
			case supervisor.Stopped:
				line += ":none"
			case supervisor.Restarting:
				line += ":restarting"
			default:
				line += ":busy"
			}
		}
		count := s.Count()
		lines[s.Name] = fmt.Sprintf("%s (%d specs, %d active, %d supervisors, %d workers)",
			line, count.Specs, count.Active, count.Supervisors, count.Workers)
	}
	slices.Sort(names)
	for _, name := range names {
		st.event("%s", lines[name])
	}
}

// dynamicState are the children of a dynamic supervisor, which know no order.
// Those that wait for their restart have no name in OTP.
func dynamicState(s supervisor.Snapshot) string {
	var names []string
	for _, child := range s.Children {
		if child.State != supervisor.Restarting {
			names = append(names, " "+kind(child.Name))
		}
	}
	slices.Sort(names)
	return fmt.Sprintf("%s (%d restarting)", strings.Join(names, ""), len(s.Children)-len(names))
}

// kind is the name of a child without the number that a dynamic supervisor adds.
func kind(name string) string {
	name, _, _ = strings.Cut(name, "#")
	return name
}
