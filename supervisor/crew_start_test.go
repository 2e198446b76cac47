package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// A Start that has begun goroutines is over, in whichever way, when these have
// returned: then nothing of a failed one is left (S17).
func TestS197_StartWithGoroutines(t *testing.T) {
	const s = time.Second
	after := func(d time.Duration, err error) func(context.Context) error {
		return func(context.Context) error { time.Sleep(d); return err }
	}
	for _, test := range []struct {
		name  string
		f     func(context.Context) error
		start func(context.Context) error // errDeclines: it declines
		err   string                      // of StartChild
		want  []string
	}{
		{"fails", lingers(s), after(0, errBoom), "start root/c: boom", []string{"1s fail c: boom"}},
		{"fails later than its goroutine ends", after(0, nil), after(s, errBoom), "start root/c: boom", []string{"1s fail c: boom"}},
		{"panics", lingers(s), func(context.Context) error { panic("oops") }, "start root/c: panic: oops", []string{"1s fail c: panic: oops"}},
		{"leaves", lingers(s), func(context.Context) error { return goexits() }, "start root/c: goroutine left by runtime.Goexit",
			[]string{"1s fail c: goroutine left by runtime.Goexit"}},
		{"declines", lingers(s), after(0, errDeclines), "", nil},
		{"declines, then the goroutine fails", failsAtTheEnd(returns(errLate)), after(0, errDeclines), "start root/c: late", []string{"0s fail c: late"}},
		{"obeys when the goroutine fails", after(s, errBoom), obeys, "start root/c: boom", []string{"1s fail c: boom"}},
		{"fails after the goroutine", after(s, errBoom), after(2*s, errLate), "start root/c: boom", []string{"2s fail c: boom"}},
		{"succeeds after the goroutine has failed", after(s, errBoom), after(2*s, nil), "", []string{
			"2s start c", "2s exit c: boom", "2s restarting c", "2s restart c"}},
		{"succeeds after the goroutine has failed, others linger", func(ctx context.Context) error {
			_ = supervisor.Go(ctx, lingers(3*s))
			return after(s, errBoom)(ctx)
		}, after(2*s, nil), "", []string{"2s start c", "4s exit c: boom", "4s restarting c", "4s restart c"}},
		{"fails, and leaves one that is stuck", after(time.Hour, errLate), after(0, errBoom), "start root/c: boom", []string{
			"5s abandon c", "5s fail c: boom"}},
		{"declines, and leaves one that is stuck", after(time.Hour, errLate), after(0, errDeclines), "", []string{"5s abandon c"}},
		{"is stuck when the goroutine fails", after(s, errBoom), after(time.Hour, errLate), "start root/c: boom", []string{
			"6s abandon c", "6s fail c: boom"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, supervisor.Policy{}, named("a"))
				c := named("c")
				c.onStart = func(ctx context.Context, n int) error {
					if n > 1 {
						return nil
					}
					checkError(t, "go", supervisor.Go(ctx, test.f), "")
					return test.start(ctx)
				}
				checkError(t, "start", b.root.StartChild(t.Context(), c), test.err)
				time.Sleep(time.Minute)
				b.wantAt(t, test.want...)
				_ = b.root.DeleteChild(t.Context(), "c") // which has declined
				if test.err != "" {
					checkError(t, "start again", b.root.StartChild(t.Context(), c), "")
				}
				_ = b.stop()
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

func TestS197_ReportOfAGoroutineOfAFailedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		failing, stuck := named("failing"), named("stuck")
		failing.onStart = func(ctx context.Context, _ int) error {
			_ = supervisor.Go(ctx, ignoresCtxUntil(released))
			return errBoom
		}
		stuck.onStart = func(ctx context.Context, _ int) error {
			return ignoresCtxUntil(released)(ctx)
		}
		b := start(t, supervisor.Policy{})
		checkError(t, "start", b.root.StartChild(t.Context(), failing), "start root/failing: boom")
		go b.root.StartChild(t.Context(), stuck)
		synctest.Wait()
		checkList(t, "report", summary(t, b.stop()), []string{
			"root/failing (incarnation 1), stuck in a goroutine of supervisor.Go for at least 10s",
			"root/stuck (incarnation 1), stuck in Start for at least 5s",
		})
		close(released)
	})
}

// The supervisor is asked to stop while it waits for what a Start has left.
func TestS197_StopWhileAStartWindsDown(t *testing.T) {
	for _, test := range []struct {
		name string
		f    func(context.Context) error
		want []string
	}{
		{"ends", lingers(3 * time.Second), []string{"3s stop c: boom", "3s stop a", "3s stop root"}},
		{"stuck", lingers(time.Hour), []string{"5s abandon c", "5s stop a", "5s stop root"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, supervisor.Policy{}, named("a"))
				c := named("c")
				c.onStart = func(ctx context.Context, _ int) error {
					_ = supervisor.Go(ctx, test.f)
					return errBoom
				}
				started := make(chan error, 1)
				go func() { started <- b.root.StartChild(t.Context(), c) }()
				time.Sleep(time.Second)
				check(t, "states", b.states(), "a c:stopping")
				_ = b.stop()
				wantNotRunning(t, "start", <-started)
				b.wantAt(t, test.want...)
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// With the first start of a tree, and in restarts, which are tried again.
func TestS197_FailedStartsOfATree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStart = func(ctx context.Context, n int) error {
			_ = supervisor.Go(ctx, lingers(time.Second))
			return failingStarts(1, 3)(ctx, n)
		}
		b := newBed(t, supervisor.Policy{}, named("a"), c)
		_, err := b.root.Start(t.Context())
		checkError(t, "start", err, "start root/c: start 1 failed")
		b.wantAt(t, "0s start a", "1s fail c: start 1 failed", "1s stop a", "1s fail root: start root/c: start 1 failed")
		b.wait, err = b.root.Start(t.Context())
		checkError(t, "start", err, "")
		b.take()
		c.crash()
		time.Sleep(time.Minute)
		b.wantAt(t, "2s exit c: boom", "2s restarting c", "3s fail c: start 3 failed", "3s restarting c", "3s restart c")
		b.stopInOrder()
	})
}
