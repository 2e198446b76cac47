package supervisor

import (
	"errors"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/tracing"
)

// Policy is how a supervisor treats its children. The zero value is OTP's
// one_for_one with Elixir's intensity: each child is restarted by itself, at
// once, at most 3 times in 5 seconds over all children.
type Policy struct {
	// Strategy says which children a restart covers; the zero value is
	// strategy.OneForOne. A Dynamic has no other.
	Strategy strategy.Strategy

	// Restarts and Within are the intensity: with more than Restarts restarts
	// within any period of that length the supervisor gives up (S49-S56).
	// Restarts 0 means 3; strategy.NoRestarts and strategy.Unlimited are
	// explicit. Within 0 means 5 s.
	Restarts int
	Within   time.Duration

	// Backoff makes the delays before restarts, one value for each child; nil
	// means that children are restarted at once. The siblings that the strategy
	// takes along are stopped before the delay and started after it (S190). A delay
	// longer than Within / Restarts makes the intensity unreachable (S191).
	Backoff strategy.Backoff

	// Healthy is how long an incarnation must have lived for its child's
	// backoff to begin anew; 0 means strategy.DefaultHealthy.
	Healthy time.Duration

	// AutoShutdown says whether the supervisor ends by itself, with the reason
	// [exit.Shutdown], when children whose specs call them significant have ended
	// for good: a transient one cleanly, a temporary one in whichever way (S92,
	// S93). What the supervisor itself does to a child never counts: terminating
	// it, stopping it with its group, or that it fails or declines to start
	// (S94). The zero value is strategy.Never. A Dynamic has no other (S99).
	AutoShutdown strategy.AutoShutdown

	// Exclusive keeps a child from being started while an earlier incarnation of
	// it, which was abandoned, is still there: never are there two (S196). A
	// restart that would need it makes the supervisor give up at once; a start by
	// hand, or with the supervisor itself, fails with [ErrAbandoned]. When the
	// goroutine has returned, the child can be started again. A child is known by
	// its path; what an earlier Run of the same tree has left behind counts too.
	// false starts it anyway. What is started by hand in a Dynamic is always
	// another child, with a path of its own.
	Exclusive bool

	// MaxChildren is how many children a Dynamic may have at once, those that
	// wait for their restart included (S123); 0 means any number. Other
	// supervisors refuse it.
	MaxChildren int

	// Watch tells when a child whose Spec has no Watch of its own counts as stuck
	// while it is alive; the zero value means never. It is for the children, not
	// for what is below them.
	Watch Watch

	// Tracing is where events, logs and spans of the children and everything
	// below go; nil means where the supervisor's own go, and for a root a log
	// of what is abnormal to slog.Default.
	Tracing *tracing.Tracing

	// CrashOnPanic leaves panics of the children, and of everything below, to
	// end the program, for those who would rather have the core dump; also those
	// of incarnations that were abandoned. false means that they are recovered:
	// the child has crashed, and a late panic has no effect.
	CrashOnPanic bool
}

// check says what is wrong with a policy, all of it.
func (p Policy) check(dynamic bool) error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, faultOf("Policy."+field, format, args...))
	}
	if !p.Strategy.Valid() {
		fault("Strategy", "%v is neither OneForOne, OneForAll nor RestForOne", p.Strategy)
	} else if dynamic && p.Strategy != strategy.OneForOne {
		fault("Strategy", "a Dynamic restarts each child by itself, not %v", p.Strategy)
	}
	if p.Restarts < strategy.Unlimited {
		fault("Restarts", "%d is neither a number of restarts nor NoRestarts or Unlimited", p.Restarts)
	}
	if p.Within < 0 {
		fault("Within", "%v is negative", p.Within)
	}
	if p.Healthy < 0 {
		fault("Healthy", "%v is negative", p.Healthy)
	}
	if err := p.Backoff.Check(); err != nil {
		fault("Backoff", "%w", err)
	}
	if !p.AutoShutdown.Valid() {
		fault("AutoShutdown", "%v is neither Never, AnySignificant nor AllSignificant", p.AutoShutdown)
	} else if dynamic && p.AutoShutdown != strategy.Never {
		fault("AutoShutdown", "a Dynamic does not end by itself, so not %v", p.AutoShutdown)
	}
	faults = append(faults, p.Watch.check("Policy.Watch"))
	if p.MaxChildren < 0 {
		fault("MaxChildren", "%d is negative", p.MaxChildren)
	}
	if p.MaxChildren != 0 && !dynamic {
		fault("MaxChildren", "only for a Dynamic")
	}
	return errors.Join(faults...)
}
