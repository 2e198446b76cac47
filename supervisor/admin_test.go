package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestS72S100S102S103S104S112_ErrorTable(t *testing.T) {
	type call struct {
		err    error // ChildError.Err; nil for success
		states string
	}
	for _, test := range []struct {
		state                             string
		before                            string
		start, restart, terminate, delete call
	}{
		{
			state:     "running",
			before:    "a c z",
			start:     call{supervisor.ErrAlreadyStarted, "a c z"},
			restart:   call{supervisor.ErrRunning, "a c z"},
			terminate: call{nil, "a c:stopped z"},
			delete:    call{supervisor.ErrRunning, "a c z"},
		},
		{
			state:     "no process",
			before:    "a c:stopped z",
			start:     call{supervisor.ErrAlreadyPresent, "a c:stopped z"},
			restart:   call{nil, "a c z"},
			terminate: call{nil, "a c:stopped z"},
			delete:    call{nil, "a z"},
		},
		{
			state:     "restarting",
			before:    "a c:restarting z",
			start:     call{supervisor.ErrAlreadyPresent, "a c:restarting z"},
			restart:   call{supervisor.ErrRestarting, "a c:restarting z"},
			terminate: call{nil, "a c:stopped z"},
			delete:    call{supervisor.ErrRestarting, "a c:restarting z"},
		},
		{
			state:     "unknown",
			before:    "a z",
			start:     call{nil, "a z c"},
			restart:   call{supervisor.ErrNotFound, "a z"},
			terminate: call{supervisor.ErrNotFound, "a z"},
			delete:    call{supervisor.ErrNotFound, "a z"},
		},
	} {
		for _, act := range []struct {
			op   string
			do   func(ctx context.Context, root *supervisor.Supervisor) error
			want call
		}{
			{"start", func(ctx context.Context, root *supervisor.Supervisor) error { return root.StartChild(ctx, named("c")) }, test.start},
			{"restart", func(ctx context.Context, root *supervisor.Supervisor) error { return root.RestartChild(ctx, "c") }, test.restart},
			{"terminate", func(ctx context.Context, root *supervisor.Supervisor) error { return root.TerminateChild(ctx, "c") }, test.terminate},
			{"delete", func(ctx context.Context, root *supervisor.Supervisor) error { return root.DeleteChild(ctx, "c") }, test.delete},
		} {
			t.Run(test.state+"/"+act.op, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := named("c")
					spec := supervisor.Spec{Child: c, Restart: strategy.Transient, Backoff: strategy.Constant(time.Hour)}
					children := []supervisor.Child{named("a"), spec, named("z")}
					if test.state == "unknown" {
						children = []supervisor.Child{named("a"), named("z")}
					}
					b := start(t, supervisor.Policy{}, children...)
					switch test.state {
					case "no process":
						c.end(returns(nil))
					case "restarting":
						c.crash()
					}
					check(t, "states before", b.states(), test.before)
					err := act.do(t.Context(), b.root)
					var childError *supervisor.ChildError
					switch {
					case act.want.err == nil:
						checkError(t, act.op, err, "")
					case !errors.Is(err, act.want.err) || !errors.As(err, &childError):
						t.Errorf("%s: got %v, want a *ChildError with %v", act.op, err, act.want.err)
					default:
						text := act.want.err.Error()
						if act.op == "start" { // it is about the name: the child is another one
							text = "Name: a sibling has it: " + text
						}
						check(t, "text", err.Error(), fmt.Sprintf("%s root/c: %s", act.op, text))
						check(t, "path", childError.Path, "root/c")
						check(t, "op", childError.Op, act.op)
					}
					check(t, "states", b.states(), act.want.states)
					time.Sleep(2 * time.Hour) // a restart that was called off does not come
					if test.state != "restarting" || act.op == "terminate" {
						check(t, "states later", b.states(), act.want.states)
					}
					b.stopInOrder()
				})
			})
		}
	}
}

func TestS101_StartChildThatDoesNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		b := start(t, supervisor.Policy{Restarts: strategy.NoRestarts}, named("a"))
		c := named("c")
		c.onStart = failingStarts(1)
		checkError(t, "start", b.root.StartChild(ctx, c), "start root/c: start 1 failed")
		check(t, "states after a failure", b.states(), "a") // discarded
		checkError(t, "start again", b.root.StartChild(ctx, c), "")
		check(t, "states", b.states(), "a c")

		for _, restart := range []strategy.Restart{strategy.Permanent, strategy.Temporary} {
			d := named("declines-" + restart.String())
			d.onStart = func(context.Context, int) error { return errDeclines }
			checkError(t, "start", b.root.StartChild(ctx, supervisor.Spec{Child: d, Restart: restart}), "")
		}
		check(t, "states after declining", b.states(), "a c declines-permanent:stopped")
		b.stopInOrder()
	})
}

