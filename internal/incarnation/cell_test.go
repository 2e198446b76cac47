package incarnation_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
)

func newCell(parent context.Context) *incarnation.Cell {
	return incarnation.New(parent, incarnation.NewScope("root/child"), 3, incarnation.Terms{})
}

func TestFromFindsTheNearestCell(t *testing.T) {
	parent := context.WithValue(t.Context(), testKey{"parent"}, "value")
	outer := newCell(parent)
	inner := incarnation.New(outer.Work(), incarnation.NewScope("root/child/grandchild"), 1, incarnation.Terms{CrashOnPanic: true})
	derived, cancel := context.WithCancel(context.WithValue(inner, testKey{"child"}, 1))
	defer cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
		want *incarnation.Cell
	}{
		{"none", parent, nil},
		{"the cell", outer, outer},
		{"its work", outer.Work(), outer},
		{"the cell below", inner, inner},
		{"the work of the cell below", inner.Work(), inner},
		{"derived", derived, inner},
		{"detached", context.WithoutCancel(inner.Work()), inner},
	} {
		if got := incarnation.From(test.ctx); got != test.want {
			t.Errorf("%s: got %p, want %p", test.name, got, test.want)
		}
		check(t, test.name, test.ctx.Value(testKey{"parent"}), any("value"))
	}
	outer.Kill(exit.Killed)
	for name, ctx := range map[string]context.Context{"ended": inner, "work ended": inner.Work(), "derived, ended": derived} {
		if got := incarnation.From(ctx); got != inner {
			t.Errorf("%s: got %p, want %p", name, got, inner)
		}
		check(t, name, context.Cause(ctx), error(exit.Killed))
	}
	check(t, "parent", inner.Parent(), outer)
	check(t, "parent of the outermost", outer.Parent(), nil)
	check(t, "path", inner.Scope().Path(), "root/child/grandchild")
	check(t, "number", outer.Number(), 3)
	check(t, "crash", fmt.Sprint(outer.Terms().CrashOnPanic, inner.Terms().CrashOnPanic), "false true")
}

func TestStartingAndStopping(t *testing.T) {
	type state struct{ starting, stopping bool }
	for _, test := range []struct {
		name string
		do   func(c *incarnation.Cell, above context.CancelCauseFunc)
		want state
	}{
		{"new", func(*incarnation.Cell, context.CancelCauseFunc) {}, state{true, false}},
		{"started", func(c *incarnation.Cell, _ context.CancelCauseFunc) { c.Enter(incarnation.Running) }, state{false, false}},
		{"asked to stop in Start", func(c *incarnation.Cell, _ context.CancelCauseFunc) { c.Stop(exit.Shutdown, true) }, state{true, true}},
		{"asked to stop", func(c *incarnation.Cell, _ context.CancelCauseFunc) {
			c.Enter(incarnation.Running)
			c.Stop(exit.Shutdown, true)
		}, state{false, true}},
		{"killed", func(c *incarnation.Cell, _ context.CancelCauseFunc) {
			c.Enter(incarnation.Running)
			c.Kill(exit.Killed)
		}, state{false, true}},
		{"killed from above", func(c *incarnation.Cell, above context.CancelCauseFunc) {
			c.Enter(incarnation.Running)
			above(exit.Killed)
		}, state{false, true}},
		{"abandoned", func(c *incarnation.Cell, _ context.CancelCauseFunc) { c.Enter(incarnation.Running); c.Abandon() }, state{false, true}},
		{"ended", func(c *incarnation.Cell, _ context.CancelCauseFunc) { c.Enter(incarnation.Running); c.End(exit.Normal) }, state{false, false}},
		{"asked to stop, and ended", func(c *incarnation.Cell, _ context.CancelCauseFunc) {
			c.Enter(incarnation.Running)
			c.Stop(exit.Shutdown, true)
			c.End(exit.Shutdown)
		}, state{false, false}},
	} {
		above, cancel := context.WithCancelCause(t.Context())
		c := newCell(above)
		test.do(c, cancel)
		check(t, test.name, state{c.Starting(), c.Stopping()}, test.want)
		cancel(nil)
	}
}

// trace writes down which hooks were called.
type trace struct {
	mu    sync.Mutex
	calls []string
}

func (tr *trace) add(call string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.calls = append(tr.calls, call)
}

func (tr *trace) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return strings.Join(tr.calls, ", ")
}

func (tr *trace) hooks() incarnation.Hooks { return hooked{tr: tr} }

type hooked struct {
	incarnation.NoHooks
	tr *trace
}

func (h hooked) Stop(final bool) { h.tr.add(fmt.Sprint("stop ", final)) }
func (h hooked) Kill()           { h.tr.add("kill") }
func (h hooked) Abandon()        { h.tr.add("abandon") }

