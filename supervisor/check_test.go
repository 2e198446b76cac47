package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

type unnamed struct{ *child }

func (unnamed) Name() string { panic("no name") }

type checked struct {
	*child
	check func() error
}

func (c checked) Check() error { return c.check() }

func TestS10S22S23_CheckTellsAllFaults(t *testing.T) {
	twice := named("twice")
	var nilChild *child
	var nilSupervisor *supervisor.Supervisor
	ok := func(context.Context) error { return nil }
	for _, test := range []struct {
		name string
		root interface{ Check() error }
		want string // the lines, without the name of the root in front
	}{
		{"nothing", supervisor.New("root", supervisor.Policy{}), ""},
		{"no name", supervisor.New("", supervisor.Policy{}), `supervisor "": Name: empty`},
		{"slash", supervisor.New("a/b", supervisor.Policy{}),
			`supervisor "a/b": Name: "a/b" has a slash, which separates the parts of a path`},
		{"policy", supervisor.New("root", supervisor.Policy{
			Strategy: 7, Restarts: -3, Within: -time.Second, Healthy: -time.Minute, MaxChildren: -1,
			Backoff: strategy.Constant(-1),
		}), `
			supervisor "root": Policy.Strategy: strategy(7) is neither OneForOne, OneForAll nor RestForOne
			supervisor "root": Policy.Restarts: -3 is neither a number of restarts nor NoRestarts or Unlimited
			supervisor "root": Policy.Within: -1s is negative
			supervisor "root": Policy.Healthy: -1m0s is negative
			supervisor "root": Policy.Backoff: backoff: constant: delay -1ns is negative
			supervisor "root": Policy.MaxChildren: -1 is negative
			supervisor "root": Policy.MaxChildren: only for a Dynamic`},
		{"explicit numbers", supervisor.New("root", supervisor.Policy{Restarts: strategy.Unlimited},
			supervisor.New("sub", supervisor.Policy{Restarts: strategy.NoRestarts})), ""},
		{"Dynamic", supervisor.NewDynamic("root", supervisor.Policy{Strategy: strategy.OneForAll, MaxChildren: 3}),
			`supervisor "root": Policy.Strategy: a Dynamic restarts each child by itself, not one_for_all`},
		{"Dynamic, no strategy at all", supervisor.NewDynamic("root", supervisor.Policy{Strategy: 3}),
			`supervisor "root": Policy.Strategy: strategy(3) is neither OneForOne, OneForAll nor RestForOne`},
		{"children", supervisor.New("root", supervisor.Policy{},
			nil,
			nilChild,
			nilSupervisor,
			unnamed{},
			named(""),
			named("a/b"),
			named("ok"),
			supervisor.Spec{},
			&supervisor.Spec{Child: named("pointer")},
			supervisor.Spec{Child: supervisor.Spec{Child: named("nested")}},
			supervisor.Spec{Child: &supervisor.Spec{Child: named("nested too")}},
		), `
			supervisor "root": child 1: a nil Child
			supervisor "root": child 2: a nil *supervisor_test.child
			supervisor "root": child 3: a nil *supervisor.Supervisor
			supervisor "root": child 4: Name: panic: no name
			supervisor "root": child 5: Name: empty
			supervisor "root": child 6 "a/b": Name: "a/b" has a slash, which separates the parts of a path
			supervisor "root": child 8: Child: a nil Child
			supervisor "root": child 9 "pointer": a pointer to a Spec; give the Spec itself
			supervisor "root": child 10 "nested": Child: a Spec in a Spec
			supervisor "root": child 11 "nested too": Child: a Spec in a Spec`},
		{"a bad name hides nothing", supervisor.New("root", supervisor.Policy{},
			supervisor.Spec{Child: named(""), Shutdown: supervisor.Timeout(-1), Restart: 9},
			supervisor.New("a/b", supervisor.Policy{Restarts: -7}, supervisor.Func("f", nil), twice),
			supervisor.New("", supervisor.Policy{Restarts: -8}, twice),
			supervisor.Spec{Restart: 9},
			supervisor.Spec{Child: nilSupervisor, Restart: 9},
			checked{named(""), func() error { return errBoom }},
			&supervisor.Spec{Child: supervisor.Func("g", nil), Restart: 9},
			(*supervisor.Spec)(nil)), `
			supervisor "root": child 1: Name: empty
			supervisor "root": child 1: Restart: restart(9) is neither Permanent, Transient nor Temporary
			supervisor "root": child 1: Shutdown: -1ns is negative
			supervisor "root": child 2 "a/b": Name: "a/b" has a slash, which separates the parts of a path
			supervisor "root/a/b": Policy.Restarts: -7 is neither a number of restarts nor NoRestarts or Unlimited
			supervisor "root/a/b": child 1 "f": Func: nil
			supervisor "root": child 3: Name: empty
			supervisor "root/": Policy.Restarts: -8 is neither a number of restarts nor NoRestarts or Unlimited
			supervisor "root": child 4: Child: a nil Child
			supervisor "root": child 4: Restart: restart(9) is neither Permanent, Transient nor Temporary
			supervisor "root": child 5: Child: a nil *supervisor.Supervisor
			supervisor "root": child 5: Restart: restart(9) is neither Permanent, Transient nor Temporary
			supervisor "root": child 6: Name: empty
			supervisor "root": child 6: boom
			supervisor "root": child 7 "g": a pointer to a Spec; give the Spec itself
			supervisor "root": child 7 "g": Restart: restart(9) is neither Permanent, Transient nor Temporary
			supervisor "root": child 7 "g": Func: nil
			supervisor "root": child 8: a pointer to a Spec; give the Spec itself
			supervisor "root/": child 1 "twice": the same child stands at root/a/b/twice`},
		{"places", supervisor.New("root", supervisor.Policy{},
			twice, supervisor.New("in", supervisor.Policy{}, supervisor.Spec{Child: twice})), `
			supervisor "root/in": child 1 "twice": the same child stands at root/twice`},
		{"names", supervisor.New("root", supervisor.Policy{},
			named("a"), named("b"), supervisor.Spec{Child: named("a"), Restart: 3}, supervisor.New("a", supervisor.Policy{})), `
			supervisor "root": child 3 "a": Restart: restart(3) is neither Permanent, Transient nor Temporary
			supervisor "root": child 3 "a": Name: a sibling has it already
			supervisor "root": child 4 "a": Name: a sibling has it already`},
		{"specs", supervisor.New("root", supervisor.Policy{},
			supervisor.Spec{Child: named("a"), Restart: 9, Shutdown: supervisor.Timeout(-time.Second), Backoff: strategy.Exponential(0, 1)},
			supervisor.Spec{Child: named("b"), Backoff: func() backoff.BackOff { return nil }},
			supervisor.Spec{Child: named("c"), Backoff: func() backoff.BackOff { panic("oops") }}), `
			supervisor "root": child 1 "a": Restart: restart(9) is neither Permanent, Transient nor Temporary
			supervisor "root": child 1 "a": Shutdown: -1s is negative
			supervisor "root": child 1 "a": Backoff: backoff: exponential: initial 0s is not positive
			supervisor "root": child 2 "b": Backoff: backoff: the factory gave nil
			supervisor "root": child 3 "c": Backoff: backoff: panic: oops`},
		{"kinds", supervisor.New("root", supervisor.Policy{},
			supervisor.Func("func", nil),
			supervisor.Factory[supervisor.Service]("factory", nil),
			supervisor.Serve[supervisor.Server]("serve", nil, nil),
			actor.New[int]("actor", nil, actor.Options{Retries: -1, Mailbox: mailbox.Options{Capacity: -2}}),
			checked{named("faulty"), func() error { return errors.Join(errBoom, nil, errors.Join(errBoom)) }},
			checked{named("panics"), func() error { panic("oops") }}), `
			supervisor "root": child 1 "func": Func: nil
			supervisor "root": child 2 "factory": Factory: nil
			supervisor "root": child 3 "serve": Serve: listen is nil
			supervisor "root": child 3 "serve": Serve: server is nil
			supervisor "root": child 4 "actor": Mailbox: Capacity: -2 is negative
			supervisor "root": child 4 "actor": Retries: -1 is negative
			supervisor "root": child 4 "actor": open: nil
			supervisor "root": child 5 "faulty": boom
			supervisor "root": child 5 "faulty": boom
			supervisor "root": child 6 "panics": Check: panic: oops`},
		{"levels", supervisor.New("root", supervisor.Policy{Within: -1},
			supervisor.Func("ok", ok),
			supervisor.New("sub", supervisor.Policy{Within: -2},
				supervisor.Spec{Child: supervisor.NewDynamic("pool", supervisor.Policy{MaxChildren: -1}), Restart: 9})), `
			supervisor "root": Policy.Within: -1ns is negative
			supervisor "root/sub": Policy.Within: -2ns is negative
			supervisor "root/sub": child 1 "pool": Restart: restart(9) is neither Permanent, Transient nor Temporary
			supervisor "root/sub/pool": Policy.MaxChildren: -1 is negative`},
		{"a type around a supervisor", supervisor.New("root", supervisor.Policy{},
			decorated{supervisor.New("sub", supervisor.Policy{Within: -1}, named("")), nil}), `
			supervisor "root": child 1 "sub": supervisor "sub": Policy.Within: -1ns is negative
			supervisor "root": child 1 "sub": supervisor "sub": child 1: Name: empty`},
		{"a type around nothing", supervisor.New("root", supervisor.Policy{}, decorated{}), `
			supervisor "root": child 1: Name: panic: runtime error: invalid memory address or nil pointer dereference
			supervisor "root": child 1: Check: panic: runtime error: invalid memory address or nil pointer dereference`},
		{"S99 AutoShutdown of a Dynamic", supervisor.NewDynamic("root", supervisor.Policy{AutoShutdown: strategy.AnySignificant}),
			`supervisor "root": Policy.AutoShutdown: a Dynamic does not end by itself, so not any_significant`},
		{"AutoShutdown", supervisor.New("root", supervisor.Policy{},
			supervisor.New("invalid", supervisor.Policy{AutoShutdown: 3},
				supervisor.Spec{Child: named("a"), Restart: strategy.Transient, Significant: true}),
			supervisor.NewDynamic("dynamic", supervisor.Policy{AutoShutdown: 3}),
			supervisor.New("never", supervisor.Policy{},
				supervisor.Spec{Child: named("a"), Restart: strategy.Transient, Significant: true},
				supervisor.Spec{Child: named("b"), Significant: true}),
			supervisor.New("all", supervisor.Policy{AutoShutdown: strategy.AllSignificant},
				supervisor.Spec{Child: named("a"), Restart: strategy.Temporary, Significant: true},
				supervisor.Spec{Child: named("b"), Significant: true})), `
			supervisor "root/invalid": Policy.AutoShutdown: auto_shutdown(3) is neither Never, AnySignificant nor AllSignificant
			supervisor "root/dynamic": Policy.AutoShutdown: auto_shutdown(3) is neither Never, AnySignificant nor AllSignificant
			supervisor "root/never": child 1 "a": Significant: the supervisor's AutoShutdown is never
			supervisor "root/never": child 2 "b": Significant: a permanent child never ends for good
			supervisor "root/never": child 2 "b": Significant: the supervisor's AutoShutdown is never
			supervisor "root/all": child 2 "b": Significant: a permanent child never ends for good`},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := strings.ReplaceAll(strings.TrimSpace(test.want), "\n\t\t\t", "\n")
			checkError(t, "check", test.root.Check(), want)
			if run, ok := test.root.(*supervisor.Supervisor); ok && want != "" {
				checkError(t, "run", run.Run(t.Context()), want)
				_, err := run.Start(t.Context())
				checkError(t, "start", err, want)
			}
		})
	}
}

