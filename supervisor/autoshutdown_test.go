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

// Policies with which a supervisor may end by itself.
var (
	anySignificant = supervisor.Policy{AutoShutdown: strategy.AnySignificant}
	allSignificant = supervisor.Policy{AutoShutdown: strategy.AllSignificant}
)

// endedByItself wants that a tree has ended without an error, after these events.
func (b *bed) endedByItself(want ...string) {
	b.t.Helper()
	synctest.Wait()
	check(b.t, "state", b.root.Snapshot().State, supervisor.Stopped)
	checkError(b.t, "wait", b.wait(), "")
	checkError(b.t, "stop afterwards", b.root.Stop(b.t.Context()), "")
	b.want(b.t, want...)
}

// stillRuns wants that a tree has not ended, after these events, and stops it.
func (b *bed) stillRuns(states string, want ...string) {
	b.t.Helper()
	synctest.Wait()
	check(b.t, "states", b.states(), states)
	b.want(b.t, want...)
	b.stopInOrder()
	for _, line := range b.take() {
		if strings.Contains(line.text, "shuts down") {
			b.t.Errorf("events of the stop: got %q, want no auto-shutdown", line.text)
		}
	}
}

func TestS92S93S97_WhoseEndIsTheEnd(t *testing.T) {
	for _, test := range []struct {
		name     string
		auto     strategy.AutoShutdown
		children string
		ends     string // who ends, in order; with a ! by a crash
		want     string // from the last end on
		states   string // if the supervisor goes on
	}{
		{"never", strategy.Never, "a b:trans c:temp", "b c", "exit c: normal", "a b:stopped"},
		{"any, transient and clean", strategy.AnySignificant, "a b:trans! c:trans!", "b",
			"exit b: normal, root shuts down after b: normal, stop c, stop a, exit root: shutdown", ""},
		{"any, transient and a crash", strategy.AnySignificant, "a b:trans!", "b!",
			"exit b: boom, restarting b, restart b", "a b"},
		{"any, transient and clean after a crash", strategy.AnySignificant, "a b:trans!", "b! b",
			"exit b: normal, root shuts down after b: normal, stop a, exit root: shutdown", ""},
		{"any, temporary and clean", strategy.AnySignificant, "a t:temp! c", "t",
			"exit t: normal, root shuts down after t: normal, stop c, stop a, exit root: shutdown", ""},
		{"any, temporary and a crash", strategy.AnySignificant, "a t:temp! c", "t!",
			"exit t: boom, root shuts down after t: boom, stop c, stop a, exit root: shutdown", ""},
		{"any, one that is not significant", strategy.AnySignificant, "a b:trans! c:trans d:temp", "c d!",
			"exit d: boom", "a b c:stopped"},
		{"all, not the last", strategy.AllSignificant, "a b:trans! t:temp! c:trans!", "b t!",
			"exit t: boom", "a b:stopped c"},
		{"all, the last", strategy.AllSignificant, "a b:trans! t:temp! c:trans! d", "b t! c",
			"exit c: normal, root shuts down after c: normal, stop d, stop a, exit root: shutdown", ""},
		{"all, the last is temporary and crashes", strategy.AllSignificant, "a b:trans! t:temp!", "b t!",
			"exit t: boom, root shuts down after t: boom, stop a, exit root: shutdown", ""},
		{"all, only one", strategy.AllSignificant, "t:temp! a", "t",
			"exit t: normal, root shuts down after t: normal, stop a, exit root: shutdown", ""},
		{"all, only others are left", strategy.AllSignificant, "a:trans b:trans!", "a",
			"exit a: normal", "a:stopped b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				children, byName := nursery(test.children)
				var causes causes
				for _, c := range byName {
					causes.note(c)
				}
				b := start(t, supervisor.Policy{AutoShutdown: test.auto}, children...)
				ends := strings.Fields(test.ends)
				for _, end := range ends {
					b.take()
					if name, crash := strings.CutSuffix(end, "!"); crash {
						byName[name].crash()
					} else {
						byName[end].end(returns(nil))
					}
				}
				want := strings.Split(test.want, ", ")
				if test.states != "" {
					b.stillRuns(test.states, want...)
					return
				}
				b.endedByItself(want...)
				check(t, "cause of a", causes.of("a"), error(exit.Shutdown))
			})
		})
	}
}

