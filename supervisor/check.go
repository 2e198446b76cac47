package supervisor

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/strategy"
)

// CheckError is one fault in what a supervisor was made of (S22, S23). Check,
// Start, Run and StartChild report all faults at once, joined as by
// [errors.Join]; errors.As finds the first.
//
// The Check method of a child of the user's may return one with Field and Err:
// the supervisor fills in the rest.
type CheckError struct {
	Supervisor string // path of the supervisor, from the root as far as that is known
	Child      string // name of its child; empty if the fault is the supervisor's own, or the child has no name
	Position   int    // of the child in the list, from 1; 0 if the fault is the supervisor's own, or the child was given to StartChild
	Field      string // such as Policy.Within, Name or Shutdown; empty if it is the child itself, or not known
	Err        error  // what is wrong

	located bool // the text begins with the place; otherwise it is in the error around this one
}

// Error names supervisor, child and field and says what is wrong. For a child
// that was given to StartChild it leaves the place to the [ChildError] around it.
func (e *CheckError) Error() string {
	var text strings.Builder
	if e.located {
		fmt.Fprintf(&text, "supervisor %q: ", e.Supervisor)
		if e.Position > 0 {
			fmt.Fprintf(&text, "child %d", e.Position)
			if e.Child != "" {
				fmt.Fprintf(&text, " %q", e.Child)
			}
			text.WriteString(": ")
		}
	}
	if e.Field != "" {
		text.WriteString(e.Field + ": ")
	}
	fmt.Fprint(&text, e.Err)
	return text.String()
}

// Unwrap gives Err.
func (e *CheckError) Unwrap() error { return e.Err }

// faultOf is a fault of a field whose place is not known yet.
func faultOf(field, format string, args ...any) error {
	return &CheckError{Field: field, Err: fmt.Errorf(format, args...)}
}

// inspection collects the faults of a supervisor and all below it.
type inspection struct {
	faults []error
	above  []*node // that are being looked at, from the top
}

// found adds what a check says, which may be several faults, and where.
func (in *inspection) found(place CheckError, err error) {
	for _, err := range split(err) {
		fault := place
		e, ok := err.(*CheckError)
		switch {
		case ok && e == nil: // errors.Is and errors.As would fall over it
			fault.Field, fault.Err = "Check", errors.New("a nil *CheckError")
		case ok && !e.located:
			fault.Field, fault.Err = e.Field, e.Err
		default:
			fault.Err = err
		}
		in.faults = append(in.faults, &fault)
	}
}

// foundIf is found, if there is anything: a million children are right.
func (in *inspection) foundIf(place *CheckError, err error) {
	if err != nil {
		in.found(*place, err)
	}
}

func (in *inspection) err() error { return errors.Join(in.faults...) }

// supervisor looks at one with everything below it; path is its own.
func (in *inspection) supervisor(n *node, path string) {
	in.found(CheckError{Supervisor: path, located: true}, checkName(n.name))
	in.inside(n, path)
}

// inside looks at all of a supervisor but its name, which for a child has been
// looked at in its place.
func (in *inspection) inside(n *node, path string) {
	in.above = append(in.above, n)
	defer func() { in.above = in.above[:len(in.above)-1] }()
	place := CheckError{Supervisor: path, located: true}
	in.found(place, n.policy.check(n.dynamic))
	seen := make(map[string]bool, len(n.children))
	for i, child := range n.children {
		place.Position = i + 1
		spec := given(child)
		name := in.child(&place, child, &spec, n.policy.AutoShutdown)
		if seen[name] && name != "" {
			in.found(place, faultOf("Name", "a sibling has it already"))
		}
		seen[name] = true
	}
}

// child looks at a child, with the spec that was given, of a supervisor with the
// given policy of ending by itself. The place gets its name. A bad name hides nothing
// else.
func (in *inspection) child(place *CheckError, child Child, spec *Spec, auto strategy.AutoShutdown) (name string) {
	name, err := nameOf(child)
	place.Child = name
	in.foundIf(place, err)
	in.foundIf(place, spec.check(auto))
	if isNil(spec.Child) {
		return name
	}
	if around := nodeWithin(spec.Child); around != nil {
		if below := nodeOf(spec.Child); below != nil {
			in.inside(below, place.Supervisor+"/"+name)
			return name
		}
		if leadsBack(around, in.above) {
			in.found(*place, errors.New("the same child stands above itself")) // its Check would not come to an end
			return name
		}
	}
	if c, ok := spec.Child.(interface{ Check() error }); ok {
		var fault error
		panicked := guarded("Check", func() { fault = c.Check() })
		in.foundIf(place, panicked)
		in.foundIf(place, fault)
	}
	return name
}

