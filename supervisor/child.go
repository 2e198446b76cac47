package supervisor

import (
	"context"
	"errors"
	"time"

	"github.com/coppice-go/coppice/strategy"
)

// Child is what a supervisor looks after: an actor, a function, another
// supervisor, or a type of the user's.
type Child interface {
	// Name is the child's name among its siblings: not empty, without a slash,
	// and always the same.
	Name() string

	// Start begins one incarnation: it acquires what the incarnation needs and
	// returns when that is ready. It runs on the incarnation's own goroutine
	// while the supervisor waits, so children start one after the other.
	//
	// run is the incarnation as a closure; what it returns is the reason for
	// the incarnation's end (see [exit.Of]). It is called once, on the same
	// goroutine, also if the stop was asked for meanwhile: what Start has
	// acquired is released by run. An error means that the child could not
	// start; then run is not called. A nil run and a nil error mean that the
	// child declines: it has no process, and that is no failure (S14).
	//
	// Both may start further goroutines with [Go]; the incarnation is over when
	// these have returned too.
	//
	// ctx ends when the incarnation is asked to stop, and context.Cause tells
	// why: an [exit.Reason]. It carries the values of the tree's context.
	Start(ctx context.Context) (run func() error, err error)
}

// Spec is a child together with how it is to be looked after. It is a Child
// itself, so it stands wherever a child does. A child without a Spec is looked
// after by the zero values. It is taken by value: a type that embeds a Spec is a
// child of its own, and the fields have no effect.
type Spec struct {
	// Child is the child itself; a Spec is refused here.
	Child Child

	// Restart says after which ends the child is started again; the zero value
	// is strategy.Permanent: after every one.
	Restart strategy.Restart

	// Significant makes the child one of those whose end may be the end of the
	// supervisor, by its Policy.AutoShutdown. Not for a permanent child, which
	// never ends for good, nor where that policy is strategy.Never (S22).
	Significant bool

	// Shutdown says how long a stop may take. The zero value means 5 seconds,
	// for a supervisor [Infinity].
	Shutdown Shutdown

	// Backoff makes the delays before this child's restarts; nil means the
	// supervisor's.
	Backoff strategy.Backoff

	// Watch tells when the child counts as stuck while it is alive; nil means
	// the supervisor's Policy.Watch, a pointer to a zero value that it never does.
	// It is read when the child is added.
	Watch *Watch
}

// Name is the name of the child, empty if there is none.
func (s Spec) Name() string {
	if s.Child == nil {
		return ""
	}
	return s.Child.Name()
}

// Start is the child's Start. Without a child it fails as [Supervisor.Check] does.
func (s Spec) Start(ctx context.Context) (run func() error, err error) {
	if s.Child == nil {
		return nil, faultOf("Child", "a nil Child")
	}
	return s.Child.Start(ctx)
}

// DefaultShutdown is how long the stop of a child may take whose spec does not
// say, unless it is a supervisor (S20).
const DefaultShutdown = 5 * time.Second

// Shutdown says how long the stop of a child may take (S78). The zero value is
// the default of the kind of child.
//
// A goroutine cannot be killed. A child that is not done when its time is over
// is abandoned: it counts as dead, nothing that it does has an effect on the
// tree any more, and it is listed in the report of the stop.
type Shutdown struct {
	mode shutdownMode
	time time.Duration
}

type shutdownMode uint8

const (
	byKind shutdownMode = iota
	timeout
	infinity
	brutalKill
)

var (
	// Infinity waits for the child without a limit, until the whole stop is cut
	// short. It is the default of a supervisor, whose children have limits of
	// their own.
	Infinity = Shutdown{mode: infinity}

	// BrutalKill ends all contexts of the child at once, without asking.
	BrutalKill = Shutdown{mode: brutalKill}
)

// Timeout asks the child to stop and gives it d in all. The last tenth of d, at
// most a second, is the grace: when it begins, the contexts that were still
// alive for the work in hand end too. Timeout(0) asks, and kills at once (S80).
//
// Giving a supervisor a timeout may cut the orderly stop of its children short
// (S28). Its grace is a tenth of a second for each level below it if that is
// more, but not more than half of d.
func Timeout(d time.Duration) Shutdown { return Shutdown{mode: timeout, time: d} }

// String is infinity, brutal kill, default, or the time.
func (s Shutdown) String() string {
	switch s.mode {
	case infinity:
		return "infinity"
	case brutalKill:
		return "brutal kill"
	case timeout:
		return s.time.String()
	}
	return "default"
}

// kills says whether a stop is a kill from the beginning.
func (s Shutdown) kills() bool { return s.mode == brutalKill || s == Timeout(0) }

func (s Shutdown) check() error {
	if s.mode == timeout && s.time < 0 {
		return faultOf("Shutdown", "%v is negative", s.time)
	}
	return nil
}

// resolve fills in the defaults of a child's spec.
func resolve(child Child) Spec {
	spec, ok := child.(Spec)
	if !ok {
		spec = Spec{Child: child}
	}
	if spec.Shutdown.mode == byKind {
		spec.Shutdown = Timeout(DefaultShutdown)
		if nodeOf(spec.Child) != nil {
			spec.Shutdown = Infinity
		}
	}
	return spec
}

// check says what is wrong with a spec, all of it, under a supervisor with the
// given policy of ending by itself.
func (s *Spec) check(auto strategy.AutoShutdown) error {
	var faults []error
	switch s.Child.(type) {
	case Spec, *Spec:
		faults = append(faults, faultOf("Child", "a Spec in a Spec"))
	}
	if !s.Restart.Valid() {
		faults = append(faults, faultOf("Restart", "%v is neither Permanent, Transient nor Temporary", s.Restart))
	}
	if err := s.Shutdown.check(); err != nil {
		faults = append(faults, err)
	}
	if err := s.Backoff.Check(); err != nil {
		faults = append(faults, faultOf("Backoff", "%w", err))
	}
	if s.Watch != nil {
		faults = append(faults, s.Watch.check("Watch"))
	}
	if s.Significant && s.Restart == strategy.Permanent {
		faults = append(faults, faultOf("Significant", "a permanent child never ends for good"))
	}
	if s.Significant && auto == strategy.Never {
		faults = append(faults, faultOf("Significant", "the supervisor's AutoShutdown is never"))
	}
	return errors.Join(faults...)
}
