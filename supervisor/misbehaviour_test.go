package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// scenario is a tree with something going on: a crash at the root, one below,
// a child added and terminated, and an actor with messages.
type scenario struct {
	root    *supervisor.Supervisor
	a, deep *child
	messy   *actor.Actor[int]
	events  atomic.Int32
}

// newScenario makes a tree whose sink does something at the n-th event.
func newScenario(n int32, misbehave func()) *scenario {
	s := &scenario{a: named("a"), deep: named("deep")}
	s.messy = actor.New("messy", func(context.Context) (actor.Behavior[int], error) {
		return actor.Behavior[int]{Receive: func(context.Context, int) error { return errBoom }}, nil
	})
	sink := func(tracing.Event) {
		if s.events.Add(1) == n {
			misbehave()
		}
	}
	s.root = supervisor.New("root", supervisor.Policy{Tracing: quiet(sink), Strategy: strategy.OneForAll, Restarts: strategy.Unlimited},
		s.a, supervisor.New("sub", supervisor.Policy{Restarts: 1}, s.deep, s.messy))
	return s
}

// play lets it go on, as far as the tree can.
func (s *scenario) play(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, c := range []*child{s.deep, s.a, s.deep, s.deep} {
		select {
		case c.ends <- returns(errBoom):
		case <-ctx.Done():
		}
		synctest.Wait()
	}
	for n := range 3 {
		_ = s.messy.Send(ctx, n)
		synctest.Wait()
	}
	_ = s.root.StartChild(ctx, named("added"))
	_ = s.root.TerminateChild(ctx, "added")
}

func TestS119_PanicInASinkChangesNothing(t *testing.T) {
	var lines []string
	for n := range int32(25) {
		synctest.Test(t, func(t *testing.T) {
			s := newScenario(n, func() { panic("oops") })
			wait, err := s.root.Start(context.Background())
			checkError(t, "start", err, "")
			s.play(t.Context())
			lines = append(lines, s.root.Snapshot().String())
			checkError(t, "stop", s.root.Stop(context.Background()), "")
			checkError(t, "wait", wait(), "")
			check(t, fmt.Sprintf("snapshot with a panic at event %d", n), lines[n], lines[0])
		})
	}
}

// Sinks must not do that; but nothing may hang because of it, nor be left behind
// unseen.
func TestS119_GoexitInASink(t *testing.T) {
	for n := int32(1); n <= 40; n += step {
		goexitInASink(t, n, func(*scenario) { runtime.Goexit() })
	}
}

func TestGoexitInASinkFromSomeEventOn(t *testing.T) {
	for n := int32(1); n <= 40; n += step {
		goexitInASink(t, n, func(s *scenario) {
			s.events.Add(-1) // so the next one does it as well
			runtime.Goexit()
		})
	}
}

func goexitInASink(t *testing.T, n int32, misbehave func(*scenario)) {
	t.Helper()
	t.Run(fmt.Sprintf("event %d", n), func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var s *scenario
			s = newScenario(n, func() { misbehave(s) })
			done := make(chan error, 1)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { done <- s.root.Run(ctx) }()
			synctest.Wait()
			s.play(t.Context())
			cancel()
			time.Sleep(time.Minute)
			select {
			case <-done:
			default:
				t.Errorf("Goexit at event %d: the tree does not end", n)
			}
			checkError(t, "stop", s.root.Stop(t.Context()), "")
			check(t, fmt.Sprintf("Goexit at event %d: state", n), s.root.Snapshot().State, supervisor.Stopped)
		})
	})
}

func TestBlockedSinkDoesNotPreventTheEndOfAStop(t *testing.T) {
	for _, test := range []struct {
		name  string
		every bool // it blocks whoever comes, for the rest of the time
	}{
		{"one event", false},
		{"all events", true},
	} {
		for n := int32(1); n <= 40; n += step {
			t.Run(fmt.Sprintf("%s from %d", test.name, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					released := make(chan struct{})
					var s *scenario
					blocks := func() {
						if test.every {
							s.events.Add(-1) // so the next one blocks as well
						}
						<-released
					}
					s = newScenario(n, blocks)
					done := make(chan error, 1)
					go func() { done <- s.root.Run(context.Background()) }()
					synctest.Wait()
					s.play(t.Context())
					began := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					err := s.root.Stop(ctx)
					took := time.Since(began)
					if took > 1500*time.Millisecond {
						t.Errorf("stop: took %v, want at most 1.5s", took)
					}
					if took >= time.Second { // it was cut short
						reported(t, err)
						if !strings.Contains(err.Error(), "newScenario") {
							t.Errorf("report: got %v, want the sink in a stack", err)
						}
					}
					check(t, "run and stop agree", errors.Is(<-done, err) || err == nil, true)
					if err == nil {
						checkError(t, "another stop", s.root.Stop(t.Context()), "")
					} else {
						checkList(t, "another stop", summary(t, s.root.Stop(t.Context())), summary(t, err))
					}
					if !test.every { // what is stuck is in nobody's way
						checkError(t, "start again", startOnce(s.root), "")
					}
					close(released)
					time.Sleep(time.Minute)
					checkError(t, "stop later", s.root.Stop(t.Context()), "")
					check(t, "abandoned", len(s.root.Abandoned()), 0)
					checkError(t, "start later", startOnce(s.root), "")
				})
			})
		}
	}
}

func TestPanicInMethodsOfAnAddedChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, supervisor.Policy{}, named("a"))
		checkError(t, "start", b.root.StartChild(t.Context(), unnamed{}), "start root/: Name: panic: no name")
		checkError(t, "start", b.root.StartChild(t.Context(), checked{named("c"), func() error { panic("oops") }}),
			"start root/c: Check: panic: oops")
		check(t, "states", b.states(), "a")
		b.stopInOrder()
	})
}

