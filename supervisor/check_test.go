package supervisor_test

import (
	"context"
	"errors"
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
			supervisor "root": Policy.Strategy: strategy(7)
			supervisor "root": Policy.Restarts: -3 is negative
			supervisor "root": Policy.Within: -1s is negative
			supervisor "root": Policy.Healthy: -1m0s is negative
			supervisor "root": Policy.Backoff: backoff: constant: delay -1ns is negative
			supervisor "root": Policy.MaxChildren: -1 is negative
			supervisor "root": Policy.MaxChildren: only for a Dynamic`},
		{"explicit numbers", supervisor.New("root", supervisor.Policy{Restarts: strategy.Unlimited},
			supervisor.New("sub", supervisor.Policy{Restarts: strategy.NoRestarts})), ""},
		{"Dynamic", supervisor.NewDynamic("root", supervisor.Policy{Strategy: strategy.OneForAll, MaxChildren: 3}),
			`supervisor "root": Policy.Strategy: a Dynamic restarts each child by itself, not one_for_all`},
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
			supervisor "root": child 1: nil
			supervisor "root": child 2: a nil *supervisor_test.child
			supervisor "root": child 3: a nil *supervisor.Supervisor
			supervisor "root": child 4: Name: panic: no name
			supervisor "root": child 5: Name: empty
			supervisor "root": child 6 "a/b": Name: "a/b" has a slash, which separates the parts of a path
			supervisor "root": child 8: nil
			supervisor "root": child 9: a pointer to a Spec; give the Spec itself
			supervisor "root": child 10 "nested": Child: a Spec in a Spec
			supervisor "root": child 11 "nested too": Child: a Spec in a Spec`},
		{"places", supervisor.New("root", supervisor.Policy{},
			twice, supervisor.New("in", supervisor.Policy{}, supervisor.Spec{Child: twice})), `
			root/in/twice: the same child stands at root/twice`},
		{"names", supervisor.New("root", supervisor.Policy{},
			named("a"), named("b"), supervisor.Spec{Child: named("a"), Restart: 3}, supervisor.New("a", supervisor.Policy{})), `
			supervisor "root": child 3 "a": Restart: restart(3)
			supervisor "root": child 3 "a": Name: a sibling has it already
			supervisor "root": child 4 "a": Name: a sibling has it already`},
		{"specs", supervisor.New("root", supervisor.Policy{},
			supervisor.Spec{Child: named("a"), Restart: 9, Shutdown: supervisor.Timeout(-time.Second), Backoff: strategy.Exponential(0, 1)},
			supervisor.Spec{Child: named("b"), Backoff: func() backoff.BackOff { return nil }},
			supervisor.Spec{Child: named("c"), Backoff: func() backoff.BackOff { panic("oops") }}), `
			supervisor "root": child 1 "a": Restart: restart(9)
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
			supervisor "root": child 2 "sub": supervisor "sub": Policy.Within: -2ns is negative
			supervisor "root": child 2 "sub": supervisor "sub": child 1 "pool": Restart: restart(9)
			supervisor "root": child 2 "sub": supervisor "sub": child 1 "pool": supervisor "pool": Policy.MaxChildren: -1 is negative`},
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

func TestCheckErrorsCanBeInspected(t *testing.T) {
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