// faults are all faults in err, as supervisor|position|child|field|error.
func faults(err error) (all []string) {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		var lines []string
		for _, err := range all.Unwrap() {
			lines = append(lines, faults(err)...)
		}
		return lines
	}
	var e *supervisor.CheckError
	if !errors.As(err, &e) {
		return []string{fmt.Sprintf("not a fault: %v", err)}
	}
	return []string{fmt.Sprintf("%s|%d|%s|%s|%v", e.Supervisor, e.Position, e.Child, e.Field, e.Err)}
}

func TestS22S23_FaultsCanBeInspected(t *testing.T) {
	faulty := checked{named("faulty"), func() error {
		return errors.Join(&supervisor.CheckError{Field: "DSN", Err: errBoom}, (*supervisor.CheckError)(nil), errBoom)
	}}
	for _, test := range []struct {
		name  string
		child supervisor.Child
		want  []string // as a child of root; as one that is added, without the position
	}{
		{"name", named("a/b"), []string{`root|1|a/b|Name|"a/b" has a slash, which separates the parts of a path`}},
		{"nil", nil, []string{"root|1|||a nil Child"}},
		{"nil in a spec", supervisor.Spec{}, []string{"root|1||Child|a nil Child"}},
		{"panic", unnamed{}, []string{"root|1||Name|panic: no name"}},
		{"spec", supervisor.Spec{Child: named("a"), Restart: 3, Shutdown: supervisor.Timeout(-1), Backoff: strategy.Constant(-1), Significant: true}, []string{
			"root|1|a|Restart|restart(3) is neither Permanent, Transient nor Temporary",
			"root|1|a|Shutdown|-1ns is negative",
			"root|1|a|Backoff|backoff: constant: delay -1ns is negative",
			"root|1|a|Significant|the supervisor's AutoShutdown is never",
		}},
		{"func", supervisor.Func("f", nil), []string{"root|1|f|Func|nil"}},
		{"of the user's", faulty, []string{"root|1|faulty|DSN|boom", "root|1|faulty|Check|a nil *CheckError", "root|1|faulty||boom"}},
		{"a level below", supervisor.New("sub", supervisor.Policy{Strategy: 7, Healthy: -1}, named("ok"), supervisor.Func("f", nil)), []string{
			"root/sub|0||Policy.Strategy|strategy(7) is neither OneForOne, OneForAll nor RestForOne",
			"root/sub|0||Policy.Healthy|-1ns is negative",
			"root/sub|2|f|Func|nil",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := supervisor.New("root", supervisor.Policy{Tracing: quiet()}, test.child)
			checkList(t, "check", faults(root.Check()), test.want)
			checkList(t, "run", faults(root.Run(t.Context())), test.want)
			_, err := root.Start(t.Context())
			checkList(t, "start", faults(err), test.want)

			var want []string
			for _, fault := range test.want {
				want = append(want, strings.Replace(fault, "root|1|", "root|0|", 1))
			}
			empty := supervisor.New("root", supervisor.Policy{Tracing: quiet()})
			pool := supervisor.NewDynamic("root", supervisor.Policy{Tracing: quiet()})
			_, dynamicErr := pool.StartChild(t.Context(), test.child)
			for kind, err := range map[string]error{"StartChild": empty.StartChild(t.Context(), test.child), "StartChild of a Dynamic": dynamicErr} {
				var childError *supervisor.ChildError
				if !errors.As(err, &childError) {
					t.Fatalf("%s: got %v, want a *ChildError", kind, err)
				}
				checkList(t, kind, faults(childError.Err), want)
			}
		})
	}
}

