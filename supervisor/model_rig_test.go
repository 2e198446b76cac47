package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/internal/testhelp"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// rig is the real supervisor beside what the model knows of it.
type rig struct {
	*recorder
	*story
	setting  *setting
	puppets  [kids]*puppet
	x        *child // whose crash restarts the supervisor
	sub, top *supervisor.Supervisor
	states   map[model]bool
	calls    int8

	mu      sync.Mutex
	results map[int8]string
}

const backoffTime = 10 * time.Second

func newRig(s *setting) *rig {
	r := &rig{setting: s, recorder: &recorder{root: "top/sub", began: time.Now()}, story: new(story), results: make(map[int8]string), x: named("x")}
	policy := supervisor.Policy{Strategy: s.strategy, Restarts: strategy.Unlimited}
	if s.delayed {
		policy.Backoff = strategy.Constant(backoffTime)
	}
	var children []supervisor.Child
	for i := range int8(kids) {
		r.puppets[i] = newPuppet(names[i])
		children = append(children, r.spec(s, i))
	}
	r.sub = supervisor.New("sub", policy, children...)
	r.top = supervisor.New("top", supervisor.Policy{Strategy: strategy.OneForAll, Restarts: strategy.Unlimited, Tracing: quiet(r.sink)}, r.x, r.sub)
	r.states = map[model]bool{newModel(s): true}
	return r
}

func (r *rig) sink(e tracing.Event) {
	if _, ok := e.(tracing.DeadLetter); !ok {
		r.recorder.sink(e)
		r.story.sink(e)
	}
}

func (r *rig) spec(s *setting, i int8) supervisor.Child {
	return supervisor.Spec{Child: r.puppets[i].Actor, Restart: s.restart[i], Shutdown: supervisor.Timeout(time.Second)}
}

// do does it to the real ones and to the model.
func (r *rig) do(a act) {
	if a.quiet != "" {
		r.calm(a)
		return
	}
	if r.waiting() > 3 && !a.last() { // enough
		return
	}
	var batch []func() string
	for _, c := range a.inputs {
		r.calls++
		c.id = r.calls
		batch = append(batch, r.doing(&c))
		r.states = testhelp.Each(r.states, func(m *model) { m.calls.add(c) })
	}
	var ready atomic.Int32
	for i, do := range batch {
		id := r.calls - int8(len(batch)-1-i)
		go func() {
			for ready.Add(1); int(ready.Load()) < len(batch); {
				runtime.Gosched() // all begin at the same moment, or nearly so
			}
			for range rand.IntN(500) {
				ready.Load()
			}
			r.result(id, do())
		}()
	}
}

// doing is what an input does to the real ones, and what its caller hears.
func (r *rig) doing(c *call) func() string {
	switch c.what {
	case onCrash, onEnd, onLeave:
		p := r.puppets[c.kid]
		p.mu.Lock()
		defer p.mu.Unlock()
		ends, what := p.ends, c.what
		c.serial = p.serial
		return func() string {
			select {
			case ends <- what:
			default:
			}
			return ok
		}
	case onParent:
		return func() string {
			select {
			case r.x.ends <- returns(errBoom):
			default:
			}
			return ok
		}
	}
	asked := *c
	return func() string { return r.call(asked) }
}

// calm is what is done at a quiet moment.
func (r *rig) calm(a act) {
	p := r.puppets[a.kid]
	switch a.quiet {
	case "script":
		p.mu.Lock()
		p.next = a.as
		p.mu.Unlock()
	case "stubborn":
		p.mu.Lock()
		if len(p.hung) == 0 { // else it has made up its mind
			p.stub = a.as != succeeds
		}
		p.mu.Unlock()
	case "release":
		p.release(a.as.released(), false)
	case "time":
		time.Sleep(5 * time.Minute)
		synctest.Wait()
	}
	r.states = calm(r.states, a)
}

func (r *rig) result(id int8, result string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results[id] = result
}

