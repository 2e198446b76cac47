package supervisor_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func stuckInUsersCode(released chan struct{}) { <-released }

// once calls f the first time only.
func once(f func()) func() {
	var called atomic.Bool
	return func() {
		if !called.Swap(true) {
			f()
		}
	}
}

type blockingBackoff struct{ block func() }

func (blockingBackoff) Reset() {}
func (b blockingBackoff) NextBackOff() time.Duration {
	b.block()
	return 0
}

// blocking is a child whose methods call the functions, if they are not nil.
type blocking struct {
	*child
	onName, onCheck func()
}

func (b blocking) Name() string {
	if b.onName != nil {
		b.onName()
	}
	return b.child.Name()
}

func (b blocking) Check() error {
	if b.onCheck != nil {
		b.onCheck()
	}
	return nil
}

// A supervisor waits for code of the user and cannot stop anything: Stop returns
// when its ctx has ended and the grace is over, with the supervisor in the report,
// and nothing else, as its children obey the kill.
func TestS193_StuckSupervisor(t *testing.T) {
	for _, test := range []struct {
		name string
		in   supervisor.Phase
		// stick makes the supervisor stuck whose children are the crashing child,
		// which is its policy's, and others.
		policy func(block func()) supervisor.Policy
		child  func(c *child, armed *atomic.Bool, block func()) supervisor.Child
		again  int // the incarnation of the supervisor that is stuck
	}{
		{name: "sink, of an exit", in: supervisor.InRun, again: 1, policy: func(block func()) supervisor.Policy {
			return supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
				if _, ok := e.(tracing.Exited); ok {
					block()
				}
			})}
		}},
		{name: "sink, of a restart", in: supervisor.InRun, again: 1, policy: func(block func()) supervisor.Policy {
			return supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
				if _, ok := e.(tracing.Restarted); ok {
					block()
				}
			})}
		}},
		{name: "sink, of a stop", in: supervisor.InRun, again: 1, policy: func(block func()) supervisor.Policy {
			return supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
				if _, ok := e.(tracing.Terminated); ok {
					block()
				}
			})}
		}},
		{name: "backoff", in: supervisor.InRun, again: 1, policy: func(block func()) supervisor.Policy {
			return supervisor.Policy{Backoff: func() backoff.BackOff { return blockingBackoff{block} }}
		}},
		{name: "Name", in: supervisor.InStart, again: 2, child: func(c *child, armed *atomic.Bool, block func()) supervisor.Child {
			return blocking{child: c, onName: func() {
				if armed.Load() {
					block()
				}
			}}
		}},
		{name: "Check", in: supervisor.InStart, again: 2, child: func(c *child, armed *atomic.Bool, block func()) supervisor.Child {
			return blocking{child: c, onCheck: func() {
				if armed.Load() {
					block()
				}
			}}
		}},
	} {
		for levels := range 3 {
			if levels == 0 && test.again > 1 {
				continue // a root has one incarnation
			}
			t.Run(test.name+strings.Repeat(", one level down", levels), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					released := make(chan struct{})
					block := once(func() { stuckInUsersCode(released) })
					var armed atomic.Bool
					var policy supervisor.Policy
					if test.policy != nil {
						policy = test.policy(block)
					}
					if policy.Tracing == nil {
						policy.Tracing = quiet()
					}
					c := named("c")
					crashing := supervisor.Child(c)
					if test.child != nil {
						crashing = test.child(c, &armed, block)
					}
					top := supervisor.New("s", policy, named("a"), crashing, named("z"))
					path := "s"
					for range levels {
						top = supervisor.New("r", supervisor.Policy{Tracing: quiet()}, named("a"), supervisor.Child(top), named("z"))
						path = "r/" + path
					}
					if _, err := top.Start(context.Background()); err != nil {
						t.Fatal(err)
					}
					armed.Store(true)
					for range 4 * (test.again - 1) { // so that it gives up and is restarted
						c.crash()
					}
					if test.again == 1 && test.name != "sink, of a stop" {
						c.crash()
					}
					began := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					stuck := reported(t, top.Stop(ctx))
					if took, most := time.Since(began), time.Second+time.Duration(levels+3)*100*time.Millisecond; took < time.Second || took > most {
						t.Errorf("stop: took %v, want a second and at most %v", took, most)
					}
					if len(stuck) != 1 || stuck[0].Path != path || stuck[0].Incarnation != test.again || stuck[0].In != test.in {
						t.Fatalf("report: got %v, want %s alone, stuck in %s", stuck, path, test.in)
					}
					if !strings.Contains(stuck[0].Stack, "stuckInUsersCode") {
						t.Errorf("stack: got\n%s\nwant stuckInUsersCode in it", stuck[0].Stack)
					}
					check(t, "abandoned", len(top.Abandoned()), 1)
					close(released)
					synctest.Wait()
					check(t, "abandoned after the return", len(top.Abandoned()), 0)
					checkError(t, "stop after the return", top.Stop(t.Context()), "")
				})
			})
		}
	}
}

