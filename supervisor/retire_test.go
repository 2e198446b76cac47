package supervisor_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// abrupt is a child that has ended before whoever asks it to stop has done asking.
type abrupt struct {
	incarnation.NoHooks
	ends  func() error
	asked chan struct{}
	gone  exit.Reason // its life has ended
}

func (a *abrupt) Name() string { return "a" }

func (a *abrupt) Start(ctx context.Context) (func() error, error) {
	a.asked = make(chan struct{})
	cell := incarnation.From(ctx)
	cell.Attach(func() incarnation.Hooks { return a })
	cell.Scope().AfterGone(func(cause exit.Reason) { a.gone = cause })
	return func() error {
		<-a.asked
		return a.ends()
	}, nil
}

func (a *abrupt) Stop(bool) {
	close(a.asked)
	synctest.Wait()
}

// Who ends while it is being asked is stopped, and what there is to tell is told,
// although nobody has to wait for it. Nobody hears of more than an operator sees.
func TestEndWhileItIsBeingAsked(t *testing.T) {
	done := func() error { return nil }
	for _, test := range []struct {
		name     string
		ends     func() error
		shutdown supervisor.Shutdown
		reason   string
		want     []string
	}{
		{"in order", done, supervisor.Infinity, "normal", nil},
		{"in time", done, supervisor.Timeout(time.Second), "normal", nil},
		{"overdue at once", done, supervisor.Timeout(0), "normal", []string{"WARN child stopped"}},
		{"fails", func() error { return errBoom }, supervisor.Infinity, "boom", []string{"ERROR child crashed"}},
		{"panics", func() error { panic("boom") }, supervisor.Infinity, "panic: boom", []string{"ERROR child crashed"}},
		{"leaves", func() error { runtime.Goexit(); return nil }, supervisor.Infinity, "goroutine left by runtime.Goexit", []string{"ERROR child crashed"}},
		{"killed by nobody", func() error { return exit.Killed }, supervisor.Infinity, "killed", []string{"WARN child stopped"}},
	} {
		for _, dynamic := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dynamic %v", test.name, dynamic), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var got []string
					policy := supervisor.Policy{Tracing: tracing.New(tracing.Options{Logger: slog.New(journal{lines: &got})})}
					a := &abrupt{ends: test.ends}
					next := named("next")
					next.onStop = func(context.Context) error {
						check(t, "the life before ended with", fmt.Sprint(a.gone), test.reason)
						return nil
					}
					spec := supervisor.Spec{Child: a, Shutdown: test.shutdown}
					pool, fixed := supervisor.NewDynamic("pool", policy), supervisor.New("fixed", policy, next, spec)
					var tree interface {
						starter
						Snapshot() supervisor.Snapshot
					} = fixed
					if dynamic {
						tree = pool
					}
					run, err := tree.Start(t.Context())
					checkError(t, "start", err, "")
					if dynamic {
						added(t, pool, spec)
					}
					synctest.Wait()
					checkError(t, "stop", tree.Stop(context.Background()), "")
					checkError(t, "run", run(), "")
					checkList(t, "log", got, test.want)
					all := tree.Snapshot().Children
					last := all[len(all)-1]
					check(t, "state", last.State, supervisor.Stopped)
					check(t, "reason", fmt.Sprint(last.Reason), test.reason)
					check(t, "life ended with", fmt.Sprint(a.gone), test.reason)
				})
			})
		}
	}
}

// An actor that waits for its first message is stopped by hand, and can be started
// again: in between it accepts nothing.
func TestTerminateChildOfOneThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		s := actor.NewServer("s", idle)
		root := supervisor.New("root", supervisor.Policy{Tracing: tracing.New(tracing.Options{Logger: slog.New(journal{lines: &got})})}, s)
		run, err := root.Start(t.Context())
		checkError(t, "start", err, "")
		for range 2 {
			synctest.Wait()
			checkError(t, "terminate", root.TerminateChild(t.Context(), "s"), "")
			check(t, "state", root.Snapshot().Children[0].State, supervisor.Stopped)
			if err := actor.Cast(t.Context(), s, nothing{}); err == nil || !strings.Contains(err.Error(), actor.ErrNoProc.Error()) {
				t.Errorf("cast: got %v, want %v", err, actor.ErrNoProc)
			}
			checkError(t, "restart", root.RestartChild(t.Context(), "s"), "")
			_, err := actor.Call(t.Context(), s, nothing{})
			checkError(t, "call", err, "")
		}
		checkError(t, "stop", root.Stop(context.Background()), "")
		checkError(t, "run", run(), "")
		checkList(t, "log", got, nil)
	})
}