// around is a type of the user's with a Check of its own.
type around struct{ *supervisor.Supervisor }

func (a *around) Check() error { return errors.Join(errBoom, a.Supervisor.Check()) }

func TestS22_ACircleIsAFault(t *testing.T) {
	quietly := supervisor.Policy{Tracing: quiet()}
	self := &around{}
	self.Supervisor = supervisor.New("self", quietly, supervisor.Spec{Child: self})
	second := &decorated{}
	first := &around{supervisor.New("first", quietly, named("a"), second)}
	second.Supervisor = supervisor.New("second", quietly, supervisor.New("between", quietly, first))
	for _, test := range []struct {
		name string
		root *supervisor.Supervisor
		want string
	}{
		{"of one", self.Supervisor, `supervisor "self": child 1 "self": the same child stands above itself`},
		{"of two", first.Supervisor, `supervisor "first": child 2 "second": the same child stands above itself`},
		{"seen from the other", second.Supervisor, `supervisor "second/between": child 1 "first": the same child stands above itself`},
		{"below", supervisor.New("root", quietly, second), `supervisor "root": child 1 "second": the same child stands above itself`},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkError(t, "check", test.root.Check(), test.want)
			checkError(t, "run", test.root.Run(t.Context()), test.want)
		})
	}
	checkError(t, "check of the type's own", self.Check(), "boom\n"+`supervisor "self": child 1 "self": the same child stands above itself`)

	root := supervisor.New("root", quietly)
	checkError(t, "StartChild", root.StartChild(t.Context(), second), "start root/second: the same child stands above itself")
	checkError(t, "StartChild below itself", root.StartChild(t.Context(), &around{root}), "start root/root: the same child stands above itself")

	inner := &around{supervisor.New("inner", quietly)}
	outer := decorated{supervisor.New("outer", quietly, inner), nil}
	checkError(t, "no circle", supervisor.New("root", quietly, outer).Check(),
		`supervisor "root": child 1 "outer": supervisor "outer": child 1 "inner": boom`)
}