// What happens to a cell is told to its hooks once, in order, whether they were
// attached before or come late.
func TestHooksAreToldOnce(t *testing.T) {
	detail := exit.ShutdownFor(errors.New("upgrade"))
	for _, test := range []struct {
		name       string
		do         func(*incarnation.Cell)
		before     string // calls of hooks attached before
		late       string // of hooks attached after; "refused" if they were
		asked      bool
		ctx, work  error // causes
		abandoning bool
	}{
		{name: "nothing", do: func(*incarnation.Cell) {}},
		{
			name: "stop", do: func(c *incarnation.Cell) { c.Stop(exit.Shutdown, false) },
			before: "stop false", late: "stop false", asked: true, ctx: exit.Shutdown,
		},
		{
			name: "final stop", do: func(c *incarnation.Cell) { c.Stop(detail, true) },
			before: "stop true", late: "stop true", asked: true, ctx: detail,
		},
		{
			name: "only the first stop counts", do: func(c *incarnation.Cell) { c.Stop(detail, true); c.Stop(exit.Shutdown, false) },
			before: "stop true", late: "stop true", asked: true, ctx: detail,
		},
		{
			name: "S5 stop, then kill", do: func(c *incarnation.Cell) { c.Stop(exit.Shutdown, true); c.Kill(exit.Killed); c.Kill(exit.Killed) },
			before: "stop true, kill", late: "stop true, kill", asked: true, ctx: exit.Shutdown, work: exit.Killed,
		},
		{
			name: "kill", do: func(c *incarnation.Cell) { c.Kill(exit.Killed); c.Stop(exit.Shutdown, true) },
			before: "stop false, kill", late: "stop false, kill", asked: true, ctx: exit.Killed, work: exit.Killed,
		},
		{
			name: "stop, then interrupt", do: func(c *incarnation.Cell) { c.Stop(detail, true); c.Interrupt() },
			before: "stop true", late: "stop true", asked: true, ctx: detail, work: exit.Shutdown,
		},
		{
			name: "S194 abandon", do: func(c *incarnation.Cell) { c.Abandon(); c.Abandon() },
			before: "stop false, kill, abandon", late: "refused", asked: true, ctx: exit.Killed, work: exit.Killed,
		},
		{
			name: "stop, then abandon", do: func(c *incarnation.Cell) { c.Stop(exit.Shutdown, true); c.Abandon() },
			before: "stop true, kill, abandon", late: "refused", asked: true, ctx: exit.Shutdown, work: exit.Killed,
		},
		{
			name: "end, then abandon", do: func(c *incarnation.Cell) { c.End(exit.Normal); c.Abandon() },
			before: "stop false, kill", late: "stop false, kill", asked: true, ctx: exit.Normal, work: exit.Normal,
		},
		{
			name: "abandon, then end", do: func(c *incarnation.Cell) { c.Abandon(); c.End(exit.Normal) },
			before: "stop false, kill, abandon", late: "refused", asked: true, ctx: exit.Killed, work: exit.Killed,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, tr := newCell(t.Context()), new(trace)
			check(t, "attached", c.Attach(tr.hooks), true)
			test.do(c)
			check(t, "hooks", tr.String(), test.before)
			check(t, "asked", c.Asked(), test.asked)
			check(t, "cause", context.Cause(c), test.ctx)
			check(t, "cause of work", context.Cause(c.Work()), test.work)

			c, tr = newCell(t.Context()), new(trace)
			test.do(c)
			if !c.Attach(tr.hooks) {
				tr.add("refused")
			}
			check(t, "late hooks", tr.String(), test.late)

			c = newCell(t.Context())
			c.Attach(func() incarnation.Hooks { return incarnation.NoHooks{} })
			test.do(c)

			c = newCell(t.Context())
			test.do(c)
			c.Attach(func() incarnation.Hooks { return incarnation.NoHooks{} })
		})
	}
}

// An incarnation that was abandoned before it attached must not prepare
// anything: a successor may have it by now.
func TestAttachAfterAbandonTouchesNothing(t *testing.T) {
	c := newCell(t.Context())
	c.Abandon()
	attached := c.Attach(func() incarnation.Hooks {
		t.Error("prepared")
		return incarnation.NoHooks{}
	})
	check(t, "attached", attached, false)
}

// Of two children that are started at the same moment with one ctx, one is attached.
func TestNothingIsAttachedTwice(t *testing.T) {
	c, first, second := newCell(t.Context()), new(trace), new(trace)
	check(t, "attached", c.Attach(first.hooks), true)
	check(t, "attached again", c.Attach(second.hooks), false)
	c.Stop(exit.Shutdown, false)
	check(t, "hooks", first.String(), "stop false")
	check(t, "hooks of the second", second.String(), "")
}

func TestWorkEndsWithItsParent(t *testing.T) {
	parent, cancel := context.WithCancelCause(t.Context())
	c := newCell(parent)
	c.Stop(exit.Shutdown, true)
	check(t, "work after the stop", c.Work().Err(), nil)
	cancel(exit.Killed)
	check(t, "cause of work", context.Cause(c.Work()), error(exit.Killed))
	check(t, "cause", context.Cause(c), error(exit.Shutdown))
}