func TestS26_StartChildChecksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, supervisor.Policy{}, named("a"))
		for _, test := range []struct {
			name  string
			child supervisor.Child
			want  string
		}{
			{"nil", nil, "start root/: a nil Child"},
			{"spec of nil", supervisor.Spec{}, "start root/: Child: a nil Child"},
			{"no name", named(""), "start root/: Name: empty"},
			{"slash", named("x/y"), `start root/x/y: Name: "x/y" has a slash, which separates the parts of a path`},
			{"spec", supervisor.Spec{Child: named("x"), Restart: 9, Shutdown: supervisor.Timeout(-1)},
				"start root/x: Restart: restart(9) is neither Permanent, Transient nor Temporary\nstart root/x: Shutdown: -1ns is negative"},
			{"below", supervisor.New("x", supervisor.Policy{Within: -1}),
				`start root/x: supervisor "root/x": Policy.Within: -1ns is negative`},
			{"significant", supervisor.Spec{Child: named("x"), Significant: true},
				"start root/x: Significant: a permanent child never ends for good\nstart root/x: Significant: the supervisor's AutoShutdown is never"},
		} {
			checkError(t, test.name, b.root.StartChild(t.Context(), test.child), test.want)
		}
		check(t, "states", b.states(), "a")
		b.want(t)
		b.stopInOrder()
	})
}

func TestS102_TerminateTemporary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, _ := nursery("a t:temp")
		b := start(t, supervisor.Policy{}, children...)
		checkError(t, "terminate", b.root.TerminateChild(t.Context(), "t"), "")
		check(t, "states", b.states(), "a")
		checkError(t, "terminate again", b.root.TerminateChild(t.Context(), "t"), "terminate root/t: no such child")
		b.want(t, "stop t")
		b.stopInOrder()
	})
}

func TestS102_TerminateTakesTheShutdownTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStop = takes(3 * time.Second)
		b := start(t, supervisor.Policy{}, c)
		checkError(t, "terminate", b.root.TerminateChild(t.Context(), "c"), "")
		check(t, "took", time.Since(b.began), 3*time.Second)
		b.stopInOrder()
	})
}

func TestS103_RestartThatFailsLeavesTheChildStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStart = failingStarts(2)
		b := start(t, supervisor.Policy{Restarts: strategy.NoRestarts}, c)
		checkError(t, "terminate", b.root.TerminateChild(t.Context(), "c"), "")
		checkError(t, "restart", b.root.RestartChild(t.Context(), "c"), "start root/c: start 2 failed")
		check(t, "states", b.states(), "c:stopped")
		checkError(t, "restart", b.root.RestartChild(t.Context(), "c"), "")
		check(t, "states", b.states(), "c")
		b.stopInOrder()
	})
}

func TestS109_OneOfManyStartsOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, supervisor.Policy{})
		c := named("c")
		c.onStart = func(context.Context, int) error { time.Sleep(time.Second); return nil }
		var wg sync.WaitGroup
		results := make(chan error, 20)
		for range cap(results) {
			wg.Go(func() { results <- b.root.StartChild(t.Context(), c) })
		}
		wg.Wait()
		close(results)
		var started int
		for err := range results {
			if err == nil {
				started++
			} else if !errors.Is(err, supervisor.ErrAlreadyStarted) {
				t.Errorf("start: got %v, want already started", err)
			}
		}
		check(t, "starts that succeeded", started, 1)
		check(t, "starts of the child", c.starts.Load(), 1)
		b.stopInOrder()
	})
}

func TestS111_NobodyToAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, supervisor.Policy{}, named("a"))
		asks := map[string]func(context.Context) error{
			"start":     func(ctx context.Context) error { return b.root.StartChild(ctx, named("x")) },
			"terminate": func(ctx context.Context) error { return b.root.TerminateChild(ctx, "a") },
			"restart":   func(ctx context.Context) error { return b.root.RestartChild(ctx, "a") },
			"delete":    func(ctx context.Context) error { return b.root.DeleteChild(ctx, "a") },
		}
		refused := func(when string) {
			t.Helper()
			for op, ask := range asks {
				if err := ask(t.Context()); !errors.Is(err, supervisor.ErrNotRunning) {
					t.Errorf("%s %s: got %v, want not running", op, when, err)
				}
			}
		}
		refused("before")
		checkError(t, "start and stop", startOnce(b.root), "")
		refused("after")

		// Requests that wait when the supervisor stops.
		slow := named("slow")
		slow.onStart = func(ctx context.Context, _ int) error { <-ctx.Done(); return nil }
		b.wait, _ = b.root.Start(context.Background())
		results := make(chan error, 10)
		go func() { results <- b.root.StartChild(t.Context(), slow) }() // in progress
		synctest.Wait()
		for _, ask := range asks {
			go func() { results <- ask(t.Context()) }() // queued
		}
		synctest.Wait()
		b.take()
		b.stopInOrder()
		for range 1 + len(asks) {
			if err := <-results; !errors.Is(err, supervisor.ErrNotRunning) {
				t.Errorf("waiting request: got %v, want not running", err)
			}
		}
		b.want(t, "stop slow", "stop a", "stop root")
	})
}