// The event comes before the stops begin, and each child has its shutdown time.
func TestS92_StopsInReverseEachInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		children, byName := nursery("a slow done:temp! stuck z")
		byName["slow"].onStop = takes(2 * time.Second)
		byName["stuck"].onStop = ignoresCtxUntil(released)
		b := start(t, anySignificant, children...)
		byName["done"].end(returns(nil))
		err := b.wait()
		b.wantAt(t, "0s exit done: normal", "0s root shuts down after done: normal", "0s stop z",
			"5s abandon stuck", "7s stop slow", "7s stop a", "7s exit root: shutdown")
		checkList(t, "report", summary(t, err), []string{"root/stuck (incarnation 1), stuck in run for at least 7s"})
		close(released)
	})
}

func TestS94_NotByTheSupervisorsOwnActs(t *testing.T) {
	declines := func(from int) func(context.Context, int) error {
		return func(_ context.Context, n int) error {
			if n >= from {
				return errDeclines
			}
			return nil
		}
	}
	for _, test := range []struct {
		name     string
		strategy strategy.Strategy
		children string
		prepare  func(byName map[string]*child)
		act      func(ctx context.Context, b *bed, byName map[string]*child) error
		want     []string
		states   string
	}{
		{name: "terminated", children: "a s:trans! t:temp!", want: []string{"stop s", "stop t"}, states: "a s:stopped",
			act: func(ctx context.Context, b *bed, _ map[string]*child) error {
				return errors.Join(b.root.TerminateChild(ctx, "s"), b.root.TerminateChild(ctx, "t"))
			}},
		{name: "terminated, and ends with a reason of its own", children: "a t:temp!", want: []string{"stop t: boom"}, states: "a",
			prepare: func(byName map[string]*child) {
				byName["t"].onStop = func(context.Context) error { return errBoom }
			},
			act: func(ctx context.Context, b *bed, _ map[string]*child) error { return b.root.TerminateChild(ctx, "t") }},
		{name: "deleted", children: "a s:trans!", want: []string{"stop s"}, states: "a",
			act: func(ctx context.Context, b *bed, _ map[string]*child) error {
				return errors.Join(b.root.TerminateChild(ctx, "s"), b.root.DeleteChild(ctx, "s"))
			}},
		{name: "victims", strategy: strategy.OneForAll, children: "a s:trans! t:temp!", states: "a s",
			want: []string{"exit a: boom", "restarting a", "stop t", "stop s", "restart a", "restart s"},
			act: func(_ context.Context, _ *bed, byName map[string]*child) error {
				byName["a"].crash()
				return nil
			}},
		{name: "victims that end by themselves meanwhile", strategy: strategy.OneForAll, children: "a s:trans! t:temp! slow", states: "a s slow",
			want: []string{"exit a: boom", "restarting a", "stop slow", "stop t: normal", "stop s: normal", "restart a", "restart s", "restart slow"},
			prepare: func(byName map[string]*child) {
				byName["slow"].onStop = takes(time.Second)
			},
			act: func(_ context.Context, _ *bed, byName map[string]*child) error {
				byName["a"].crash()
				byName["s"].end(returns(nil))
				byName["t"].end(returns(nil))
				time.Sleep(time.Minute)
				return nil
			}},
		{name: "added, and does not start", children: "a", want: []string{"fail s: start 1 failed"}, states: "a",
			act: func(ctx context.Context, b *bed, _ map[string]*child) error {
				s := named("s")
				s.onStart = failingStarts(1)
				checkError(b.t, "start", b.root.StartChild(ctx, supervisor.Spec{Child: s, Restart: strategy.Temporary, Significant: true}),
					"start root/s: start 1 failed")
				return nil
			}},
		{name: "added, and declines", children: "a", states: "a s:stopped",
			act: func(ctx context.Context, b *bed, _ map[string]*child) error {
				s := named("s")
				s.onStart = declines(1)
				return b.root.StartChild(ctx, supervisor.Spec{Child: s, Restart: strategy.Transient, Significant: true})
			}},
		{name: "restarted by hand, and does not start", children: "a s:trans!", want: []string{"stop s", "fail s: start 2 failed"}, states: "a s:stopped",
			prepare: func(byName map[string]*child) { byName["s"].onStart = failingStarts(2) },
			act: func(ctx context.Context, b *bed, _ map[string]*child) error {
				checkError(b.t, "terminate", b.root.TerminateChild(ctx, "s"), "")
				checkError(b.t, "restart", b.root.RestartChild(ctx, "s"), "start root/s: start 2 failed")
				return nil
			}},
		{name: "declines its restart", children: "a s:trans!", want: []string{"exit s: boom", "restarting s"}, states: "a s:stopped",
			prepare: func(byName map[string]*child) { byName["s"].onStart = declines(2) },
			act: func(_ context.Context, _ *bed, byName map[string]*child) error {
				byName["s"].crash()
				return nil
			}},
		{name: "does not start in a restart", children: "a s:trans!", states: "a s",
			want:    []string{"exit s: boom", "restarting s", "fail s: start 2 failed", "restarting s", "restart s"},
			prepare: func(byName map[string]*child) { byName["s"].onStart = failingStarts(2) },
			act: func(_ context.Context, _ *bed, byName map[string]*child) error {
				byName["s"].crash()
				return nil
			}},
	} {
		for _, auto := range []strategy.AutoShutdown{strategy.AnySignificant, strategy.AllSignificant} {
			t.Run(test.name+"/"+auto.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					children, byName := nursery(test.children)
					if test.prepare != nil {
						test.prepare(byName)
					}
					b := start(t, supervisor.Policy{Strategy: test.strategy, AutoShutdown: auto}, children...)
					checkError(t, "act", test.act(t.Context(), b, byName), "")
					b.stillRuns(test.states, test.want...)
				})
			})
		}
	}
}

