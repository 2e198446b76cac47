package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// startDynamic makes a tree of a root and a Dynamic called pool.
func startDynamic(t *testing.T, policy supervisor.Policy) (*bed, *supervisor.Dynamic) {
	t.Helper()
	pool := supervisor.NewDynamic("pool", policy)
	return start(t, supervisor.Policy{}, pool), pool
}

// added starts a child and gives its name.
func added(t *testing.T, pool *supervisor.Dynamic, child supervisor.Child) string {
	t.Helper()
	name, err := pool.StartChild(t.Context(), child)
	if err != nil {
		t.Fatalf("start: got %v, want nil", err)
	}
	return name
}

func TestS122_NamesAreNumbered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{})
		same := named("user")
		for i, child := range []supervisor.Child{same, same, supervisor.Spec{Child: named("job")}, same} {
			check(t, "name", added(t, pool, child), fmt.Sprintf("%s#%d", child.Name(), i+1))
		}
		checkList(t, "children", pool.Children(), []string{"job#3", "user#1", "user#2", "user#4"})
		b.want(t, "start pool/user#1", "start pool/user#2", "start pool/job#3", "start pool/user#4")
		checkError(t, "terminate", pool.TerminateChild(t.Context(), "user#2"), "")
		check(t, "name", added(t, pool, same), "user#5") // a number is not used again
		b.stopInOrder()
		check(t, "children afterwards", len(pool.Children()), 0)
	})
}

func TestS123_MaxChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		b, pool := startDynamic(t, supervisor.Policy{MaxChildren: 2, Backoff: strategy.Constant(time.Minute)})
		full := func(want bool) {
			t.Helper()
			probe := named("probe")
			name, err := pool.StartChild(ctx, supervisor.Spec{Child: probe, Restart: strategy.Temporary})
			if !want {
				checkError(t, "start", err, "")
				probe.end(returns(nil))
				return
			}
			check(t, "name", name, "")
			checkError(t, "start", err, "start root/pool/probe: the supervisor has MaxChildren children")
			if !errors.Is(err, supervisor.ErrMaxChildren) {
				t.Errorf("errors.Is(%v, ErrMaxChildren): got false, want true", err)
			}
			check(t, "starts", probe.starts.Load(), 0) // nothing was started
		}
		a := named("a")
		added(t, pool, a)
		declines, fails := named("declines"), named("fails")
		declines.onStart = func(context.Context, int) error { return errDeclines }
		fails.onStart = failingFrom(1)
		added(t, pool, declines)
		if _, err := pool.StartChild(ctx, fails); err == nil {
			t.Error("start of fails: got nil, want an error")
		}
		full(false)
		added(t, pool, named("b"))
		full(true)
		a.crash()
		check(t, "states", b.states(), "pool pool/a#1:restarting pool/b#5")
		full(true) // one that waits for its restart occupies a slot
		checkError(t, "terminate", pool.TerminateChild(ctx, "a#1"), "")
		full(false)
		b.stopInOrder()
	})
}

func TestS124_Declining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{})
		c := named("c")
		c.onStart = func(_ context.Context, n int) error {
			if n != 2 {
				return errDeclines
			}
			return nil
		}
		_, err := pool.StartChild(t.Context(), nil)
		checkError(t, "start of nil", err, "start root/pool/: a nil Child")
		check(t, "name of one that declines", added(t, pool, c), "")
		check(t, "name", added(t, pool, c), "c#2")
		c.crash() // and declines its restart
		b.want(t, "start pool/c#2", "exit pool/c#2: boom", "restarting pool/c#2")
		check(t, "states", b.states(), "pool")
		b.stopInOrder()
	})
}

func TestS125_Terminate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		b, pool := startDynamic(t, supervisor.Policy{Backoff: strategy.Constant(time.Minute)})
		c, r := named("c"), named("r")
		for _, child := range []*child{c, r} {
			added(t, pool, child)
		}
		r.crash()
		b.take()
		for _, name := range []string{"c#1", "r#2"} {
			checkError(t, "terminate", pool.TerminateChild(ctx, name), "")
			checkError(t, "terminate again", pool.TerminateChild(ctx, name), "terminate root/pool/"+name+": no such child")
		}
		checkError(t, "by the name alone", pool.TerminateChild(ctx, "c"),
			"terminate root/pool/c: no such child: the name is what StartChild gave back, such as c#1")
		time.Sleep(time.Hour)
		b.want(t, "stop pool/c#1")
		check(t, "states", b.states(), "pool")
		b.stopInOrder()
	})
}