func TestS26_StartChildChecksThePlaces(t *testing.T) {
	f := named("f")
	sub := supervisor.New("sub", supervisor.Policy{},
		supervisor.New("a", supervisor.Policy{}, f), supervisor.New("b", supervisor.Policy{}, f))
	const want = `start root/sub: supervisor "root/sub/b": child 1 "f": the same child stands at root/sub/a/f`
	root := supervisor.New("root", supervisor.Policy{Tracing: quiet()})
	checkError(t, "StartChild", root.StartChild(t.Context(), sub), want)
	checkError(t, "StartChild of a Spec", root.StartChild(t.Context(), supervisor.Spec{Child: sub}), want)
	_, err := supervisor.NewDynamic("root", supervisor.Policy{Tracing: quiet()}).StartChild(t.Context(), sub)
	checkError(t, "StartChild of a Dynamic", err, want)
}

func TestS22_ANilCheckErrorIsAFault(t *testing.T) {
	var none *supervisor.CheckError
	for name, returned := range map[string]error{"alone": none, "joined": errors.Join(none, errBoom)} {
		t.Run(name, func(t *testing.T) {
			err := supervisor.New("root", supervisor.Policy{}, checked{named("a"), func() error { return returned }}).Check()
			check(t, "is boom", errors.Is(err, errBoom), name == "joined")
			var fault *supervisor.CheckError
			if !errors.As(err, &fault) || fault == nil {
				t.Fatalf("errors.As(%v, *CheckError): got %v, want a fault", err, fault)
			}
			checkError(t, "fault", fault, `supervisor "root": child 1 "a": Check: a nil *CheckError`)
		})
	}
}