// Children end on goroutines of their own at the moment at which they are asked.
// The loop hears of each: from the queue, or because it looks.
func TestNoDeathIsLost(t *testing.T) {
	const rounds, children = 50, 100
	at := func(ctx context.Context) error { // quicker than to be woken
		for ctx.Err() == nil {
			runtime.Gosched()
		}
		return nil
	}
	for round := range rounds {
		pool, all := supervisor.NewDynamic("pool", usual()), make([]supervisor.Child, 4)
		for i := range all {
			all[i] = supervisor.Func(fmt.Sprint(i), at)
		}
		var tree starter = supervisor.New("fixed", usual(), all...)
		if round%2 == 0 {
			tree = pool
		}
		run, err := tree.Start(context.Background())
		checkError(t, "start", err, "")
		if round%2 == 0 {
			for range children {
				spawn(t, pool)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		checkError(t, "stop", tree.Stop(ctx), "")
		check(t, "ctx", ctx.Err(), nil)
		cancel()
		checkError(t, "run", run(), "")
	}
}

// A kill that comes while idle actors are being asked may end some of them on its own
// goroutine, at the same moment: each ends once, and none is waited for in vain.
func TestKillWhileTheyAreBeingAsked(t *testing.T) {
	const rounds, children = 30, 300
	for round := range rounds {
		pool := supervisor.NewDynamic("pool", usual())
		run, err := pool.Start(context.Background())
		checkError(t, "start", err, "")
		for range children {
			added(t, pool, actor.NewServer("s", idle))
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Duration(round)*10*time.Microsecond, cancel)
		checkError(t, "stop", pool.Stop(ctx), "")
		checkError(t, "run", run(), "")
		cancel()
		for path, c := range pool.Snapshot().All() {
			if path != "pool" && c.State != supervisor.Stopped {
				t.Errorf("%s: got %v, want %v", path, c.State, supervisor.Stopped)
			}
		}
	}
}

// Who winds down when the supervisor comes to stop it is no one to end on the spot:
// that its time was over is told, although it has ended in order by then.
func TestStopOfOneThatHasWoundDownTooSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		policy := supervisor.Policy{Tracing: tracing.New(tracing.Options{Logger: slog.New(journal{lines: &got})})}
		slow := with(named("slow"), func(context.Context) error { time.Sleep(950 * time.Millisecond); return nil })
		root := supervisor.New("root", policy, supervisor.Spec{Child: slow, Shutdown: supervisor.Timeout(time.Second)})
		run, err := root.Start(t.Context())
		checkError(t, "start", err, "")
		slow.end(returns(nil))
		time.Sleep(920 * time.Millisecond) // it was killed, and has the grace
		late := named("late")
		late.onStart = func(context.Context, int) error { time.Sleep(50 * time.Millisecond); return nil }
		started := make(chan error, 1)
		go func() { started <- root.StartChild(t.Context(), late) }()
		synctest.Wait()
		check(t, "state", root.Snapshot().Children[0].State, supervisor.Stopping)
		checkError(t, "terminate", root.TerminateChild(t.Context(), "slow"), "") // it has ended when its turn comes
		checkError(t, "late", <-started, "")
		child := root.Snapshot().Children[0]
		check(t, "state", child.State, supervisor.Stopped)
		check(t, "reason", fmt.Sprint(child.Reason), "normal")
		checkError(t, "stop", root.Stop(context.Background()), "")
		checkError(t, "run", run(), "")
		checkList(t, "log", got, []string{"WARN child stopped"})
	})
}
