package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// ending is a way in which a supervisor called sub ends while its loop is busy
// with the start of a child, for a second or for as long as it may.
type ending struct {
	name string
	how  func(t *testing.T, b *bed, byName map[string]*child)

	inProgress error         // what becomes of that start
	at         time.Duration // when the requests behind it are answered
	again      bool          // a successor of sub comes
	reason     string        // with which sub ends
}

var endings = []ending{
	{"stop", func(t *testing.T, b *bed, _ map[string]*child) {
		go b.root.Stop(t.Context())
	}, supervisor.ErrNotRunning, 0, false, "shutdown"},
	{"terminated by hand", func(t *testing.T, b *bed, _ map[string]*child) {
		go b.root.TerminateChild(t.Context(), "sub")
	}, supervisor.ErrNotRunning, 0, false, "shutdown"},
	{"giving up", func(_ *testing.T, _ *bed, byName map[string]*child) {
		byName["fatal"].ends <- returns(errBoom)
	}, nil, time.Second, false, `root/sub gave up: too many restarts, the last one wanted by "fatal": boom`},
	{"auto-shutdown", func(_ *testing.T, _ *bed, byName map[string]*child) {
		byName["significant"].ends <- returns(nil)
	}, nil, time.Second, false, "shutdown"},
	{"group restart above", func(_ *testing.T, _ *bed, byName map[string]*child) {
		byName["a"].ends <- returns(errBoom)
	}, supervisor.ErrNotRunning, 0, true, `shutdown: sibling "a" ended: boom`},
}

// newEnding makes a tree with sub in it, whose loop is busy.
func newEnding(t *testing.T) (b *bed, sub *supervisor.Supervisor, byName map[string]*child, inProgress chan error) {
	t.Helper()
	children, byName := nursery("fatal:trans significant:temp!")
	sub = supervisor.New("sub", supervisor.Policy{AutoShutdown: strategy.AnySignificant, Restarts: strategy.NoRestarts}, append(children, others()...)...)
	a := named("a")
	byName["a"] = a
	b = start(t, supervisor.Policy{Strategy: strategy.OneForAll}, a, supervisor.Spec{Child: sub, Restart: strategy.Transient})
	slow := named("slow")
	slow.onStart = func(ctx context.Context, _ int) error {
		select {
		case <-time.After(time.Second):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	inProgress = make(chan error, 1)
	go func() { inProgress <- sub.StartChild(t.Context(), slow) }()
	synctest.Wait()
	b.take()
	return b, sub, byName, inProgress
}

// wantNotRunning wants the refusal of a request that came to its end too late.
func wantNotRunning(t *testing.T, what string, err error) (reason exit.Reason) {
	t.Helper()
	var childError *supervisor.ChildError
	if !errors.Is(err, supervisor.ErrNotRunning) || !errors.As(err, &childError) {
		t.Errorf("%s: got %v, want a *ChildError with ErrNotRunning", what, err)
		return nil
	}
	return childError.Reason
}

// wantEnded is wantNotRunning with the reason for which the supervisor ended.
func wantEnded(t *testing.T, what string, err error, want string) {
	t.Helper()
	check(t, what+": reason", fmt.Sprint(wantNotRunning(t, what, err)), want)
}

func TestS111_RequestsWhenTheSupervisorEnds(t *testing.T) {
	for _, end := range endings {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, sub, byName, inProgress := newEnding(t)
				end.how(t, b, byName)
				synctest.Wait()
				queued := make(chan string, len(asks))
				for _, ask := range asks { // behind what ends it, or while it does
					go func() {
						err := ask.do(t.Context(), sub)
						switch {
						case end.again: // these are late, and may be served
						case end.at == 0: // these are late
							wantEnded(t, ask.op, err, "<nil>")
						default:
							wantEnded(t, ask.op, err, end.reason)
						}
						queued <- fmt.Sprint(time.Since(b.began))
					}()
				}
				for range asks {
					check(t, "answered", <-queued, fmt.Sprint(end.at))
				}
				if err := <-inProgress; !errors.Is(err, end.inProgress) {
					t.Errorf("request in progress: got %v, want %v", err, end.inProgress)
				}
				synctest.Wait()
				if !end.again {
					check(t, "state of sub", sub.Snapshot().State, supervisor.Stopped)
					for _, ask := range asks {
						wantEnded(t, "late "+ask.op, ask.do(t.Context(), sub), "<nil>")
					}
				}
				_ = b.root.Stop(t.Context())
				checkError(t, "wait", b.wait(), "")
			})
		})
	}
}

