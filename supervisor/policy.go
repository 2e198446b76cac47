package supervisor

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/coppice-go/coppice/exit"
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
	// means that children are restarted at once. A delay longer than Within /
	// Restarts makes the intensity unreachable (S191).
	Backoff strategy.Backoff

	// Healthy is how long an incarnation must have lived for its child's
	// backoff to begin anew; 0 means strategy.DefaultHealthy.
	Healthy time.Duration

	// MaxChildren is how many children a Dynamic may have at once, those that
	// wait for their restart included (S123); 0 means any number. Other
	// supervisors refuse it.
	MaxChildren int

	// Tracing is where events, logs and spans of the children and everything
	// below go; nil means where the supervisor's own go, and for a root a log
	// of what is abnormal to slog.Default.
	Tracing *tracing.Tracing

	// CrashOnPanic leaves panics of the children, and of everything below, to
	// end the program, for those who would rather have the core dump. false
	// means that they are recovered: the child has crashed.
	CrashOnPanic bool
}

func (p Policy) check(dynamic bool) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("Policy."+format, args...)) }
	if !p.Strategy.Valid() {
		fault("Strategy: %v", p.Strategy)
	}
	if dynamic && p.Strategy != strategy.OneForOne {
		fault("Strategy: a Dynamic restarts each child by itself, not %v", p.Strategy)
	}
	if p.Restarts < strategy.Unlimited {
		fault("Restarts: %d is negative", p.Restarts)
	}
	if p.Within < 0 {
		fault("Within: %v is negative", p.Within)
	}
	if p.Healthy < 0 {
		fault("Healthy: %v is negative", p.Healthy)
	}
	if err := p.Backoff.Check(); err != nil {
		fault("Backoff: %w", err)
	}
	if p.MaxChildren < 0 {
		fault("MaxChildren: %d is negative", p.MaxChildren)
	}
	if p.MaxChildren != 0 && !dynamic {
		fault("MaxChildren: only for a Dynamic")
	}
	return errors.Join(faults...)
}

// checkName says what is wrong with a name.
func checkName(name string) error {
	if name == "" {
		return errors.New("Name: empty")
	}
	if strings.Contains(name, "/") {
		return fmt.Errorf("Name: %q has a slash, which separates the parts of a path", name)
	}
	return nil
}

// nameOf asks a child for its name. A child that cannot even tell that, such as
// a nil pointer, is a fault and no crash.
func nameOf(child Child) (name string, err error) {
	switch spec := child.(type) {
	case Spec:
		child = spec.Child
	case *Spec:
		return "", errors.New("a pointer to a Spec; give the Spec itself")
	}
	if child == nil {
		return "", errors.New("nil")
	}
	if isNil(child) {
		return "", fmt.Errorf("a nil %T", child)
	}
	if err := guarded("Name", func() { name = child.Name() }); err != nil {
		return "", err
	}
	return name, checkName(name)
}

// isNil says whether there is nothing behind a value, such as a nil pointer.
func isNil(value any) bool {
	if value == nil {
		return true
	}
	v := reflect.ValueOf(value)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// guarded calls a method of a child of the user's type, whose panic is a fault
// and no crash.
func guarded(method string, call func()) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("%s: %w", method, exit.Recovered(value))
		}
	}()
	call()
	return nil
}

// checkChild says what is wrong with one child, all of it.
func checkChild(child Child) (name string, err error) {
	name, err = nameOf(child)
	if err != nil {
		return name, err
	}
	return name, resolve(child).check()
}

// checkAll says what is wrong with a supervisor and all below it.
func checkAll(name string, policy Policy, dynamic bool, children []Child) error {
	var faults []error
	fault := func(err error) { faults = append(faults, fmt.Errorf("supervisor %q: %w", name, err)) }
	for _, err := range split(errors.Join(checkName(name), policy.check(dynamic))) {
		fault(err)
	}
	seen := make(map[string]bool, len(children))
	for i, child := range children {
		childName, err := checkChild(child)
		if seen[childName] && childName != "" {
			err = errors.Join(err, errors.New("Name: a sibling has it already"))
		}
		which := fmt.Sprintf("child %d", i+1)
		if childName != "" {
			which += fmt.Sprintf(" %q", childName)
		}
		for _, err := range split(err) {
			fault(fmt.Errorf("%s: %w", which, err))
		}
		seen[childName] = true
	}
	return errors.Join(faults...)
}

var joined = reflect.TypeOf(errors.Join(errors.ErrUnsupported))

// split gives the faults that were joined, so that each can be told where it is.
func split(err error) (faults []error) {
	switch {
	case err == nil:
		return nil
	case reflect.TypeOf(err) != joined:
		return []error{err}
	}
	for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
		faults = append(faults, split(err)...)
	}
	return faults
}

// checkPlaces finds children that stand in more than one place of the tree.
// Their names have been found to be good, or are told elsewhere.
func (n *node) checkPlaces() error {
	var faults []error
	places := make(map[any]string)
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		for _, child := range n.children {
			name, err := nameOf(child)
			if err != nil {
				continue
			}
			child := resolve(child).Child
			place := path + "/" + name
			if reflect.TypeOf(child).Kind() == reflect.Pointer { // a value of any other kind has no identity
				if before, ok := places[child]; ok {
					faults = append(faults, fmt.Errorf("%s: the same child stands at %s", place, before))
					continue
				}
				places[child] = place
			}
			if below := nodeOf(child); below != nil {
				walk(below, place)
			}
		}
	}
	walk(n, n.name)
	return errors.Join(faults...)
}
