package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/supervisor"
)

// asks are the requests that there are, each for a child that lets it succeed.
var asks = []struct {
	op   string
	name string // of the child that it is for
	do   func(ctx context.Context, s *supervisor.Supervisor) error
}{
	{"start", "new", func(ctx context.Context, s *supervisor.Supervisor) error { return s.StartChild(ctx, named("new")) }},
	{"terminate", "other", func(ctx context.Context, s *supervisor.Supervisor) error { return s.TerminateChild(ctx, "other") }},
	{"restart", "idle", func(ctx context.Context, s *supervisor.Supervisor) error { return s.RestartChild(ctx, "idle") }},
	{"delete", "idle", func(ctx context.Context, s *supervisor.Supervisor) error { return s.DeleteChild(ctx, "idle") }},
}

// others are the children for which asks ask: one that runs, and one without a process.
func others() []supervisor.Child {
	idle := named("idle")
	idle.onStart = func(_ context.Context, n int) error {
		if n == 1 {
			return errDeclines
		}
		return nil
	}
	return []supervisor.Child{named("other"), idle}
}

func checkReentrant(t *testing.T, what string, err error, text string) {
	t.Helper()
	var childError *supervisor.ChildError
	if !errors.Is(err, supervisor.ErrReentrant) || !errors.As(err, &childError) {
		t.Errorf("%s: got %v, want a *ChildError with ErrReentrant", what, err)
	}
	checkError(t, what, err, text)
}

func TestS110_StartThatAsksItsOwnSupervisor(t *testing.T) {
	for _, ask := range asks {
		t.Run(ask.op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b *bed
				c := named("c")
				var refused []error
				c.onStart = func(ctx context.Context, _ int) error {
					withTimeout, cancel := context.WithTimeout(ctx, time.Hour)
					defer cancel()
					refused = append(refused, ask.do(ctx, b.root), ask.do(withTimeout, b.root), ask.do(context.WithoutCancel(ctx), b.root))
					return nil
				}
				b = newBed(t, supervisor.Policy{}, append(others(), c)...)
				b.wait, _ = b.root.Start(t.Context()) // when the supervisor itself starts
				c.crash()                             // in a restart
				checkError(t, "terminate", b.root.TerminateChild(t.Context(), "c"), "")
				checkError(t, "restart", b.root.RestartChild(t.Context(), "c"), "") // by hand
				check(t, "refused", len(refused), 9)
				for _, err := range refused {
					checkReentrant(t, "ask", err, fmt.Sprintf("%s root/%s: the request would wait for itself", ask.op, ask.name))
				}
				check(t, "states", b.states(), "other idle:stopped c") // nothing was done
				check(t, "took", time.Since(b.began), 0)
				b.stopInOrder()
			})
		})
	}
}

func TestS110_StartInADynamicThatAsksIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{})
		name := added(t, pool, named("c"))
		asking := named("asking")
		asking.onStart = func(ctx context.Context, _ int) error {
			_, err := pool.StartChild(ctx, named("new"))
			checkReentrant(t, "start", err, "start root/pool/new: the request would wait for itself")
			checkReentrant(t, "terminate", pool.TerminateChild(ctx, name), "terminate root/pool/c#1: the request would wait for itself")
			checkError(t, "of the root", b.root.StartChild(ctx, named("new")), "") // which waits for nothing
			return nil
		}
		check(t, "name", added(t, pool, asking), "asking#2")
		check(t, "states", b.states(), "pool pool/c#1 pool/asking#2 new")
		b.stopInOrder()
	})
}