// The same, but the requests wait before anything ends.
func TestS111_RequestsThatWaitedBefore(t *testing.T) {
	for _, end := range endings {
		if end.inProgress == nil {
			continue // what is queued before is served before
		}
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, sub, byName, inProgress := newEnding(t)
				queued := make(chan error, 2*len(asks))
				for _, ask := range asks {
					go func() { queued <- ask.do(t.Context(), sub) }()
					go func() { queued <- ask.do(context.Background(), sub) }() // which waits in another way
				}
				synctest.Wait()
				end.how(t, b, byName)
				for range cap(queued) {
					wantEnded(t, "request", <-queued, end.reason)
				}
				wantEnded(t, "request in progress", <-inProgress, end.reason)
				synctest.Wait()
				check(t, "took", time.Since(b.began), 0)
				if end.again { // and nothing was done of it, by nobody
					check(t, "states", b.states(), "a sub sub/fatal sub/significant sub/other sub/idle")
					checkError(t, "late", sub.StartChild(t.Context(), named("new")), "")
				}
				_ = b.root.Stop(t.Context())
				checkError(t, "wait", b.wait(), "")
			})
		})
	}
}

// What had been done when the supervisor ends was done.
func TestS111_RequestThatIsDoneNevertheless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStop = takes(time.Second)
		b := start(t, supervisor.Policy{}, named("a"), c)
		result := make(chan error, 1)
		go func() { result <- b.root.TerminateChild(t.Context(), "c") }()
		synctest.Wait()
		b.stopInOrder()
		checkError(t, "terminate", <-result, "")
		b.wantAt(t, "1s stop c", "1s stop a", "1s stop root")
	})
}

func TestS111_RequestsToADynamic(t *testing.T) {
	for _, kill := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			b, pool := startDynamic(t, supervisor.Policy{})
			name := added(t, pool, named("c"))
			slow := named("slow")
			slow.onStart = func(ctx context.Context, _ int) error { <-ctx.Done(); return errBoom }
			inProgress, queued := make(chan error, 1), make(chan error, 2)
			start := func(child supervisor.Child, results chan error) {
				_, err := pool.StartChild(ctx, child)
				results <- err
			}
			go start(slow, inProgress)
			synctest.Wait()
			go start(named("d"), queued)
			go func() { queued <- pool.TerminateChild(ctx, name) }()
			synctest.Wait()
			if kill {
				ended, cancel := context.WithCancel(ctx)
				cancel()
				_ = b.root.Stop(ended)
			} else {
				b.stopInOrder()
			}
			for range cap(queued) {
				wantNotRunning(t, "request", <-queued)
			}
			if err := <-inProgress; !errors.Is(err, supervisor.ErrNotRunning) && !(kill && errors.Is(err, errBoom)) { // it may have failed first
				t.Errorf("request in progress: got %v, want not running", err)
			}
			wantNotRunning(t, "late", pool.TerminateChild(ctx, name))
			check(t, "children", len(pool.Children()), 0)
			_ = b.wait()
		})
	}
}

// The supervisor is abandoned while its loop waits for a child, or is stuck in a
// sink: who waits for an answer hears at once that there will be none.
func TestS111_RequestsToAnAbandonedSupervisor(t *testing.T) {
	for _, where := range []string{"in a stop", "in a sink"} {
		for _, root := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, as a root %v", where, root), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					released := make(chan struct{})
					stuck := named("stuck")
					policy := supervisor.Policy{Tracing: quiet()}
					switch where {
					case "in a stop":
						stuck.onStop = ignoresCtxUntil(released)
					case "in a sink":
						policy = supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
							if _, stopped := e.(tracing.Terminated); stopped {
								<-released
							}
						})}
					}
					sub := supervisor.New("sub", policy, append(others(), supervisor.Spec{Child: stuck, Shutdown: supervisor.Infinity})...)
					var wait func() error
					var abandon func()
					if root {
						var err error
						wait, err = sub.Start(context.Background())
						checkError(t, "start", err, "")
						abandon = func() {
							ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
							defer cancel()
							_ = sub.Stop(ctx)
						}
					} else {
						b := start(t, supervisor.Policy{}, supervisor.Spec{Child: sub, Shutdown: supervisor.Timeout(time.Second)})
						abandon = func() { checkError(t, "terminate", b.root.TerminateChild(t.Context(), "sub"), "") }
						wait = func() error { _ = b.root.Stop(t.Context()); return b.wait() }
					}
					results := make(chan error, 2+2*len(asks))
					go func() { results <- sub.TerminateChild(t.Context(), "stuck") }() // in progress
					synctest.Wait()
					for _, ask := range asks {
						go func() { results <- ask.do(t.Context(), sub) }()
						go func() { results <- ask.do(context.Background(), sub) }()
					}
					synctest.Wait()
					began := time.Now()
					abandon()
					synctest.Wait()
					check(t, "answered", len(results), 1+2*len(asks))
					if took := time.Since(began); took > time.Second {
						t.Errorf("took: got %v, want at most 1s", took)
					}
					for range len(results) {
						if err := <-results; err != nil || where == "in a sink" { // else what it waited for was abandoned, and so it was done
							wantNotRunning(t, "request", err)
						}
					}
					for _, ask := range asks {
						wantNotRunning(t, "late "+ask.op, ask.do(t.Context(), sub))
					}
					close(released)
					synctest.Wait()
					_ = wait()
				})
			})
		}
	}
}