// checkChild says what is wrong with a child that is to be added, all of it.
func (n *node) checkChild(child Child) (name string, err error) {
	var in inspection
	var place CheckError
	spec := given(child)
	above := nodeWithin(spec.Child) != nil
	if above { // else it has no use for that
		in.above, place.Supervisor = []*node{n}, n.path()
	}
	name = in.child(&place, child, &spec, n.policy.AutoShutdown)
	if above {
		if below := nodeOf(spec.Child); below != nil {
			in.places(below, place.Supervisor+"/"+name)
		}
	}
	if in.faults == nil {
		return name, nil
	}
	for _, fault := range in.faults {
		if fault := fault.(*CheckError); fault.Supervisor == "" {
			fault.Supervisor = n.path()
		}
	}
	return name, in.err()
}

// itself is the node. A type that embeds a supervisor has this method too,
// whichever others it replaces.
func (n *node) itself() *node { return n }

// nodeWithin is the node of a child that is or embeds a supervisor, nil for
// others.
func nodeWithin(child Child) (n *node) {
	if c, ok := child.(interface{ itself() *node }); ok && !isNil(child) {
		_ = guarded("", func() { n = c.itself() }) // what it embeds may be nil; its Name tells
	}
	return n
}

// leadsBack says whether a supervisor is one of those above it, or there is a
// circle below it. Only a type that embeds a supervisor can close one.
func leadsBack(n *node, above []*node) bool {
	if slices.Contains(above, n) {
		return true
	}
	above = append(above, n)
	return slices.ContainsFunc(n.children, func(child Child) bool {
		below := nodeWithin(given(child).Child)
		return below != nil && leadsBack(below, above)
	})
}

// places finds children that stand in more than one place of the tree.
// What is wrong with their names is told elsewhere.
func (in *inspection) places(n *node, path string) {
	places := make(map[any]string)
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		for i, child := range n.children {
			name, _ := nameOf(child)
			child := given(child).Child
			if isNil(child) {
				continue
			}
			place := path + "/" + name
			if reflect.TypeOf(child).Kind() == reflect.Pointer { // a value of any other kind has no identity
				if before, ok := places[child]; ok {
					in.found(CheckError{Supervisor: path, Child: name, Position: i + 1, located: true},
						fmt.Errorf("the same child stands at %s", before))
					continue
				}
				places[child] = place
			}
			if below := nodeOf(child); below != nil {
				walk(below, place)
			}
		}
	}
	walk(n, path)
}

// checkName says what is wrong with a name.
func checkName(name string) error {
	if name == "" {
		return faultOf("Name", "empty")
	}
	if strings.Contains(name, "/") {
		return faultOf("Name", "%q has a slash, which separates the parts of a path", name)
	}
	return nil
}

// given is a child's spec as it was given, without defaults, with the child
// itself instead of a wrapper: it may be nil.
func given(child Child) Spec {
	spec := Spec{Child: child}
	switch s := child.(type) {
	case Spec:
		spec = s
	case *Spec: // a fault, but there may be more in it
		spec = Spec{}
		if s != nil {
			spec = *s
		}
	}
	spec.Child, _ = incarnation.Inside(spec.Child).(Child)
	return spec
}

// nameOf asks a child for its name. A child that cannot even tell that, such as
// a nil pointer, is a fault and no crash.
func nameOf(child Child) (name string, err error) {
	field := ""
	switch spec := child.(type) {
	case Spec:
		child, field = spec.Child, "Child"
	case *Spec:
		err := errors.New("a pointer to a Spec; give the Spec itself")
		if spec == nil {
			return "", err
		}
		name, fault := nameOf(*spec)
		return name, errors.Join(err, fault)
	}
	if child == nil {
		return "", faultOf(field, "a nil Child")
	}
	if isNil(child) {
		return "", faultOf(field, "a nil %T", child)
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
			err = faultOf(method, "%w", exit.Recovered(value))
		}
	}()
	call()
	return nil
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
