package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// S82: the goroutines of the last child are gone before the next is asked, and
// what they do counts within the child's time.
func TestS197_StopWaitsForGoroutines(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name     string
		shutdown supervisor.Shutdown
		fs       []func(context.Context) error
		want     string
	}{
		{"obedient", supervisor.Shutdown{}, []func(context.Context) error{obeys, obeys}, "0s stop c"},
		{"slow", supervisor.Shutdown{}, []func(context.Context) error{lingers(2 * s), lingers(3 * s)}, "3s stop c"},
		{"ended before", supervisor.Shutdown{}, []func(context.Context) error{failsAfter(0, returns(nil))}, "0s stop c"},
		{"after the kill", supervisor.Shutdown{}, []func(context.Context) error{lingers(4600 * time.Millisecond)}, "4.6s stop c, overdue"},
		{"too slow", supervisor.Timeout(2 * s), []func(context.Context) error{lingers(3 * s), obeys}, "2s abandon c"},
		{"infinity", supervisor.Infinity, []func(context.Context) error{lingers(time.Hour)}, "1h0m0s stop c"},
		{"brutal kill", supervisor.BrutalKill, []func(context.Context) error{obeys}, "0s stop c: killed"},
		{"timeout 0", supervisor.Timeout(0), []func(context.Context) error{lingers(50 * time.Millisecond)}, "50ms stop c, overdue"},
		{"brutal kill, too slow", supervisor.BrutalKill, []func(context.Context) error{lingers(s)}, "100ms abandon c"},
		{"error", supervisor.Shutdown{}, []func(context.Context) error{failsAtTheEnd(returns(errBoom)), lingers(s)}, "1s stop c: boom"},
		{"panic", supervisor.Shutdown{}, []func(context.Context) error{failsAtTheEnd(panics("oops"))}, "0s stop c: panic: oops"},
		{"Goexit", supervisor.Shutdown{}, []func(context.Context) error{failsAtTheEnd(goexits)}, "0s stop c: goroutine left by runtime.Goexit"},
		{"wrapped ctx error", supervisor.Shutdown{}, []func(context.Context) error{
			failsAtTheEnd(returns(fmt.Errorf("read: %w", context.Canceled))),
		}, "0s stop c"},
		{"errors, one after the other", supervisor.Shutdown{}, []func(context.Context) error{
			func(ctx context.Context) error { <-ctx.Done(); time.Sleep(s); return errLate },
			failsAtTheEnd(returns(errBoom)),
		}, "1s stop c: boom"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, supervisor.Policy{}, named("a"), supervisor.Spec{Child: with(named("c"), test.fs...), Shutdown: test.shutdown})
				synctest.Wait()
				err := b.stop()
				at, what, _ := strings.Cut(test.want, " ")
				check(t, "a report", err != nil, what == "abandon c")
				b.wantAt(t, test.want, at+" stop a", at+" stop root")
				time.Sleep(time.Minute)
			})
		})
	}
}

// A group restart waits like any stop.
func TestS197_VictimsOfAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := named("a"), with(named("c"), lingers(time.Second))
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll}, a, c)
		a.crash()
		b.wantAt(t, "0s exit a: boom", "0s restarting a")
		time.Sleep(time.Minute)
		b.wantAt(t, "1s stop c", "1s restart a", "1s restart c")
		b.stopInOrder()
	})
}

func hangInFirst(released chan struct{})  { <-released }
func hangInSecond(released chan struct{}) { <-released }

func TestS197_StuckGoroutinesAreReportedWithTheirStacks(t *testing.T) {
	first := func(released chan struct{}) func(context.Context) error {
		return func(context.Context) error { hangInFirst(released); return nil }
	}
	second := func(released chan struct{}) func(context.Context) error {
		return func(context.Context) error { hangInSecond(released); panic("late") }
	}
	for _, test := range []struct {
		name       string
		run        bool // is stuck too
		fs         []func(released chan struct{}) func(context.Context) error
		line       string
		stacks     []string // parts of what the report shows, in any order
		goroutines int
		late       string // what the end is in the end
	}{
		{"one", false, []func(chan struct{}) func(context.Context) error{first},
			"root/c (incarnation 1), stuck in a goroutine of supervisor.Go for at least 5s", []string{"hangInFirst"}, 1, "shutdown"},
		{"equal ones", false, []func(chan struct{}) func(context.Context) error{first, first, first},
			"root/c (incarnation 1), stuck in a goroutine of supervisor.Go for at least 5s, 3 goroutines", []string{"3 goroutines:", "hangInFirst"}, 3, "shutdown"},
		{"with run", true, []func(chan struct{}) func(context.Context) error{first, first, second},
			"root/c (incarnation 1), stuck in run for at least 5s, 4 goroutines", []string{"2 goroutines:", "hangInFirst", "hangInSecond", "ignoresCtxUntil"}, 4, "panic: late"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				c := named("c")
				var fs []func(context.Context) error
				for _, f := range test.fs {
					fs = append(fs, f(released))
				}
				fs = append(fs, obeys) // and leaves no trace
				if test.run {
					c.onStop = ignoresCtxUntil(released)
				}
				b := start(t, supervisor.Policy{}, with(c, fs...))
				err := b.stop()
				b.want(t, "abandon c", "stop root")
				stuck := reported(t, err)
				check(t, "stuck", len(stuck), 1)
				check(t, "line", stuck[0].String(), test.line)
				check(t, "goroutines", stuck[0].Goroutines, test.goroutines)
				different := strings.Split(strings.TrimSpace(stuck[0].Stack), "\n\n")
				functions := 0
				for _, part := range test.stacks {
					if !strings.Contains(stuck[0].Stack, part) {
						t.Errorf("stack: got\n%s\nwant %s in it", stuck[0].Stack, part)
					}
					if !strings.HasSuffix(part, ":") {
						functions++
					}
				}
				check(t, "different stacks", len(different), functions)
				if !strings.Contains(err.Error(), "\n\t"+strings.SplitN(stuck[0].Stack, "\n", 2)[0]) {
					t.Errorf("text: got\n%v\nwant the stack in it", err)
				}
				close(released)
				synctest.Wait()
				b.want(t, "return c: "+test.late)
			})
		})
	}
}

// The return of an abandoned incarnation is told when the last goroutine has
// come back, not earlier, and only once.
func TestS197_ReturnOfTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := with(named("c"), lingers(20*time.Second), failsAfter(10*time.Second, panics("late")))
		b := start(t, supervisor.Policy{}, c)
		c.onStop = takes(15 * time.Second)
		checkList(t, "report", summary(t, b.stop()), []string{"root/c (incarnation 1), stuck in run for at least 5s, 3 goroutines"})
		b.take()
		time.Sleep(time.Minute)
		b.wantAt(t, "20s return c: panic: late")
	})
}

func TestS197_StuckForGood(t *testing.T) {
	// Outside of a bubble, with a real clock.
	released := make(chan struct{})
	b := start(t, supervisor.Policy{}, supervisor.Spec{
		Shutdown: supervisor.Timeout(50 * time.Millisecond),
		Child:    with(named("c"), func(context.Context) error { hangInFirst(released); return errBoom }),
	})
	err := b.stop()
	var report *supervisor.StopError
	if !errors.As(err, &report) || len(report.Stuck) != 1 || !strings.Contains(report.Stuck[0].Stack, "hangInFirst") {
		t.Errorf("stop: got %v, want hangInFirst in the stack", err)
	}
	close(released)
}
