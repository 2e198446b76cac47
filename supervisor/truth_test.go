package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// reported gives the report in err.
func reported(t *testing.T, err error) []supervisor.Stuck {
	t.Helper()
	var report *supervisor.StopError
	if !errors.As(err, &report) {
		t.Fatalf("got %v, want a *StopError", err)
	}
	return report.Stuck
}

// summary are the lines of the report without the stacks.
func summary(t *testing.T, err error) (lines []string) {
	t.Helper()
	for _, s := range reported(t, err) {
		lines = append(lines, s.String())
	}
	return lines
}

func hangInHere(released chan struct{}) { <-released }

func TestS6S193_StuckChildIsReportedWithItsStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		b := start(t, supervisor.Policy{}, named("a"),
			supervisor.Spec{
				Shutdown: supervisor.Timeout(2 * time.Second),
				Child: supervisor.Func("stuck", func(context.Context) error {
					hangInHere(released)
					return errBoom
				}),
			}, named("z"))
		err := b.stop()
		b.wantAt(t, "0s stop z", "2s abandon stuck", "2s stop a", "2s stop root") // the rest in order
		stuck := reported(t, err)
		check(t, "stuck", len(stuck), 1)
		check(t, "path", stuck[0].Path, "root/stuck")
		check(t, "incarnation", stuck[0].Incarnation, 1)
		check(t, "since", stuck[0].Since, 2*time.Second)
		check(t, "in", stuck[0].In, supervisor.InRun)
		if !strings.Contains(stuck[0].Stack, "hangInHere") || !strings.Contains(stuck[0].Stack, "truth_test.go") {
			t.Errorf("stack: got\n%s\nwant hangInHere in truth_test.go", stuck[0].Stack)
		}
		text := err.Error()
		if want := "1 did not stop:\nroot/stuck (incarnation 1), stuck in run for at least 2s\n\t"; !strings.HasPrefix(text, want) || !strings.Contains(text, "hangInHere") {
			t.Errorf("text: got\n%s\nwant\n%s and the stack", text, want)
		}

		close(released)
		synctest.Wait()
		b.want(t, "return stuck: boom")
	})
}

func TestS194_WhatAnAbandonedChildDoesHasNoEffect(t *testing.T) {
	for _, end := range ends {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				a, stuck := named("a"), named("stuck")
				var registering error
				var b *bed
				stuck.onStop = func(ctx context.Context) error {
					if stuck.starts.Load() == 2 {
						return nil
					}
					<-released
					registering = b.root.StartChild(ctx, named("too late"))
					return end.how()
				}
				b = start(t, supervisor.Policy{Strategy: strategy.OneForAll, Restarts: 1}, a, stuck)
				a.crash()
				time.Sleep(time.Minute)
				b.wantAt(t, "0s exit a: boom", "0s restarting a", "5s abandon stuck", "5s restart a", "5s restart stuck")
				close(released) // the first incarnation ends while the second is running
				synctest.Wait()
				want := end.text
				if end.name == "ctx error from elsewhere" { // which it is not after a stop
					want = `shutdown: sibling "a" ended: boom`
				}
				b.want(t, "return stuck: "+want)
				check(t, "states", b.states(), "a stuck")
				if !errors.Is(registering, context.Canceled) {
					t.Errorf("registration: got %v, want canceled", registering)
				}
				checkError(t, "stop", b.stop(), "") // it has come back, and is in no report
			})
		})
	}
}