func TestS94_NotWhenTheSupervisorStartsOrStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		children, byName := nursery("s:trans! t:temp! slow")
		byName["slow"].onStop = takes(time.Second)
		b := start(t, allSignificant, children...)
		stopped := make(chan error)
		go func() { stopped <- b.root.Stop(t.Context()) }()
		synctest.Wait()
		byName["s"].end(returns(nil)) // while slow is being stopped
		byName["t"].end(returns(errBoom))
		checkError(t, "stop", <-stopped, "")
		b.want(t, "stop slow", "stop t: boom", "stop s: normal", "stop root")

		children, byName = nursery("s:trans! t:temp! a")
		for _, name := range []string{"s", "t"} {
			byName[name].onStart = func(context.Context, int) error { return errDeclines }
		}
		b = start(t, allSignificant, children...) // all of them decline
		b.stillRuns("s:stopped a")

		// One that is done while the next is still being started is no failure
		// of the start, and ends the supervisor once that is up.
		children, byName = nursery("s:trans! slow")
		byName["slow"].onStart = func(context.Context, int) error {
			byName["s"].ends <- returns(nil)
			time.Sleep(time.Second)
			return nil
		}
		b = newBed(t, anySignificant, children...)
		checkError(t, "run", b.root.Run(t.Context()), "")
		b.wantAt(t, "0s start s", "1s start slow", "1s start root", "1s exit s: normal",
			"1s root shuts down after s: normal", "1s stop slow", "1s exit root: shutdown")
	})
}

// How long the end of a child takes does not grow with the square of how many
// there are.
func TestThousandsOfSignificantChildrenEndAtOnce(t *testing.T) {
	const children = 5000 // each looking at each pair would take a minute and more
	release := make(chan struct{})
	all := make([]supervisor.Child, children)
	for i := range all {
		all[i] = supervisor.Spec{
			Child:       supervisor.Func(fmt.Sprint("child", i), func(context.Context) error { <-release; return nil }),
			Restart:     strategy.Transient,
			Significant: true,
		}
	}
	policy := allSignificant
	policy.Tracing = quiet()
	wait, err := supervisor.New("root", policy, all...).Start(context.Background())
	checkError(t, "start", err, "")
	began := time.Now()
	close(release)
	checkError(t, "wait", wait(), "")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v, want a moment", took)
	}
}
