package otp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
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
	restarts map[string]string // of the supervisors, by name
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

// role is what the stage knows of a child's name, over all its incarnations.
type role struct {
	attempts int
	held     map[string]bool // start and stop
	release  chan struct{}   // closed to release; renewed
	life     *life           // the last incarnation that came up
	restart  string          // of the spec that the last attempt belongs to
}

// life is one incarnation of a child.
type life struct {
	end  chan string   // the reason to end with
	gone chan struct{} // closed when it was abandoned
	over bool
}

func newStage(s *scenario) *stage {
	st := &stage{
		scenario: s,
		sups:     make(map[string]tree),
		given:    make(map[string]string),
		restarts: make(map[string]string),
		cast:     make(map[string]*role),
		charges:  make(map[string][]time.Time),
		paused:   make(map[string]chan struct{}),
		over:     make(chan struct{}),
	}
	for _, n := range s.nodes() {
		if n.sup == nil {
			st.cast[n.name] = &role{held: make(map[string]bool), release: make(chan struct{})}
		} else {
			st.restarts[n.name] = n.restart
		}
	}
	st.root = st.static(s.root, tracing.New(tracing.Options{
		Logger: slog.New(slog.DiscardHandler),
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

func (st *stage) settle() {
	synctest.Wait()
	st.event("--")
}

// parent starts the root and waits for its end.
func (st *stage) parent(ctx context.Context) {
	wait, err := st.root.Start(ctx)
	if err != nil {
		st.event("= root: failed to start%s", failure(err))
		return
	}
	st.event("= root: up")
	err = wait()
	var gaveUp *exit.GaveUp
	var stuck *supervisor.StopError
	if err == nil || errors.As(err, &gaveUp) || errors.As(err, &stuck) {
		st.event("= root: ended shutdown")
	} else {
		st.event("= root: ended %v", err)
	}
}

// failure is the path of the child that did not start.
func failure(err error) string {
	var field *supervisor.CheckError
	if errors.As(err, &field) {
		return " invalid"
	}
	path := ""
	var child *supervisor.ChildError
	for errors.As(err, &child) {
		path = child.Path
		err = child.Err
	}
	_, path, _ = strings.Cut(path, "/")
	return " " + strings.ReplaceAll(path, "/", " ")
}

// act does one act.
func (st *stage) act(a act) {
	sup := st.sups[a.sup]
	switch a.op {
	case "exit":
		if l := st.alive(a.target); l != nil {
			l.end <- a.detail
			return
		}
		st.event("no process %s", a.target)
	case "hold":
		st.mu.Lock()
		st.cast[a.target].held[a.detail] = true
		st.mu.Unlock()
	case "release":
		st.mu.Lock()
		st.free(a.target)
		st.mu.Unlock()
	case "pause":
		if !closedOrNil(st.paused[a.sup]) {
			return
		}
		gate := make(chan struct{})
		st.paused[a.sup] = gate
		spec := supervisor.Spec{Child: waiting{gate}, Restart: strategy.Temporary}
		go func() { _ = st.startChild(context.Background(), sup, spec) }()
	case "resume":
		st.mu.Lock()
		st.resume(a.sup)
		st.mu.Unlock()
	case "start":
		st.ask("start "+a.child.name, func(ctx context.Context) error { return st.startChild(ctx, sup, st.spec(a.child)) })
	case "terminate":
		name := st.called(a.sup, a.target)
		st.ask("terminate "+a.target, func(ctx context.Context) error { return sup.TerminateChild(ctx, name) })
	case "restart":
		st.ask("restart "+a.target, func(ctx context.Context) error {
			return sup.(*supervisor.Supervisor).RestartChild(ctx, a.target)
		})
	case "delete":
		st.ask("delete "+a.target, func(ctx context.Context) error {
			return sup.(*supervisor.Supervisor).DeleteChild(ctx, a.target)
		})
	case "spec":
		st.mustBeIdle("spec")
		spec, err := sup.ChildSpec(a.target)
		if err != nil {
			st.event("= spec %s: %s", a.target, answer(err))
			return
		}
		st.event("= spec %s: %s", a.target, describe(spec))
	case "states":
		st.states()
	case "wait":
		time.Sleep(a.wait)
	case "stop":
		st.stop()
	}
}

// startChild starts a child with either kind of supervisor.
func (st *stage) startChild(ctx context.Context, sup tree, spec supervisor.Spec) error {
	d, ok := sup.(*supervisor.Dynamic)
	if !ok {
		return sup.(*supervisor.Supervisor).StartChild(ctx, spec)
	}
	given, err := d.StartChild(ctx, spec)
	st.mu.Lock()
	st.given[spec.Name()] = given
	st.mu.Unlock()
	return err
}

// called is the name by which a supervisor knows a child. OTP's dynamic one knows
// the process, which may be another by the time it looks, or gone (S108, S125).
func (st *stage) called(sup, name string) string {
	if !st.scenario.dynamic(sup) {
		return name
	}
	st.mu.Lock()
	name = st.given[name]
	st.mu.Unlock()
	for path, s := range st.root.Snapshot().All() {
		_, busy := st.busy()[path]
		if s.Name != sup || busy {
			continue
		}
		for _, child := range s.Children {
			if child.Name == name {
				return name
			}
		}
	}
	st.unfair = fmt.Errorf("%s is busy or has no such child", sup)
	return name
}

// alive is the incarnation of a child that is there, nil if there is none.
func (st *stage) alive(name string) *life {
	st.mu.Lock()
	defer st.mu.Unlock()
	if l := st.cast[name].life; l != nil && !l.over {
		return l
	}
	return nil
}

func closedOrNil(c chan struct{}) bool { return c == nil || closed(c) }

// free releases whatever of a name is held.
func (st *stage) free(name string) {
	r := st.cast[name]
	clear(r.held)
	close(r.release)
	r.release = make(chan struct{})
}

func (st *stage) resume(sup string) {
	if gate := st.paused[sup]; gate != nil && !closed(gate) {
		close(gate)
	}
}

// ask makes an administration call on a goroutine of its own.
func (st *stage) ask(what string, call func(context.Context) error) {
	go func() {
		err := call(context.Background())
		st.event("= %s: %s", what, answer(err))
	}()
}

// answer is how OTP would put it.
func answer(err error) string {
	if err == nil {
		return "ok"
	}
	for known, text := range map[error]string{
		supervisor.ErrAlreadyStarted: "already started",
		supervisor.ErrAlreadyPresent: "already present",
		supervisor.ErrNotFound:       "not found",
		supervisor.ErrRunning:        "running",
		supervisor.ErrRestarting:     "restarting",
		supervisor.ErrNotRunning:     "down",
	} {
		if errors.Is(err, known) {
			return text
		}
	}
	var field *supervisor.CheckError
	if errors.As(err, &field) {
		return "invalid"
	}
	return "failed"
}

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

// sink notes what OTP reports too.
func (st *stage) sink(e tracing.Event) {
	path := e.Where().Path
	parent, name := "", path
	if i := strings.LastIndex(path, "/"); i >= 0 {
		parent, name = path[:i], kind(path[i+1:])
	}
	if parent == "" { // the root has nobody above who would report
		if g, ok := e.(tracing.GaveUp); ok {
			st.gaveUp(path, name, g)
		}
		return
	}
	switch e := e.(type) {
	case tracing.Exited:
		if st.restartOf(name) == "permanent" || !e.Reason.Clean() {
			st.event("report exit %s %s", name, reason(e.Reason))
		}
	case tracing.Terminated:
		if strings.Contains(path, "#") {
			return // OTP reports one for each reason, not for each child
		}
		if e.Overdue || !e.Reason.Clean() && !(e.Reason == exit.Killed && e.Killed) {
			st.event("report shutdown %s %s", name, reason(e.Reason))
		}
	case tracing.Abandoned:
		if !strings.Contains(path, "#") {
			st.event("report shutdown %s killed", name)
		}
		st.mu.Lock()
		st.expired = append(st.expired, time.Now())
		if r := st.cast[name]; r != nil && r.life != nil && !r.life.over {
			r.life.over = true
			close(r.life.gone)
		}
		st.mu.Unlock()
	case tracing.Restarting:
		st.charge(parent)
	case tracing.GaveUp:
		st.gaveUp(path, name, e)
	}
}

func (st *stage) gaveUp(path, name string, e tracing.GaveUp) {
	st.charge(path)
	st.event("gave up %s on %s", name, kind(e.Child))
}

func (st *stage) restartOf(name string) string {
	st.mu.Lock()
	defer st.mu.Unlock()
	if r := st.cast[name]; r != nil {
		return r.restart
	}
	return st.restarts[name]
}

func (st *stage) charge(supervisor string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.charges[supervisor] = append(st.charges[supervisor], time.Now())
}

func reason(r exit.Reason) string {
	_, gaveUp := r.(*exit.GaveUp)
	switch {
	case r == exit.Normal:
		return "normal"
	case r == exit.Shutdown || gaveUp:
		return "shutdown"
	case r == exit.Killed:
		return "killed"
	case r.Clean():
		return "shutdown detail"
	}
	return "boom"
}

// player is a child of the scenario.
type player struct {
	*stage
	node *node
}

func (p *player) Name() string { return p.node.name }

var errBoom = errors.New("boom")

func (p *player) Start(ctx context.Context) (func() error, error) {
	name := p.node.name
	p.mu.Lock()
	r := p.cast[name]
	r.attempts++
	r.restart = p.node.restart
	attempt, held, release := r.attempts, r.held["start"], r.release
	p.mu.Unlock()
	p.event("start %s", name)
	if held {
		<-release
	}
	switch {
	case slices.Contains(p.node.fails, attempt):
		p.event("fail %s", name)
		return nil, []error{errBoom, exit.Normal, exit.Shutdown}[attempt%3]
	case slices.Contains(p.node.ignores, attempt):
		p.event("ignore %s", name)
		return nil, nil
	}
	p.event("up %s", name)
	l := &life{end: make(chan string), gone: make(chan struct{})}
	p.mu.Lock()
	r.life = l
	p.mu.Unlock()
	return func() error { return p.run(ctx, r, l) }, nil
}

func (p *player) run(ctx context.Context, r *role, l *life) error {
	select {
	case how := <-l.end:
		return p.end(l, how)
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	if cause == exit.Killed && p.node.shutdown == "brutal" {
		p.leave(l)
		return ctx.Err()
	}
	text := "stop " + p.node.name
	if cause == exit.Killed {
		text += " killed"
	}
	p.event("%s", text)
	p.mu.Lock()
	held, release := r.held["stop"], r.release
	p.mu.Unlock()
	switch {
	case p.node.stubborn:
		release = nil
	case !held:
		p.leave(l)
		return ctx.Err()
	}
	select {
	case <-release:
		p.leave(l)
		return ctx.Err()
	case how := <-l.end:
		return p.end(l, how)
	case <-l.gone:
	case <-p.over:
	}
	return ctx.Err()
}

func (p *player) leave(l *life) {
	p.mu.Lock()
	l.over = true
	p.mu.Unlock()
}

func (p *player) end(l *life, how string) error {
	p.leave(l)
	text := how
	if slices.Contains(abnormal, how) {
		text = "boom"
	} else if how == "detail" {
		text = "shutdown detail"
	}
	p.event("exit %s %s", p.node.name, text)
	switch how {
	case "normal":
		return nil
	case "shutdown":
		return exit.Shutdown
	case "detail":
		return exit.ShutdownFor(errors.New("detail"))
	case "killed":
		return exit.Killed
	case "panic":
		panic("boom")
	case "goexit":
		runtime.Goexit()
	}
	return errBoom
}

// waiting is a child whose start keeps its supervisor busy and then declines.
type waiting struct{ gate chan struct{} }

func (waiting) Name() string { return "gate" }

func (w waiting) Start(context.Context) (func() error, error) {
	<-w.gate
	return nil, nil
}
