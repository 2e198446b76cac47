package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestS9_StartsInOrderOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(name string) *child {
			c := named(name)
			c.onStart = func(context.Context, int) error { time.Sleep(time.Second); return nil }
			return c
		}
		b := newBed(t, supervisor.Policy{},
			slow("a"),
			supervisor.New("sub", supervisor.Policy{}, slow("b"), slow("c")),
			slow("d"))
		wait, err := b.root.Start(t.Context())
		if err != nil {
			t.Fatalf("start: got %v, want nil", err)
		}
		b.wait = wait
		b.wantAt(t, "1s start a", "2s start sub/b", "3s start sub/c", "3s start sub", "4s start d", "4s start root")
		b.stopInOrder()
		b.want(t, "stop d", "stop sub/c", "stop sub/b", "stop sub", "stop a", "stop root")
	})
}

func TestS10_NothingStartsIfAnythingIsInvalid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := named("a")
		b := newBed(t, supervisor.Policy{}, a,
			supervisor.New("sub", supervisor.Policy{}, named("b"), supervisor.Spec{Child: named("c"), Restart: 9}))
		const want = `supervisor "root/sub": child 2 "c": Restart: restart(9) is neither Permanent, Transient nor Temporary`
		checkError(t, "run", b.root.Run(t.Context()), want)
		_, err := b.root.Start(t.Context())
		checkError(t, "start", err, want)
		check(t, "starts of a", a.starts.Load(), 0)
		b.want(t)
	})
}

func TestS11_RollbackInReverseOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, slow, stubborn, last := named("a"), named("slow"), named("stubborn"), named("last")
		slow.onStop = takes(2 * time.Second)
		released := make(chan struct{})
		stubborn.onStop = ignoresCtxUntil(released)
		bad := named("bad")
		bad.onStart = failingFrom(1)
		b := newBed(t, supervisor.Policy{}, a, slow,
			supervisor.Spec{Child: stubborn, Shutdown: supervisor.Timeout(time.Second)}, bad, last)
		err := b.root.Run(t.Context())
		b.wantAt(t,
			"0s start a", "0s start slow", "0s start stubborn", "0s fail bad: start 1 failed",
			"1s abandon stubborn", "3s stop slow", "3s stop a", // each with its own shutdown
			"3s fail root: start root/bad: start 1 failed")
		check(t, "starts of the one after", last.starts.Load(), 0)
		var stuck *supervisor.StopError
		if !errors.As(err, &stuck) || len(stuck.Stuck) != 1 || stuck.Stuck[0].Path != "root/stubborn" {
			t.Errorf("run: got %v, want a report of stubborn", err)
		}
		close(released)
	})
}

func TestS11_ErrorsWrapLevelByLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := named("bad")
		bad.onStart = func(context.Context, int) error { return errBoom }
		a, c := named("a"), named("c")
		b := newBed(t, supervisor.Policy{}, a,
			supervisor.New("outer", supervisor.Policy{},
				c, supervisor.New("inner", supervisor.Policy{}, bad)))
		err := b.root.Run(t.Context())
		checkError(t, "run", err, "start root/outer: start root/outer/inner: start root/outer/inner/bad: boom")
		if !errors.Is(err, errBoom) {
			t.Errorf("errors.Is(%v, boom): got false, want true", err)
		}
		var paths []string
		for e := new(supervisor.ChildError); errors.As(err, &e); err = e.Err {
			paths = append(paths, e.Path)
		}
		checkList(t, "paths", paths, []string{"root/outer", "root/outer/inner", "root/outer/inner/bad"})
		b.want(t,
			"start a", "start outer/c", "fail outer/inner/bad: boom",
			"fail outer/inner: start root/outer/inner/bad: boom",
			"stop outer/c",
			"fail outer: start root/outer/inner: start root/outer/inner/bad: boom",
			"stop a",
			"fail root: start root/outer: start root/outer/inner: start root/outer/inner/bad: boom")
	})
}

func TestS12_FailedStartIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := named("bad")
		bad.onStart = failingStarts(1)
		b := newBed(t, supervisor.Policy{Restarts: strategy.Unlimited}, bad)
		checkError(t, "run", b.root.Run(t.Context()), "start root/bad: start 1 failed")
		check(t, "starts", bad.starts.Load(), 1)
	})
}

func TestS13_WhatFailsToStart(t *testing.T) {
	for _, test := range []struct {
		name string
		how  func() error
		want string
		is   error
	}{
		{"an error", returns(errBoom), "boom", errBoom},
		{"a clean reason", returns(exit.Normal), "normal", exit.Normal},
		{"shutdown", returns(exit.Shutdown), "shutdown", exit.Shutdown},
		{"a panic", panics("oops"), "panic: oops", nil},
		{"a panic with nil", panics(nil), "panic: panic called with nil argument", nil},
		{"a panic with a clean reason", panics(exit.Normal), "panic: normal", nil},
		{"Goexit", goexits, "goroutine left by runtime.Goexit", exit.Goexit},
		{"a ctx error from elsewhere", returns(context.Canceled), "context canceled", context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad, last := named("bad"), named("last")
				bad.onStart = func(context.Context, int) error { return test.how() }
				b := newBed(t, supervisor.Policy{}, named("a"), bad, last)
				err := b.root.Run(t.Context())
				checkError(t, "run", err, "start root/bad: "+test.want)
				if test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("errors.Is(%v, %v): got false, want true", err, test.is)
				}
				b.want(t, "start a", "fail bad: "+test.want, "stop a", "fail root: start root/bad: "+test.want)
				check(t, "starts of the next", last.starts.Load(), 0)
			})
		})
	}
}