func TestS193_EarlierAbandonmentsAreInTheReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		gone, stuck := named("gone"), named("stuck")
		gone.onStop, stuck.onStop = ignoresCtxUntil(released), ignoresCtxUntil(released)
		dynamic := supervisor.NewDynamic("dynamic", supervisor.Policy{})
		b := start(t, supervisor.Policy{Within: time.Hour}, stuck, dynamic)
		name, err := dynamic.StartChild(t.Context(), gone)
		checkError(t, "start", err, "")
		checkError(t, "terminate", dynamic.TerminateChild(t.Context(), name), "")
		for range 2 { // two incarnations of stuck
			checkError(t, "terminate", b.root.TerminateChild(t.Context(), "stuck"), "")
			checkError(t, "restart", b.root.RestartChild(t.Context(), "stuck"), "")
		}
		checkList(t, "report", summary(t, b.stop()), []string{
			"root/dynamic/gone#1 (incarnation 1), stuck in run for at least 20s",
			"root/stuck (incarnation 1), stuck in run for at least 15s",
			"root/stuck (incarnation 2), stuck in run for at least 10s",
			"root/stuck (incarnation 3), stuck in run for at least 5s",
		})
		close(released)
	})
}

func TestS193_SeveralStuckAtDifferentLevels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		stuck := func(name string, seconds int) supervisor.Child {
			c := named(name)
			c.onStop = ignoresCtxUntil(released)
			return supervisor.Spec{Child: c, Shutdown: supervisor.Timeout(time.Duration(seconds) * time.Second)}
		}
		b := start(t, supervisor.Policy{}, stuck("a", 1), named("b"),
			supervisor.New("sub", supervisor.Policy{}, stuck("c", 2), named("d"),
				supervisor.New("subsub", supervisor.Policy{}, named("e"), stuck("f", 3))))
		err := b.stop()
		b.wantAt(t, "3s abandon sub/subsub/f", "3s stop sub/subsub/e", "3s stop sub/subsub", "3s stop sub/d",
			"5s abandon sub/c", "5s stop sub", "5s stop b", "6s abandon a", "6s stop root")
		checkList(t, "report", summary(t, err), []string{
			"root/a (incarnation 1), stuck in run for at least 1s",
			"root/sub/c (incarnation 1), stuck in run for at least 3s",
			"root/sub/subsub/f (incarnation 1), stuck in run for at least 6s",
		})
		for _, s := range reported(t, err) {
			if !strings.Contains(s.Stack, "ignoresCtxUntil") {
				t.Errorf("stack of %s: got %q, want ignoresCtxUntil in it", s.Path, s.Stack)
			}
		}
		close(released)
	})
}

// A report counts from when the stop was asked at the latest, and from before if
// the looks of a watch know better: also for a child whose turn came last.
func TestReportSaysHowLongAsFarAsItIsKnown(t *testing.T) {
	for _, test := range []struct {
		name  string
		watch *supervisor.Watch
		want  string
	}{
		{"from the stop", nil, "400ms"},
		{"from the first look", &supervisor.Watch{Message: time.Minute}, "45.4s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				stuck := func(name string) (*actor.Actor[order], supervisor.Spec) {
					a := actor.New(name, func(context.Context) (actor.Behavior[order], error) {
						return actor.Behavior[order]{Receive: func(context.Context, order) error { hangInHere(released); return nil }}, nil
					}, actor.Options{})
					return a, supervisor.Spec{Child: a, Shutdown: supervisor.Infinity, Watch: test.watch}
				}
				a, first := stuck("a")
				c, last := stuck("c")
				b := start(t, supervisor.Policy{}, first, last)
				checkError(t, "send", a.Send(t.Context(), order{}), "")
				checkError(t, "send", c.Send(t.Context(), order{}), "")
				time.Sleep(time.Minute) // the first look comes after 15s
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				checkList(t, "report", summary(t, b.root.Stop(ctx)), []string{
					"root/a (incarnation 1), stuck with a supervisor_test.order in hand for at least " + test.want,
					"root/c (incarnation 1), stuck with a supervisor_test.order in hand for at least " + test.want,
				})
				close(released)
			})
		})
	}
}

type order struct{ item int }

func TestReportOfAnActorNamesTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		handled := 0
		a := actor.New("a", func(context.Context) (actor.Behavior[order], error) {
			return actor.Behavior[order]{Receive: func(context.Context, order) error {
				handled++
				hangInHere(released)
				return nil
			}}, nil
		}, actor.Options{Mailbox: mailbox.Options{Drain: mailbox.FinishInHand}})
		b := start(t, supervisor.Policy{}, a)
		for i := range 4 {
			checkError(t, "send", a.Send(t.Context(), order{i}), "")
		}
		synctest.Wait()
		hand := b.root.Snapshot().Children[0]
		check(t, "busy", hand.Busy, true)
		check(t, "waiting", hand.Waiting, 3)
		err := b.stop()
		checkList(t, "report", summary(t, err),
			[]string{"root/a (incarnation 1), stuck with a supervisor_test.order in hand for at least 5s, 3 messages waiting"})
		if stack := reported(t, err)[0].Stack; !strings.Contains(stack, "hangInHere") {
			t.Errorf("stack: got %q, want hangInHere in it", stack)
		}
		close(released)
		synctest.Wait()
		check(t, "handled", handled, 1)
	})
}

// The time of a supervisor is over before it can abandon its stuck child. So it
// is abandoned, and all below with it; its successor takes the children over.
func TestS194_AbandonedSupervisorIsSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		a, deep, stuck := named("a"), named("deep"), named("stuck")
		stuck.onStop = func(ctx context.Context) error {
			if stuck.starts.Load() == 1 {
				<-released
			}
			return ctx.Err()
		}
		inner := supervisor.New("inner", supervisor.Policy{}, deep, supervisor.Spec{Child: stuck, Shutdown: supervisor.Infinity})
		sub := supervisor.New("sub", supervisor.Policy{}, supervisor.Spec{Child: inner, Shutdown: supervisor.Infinity})
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll, Restarts: 2}, a,
			supervisor.Spec{Child: sub, Shutdown: supervisor.Timeout(100 * time.Millisecond)})
		a.crash()
		time.Sleep(time.Minute)
		lines := b.take()
		for _, want := range []string{"abandon sub", "restart a", "start sub/inner/deep", "start sub/inner/stuck", "start sub/inner", "restart sub"} {
			if !slices.ContainsFunc(lines, func(l line) bool { return l.text == want && l.at == 100*time.Millisecond }) {
				t.Errorf("events: got %v, want %q after 100ms", lines, want)
			}
		}
		check(t, "states", b.states(), "a sub sub/inner sub/inner/deep sub/inner/stuck")
		for path, s := range b.root.Snapshot().All() {
			if want := 2; s.Incarnation != want && path != "root" {
				t.Errorf("incarnation of %s: got %d, want %d", path, s.Incarnation, want)
			}
		}
		close(released)
		synctest.Wait()
		check(t, "states", b.states(), "a sub sub/inner sub/inner/deep sub/inner/stuck") // nothing of the old one counts
		deep.crash()
		stuck.crash()
		check(t, "states", b.states(), "a sub sub/inner sub/inner/deep sub/inner/stuck")
		b.take()
		b.stopInOrder()
		b.want(t, "stop sub/inner/stuck", "stop sub/inner/deep", "stop sub/inner", "stop sub", "stop a", "stop root")
	})
}

// An actor below an abandoned supervisor is fenced before its successor starts:
// its mailbox goes on with the successor alone.
func TestS194_ActorBelowAnAbandonedSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		var handled recorder
		opened := 0
		worker := actor.New("worker", func(context.Context) (actor.Behavior[int], error) {
			opened++
			incarnation := opened
			return actor.Behavior[int]{Receive: func(_ context.Context, n int) error {
				if n == 0 {
					<-released
				}
				handled.add(fmt.Sprintf("%d by %d", n, incarnation))
				return nil
			}}, nil
		})
		a := named("a")
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll}, a,
			supervisor.Spec{Child: supervisor.New("sub", supervisor.Policy{}, worker), Shutdown: supervisor.Timeout(100 * time.Millisecond)})
		for n := range 3 {
			checkError(t, "send", worker.Send(t.Context(), n), "")
		}
		synctest.Wait()
		a.crash()
		time.Sleep(time.Minute)
		close(released)
		synctest.Wait()
		checkError(t, "send", worker.Send(t.Context(), 3), "")
		synctest.Wait()
		handled.want(t, "1 by 2", "2 by 2", "0 by 1", "3 by 2")
		b.stopInOrder()
	})
}

func TestS16_AbandonedWhileStartingIsNotAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		first := true
		below := named("below")
		sub := decorated{supervisor.New("sub", supervisor.Policy{}, below), func() {
			if first {
				first = false
				<-released
			}
		}}
		b := start(t, supervisor.Policy{})
		starting := make(chan error)
		go func() { starting <- b.root.StartChild(t.Context(), sub) }()
		synctest.Wait()
		checkError(t, "stop", b.root.Stop(t.Context()), reportText(b.wait()))
		checkError(t, "start", <-starting, "start root/sub: the supervisor is not running any more: shutdown")
		b.take()
		close(released)
		synctest.Wait()
		b.want(t, "return sub: killed") // its scope is over: nothing starts
		check(t, "starts below", below.starts.Load(), 0)

		again := start(t, supervisor.Policy{}, sub)
		check(t, "states", again.states(), "sub sub/below")
		check(t, "path", sub.String(), "root/sub")
		again.stopInOrder()
	})
}

func TestStackIsFoundForAnyName(t *testing.T) {
	for _, name := range []string{"a b", `quo"te`, `back\slash`, "tab\t", "bell\a", "zero\x00", "nbsp\u00a0", "ä, ö: {ü}", "\U000e0001", "bad\xff"} {
		synctest.Test(t, func(t *testing.T) {
			released := make(chan struct{})
			stuck := named(name)
			stuck.onStop = ignoresCtxUntil(released)
			b := start(t, supervisor.Policy{}, stuck)
			if stack := reported(t, b.stop())[0].Stack; !strings.Contains(stack, "ignoresCtxUntil") {
				t.Errorf("stack of %q: got %q, want ignoresCtxUntil in it", name, stack)
			}
			close(released)
		})
	}
}

func TestS89_StopWithAnEndedCtxKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		var causes causes
		stuck := named("stuck")
		stuck.onStop = ignoresCtxUntil(released)
		b := start(t, supervisor.Policy{}, causes.note(named("a")), stuck)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := b.root.Stop(ctx)
		b.wantAt(t, "100ms abandon stuck", "100ms stop a: killed", "100ms stop root")
		checkList(t, "report", summary(t, err), []string{"root/stuck (incarnation 1), stuck in run for at least 100ms"})
		check(t, "cause of a", causes.of("a"), error(exit.Killed))
		close(released)
	})
}

func TestStuckForGood(t *testing.T) {
	// Outside of a bubble, with a real clock: Stop returns when it said it would.
	released := make(chan struct{})
	b := start(t, supervisor.Policy{}, supervisor.Spec{
		Shutdown: supervisor.Timeout(50 * time.Millisecond),
		Child:    supervisor.Func("stuck", func(context.Context) error { hangInHere(released); return nil }),
	})
	began := time.Now()
	err := b.stop()
	if took := time.Since(began); took < 50*time.Millisecond || took > 5*time.Second {
		t.Errorf("stop: got %v, want about 50ms", took)
	}
	stuck := reported(t, err)
	if len(stuck) != 1 || !strings.Contains(stuck[0].Stack, "hangInHere") {
		t.Errorf("report: got %v, want hangInHere in the stack", err)
	}
	if got := errors.Is(err, exit.Shutdown); got {
		t.Errorf("errors.Is(report, Shutdown): got %v, want false", got)
	}
	close(released)
}
