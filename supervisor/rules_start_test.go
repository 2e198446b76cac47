package supervisor_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// What is no clean reason restarts a transient child, wherever it comes from.
func TestS2_AllOtherReasonsAreAbnormal(t *testing.T) {
	for _, test := range []struct {
		name string
		how  func() error
	}{
		{"killed", returns(exit.Killed)},
		{"no process", returns(&actor.SendError{Path: "root/a", Err: actor.ErrNoProc})},
		{"a callee that was shut down", returns(&actor.SendError{Path: "root/a", Err: actor.ErrEnded, Reason: exit.Shutdown})},
		{"timeout", returns(context.DeadlineExceeded)},
		{"a user's error", returns(errBoom)},
		{"crash", panics(exit.Normal)},
		{"Goexit", goexits},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := named("c")
				b := start(t, supervisor.Policy{}, supervisor.Spec{Child: c, Restart: strategy.Transient})
				c.end(test.how)
				check(t, "starts", c.starts.Load(), 2)
				b.stopInOrder()
			})
		})
	}
}

// initially is a supervisor with an init of the user's: what OTP calls with
// the arguments of start_link.
type initially struct {
	*supervisor.Supervisor
	init func() error
}

func (s initially) Start(ctx context.Context) (func() error, error) {
	switch err := s.init(); err {
	case nil:
		return s.Supervisor.Start(ctx)
	case errDeclines:
		return nil, nil
	default:
		return nil, err
	}
}

func TestS15_InitOfASupervisor(t *testing.T) {
	for _, test := range []struct {
		name   string
		init   func() error
		states string
		fault  string // of the start
	}{
		{"succeeds", returns(nil), "a sub sub/b z", ""},
		{"ignores", returns(errDeclines), "a sub:stopped z", ""},
		{"fails", returns(errBoom), "a:stopped sub:stopped z:stopped", "boom"},
		{"panics", panics("oops"), "a:stopped sub:stopped z:stopped", "panic: oops"},
		{"leaves by Goexit", goexits, "a:stopped sub:stopped z:stopped", "goroutine left by runtime.Goexit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				below := named("b")
				sub := initially{supervisor.New("sub", supervisor.Policy{}, below), test.init}
				b := newBed(t, supervisor.Policy{}, named("a"), sub, named("z"))
				_, err := b.root.Start(context.Background())
				want := test.fault
				if want != "" {
					want = "start root/sub: " + want
				}
				checkError(t, "start", err, want)
				check(t, "states", b.states(), test.states)
				check(t, "starts below", below.starts.Load() > 0, test.name == "succeeds")
				checkError(t, "stop", b.root.Stop(t.Context()), "")
			})
		})
	}
}

func TestS18_OnlyTheCtxOfTheStartIsTheParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, supervisor.Policy{}, named("a"))
		parent, end := context.WithCancel(t.Context())
		b.wait, _ = b.root.Start(parent)
		asks, leave := context.WithCancel(t.Context())
		checkError(t, "start", b.root.StartChild(asks, named("added")), "")
		leave() // whoever has started a child is nothing to it, nor to the supervisor
		synctest.Wait()
		b.want(t, "start a", "start root", "start added")
		end()
		checkError(t, "wait", b.wait(), "")
		b.want(t, "stop added", "stop a", "stop root")
	})
}

func TestS20_Defaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		a, worker, slow := named("a"), named("worker"), named("slow")
		worker.onStop = ignoresCtxUntil(released)
		slow.onStop = takes(100 * time.Hour)
		b := start(t, supervisor.Policy{}, a, worker, supervisor.New("sub", supervisor.Policy{},
			supervisor.Spec{Child: slow, Shutdown: supervisor.Infinity}))
		for range 3 { // permanent, one_for_one, at once, and 3 times
			a.end(returns(nil))
			b.wantAt(t, "0s exit a: normal", "0s restarting a", "0s restart a")
		}
		_ = b.stop()
		b.wantAt(t, "100h0m0s stop sub/slow", "100h0m0s stop sub", // infinity for a supervisor
			"100h0m5s abandon worker", // 5 s for a worker
			"100h0m5s stop a", "100h0m5s stop root")
		close(released)
	})
}

func TestS25_NamesAreComparedAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := []string{"a", "A", "a ", " a", "a#1", "\u00e4", "a\u0308", "a\x00", "\xff", "a.b", "..", "*"}
		var children []supervisor.Child
		for _, name := range names {
			children = append(children, named(name))
		}
		b := start(t, supervisor.Policy{}, children...)
		for _, name := range names {
			checkError(t, "terminate", b.root.TerminateChild(t.Context(), name), "")
			b.want(t, "stop "+name)
		}
		checkError(t, "terminate another", b.root.TerminateChild(t.Context(), "a  "), "terminate root/a  : no such child")
		b.stopInOrder()
	})
}

// A supervisor takes part in the strategies as a worker does.
func TestS27_StrategiesTreatAllKindsAlike(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(w *child) supervisor.Child // called m; it ends when w does
	}{
		{"worker", func(w *child) supervisor.Child { w.name = "m"; return w }},
		{"supervisor", func(w *child) supervisor.Child {
			return supervisor.New("m", supervisor.Policy{Restarts: strategy.NoRestarts}, w)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, w, z := named("a"), named("w"), named("z")
				b := start(t, supervisor.Policy{Strategy: strategy.RestForOne}, a, test.make(w), z)
				acts := func() (acts []string) {
					for _, l := range b.take() {
						if text, _, _ := strings.Cut(l.text, ":"); !strings.Contains(text, "m/") && !strings.Contains(text, "gave up") {
							acts = append(acts, text)
						}
					}
					return acts
				}
				a.crash()
				checkList(t, "as a victim", acts(), []string{"exit a", "restarting a", "stop z", "stop m", "restart a", "restart m", "restart z"})
				w.crash()
				checkList(t, "as the origin", acts(), []string{"exit m", "restarting m", "stop z", "restart m", "restart z"})
				z.crash()
				checkList(t, "as a bystander", acts(), []string{"exit z", "restarting z", "restart z"})
				b.stopInOrder()
			})
		})
	}
}