func TestS113_CtxOfARequestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, supervisor.Policy{})
		slow := named("slow")
		slow.onStart = func(context.Context, int) error { time.Sleep(time.Minute); return nil }
		for _, test := range []struct {
			name string
			ctx  func() (context.Context, context.CancelFunc)
			want string
		}{
			{"slow", func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), time.Second) },
				"start root/slow: " + givenUp + "context deadline exceeded"},
			{"queued", func() (context.Context, context.CancelFunc) {
				return context.WithTimeoutCause(t.Context(), time.Second, errBoom)
			}, "start root/queued: " + givenUp + "context deadline exceeded: boom"},
		} {
			ctx, cancel := test.ctx()
			child := slow
			if test.name == "queued" {
				child = named(test.name)
			}
			err := b.root.StartChild(ctx, child)
			checkError(t, test.name, err, test.want)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("errors.Is(%v, DeadlineExceeded): got false, want true", err)
			}
			cancel()
		}
		time.Sleep(time.Minute)
		check(t, "states", b.states(), "slow queued") // giving up waiting does not undo

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		checkError(t, "ended before", b.root.StartChild(ended, named("never")), "start root/never: context canceled")
		synctest.Wait()
		check(t, "states", b.states(), "slow queued") // not even asked
		b.stopInOrder()
	})
}

func TestRequestsFromInsideTheTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bed
		added, ended := make(chan error, 1), make(chan error, 1)
		adds := supervisor.Func("adds", func(ctx context.Context) error {
			added <- b.root.StartChild(ctx, named("added"))
			<-ctx.Done()
			return nil
		})
		ends := supervisor.Func("ends", func(ctx context.Context) error {
			err := b.root.TerminateChild(ctx, "ends") // it stops itself, and hears of that by its ctx
			ended <- err
			return err
		})
		b = newBed(t, supervisor.Policy{}, supervisor.Spec{Child: ends, Restart: strategy.Transient}, adds)
		b.wait, _ = b.root.Start(context.Background())
		synctest.Wait()
		checkError(t, "terminate", <-ended, "terminate root/ends: "+givenUp+"the request would wait for itself: context canceled: shutdown")
		checkError(t, "start", <-added, "")
		check(t, "states", b.states(), "ends:stopped adds added")
		b.stopInOrder()
	})
}

// The mailbox of a child that is gone is closed: nobody waits for ever.
func TestCallsAreNotLeftWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		declines := func(name string) *actor.Server[struct{}] {
			return actor.NewServer(name, func(context.Context) (*struct{}, error) { return nil, actor.Ignore })
		}
		open := func(context.Context) (*struct{}, error) { return new(struct{}), nil }
		declined, temporary, terminated := declines("declined"), declines("temporary"), actor.NewServer("terminated", open)
		below, restarting := actor.NewServer("below", open), actor.NewServer("restarting", open)
		sub := supervisor.New("sub", supervisor.Policy{}, below)
		b := start(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)},
			declined, supervisor.Spec{Child: temporary, Restart: strategy.Temporary}, terminated, sub, restarting)
		checkError(t, "terminate", b.root.TerminateChild(t.Context(), "terminated"), "")
		checkError(t, "terminate", b.root.TerminateChild(t.Context(), "sub"), "")
		for _, s := range []*actor.Server[struct{}]{declined, temporary, terminated, below} {
			if _, err := actor.Call(t.Context(), s, nothing{}); !errors.Is(err, actor.ErrNoProc) {
				t.Errorf("call of %v: got %v, want no such process", s, err)
			}
		}
		if _, err := actor.Call(t.Context(), restarting, crashing{}); !errors.Is(err, actor.ErrEnded) {
			t.Errorf("call that crashes: got %v, want that it ended", err)
		}
		waiting := make(chan error)
		go func() {
			_, err := actor.Call(t.Context(), restarting, nothing{})
			waiting <- err
		}()
		time.Sleep(time.Minute)
		b.stopInOrder()
		if err := <-waiting; !errors.Is(err, actor.ErrNoProc) {
			t.Errorf("call that waits for a restart: got %v, want no such process", err)
		}
	})
}

type nothing struct{}

func (nothing) Handle(context.Context, *struct{}) (int, error) { return 0, nil }

type crashing struct{}

func (crashing) Handle(context.Context, *struct{}) (int, error) { panic("crash") }
