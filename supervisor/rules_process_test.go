package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// The parent of a root is whoever started it: the end of its ctx stops the tree,
// whatever its cause.
func TestS114_TheEndOfTheParentStops(t *testing.T) {
	for _, cause := range []error{nil, exit.Normal, exit.Shutdown, exit.ShutdownFor(errBoom), exit.Killed, errBoom, context.DeadlineExceeded} {
		t.Run(fmt.Sprint(cause), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var causes causes
				b := newBed(t, supervisor.Policy{}, causes.note(named("a")), supervisor.New("sub", supervisor.Policy{}, causes.note(named("c"))))
				parent, end := context.WithCancelCause(t.Context())
				b.wait, _ = b.root.Start(parent)
				b.take()
				end(cause)
				checkError(t, "wait", b.wait(), "")
				b.want(t, "stop sub/c", "stop sub", "stop a", "stop root") // with reason shutdown, all of them
				check(t, "cause of a", causes.of("a"), error(exit.Shutdown))
				check(t, "cause of sub/c", causes.of("c"), error(exit.Shutdown))
			})
		})
	}
}

// What is not the end of a current incarnation of its own child is nothing to a
// supervisor, which may not restart anything here.
func TestS115_EndsOfOthersAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		c := named("c")
		c.onStop = func(ctx context.Context) error {
			if c.starts.Load() == 1 {
				<-released
				panic("too late")
			}
			return ctx.Err()
		}
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll, Restarts: strategy.NoRestarts}, named("a"), c)
		for _, test := range []struct {
			name string
			act  func()
			want []string
		}{
			{"a stopped incarnation", func() { checkError(t, "terminate", b.root.TerminateChild(t.Context(), "a"), "") }, []string{"stop a"}},
			{"an abandoned one", func() {
				checkError(t, "terminate", b.root.TerminateChild(t.Context(), "c"), "")
				checkError(t, "restart", b.root.RestartChild(t.Context(), "c"), "")
				close(released)
			}, []string{"abandon c", "start c", "return c: panic: too late"}},
			{"a failed start", func() {
				bad := named("bad")
				bad.onStart = func(context.Context, int) error { panic("oops") }
				checkError(t, "start", b.root.StartChild(t.Context(), bad), "start root/bad: panic: oops")
			}, []string{"fail bad: panic: oops"}},
			{"a goroutine of a child", func() {
				helper := supervisor.Func("helper", func(ctx context.Context) error {
					go func() { runtime.Goexit() }()
					<-ctx.Done()
					return nil
				})
				checkError(t, "start", b.root.StartChild(t.Context(), helper), "")
			}, []string{"start helper"}},
			{"another tree", func() {
				other := start(t, supervisor.Policy{Restarts: strategy.NoRestarts}, supervisor.Func("x", func(context.Context) error { return errBoom }))
				checkError(t, "another tree", other.wait(), gaveUpText("root", "x"))
			}, nil},
		} {
			test.act()
			synctest.Wait()
			b.want(t, test.want...)
		}
		check(t, "states", b.states(), "a:stopped c helper")
		b.stop()
	})
}

// A supervisor that is stuck in code of the user, here a sink, hears of nothing
// any more. A kill goes past it: to children that look at their ctx, and to
// actors that wait for messages.
func TestS89S117_OnlyAKillGoesPastTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		ends := &recorder{began: time.Now()}
		note := func(name string, cause error) { ends.add(name + ": " + cause.Error()) }
		noting := func(name string) *child {
			c := named(name)
			c.onStop = func(ctx context.Context) error { note(name, context.Cause(ctx)); return ctx.Err() }
			return c
		}
		idle := actor.New("idle", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{
				Receive: func(context.Context, int) error { return nil },
				Close:   func(_ context.Context, reason exit.Reason) error { note("idle", reason); return nil },
			}, nil
		})
		sub := supervisor.New("sub", supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
			if started, ok := e.(tracing.Started); ok && started.Path == "root/sub/late" {
				<-released
			}
		})}, idle, noting("c"))
		b := start(t, supervisor.Policy{}, noting("a"), sub)
		go sub.StartChild(t.Context(), named("late"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		check(t, "stuck", reported(t, b.root.Stop(ctx))[0].Path, "root/sub")
		synctest.Wait()
		var got []string
		for _, l := range ends.take() { // at the same moment, in any order
			got = append(got, l.at.String()+" "+l.text)
		}
		slices.Sort(got)
		checkList(t, "ends", got, []string{"1s a: killed", "1s c: killed", "1s idle: killed"})
		close(released)
	})
}

// A child cannot make its supervisor lose sight of it.
func TestS118_AChildCannotDetach(t *testing.T) {
	for _, test := range []struct {
		name   string
		detach func()
		last   func() error // how it ends
		want   string
	}{
		{"without its labels", func() { pprof.SetGoroutineLabels(context.Background()) }, returns(errBoom), "exit c: boom"},
		{"with a thread that ends too", runtime.LockOSThread, goexits, "exit c: goroutine left by runtime.Goexit"},
		{"behind a recover", func() { defer func() { _ = recover() }(); panic("mine") }, panics("oops"), "exit c: panic: oops"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ends := make(chan struct{})
				c := supervisor.Func("c", func(ctx context.Context) error {
					test.detach()
					own, cancel := context.WithCancel(context.WithoutCancel(ctx))
					defer cancel()
					select {
					case <-ends:
						return test.last()
					case <-own.Done(): // never
						return nil
					case <-ctx.Done():
						return test.last()
					}
				})
				b := start(t, supervisor.Policy{}, c)
				ends <- struct{}{}
				synctest.Wait()
				b.want(t, test.want, "restarting c", "restart c")
				b.stopInOrder()
				b.want(t, strings.Replace(test.want, "exit", "stop", 1), "stop root")
			})
		})
	}
}

// What nobody can supervise ends the program; here it is this test's binary.
func TestS197_WhatCannotBeSupervised(t *testing.T) {
	const variable = "COPPICE_S197"
	ways := map[string]struct {
		child func()
		code  int
		want  string // of the output
	}{
		"panic in a goroutine of the child": {func() { go panic("nobody is there"); select {} }, 2, "panic: nobody is there"},
		"os.Exit":                           {func() { os.Exit(7) }, 7, ""},
		"fatal error":                       {func() { new(sync.Mutex).Unlock() }, 2, "fatal error: sync: unlock of unlocked mutex"},
	}
	if way, ok := ways[os.Getenv(variable)]; ok {
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet()},
			supervisor.Func("c", func(context.Context) error { way.child(); return nil }))
		fmt.Println("survived:", root.Run(context.Background()))
		return
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			program := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestS197_WhatCannotBeSupervised$")
			program.Env = append(os.Environ(), variable+"="+name)
			output, err := program.CombinedOutput()
			var failed *exec.ExitError
			if !errors.As(err, &failed) || failed.ExitCode() != way.code || !strings.Contains(string(output), way.want) {
				t.Errorf("got error %v and output:\n%s\nwant exit code %d and %q", err, output, way.code, way.want)
			}
		})
	}
}