// A child asks the supervisor above its own, which waits for both only while
// both start.
func TestS110_StartThatAsksTheSupervisorAbove(t *testing.T) {
	for _, ask := range asks {
		t.Run(ask.op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var b *bed
				c := named("c")
				var got []error
				c.onStart = func(ctx context.Context, _ int) error {
					got = append(got, ask.do(ctx, b.root))
					return nil
				}
				sub := supervisor.New("sub", supervisor.Policy{Restarts: 1}, c)
				b = newBed(t, supervisor.Policy{}, append(others(), supervisor.New("mid", supervisor.Policy{}, sub))...)
				b.wait, _ = b.root.Start(t.Context())
				check(t, "states", b.states(), "other idle:stopped mid mid/sub mid/sub/c")
				c.crash() // sub alone restarts it
				c.crash() // sub gives up; mid restarts it
				for i, want := range []string{fmt.Sprintf("%s root/%s: the request would wait for itself", ask.op, ask.name), "", ""} {
					if i == 2 && ask.op != "terminate" { // it was done before
						break
					}
					if want == "" {
						checkError(t, "ask while only the one below restarts", got[i], "")
						continue
					}
					checkReentrant(t, "ask while all start", got[i], want)
				}
				check(t, "states", b.states(), map[string]string{
					"start": "other idle:stopped mid mid/sub mid/sub/c new", "terminate": "other:stopped idle:stopped mid mid/sub mid/sub/c",
					"restart": "other idle mid mid/sub mid/sub/c", "delete": "other mid mid/sub mid/sub/c",
				}[ask.op])
				b.stopInOrder()
			})
		})
	}
}

// A child that runs already asks a supervisor that is still starting others: the
// request waits its turn.
func TestS110_RunningChildOfAStartingSupervisorWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bed
		var sub *supervisor.Supervisor
		results := make(chan error, 3)
		eager := func(supervisors ...func() *supervisor.Supervisor) supervisor.Child {
			return supervisor.Func("eager", func(ctx context.Context) error {
				for i, s := range supervisors {
					results <- s().StartChild(ctx, named(fmt.Sprint("new", i)))
				}
				<-ctx.Done()
				return nil
			})
		}
		slow := named("slow")
		slow.onStart = func(context.Context, int) error { time.Sleep(time.Second); return nil }
		sub = supervisor.New("sub", supervisor.Policy{},
			eager(func() *supervisor.Supervisor { return b.root }, func() *supervisor.Supervisor { return sub }), slow)
		b = newBed(t, supervisor.Policy{}, eager(func() *supervisor.Supervisor { return b.root }), sub)
		b.wait, _ = b.root.Start(t.Context())
		for range cap(results) {
			if err := <-results; err != nil && !errors.Is(err, supervisor.ErrAlreadyStarted) {
				t.Errorf("start: got %v, want nil or already started", err)
			}
		}
		check(t, "took", time.Since(b.began), time.Second)
		check(t, "states", b.states(), "eager sub sub/eager sub/slow sub/new1 new0")
		b.stopInOrder()
	})
}

// Start's ctx belongs to Start also in goroutines that it starts.
func TestS110_GoroutineOfStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bed
		results := make(chan error, 2)
		c := named("c")
		c.onStart = func(ctx context.Context, _ int) error {
			go func() {
				results <- b.root.StartChild(ctx, named("during"))
				time.Sleep(2 * time.Second)
				results <- b.root.StartChild(ctx, named("later"))
			}()
			time.Sleep(time.Second)
			return nil
		}
		b = newBed(t, supervisor.Policy{}, c)
		b.wait, _ = b.root.Start(t.Context())
		checkReentrant(t, "during Start", <-results, "start root/during: the request would wait for itself")
		checkError(t, "later", <-results, "")
		check(t, "states", b.states(), "c later")
		b.stopInOrder()
	})
}

// A type around a supervisor that asks it before it serves.
func TestS110_StartAroundASupervisorThatAsksIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked error
		sub := supervisor.New("sub", supervisor.Policy{}, named("c"))
		around := &anyChild{name: "sub", start: func(ctx context.Context) (func() error, error) {
			run, err := sub.Start(ctx)
			asked = sub.StartChild(ctx, named("new"))
			return run, err
		}}
		b := start(t, supervisor.Policy{}, around)
		checkReentrant(t, "start", asked, "start root/sub/new: the request would wait for itself")
		checkError(t, "once it serves", sub.StartChild(t.Context(), named("new")), "")
		check(t, "states", b.states(), "sub sub/c sub/new")
		b.stopInOrder()
	})
}

// closing is an actor whose cleanup does something.
func closing(name string, onClose func(ctx context.Context) error) *actor.Actor[func(context.Context)] {
	return actor.New(name, func(context.Context) (actor.Behavior[func(context.Context)], error) {
		return actor.Behavior[func(context.Context)]{
			Receive: func(ctx context.Context, f func(context.Context)) error { f(ctx); return nil },
			Close:   func(ctx context.Context, _ exit.Reason) error { return onClose(ctx) },
		}, nil
	})
}