func TestCheckErrorsWrapTheirCause(t *testing.T) {
	root := supervisor.New("root", supervisor.Policy{}, unnamed{}, checked{named("faulty"), func() error { return errBoom }})
	err := root.Check()
	if !errors.Is(err, errBoom) {
		t.Errorf("errors.Is(%v, boom): got false, want true", err)
	}
	var panicked *exit.Panic
	if !errors.As(err, &panicked) || !strings.Contains(panicked.Stack(), "unnamed.Name") {
		t.Errorf("errors.As(%v, *exit.Panic): got %v, want one with its stack", err, panicked)
	}
}

func TestShutdownString(t *testing.T) {
	for _, test := range []struct {
		shutdown supervisor.Shutdown
		want     string
	}{
		{supervisor.Shutdown{}, "default"},
		{supervisor.Timeout(0), "0s"},
		{supervisor.Timeout(time.Minute), "1m0s"},
		{supervisor.Infinity, "infinity"},
		{supervisor.BrutalKill, "brutal kill"},
	} {
		check(t, "text", test.shutdown.String(), test.want)
	}
}

func TestSpecWithoutAChild(t *testing.T) {
	check(t, "name", supervisor.Spec{}.Name(), "")
	_, err := supervisor.Spec{}.Start(t.Context())
	checkError(t, "start", err, "Child: a nil Child")
}