// call is an administration call, and what it says.
func (r *rig) call(c call) string {
	ctx := context.Background()
	name := names[c.kid]
	var err error
	switch c.what {
	case onKill:
		dead, cancel := context.WithCancel(ctx)
		cancel()
		ctx = dead
		fallthrough
	case onStop:
		err := r.top.Stop(ctx)
		stuck := 0
		if e := (*supervisor.StopError)(nil); errors.As(err, &e) {
			stuck = len(e.Stuck)
		}
		return fmt.Sprint(stuck, " stuck")
	case onStart:
		err = r.sub.StartChild(ctx, r.spec(r.setting, c.kid))
	case onTerminate:
		err = r.sub.TerminateChild(ctx, name)
	case onRestart:
		err = r.sub.RestartChild(ctx, name)
	case onDelete:
		err = r.sub.DeleteChild(ctx, name)
	}
	for _, known := range []struct {
		err  error
		text string
	}{
		{nil, ok}, {supervisor.ErrNotFound, notFound}, {supervisor.ErrAlreadyStarted, alreadyStarted},
		{supervisor.ErrAlreadyPresent, alreadyPresent}, {supervisor.ErrRunning, isRunning},
		{supervisor.ErrRestarting, isRestarting}, {supervisor.ErrNotRunning, notRunning}, {errBoom, failed},
	} {
		if errors.Is(err, known.err) {
			return known.text
		}
	}
	return err.Error()
}

// waiting is how many calls have no result yet.
func (r *rig) waiting() int {
	for m := range r.states {
		return m.calls.n
	}
	return 0
}

// seen is what can be seen of a child at a quiet moment.
type seen struct {
	state                  supervisor.State // gone if the supervisor does not know it
	number, live           int8
	accepts                bool
	waiting, handled, dead int16
}

func (r *rig) look() (all [kids]seen) {
	children := make(map[string]supervisor.Snapshot)
	for _, s := range r.sub.Snapshot().Children {
		children[s.Name] = s
	}
	for i, p := range r.puppets {
		s := seen{state: gone, live: int8(p.live.Load())}
		if child, ok := children[names[i]]; ok {
			s.state, s.number = child.State, int8(child.Incarnation)
		}
		stats := p.Stats()
		s.waiting, s.handled, s.dead = int16(stats.Waiting), int16(stats.Handled), int16(stats.Dead)
		err := p.Send(context.Background(), 0)
		s.accepts = err == nil
		all[i] = s
	}
	return all
}

func (m *model) look() (all [kids]seen) {
	for i, k := range m.kids {
		s := seen{state: gone, live: k.zombies, waiting: k.waiting, handled: k.handled, dead: k.dead}
		if k.known {
			s.state, s.number = k.state, k.number
		}
		if k.phase == inStart || k.phase == up || k.phase == left {
			s.live++
		}
		s.accepts = k.life && !k.sealed
		all[i] = s
	}
	return all
}

// check compares what is seen with what may be.
func (r *rig) check() (fault string) {
	synctest.Wait()
	possible := testhelp.Settle(r.states, model.steps)
	got := r.look()
	r.mu.Lock()
	results := maps.Clone(r.results)
	r.mu.Unlock()
	r.states = make(map[model]bool)
	for m := range possible {
		m.heed(got)
		if m.look() == got && m.agrees(results) {
			r.states[m] = true
		}
	}
	if len(r.states) == 0 {
		return describe(got, results, possible)
	}
	r.states = testhelp.Each(r.states, func(m *model) {
		m.calls.remove(func(c call) bool { return c.result != "" })
		for i := range m.kids {
			if got[i].accepts {
				m.kids[i].waiting++
			}
		}
	})
	return ""
}

func (m *model) agrees(results map[int8]string) bool {
	return !slices.ContainsFunc(m.calls.list(), func(c call) bool { return results[c.id] != c.result })
}

func describe(got [kids]seen, results map[int8]string, possible map[model]bool) string {
	var text strings.Builder
	fmt.Fprintf(&text, " got %+v %v", got, results)
	wants := make(map[string]bool)
	for m := range possible {
		want := fmt.Sprintf("\nwant %+v", m.look())
		for _, c := range m.calls.list() {
			want += fmt.Sprintf(" %d:%q", c.id, c.result)
		}
		wants[want] = true
	}
	for _, want := range slices.Sorted(maps.Keys(wants)) {
		text.WriteString(want)
	}
	return text.String()
}
