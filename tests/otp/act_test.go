package otp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

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
		st.pass(a.wait)
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
