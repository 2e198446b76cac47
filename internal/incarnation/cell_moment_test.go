package incarnation_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
)

// told are hooks that do something when they are called.
type told struct {
	incarnation.NoHooks
	stop, kill func()
}

func (t told) Stop(bool) { t.stop() }
func (t told) Kill()     { t.kill() }

// Whoever is told finds what it is told of.
func TestContextsEndBeforeTheHooksAreTold(t *testing.T) {
	for name, do := range map[string]func(*incarnation.Cell){
		"stop": func(c *incarnation.Cell) { c.Stop(exit.Shutdown, true) },
		"kill": func(c *incarnation.Cell) { c.Kill(exit.Killed) },
	} {
		c, calls := newCell(t.Context()), ""
		look := func(call string) func() {
			return func() { calls += fmt.Sprint(call, ": ", c.Cause(), ", ", context.Cause(c.Work()), "; ") }
		}
		c.Attach(func() incarnation.Hooks { return told{stop: look("stop"), kill: look("kill")} })
		do(c)
		check(t, name, calls, map[string]string{
			"stop": "stop: shutdown, <nil>; ", "kill": "stop: killed, killed; kill: killed, killed; ",
		}[name])
	}
}

// Who hears that the contexts end finds an incarnation that has ended.
func TestEndIsClaimedBeforeTheContextsEnd(t *testing.T) {
	above := &interrupted{Context: t.Context()}
	c, abandoned := newCell(above), false
	above.heard = func() { abandoned = c.Abandon() }
	check(t, "ended", c.End(exit.Normal), true)
	check(t, "abandoned", abandoned, false)
}

// Only contexts of ours are above a cell. If it were otherwise, that would be a kill.
func TestReasonBelowAnEndThatIsNoReason(t *testing.T) {
	above, cancel := context.WithCancelCause(t.Context())
	c := newCell(above)
	cancel(errAbove)
	check(t, "reason", c.Reason(c.Err()), exit.Killed)
}