func TestS14_WhoDeclinesHasNoProcess(t *testing.T) {
	for _, test := range []struct {
		restart strategy.Restart
		want    string
	}{
		{strategy.Permanent, "a d:stopped z"},
		{strategy.Transient, "a d:stopped z"},
		{strategy.Temporary, "a z"}, // its spec is dropped
	} {
		t.Run(test.restart.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := named("d")
				d.onStart = func(context.Context, int) error { return errDeclines }
				b := start(t, supervisor.Policy{}, named("a"), supervisor.Spec{Child: d, Restart: test.restart}, named("z"))
				check(t, "states", b.states(), test.want)
				b.stopInOrder()
				b.want(t, "stop z", "stop a", "stop root")
			})
		})
	}
}

func TestS14_GroupRestartAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := named("a"), named("d")
		d.onStart = func(_ context.Context, n int) error {
			if n < 3 {
				return errDeclines
			}
			return nil
		}
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll}, a, d)
		a.crash()
		b.want(t, "exit a: boom", "restarting a", "restart a")
		check(t, "states", b.states(), "a d:stopped")
		a.crash()
		b.want(t, "exit a: boom", "restarting a", "restart a", "restart d")
		b.stopInOrder()
	})
}

func TestS16_StopWhileStartIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		stuck := named("stuck")
		var cause error
		ran := false
		stuck.onStart = func(context.Context, int) error { <-released; return nil }
		stuck.onStop = func(ctx context.Context) error {
			cause, ran = context.Cause(ctx), true
			return ctx.Err()
		}
		b := newBed(t, supervisor.Policy{}, named("a"), stuck, named("never"))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := b.root.Run(ctx)
		var report *supervisor.StopError
		if !errors.As(err, &report) || len(report.Stuck) != 1 || report.Stuck[0].Path != "root/stuck" || report.Stuck[0].In != supervisor.InStart {
			t.Errorf("run: got %v, want a report of stuck in its Start", err)
		}
		b.wantAt(t, "0s start a", "6s abandon stuck", "6s stop a", "6s stop root")

		close(released)
		synctest.Wait()
		if !ran || cause != exit.Shutdown {
			t.Errorf("run of the late success: got ran %v with cause %v, want true with shutdown", ran, cause)
		}
		b.wantAt(t, "6s return stuck: shutdown")
	})
}

func TestS16_StartThatHearsOfTheStop(t *testing.T) {
	for _, test := range []struct {
		name string
		then error // what Start returns when it has heard
		want string
	}{
		{"obeys", context.Canceled, "stop sub/slow"},
		{"fails", errBoom, "stop sub/slow: boom"},
		{"is up nevertheless", nil, "stop sub/slow"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := named("slow")
				slow.onStart = func(ctx context.Context, _ int) error { <-ctx.Done(); return test.then }
				b := newBed(t, supervisor.Policy{}, named("a"), supervisor.New("sub", supervisor.Policy{}, slow, named("never")))
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				checkError(t, "run", b.root.Run(ctx), "")
				b.wantAt(t, "0s start a", "1s "+test.want, "1s stop sub", "1s stop a", "1s stop root")
			})
		})
	}
}

func TestS17_NothingIsLeftAfterAFailedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := named("bad")
		bad.onStart = failingStarts(1)
		sub := supervisor.New("sub", supervisor.Policy{}, named("b"))
		b := newBed(t, supervisor.Policy{}, named("a"), sub, bad)
		checkError(t, "run", b.root.Run(t.Context()), "start root/bad: start 1 failed")
		synctest.Wait()
		check(t, "path of the supervisor below", sub.String(), "sub")
		check(t, "state", b.root.Snapshot().State, supervisor.Stopped)
		checkError(t, "stop", b.root.Stop(t.Context()), "")

		// All of it can be started again, here or elsewhere.
		other := start(t, supervisor.Policy{}, sub)
		other.stopInOrder()
		b.take()
		wait, err := b.root.Start(t.Context())
		if err != nil {
			t.Fatalf("second start: got %v, want nil", err)
		}
		b.wait = wait
		b.want(t, "start a", "start sub/b", "start sub", "start bad", "start root")
		b.stopInOrder()
	})
}

func TestAlreadyStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := supervisor.New("shared", supervisor.Policy{Tracing: quiet()}, named("a"))
		first := start(t, supervisor.Policy{}, shared)
		second := newBed(t, supervisor.Policy{}, named("x"), shared)
		err := second.root.Run(t.Context())
		checkError(t, "second tree", err, "start root/shared: start root/shared: already started")
		if !errors.Is(err, supervisor.ErrAlreadyStarted) {
			t.Errorf("errors.Is(%v, ErrAlreadyStarted): got false, want true", err)
		}
		second.want(t, "start x", "fail shared: start root/shared: already started", "stop x",
			"fail root: start root/shared: start root/shared: already started")
		checkError(t, "as a root", shared.Run(t.Context()), "start root/shared: already started")
		checkError(t, "to itself", first.root.StartChild(t.Context(), first.root), "start root/root: start root: already started")
		check(t, "states", first.states(), "shared shared/a")
		first.stopInOrder()
	})
}