// fickle panics when it is asked for its name again.
type fickle struct {
	*child
	asked atomic.Int32
}

func (f *fickle) Name() string {
	if f.asked.Add(1) > 3 { // twice for Check, once more before it starts
		panic("asked too often")
	}
	return f.name
}

func TestS15S119_PanicInNameWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, supervisor.Policy{}, named("a"), &fickle{child: named("f")})
		checkError(t, "run", b.root.Run(t.Context()), "panic: asked too often")
		b.want(t, "fail root: panic: asked too often")
		check(t, "state", b.root.Snapshot().State, supervisor.Stopped)
	})
}

// What a child returns may be nonsense: nil inside, or a type that only looks like
// a reason.
func TestS119_NonsenseAsAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, nonsense := range map[string]error{
			"nil pointer to an error":  (*supervisor.ChildError)(nil),
			"nil pointer to a reason":  (*exit.GaveUp)(nil),
			"type around no reason":    struct{ exit.Reason }{},
			"type around a clean one":  struct{ exit.Reason }{exit.Normal},
			"reason made by hand":      &exit.Failure{},
			"gave up without a reason": &exit.GaveUp{},
		} {
			c := named("c")
			b := start(t, supervisor.Policy{}, supervisor.Spec{Child: c, Restart: strategy.Transient}, named("z"))
			c.end(returns(nonsense))
			want := "c z"
			if name == "gave up without a reason" { // which is clean
				want = "c:stopped z"
			}
			check(t, name, b.states(), want)
			c.onStop = func(context.Context) error { return nonsense }
			b.stopInOrder()
		}
	})
}

// An abandoned incarnation that has come back is not gone before it has told of
// that.
func TestBlockedSinkOfTheReturnIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		returns, released := make(chan struct{}), make(chan struct{})
		sink := func(e tracing.Event) {
			if _, back := e.(tracing.Returned); back {
				<-released
			}
		}
		stuck := named("stuck")
		stuck.onStop = ignoresCtxUntil(returns)
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet(sink)}, named("a"), stuck)
		_, err := root.Start(context.Background())
		checkError(t, "start", err, "")
		checkError(t, "terminate", root.TerminateChild(t.Context(), "stuck"), "")
		close(returns)
		synctest.Wait()
		lost := reported(t, root.Stop(t.Context()))
		check(t, "stuck", len(lost), 1)
		check(t, "path", lost[0].Path, "root/stuck")
		if !strings.Contains(lost[0].Stack, "TestBlockedSinkOfTheReturn") {
			t.Errorf("stack: got\n%s\nwant the sink", lost[0].Stack)
		}
		close(released)
		synctest.Wait()
	})
}

// A sink that leaves by Goexit in the dead letter of one abandonment keeps nobody
// from the next: what is stuck is reported, however many there are.
func TestGoexitInADeadLetterOfAnAbandonmentHidesNobody(t *testing.T) {
	for _, inside := range []bool{false, true} {
		t.Run(fmt.Sprint("inside ", inside), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink := func(e tracing.Event) {
					if _, dead := e.(tracing.DeadLetter); dead {
						runtime.Goexit()
					}
				}
				var children []supervisor.Child
				var actors []*actor.Actor[nap]
				for _, name := range []string{"a", "b", "c", "d"} {
					a := sleeper(name)
					actors = append(actors, a)
					children = append(children, supervisor.Spec{Child: a, Shutdown: supervisor.Timeout(second)})
				}
				want := []string{"root/a", "root/b", "root/c", "root/d"}
				policy := supervisor.Policy{Tracing: quiet(sink)}
				root := supervisor.New("root", policy, children...)
				if inside {
					want = []string{"root/sub/a", "root/sub/b", "root/sub/c", "root/sub/d"}
					root = supervisor.New("root", policy, supervisor.New("sub", policy, children...))
				}
				_, err := root.Start(context.Background())
				checkError(t, "start", err, "")
				for _, a := range actors {
					send(t, a, time.Hour, 0)
				}
				synctest.Wait()
				var paths []string
				for _, stuck := range reported(t, root.Stop(t.Context())) {
					paths = append(paths, stuck.Path)
				}
				checkList(t, "stuck", paths, want)
				time.Sleep(2 * time.Hour)
				checkError(t, "stop later", root.Stop(t.Context()), "")
				for _, a := range actors {
					check(t, a.Name()+" is gone", errors.Is(a.Send(t.Context(), 0), actor.ErrNoProc), true)
				}
				checkError(t, "start again", startOnce(root), "")
			})
		})
	}
}

// A root that was abandoned while it started does not say that it has started when
// it comes back.
func TestS194_RootThatIsUpAfterItsAbandonment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		r := &recorder{root: "root", began: time.Now()}
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
			r.sink(e)
			if _, ok := e.(tracing.Started); ok && e.Where().Path == "root/a" {
				<-released
			}
		})}, named("a"))
		started := make(chan error, 1)
		go func() {
			_, err := root.Start(context.Background())
			started <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var report *supervisor.StopError
		if err := root.Stop(ctx); !errors.As(err, &report) {
			t.Errorf("stop: got %v, want a StopError", err)
		}
		if err := <-started; err == nil {
			t.Error("start: got nil, want an error")
		}
		r.want(t, "start a", "abandon root")
		close(released)
		synctest.Wait()
		time.Sleep(time.Minute)
		r.want(t, "stop a: killed", "return root: shutdown")
		checkError(t, "stop", root.Stop(t.Context()), "")
	})
}
