package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// There is no template: children of all kinds come with their own specs and
// arguments, which a restart uses again.
func TestS24S120_NoTemplate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{})
		check(t, "states", b.states(), "pool") // nothing is started initially
		var arguments recorder
		crash := make(chan struct{})
		worker := func(argument string) supervisor.Child {
			return supervisor.Func("worker", func(ctx context.Context) error {
				arguments.add(argument)
				select {
				case <-crash:
					return errBoom
				case <-ctx.Done():
					return nil
				}
			})
		}
		added(t, pool, worker("x"))
		synctest.Wait()
		crash <- struct{}{} // x
		synctest.Wait()
		added(t, pool, worker("y"))
		added(t, pool, supervisor.Spec{Child: named("other"), Restart: strategy.Temporary})
		added(t, pool, supervisor.New("sub", supervisor.Policy{}, named("c")))
		synctest.Wait()
		arguments.want(t, "x", "x", "y")
		checkList(t, "children", pool.Children(), []string{"other#3", "sub#4", "worker#1", "worker#2"})
		b.stopInOrder()
	})
}

// A Dynamic forgets what it has stopped, so there is nothing to restart or
// delete by hand; and what it terminates by name is one child, not a kind.
func TestS108_NoActsOnSpecs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{})
		if _, has := any(pool).(interface {
			RestartChild(context.Context, string) error
		}); has {
			t.Error("a Dynamic has RestartChild")
		}
		if _, has := any(pool).(interface {
			DeleteChild(context.Context, string) error
		}); has {
			t.Error("a Dynamic has DeleteChild")
		}
		c := named("c")
		name := added(t, pool, supervisor.Spec{Child: c, Restart: strategy.Transient})
		for _, test := range []struct{ name, want string }{
			{"c", "terminate root/pool/c: no such child: the name is what StartChild gave back, such as c#1"},
			{"pool", "terminate root/pool/pool: no such child: the name is what StartChild gave back, such as pool#1"},
			{name, ""},
			{name, "terminate root/pool/c#1: no such child"},
		} {
			checkError(t, "terminate "+test.name, pool.TerminateChild(t.Context(), test.name), test.want)
		}
		name = added(t, pool, supervisor.Spec{Child: c, Restart: strategy.Transient})
		c.end(returns(nil)) // dead already
		checkError(t, "terminate", pool.TerminateChild(t.Context(), name), "terminate root/pool/c#2: no such child")
		b.stopInOrder()
	})
}

func TestS128_StartsAreSerialised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{})
		quick := added(t, pool, named("quick"))
		b.take()
		slow := func(name string) *child {
			c := named(name)
			c.onStart = func(context.Context, int) error { time.Sleep(time.Second); return nil }
			return c
		}
		var all sync.WaitGroup
		took := make(map[string]*time.Duration)
		ask := func(name string, request func() error) {
			took[name] = new(time.Duration)
			all.Go(func() {
				checkError(t, name, request(), "")
				*took[name] = time.Since(b.began)
			})
			synctest.Wait() // so that the order is certain
		}
		for _, name := range []string{"x", "y", "z"} {
			ask(name, func() error { _, err := pool.StartChild(t.Context(), slow(name)); return err })
		}
		ask("terminate", func() error { return pool.TerminateChild(t.Context(), quick) })
		all.Wait()
		for name, want := range map[string]time.Duration{"x": time.Second, "y": 2 * time.Second, "z": 3 * time.Second, "terminate": 3 * time.Second} {
			check(t, name+" took", *took[name], want)
		}
		b.wantAt(t, "1s start pool/x#2", "2s start pool/y#3", "3s start pool/z#4", "3s stop pool/quick#1")
		b.stopInOrder()
	})
}

// A restart that declines leaves nothing behind.
func TestS202_NoPhantoms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{MaxChildren: 1})
		c := named("c")
		c.onStart = func(_ context.Context, n int) error {
			if n == 2 {
				return errDeclines
			}
			return nil
		}
		added(t, pool, c)
		c.crash()
		check(t, "states", b.states(), "pool")
		checkList(t, "children", pool.Children(), nil)
		check(t, "its place is free", added(t, pool, c), "c#2")
		b.stopInOrder()
	})
}

// One error says where and why, for each kind of supervisor.
func TestS204_ErrorsOfAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{MaxChildren: 1})
		inner := supervisor.New("inner", supervisor.Policy{}, named("c"))
		checkError(t, "start", b.root.StartChild(t.Context(), inner), "")
		failing := func(name string, how func() error) *child {
			c := named(name)
			c.onStart = func(context.Context, int) error { return how() }
			return c
		}
		static := func(child supervisor.Child) error { return inner.StartChild(t.Context(), child) }
		dynamic := func(child supervisor.Child) error {
			_, err := pool.StartChild(t.Context(), child)
			return err
		}
		for i, test := range []struct {
			start func(supervisor.Child) error
			child supervisor.Child
			path  string
			err   error // what is wrong, by errors.Is
			text  string
		}{
			{static, failing("x", returns(errBoom)), "root/inner/x", errBoom, "boom"},
			{static, failing("x", returns(exit.Normal)), "root/inner/x", exit.Normal, "normal"},
			{static, failing("x", panics(errBoom)), "root/inner/x", errBoom, "panic: boom"},
			{static, named("c"), "root/inner/c", supervisor.ErrAlreadyStarted, "Name: a sibling has it: already started"},
			{static, b.root, "root/inner/root", supervisor.ErrAlreadyStarted, "start root: already started"},
			{dynamic, failing("x", returns(errBoom)), "root/pool/x#1", errBoom, "boom"},
			{dynamic, inner, "root/pool/inner#2", supervisor.ErrAlreadyStarted, "start root/inner: already started"},
			{dynamic, named("ok"), "", nil, ""},
			{dynamic, named("x"), "root/pool/x", supervisor.ErrMaxChildren, "the supervisor has MaxChildren children"},
		} {
			err := test.start(test.child)
			if test.err == nil {
				checkError(t, "start", err, "")
				continue
			}
			var childError *supervisor.ChildError
			if !errors.As(err, &childError) || !errors.Is(err, test.err) {
				t.Errorf("%d: got %v, want a *ChildError with %v", i, err, test.err)
				continue
			}
			check(t, "path", childError.Path, test.path)
			checkError(t, "text", err, fmt.Sprintf("start %s: %s", test.path, test.text))
		}
		b.stopInOrder()
	})
}

// A request is used again once it was replied to. The reply to one that was given up
// still comes, and is nobody's.
func TestS113_LateReplyIsNotThatOfTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, pool := startDynamic(t, supervisor.Policy{Tracing: quiet()})
		slow := named("slow")
		slow.onStart = func(context.Context, int) error { time.Sleep(time.Second); return errBoom }
		added(t, pool, named("first"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if _, err := pool.StartChild(ctx, slow); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("slow: got %v, want the end of its ctx", err)
		}
		for i := range 3 { // the first waits for the end of what was given up
			name, err := pool.StartChild(context.Background(), named("next"))
			checkError(t, "next", err, "")
			check(t, "name", name, fmt.Sprint("next#", 3+i))
		}
		b.stopInOrder()
		_ = b.wait()
	})
}
