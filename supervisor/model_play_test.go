package supervisor_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/coppice-go/coppice/internal/testhelp"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// acts draws what a test does.
func acts() *rapid.Generator[[]act] {
	input := rapid.Custom(func(t *rapid.T) call {
		what := rapid.SampledFrom([]input{onStart, onTerminate, onRestart, onDelete, onCrash, onCrash, onEnd, onLeave, onParent}).Draw(t, "what")
		return call{what: what, kid: rapid.Int8Range(0, kids-1).Draw(t, "kid")}
	})
	one := rapid.Custom(func(t *rapid.T) act {
		quiet := rapid.SampledFrom([]string{"", "", "", "", "script", "script", "stubborn", "release", "time"}).Draw(t, "quiet")
		if quiet == "" {
			return act{inputs: rapid.SliceOfN(input, 1, 3).Draw(t, "inputs")}
		}
		return act{quiet: quiet, kid: rapid.Int8Range(0, kids-1).Draw(t, "kid"), as: rapid.SampledFrom([]outcome{succeeds, fails, fails, declines, hangs, hangs}).Draw(t, "as")}
	})
	return rapid.SliceOfN(one, 10, 25)
}

// A child's life is what the model says, whoever does what at the same time. The
// plan is drawn before: rapid cannot draw, nor fail, inside a bubble.
func TestALifeIsWhatTheModelSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &setting{
			strategy: rapid.SampledFrom([]strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne}).Draw(rt, "strategy"),
			delayed:  rapid.Bool().Draw(rt, "delayed"),
			edges:    make(map[[2]supervisor.State]bool),
		}
		for i := range s.restart {
			s.restart[i] = rapid.SampledFrom([]strategy.Restart{strategy.Permanent, strategy.Transient, strategy.Temporary}).Draw(rt, "restart")
		}
		plan := acts().Draw(rt, "acts")
		last := rapid.SampledFrom([]input{onStop, onKill}).Draw(rt, "last")
		var fault string
		synctest.Test(t, func(*testing.T) { fault = play(s, plan, last) })
		if fault != "" {
			rt.Fatalf("%v, delayed %v, restart %v:\n%s", s.strategy, s.delayed, s.restart, fault)
		}
	})
}

// play is one case, from the start of the tree to its end.
func play(s *setting, plan []act, last input) (fault string) {
	r := newRig(s)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = r.top.Run(context.Background())
	}()
	defer func() {
		for _, p := range r.puppets {
			p.release(fails, true)
		}
		_ = r.top.Stop(context.Background())
		time.Sleep(time.Hour)
		<-ended
	}()
	plan = append(slices.Clone(plan), act{inputs: []call{{what: last}, {what: onTerminate}, {what: onCrash, kid: 1}}}, act{quiet: "time"})
	for i := range int8(kids) {
		plan = append(plan, act{quiet: "release", kid: i}, act{quiet: "time"})
	}
	for i := -1; i < len(plan); i++ {
		if i >= 0 {
			r.do(plan[i])
		}
		fault := r.check()
		if faults := r.story.faults(); fault == "" {
			fault = faults
		}
		if fault != "" {
			return fmt.Sprintf("after %v:\n%s\n%v", plan[:i+1], fault, r.take())
		}
	}
	return ""
}

// act is one thing that a test does: several inputs at once, or one that needs a
// quiet moment.
type act struct {
	inputs []call
	quiet  string
	kid    int8
	as     outcome
}

func (a act) String() string {
	if a.quiet != "" {
		return fmt.Sprintf("%s %s %d", a.quiet, names[a.kid], a.as)
	}
	var all []string
	for _, c := range a.inputs {
		all = append(all, fmt.Sprint(c.what, " ", names[c.kid]))
	}
	return strings.Join(all, " | ")
}

var names = [kids]string{"a", "b"}

// last says whether it is the end of a test.
func (a act) last() bool {
	return slices.ContainsFunc(a.inputs, func(c call) bool { return c.what == onStop || c.what == onKill })
}

// calm is the same for the model.
func calm(states map[model]bool, a act) map[model]bool {
	switch a.quiet {
	case "script":
		return testhelp.Each(states, func(m *model) { m.kids[a.kid].next = a.as })
	case "stubborn":
		return testhelp.Each(states, func(m *model) {
			if k := &m.kids[a.kid]; !m.hanging(k) {
				k.stubborn = a.as != succeeds
			}
		})
	case "release":
		return testhelp.Each(states, func(m *model) { m.release(a.kid, a.as.released()) })
	case "time":
		ticking := testhelp.Each(states, func(m *model) { m.ticking = true })
		return testhelp.Each(testhelp.Settle(ticking, model.steps), (*model).tick)
	}
	return states
}

// hanging says whether anything of a kid hangs.
func (m *model) hanging(k *kid) bool {
	return k.zombies > 0 || k.phase == inStart || k.phase == left || k.phase == up && k.stubborn && (k.asked || m.killed)
}

// released is how a Start that hung goes on.
func (o outcome) released() outcome {
	if o == hangs {
		return succeeds
	}
	return o
}