func TestWhatTheIncarnationTells(t *testing.T) {
	c := newCell(t.Context())
	check(t, "self", c.Self(), nil)
	check(t, "handler", c.Handler(), nil)
	check(t, "holding", c.Holding(), incarnation.Hand{})
	hand := incarnation.Hand{Message: "int", Busy: true, Begun: 7, Depth: 2}
	c.Attach(func() incarnation.Hooks { return telling{hand: hand} })
	check(t, "self", c.Self(), any("self"))
	check(t, "handler", c.Handler(), any("handler"))
	check(t, "holding", c.Holding(), hand)
	c.Enter(incarnation.Running)
	check(t, "handler in the next phase", c.Handler(), any("handler"))
}

func TestPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCell(t.Context())
		began := time.Now()
		for _, step := range []struct {
			enter incarnation.Phase
			since time.Duration // after the beginning; -1 for not known
		}{
			{incarnation.Starting, -1}, {incarnation.Running, -1}, {incarnation.Continuing, 2 * time.Second},
			{incarnation.Running, -1}, {incarnation.Closing, 4 * time.Second},
		} {
			if step.enter != incarnation.Starting { // which it is from the beginning
				c.Enter(step.enter)
			}
			hand := c.Holding()
			check(t, "phase", hand.Phase, step.enter)
			want := time.Time{}
			if step.since >= 0 {
				want = began.Add(step.since)
			}
			check(t, "since", hand.Since.Equal(want), true)
			check(t, "starting", c.Starting(), step.enter == incarnation.Starting)
			time.Sleep(time.Second)
		}
	})
}

func TestS7_EndOrAbandonNeverBoth(t *testing.T) {
	for round := range 2000 {
		c, tr := newCell(t.Context()), new(trace)
		c.Attach(tr.hooks)
		var ended, abandoned atomic.Int32
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if c.End(exit.Normal) {
					ended.Add(1)
				}
			})
			wg.Go(func() {
				if c.Abandon() {
					abandoned.Add(1)
				}
			})
		}
		wg.Wait()
		want := "stop false, kill"
		if abandoned.Load() == 1 {
			want += ", abandon"
		}
		got := tr.String()
		if c.Abandoned() != (abandoned.Load() == 1) || ended.Load()+abandoned.Load() != 1 || len(got) != len(want) {
			t.Fatalf("round %d: got %d ends, %d abandonments, abandoned %v, hooks %q, want one of both",
				round, ended.Load(), abandoned.Load(), c.Abandoned(), got)
		}
	}
}

type telling struct {
	incarnation.NoHooks
	hand incarnation.Hand
}

func (telling) Self() any                   { return "self" }
func (telling) Handler() any                { return "handler" }
func (t telling) Holding() incarnation.Hand { return t.hand }

func TestHooksAreToldOnceWhenAllComesAtOnce(t *testing.T) {
	for round := range 2000 {
		c, tr := newCell(t.Context()), new(trace)
		var attached bool
		var wg sync.WaitGroup
		wg.Go(func() { attached = c.Attach(tr.hooks) })
		wg.Go(func() { c.Stop(exit.Shutdown, true) })
		wg.Go(func() { c.Stop(exit.Shutdown, true) })
		wg.Go(func() { c.Abandon() })
		wg.Go(func() { c.Handler() })
		wg.Wait()
		got := map[string]int{}
		for _, call := range tr.calls {
			word, _, _ := strings.Cut(call, " ")
			got[word]++
		}
		want := "map[abandon:1 kill:1 stop:1]"
		if !attached {
			want = "map[]"
		}
		if fmt.Sprint(got) != want {
			t.Fatalf("round %d, attached %v: got %v, want %v", round, attached, got, want)
		}
	}
}

// What was in hand is given out once, and is not forgotten for a later word of
// the same incarnation, which has nothing in hand any more.
func TestLastIsGivenOnce(t *testing.T) {
	c := newCell(context.Background())
	check(t, "before", c.Last(), incarnation.Last{})
	c.Crashed(&incarnation.Last{Message: 1, InHand: true, Waiting: 2})
	c.Crashed(&incarnation.Last{Waiting: 3})
	check(t, "last", c.Last(), incarnation.Last{Message: 1, InHand: true, Waiting: 2})
	check(t, "again", c.Last(), incarnation.Last{})
	c.Crashed(&incarnation.Last{Waiting: 3})
	check(t, "later", c.Last(), incarnation.Last{Waiting: 3})
	c.Crashed(&incarnation.Last{Waiting: 3})
	c.Crashed(&incarnation.Last{Message: 4, InHand: true})
	check(t, "the one in hand", c.Last(), incarnation.Last{Message: 4, InHand: true})
}

// A failure that was told before the cleanup stays known, and what was in hand
// with it.
func TestFailureIsKnownBeforeTheEnd(t *testing.T) {
	c := newCell(context.Background())
	check(t, "before", c.Failure(), nil)
	c.Failed(exit.Goexit, &incarnation.Last{Message: 1, InHand: true, Waiting: 2})
	c.Crashed(&incarnation.Last{Waiting: 3})
	check(t, "failure", c.Failure(), exit.Goexit)
	check(t, "last", c.Last(), incarnation.Last{Message: 1, InHand: true, Waiting: 2})
}