// The tree is down, but its end cannot be told: that is still a goroutine of the
// tree.
func TestS193_SinkThatDoesNotReturnFromTheLastEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
			if _, ok := e.(tracing.Terminated); ok && e.Where().Path == "root" {
				stuckInUsersCode(released)
			}
		})}, named("a"))
		wait, err := root.Start(context.Background())
		checkError(t, "start", err, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = root.Stop(ctx)
		checkList(t, "report", summary(t, err), []string{"root (incarnation 1), stuck in run for at least 100ms"})
		if !strings.Contains(err.Error(), "stuckInUsersCode") {
			t.Errorf("report: got %v, want stuckInUsersCode in it", err)
		}
		check(t, "wait has the same", errors.Is(wait(), err), true)
		close(released)
		synctest.Wait()
		check(t, "abandoned after the return", len(root.Abandoned()), 0)
		checkError(t, "stop after the return", root.Stop(t.Context()), "")
	})
}

// The sink does not return from the dead letter of the first that is abandoned:
// the others are in the report even so, as they are.
func TestS193_SinkThatDoesNotReturnDuringAnAbandonment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		var root *supervisor.Supervisor
		blockOnce := once(func() { stuckInUsersCode(released) })
		blockAgain := once(func() { stuckInUsersCode(released) })
		policy := supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
			switch e.(type) {
			case tracing.Exited:
				blockOnce() // the root cannot stop anybody
			case tracing.DeadLetter:
				if e.Where().Path == "root/a" {
					blockAgain()
				}
			}
		})}
		crashing := named("crashing")
		a := receiving("a", func(context.Context, int) error { stuckInReceive(released); return nil })
		b := receiving("b", func(context.Context, int) error { stuckInReceive(released); return nil })
		c := receiving("c", func(context.Context, int) error { stuckInReceive(released); return nil })
		root = supervisor.New("root", policy, named("obeys"), a, supervisor.New("sub", supervisor.Policy{}, b), c, crashing)
		_, err := root.Start(context.Background())
		checkError(t, "start", err, "")
		for _, to := range []*actor.Actor[int]{a, b, c} {
			sent(t, to, 1)()
		}
		synctest.Wait()
		crashing.crash()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var paths []string
		for _, s := range reported(t, root.Stop(ctx)) {
			paths = append(paths, s.Path+" in "+string(s.In))
			if !strings.Contains(s.Stack, "stuckIn") {
				t.Errorf("stack of %s: got %q, want what it is stuck in", s.Path, s.Stack)
			}
		}
		check(t, "report", strings.Join(paths, ", "), "root in run, root/a in message, root/c in message, root/sub/b in message")
		close(released)
		synctest.Wait()
		check(t, "abandoned after the return", len(root.Abandoned()), 0)
		checkError(t, "stop after the return", root.Stop(t.Context()), "")
	})
}

// One that has come back while a sink held everybody up is not listed again.
func TestS193_ReturnWhileTheSinkDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released, sink := make(chan struct{}), make(chan struct{})
		stuck := with(named("stuck"), func(context.Context) error { stuckInGo(released); return nil })
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
			if _, ok := e.(tracing.Abandoned); ok {
				<-sink
			}
		})}, supervisor.Spec{Child: stuck, Shutdown: supervisor.BrutalKill})
		_, err := root.Start(context.Background())
		checkError(t, "start", err, "")
		stuck.crash() // it winds down
		time.AfterFunc(500*time.Millisecond, func() { close(released) })
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		checkList(t, "report", summary(t, root.Stop(ctx)), []string{"root (incarnation 1), stuck in run for at least 100ms"})
		close(sink)
		synctest.Wait()
		check(t, "abandoned after the return", len(root.Abandoned()), 0)
		checkError(t, "stop after the return", root.Stop(t.Context()), "")
	})
}

// A supervisor that was abandoned in a sink comes back to a request that it has from
// before. That was refused, and changes nothing for the successor.
func TestRequestToOneThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		sink := func(e tracing.Event) {
			switch e := e.(type) {
			case tracing.Started:
				if e.Path == "root/pool/slow#2" {
					time.Sleep(5 * second)
				}
			case tracing.Stuck:
				<-release
			}
		}
		pool := supervisor.NewDynamic("pool", supervisor.Policy{Tracing: quiet(sink), Watch: supervisor.Watch{Message: napLimit}})
		other := named("other")
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll}, supervisor.Spec{Child: pool, Shutdown: supervisor.BrutalKill}, other)
		busy := sleeper("busy")
		added(t, pool, busy)
		send(t, busy, time.Minute)
		time.Sleep(3 * second / 2)
		go func() { added(t, pool, named("slow")) }()
		synctest.Wait()
		late := make(chan error, 1)
		go func() {
			_, err := pool.StartChild(context.Background(), named("late"))
			late <- err
		}()
		time.Sleep(6 * second)
		other.crash()
		time.Sleep(second)
		if err := <-late; !errors.Is(err, supervisor.ErrNotRunning) {
			t.Errorf("late: got %v, want %v", err, supervisor.ErrNotRunning)
		}
		close(release)
		synctest.Wait()
		if name := added(t, pool, named("new")); name != "new#3" {
			t.Errorf("got the name %s, want new#3", name)
		}
		synctest.Wait()
		check(t, "children", len(pool.Children()), 1)
		_ = b.root.Stop(context.Background())
		_ = b.wait()
		time.Sleep(time.Minute)
	})
}
