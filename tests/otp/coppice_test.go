package otp_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// perform plays a scenario with Coppice, in a bubble. The error says why the
// scenario is no fair one: what OTP makes of it would depend on the clock, or on
// a departure.
func perform(t *testing.T, s *scenario) (events []string, unfair error) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(s)
		st.play()
		events, unfair = st.events, st.unfair
	})
	return events, unfair
}

// stage is where a scenario is played.
type stage struct {
	scenario *scenario
	sups     map[string]tree
	given    map[string]string // names that dynamic supervisors gave to the children started below them
	root     *supervisor.Supervisor
	stop     context.CancelFunc
	over     chan struct{} // closed when the scenario is

	mu      sync.Mutex
	events  []string
	unfair  error
	cast    map[string]*role
	charges map[string][]time.Time // to the budgets of the supervisors, by path
	expired []time.Time            // when a stubborn child's time was over
	acted   []time.Time
	paused  map[string]chan struct{}
}

// tree is what both kinds of supervisors are.
type tree interface {
	supervisor.Child
	Snapshot() supervisor.Snapshot
	TerminateChild(ctx context.Context, name string) error
	ChildSpec(name string) (supervisor.Spec, error)
}

func newStage(s *scenario) *stage {
	st := &stage{
		scenario: s,
		sups:     make(map[string]tree),
		given:    make(map[string]string),
		cast:     make(map[string]*role),
		charges:  make(map[string][]time.Time),
		paused:   make(map[string]chan struct{}),
		over:     make(chan struct{}),
	}
	for _, n := range s.nodes() {
		if n.sup == nil {
			st.cast[n.name] = &role{held: make(map[string]bool), release: make(chan struct{})}
		}
	}
	st.root = st.static(s.root, tracing.New(tracing.Options{
		Logger: slog.New(reports{st}),
		Sinks:  []tracing.Sink{st.sink},
	}))
	return st
}

// sup makes a supervisor below the root.
func (st *stage) sup(n *node) supervisor.Child {
	if !n.sup.dynamic() {
		return st.static(n, nil)
	}
	d := supervisor.NewDynamic(n.name, n.sup.policy())
	st.sups[n.name] = d
	return d
}

func (st *stage) static(n *node, events *tracing.Tracing) *supervisor.Supervisor {
	children := make([]supervisor.Child, len(n.children))
	for i, child := range n.children {
		children[i] = st.spec(child)
	}
	policy := n.sup.policy()
	policy.Tracing = events
	s := supervisor.New(n.name, policy, children...)
	st.sups[n.name] = s
	return s
}

func (f *flags) policy() supervisor.Policy {
	policy := supervisor.Policy{
		Strategy:     strategies[f.strategy],
		Restarts:     f.intensity,
		Within:       time.Duration(f.period) * time.Second,
		AutoShutdown: autoShutdowns[f.auto],
	}
	if policy.Restarts == 0 {
		policy.Restarts = strategy.NoRestarts
	}
	return policy
}

var (
	strategies = map[string]strategy.Strategy{
		"one_for_one":  strategy.OneForOne,
		"rest_for_one": strategy.RestForOne,
		"one_for_all":  strategy.OneForAll,
		"dynamic":      strategy.OneForOne,
	}
	autoShutdowns = map[string]strategy.AutoShutdown{
		"never":           strategy.Never,
		"any_significant": strategy.AnySignificant,
		"all_significant": strategy.AllSignificant,
	}
	restarts = map[string]strategy.Restart{
		"permanent": strategy.Permanent,
		"transient": strategy.Transient,
		"temporary": strategy.Temporary,
	}
)

func (st *stage) spec(n *node) supervisor.Spec {
	spec := supervisor.Spec{Restart: restarts[n.restart], Significant: n.significant}
	switch n.shutdown {
	case "infinity":
		spec.Shutdown = supervisor.Infinity
	case "brutal":
		spec.Shutdown = supervisor.BrutalKill
	default:
		spec.Shutdown = supervisor.Timeout(duration(n.shutdown))
	}
	if n.sup != nil {
		spec.Child = st.sup(n)
	} else {
		spec.Child = &player{st, n}
	}
	return spec
}

func (st *stage) event(format string, args ...any) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !closed(st.over) {
		st.events = append(st.events, fmt.Sprintf(format, args...))
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// play plays the scenario.
func (st *stage) play() {
	ctx, stop := context.WithCancel(context.Background())
	st.stop = stop
	done := make(chan struct{})
	go func() {
		defer close(done)
		st.parent(ctx)
	}()
	st.settle()
	for _, a := range st.scenario.acts {
		before := st.busy()
		st.acted = append(st.acted, time.Now())
		st.act(a)
		st.settle()
		st.checkFair(a, before)
	}
	st.acted = append(st.acted, time.Now()) // the script is over
	st.checkClock()
	st.mu.Lock()
	close(st.over)
	for name := range st.cast {
		st.free(name)
	}
	for name := range st.paused {
		st.resume(name)
	}
	st.mu.Unlock()
	stop()
	<-done
}

// pass lets time pass in the bubble.
func (st *stage) pass(d time.Duration) { time.Sleep(d) }

func (st *stage) settle() {
	synctest.Wait()
	st.event("--")
}