func TestS126_EndsRemove(t *testing.T) {
	for _, restart := range []strategy.Restart{strategy.Permanent, strategy.Transient, strategy.Temporary} {
		for _, end := range ends {
			t.Run(restart.String()+"/"+end.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b, pool := startDynamic(t, supervisor.Policy{})
					c := named("c")
					added(t, pool, supervisor.Spec{Child: c, Restart: restart})
					c.end(end.how)
					want := "pool"
					if restart.Restarts(exit.Of(errBoom)) && (restart == strategy.Permanent || !end.clean) {
						want = "pool pool/c#1"
					}
					check(t, "states", b.states(), want)
					b.stopInOrder()
				})
			})
		}
	}
}

func TestS83S129_StopsAllAtOnceEachWithItsOwnLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)})
		released := make(chan struct{})
		for _, test := range []struct {
			name     string
			shutdown supervisor.Shutdown
			onStop   func(context.Context) error
		}{
			{"quick", supervisor.Shutdown{}, nil},
			{"slow", supervisor.Shutdown{}, takes(3 * time.Second)},
			{"overdue", supervisor.Timeout(2 * time.Second), takes(1900 * time.Millisecond)},
			{"stuck", supervisor.Timeout(4 * time.Second), ignoresCtxUntil(released)},
			{"brutal", supervisor.BrutalKill, ignoresCtxUntil(released)},
			{"waits", supervisor.Infinity, takes(6 * time.Second)},
		} {
			c := named(test.name)
			c.onStop = test.onStop
			added(t, pool, supervisor.Spec{Child: c, Shutdown: test.shutdown})
		}
		restarting := named("restarting")
		added(t, pool, restarting)
		restarting.crash()
		b.take()
		err := b.stop()
		b.wantAt(t, "0s stop pool/quick#1", "100ms abandon pool/brutal#5", "1.9s stop pool/overdue#3, overdue",
			"3s stop pool/slow#2", "4s abandon pool/stuck#4", "6s stop pool/waits#6", "6s stop pool", "6s stop root")
		check(t, "report", strings.Join(summary(t, err), "; "),
			"root/pool/brutal#5 (incarnation 1), stuck in run for at least 6s; root/pool/stuck#4 (incarnation 1), stuck in run for at least 6s")
		close(released)
	})
}

func TestS83_KillOfADynamic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{})
		released := make(chan struct{})
		for range 3 {
			c := named("c")
			c.onStop = ignoresCtxUntil(released)
			added(t, pool, supervisor.Spec{Child: c, Shutdown: supervisor.Infinity})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := b.root.Stop(ctx)
		check(t, "took", time.Since(b.began), 1100*time.Millisecond)
		check(t, "stuck", len(reported(t, err)), 3)
		close(released)
	})
}

func TestS122_RestartsAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{Restarts: 2})
		c, other := named("c"), named("other")
		added(t, pool, c)
		added(t, pool, other)
		b.take()
		c.crash()
		b.want(t, "exit pool/c#1: boom", "restarting pool/c#1", "restart pool/c#1")
		other.crash() // one budget for all
		c.crash()
		time.Sleep(time.Second)
		cause := gaveUpText("root/pool", "c#1")
		b.want(t, "exit pool/other#2: boom", "restarting pool/other#2", "restart pool/other#2",
			"exit pool/c#1: boom", "pool gave up on c#1", "stop pool/other#2: shutdown: "+cause, "exit pool: "+cause, "restarting pool", "restart pool")
		check(t, "states", b.states(), "pool") // S63
		check(t, "name", added(t, pool, c), "c#3")
		b.stopInOrder()
	})
}

func TestS121_FailedRestartIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{})
		c := named("c")
		c.onStart = failingStarts(2, 3)
		added(t, pool, c)
		c.crash()
		b.want(t, "start pool/c#1", "exit pool/c#1: boom", "restarting pool/c#1", "fail pool/c#1: start 2 failed",
			"restarting pool/c#1", "fail pool/c#1: start 3 failed", "restarting pool/c#1", "restart pool/c#1")
		b.stopInOrder()
	})
}

func TestDynamicAsARoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{root: "pool"}
		pool := supervisor.NewDynamic("pool", supervisor.Policy{Tracing: quiet(r.sink)})
		if _, err := pool.StartChild(t.Context(), named("c")); !errors.Is(err, supervisor.ErrNotRunning) {
			t.Errorf("start before: got %v, want not running", err)
		}
		done := make(chan error)
		go func() { done <- pool.Run(t.Context()) }()
		synctest.Wait()
		check(t, "string", pool.String(), "pool")
		added(t, pool, supervisor.New("sub", supervisor.Policy{}, named("deep")))
		checkError(t, "itself", func() error { _, err := pool.StartChild(t.Context(), pool); return err }(),
			"start pool/pool#2: start pool: already started")
		checkError(t, "stop", pool.Stop(t.Context()), "")
		checkError(t, "run", <-done, "")
		r.want(t, "start pool", "start sub#1/deep", "start sub#1", "fail pool#2: start pool: already started",
			"stop sub#1/deep", "stop sub#1", "stop pool")
	})
}
