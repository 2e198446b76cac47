package actortest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/actortest"
)

func TestProbeKeepsWhatCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := actortest.StartProbe[string](t, "probe")
		var address *actor.Actor[string] = p.Actor // where an actor is wanted
		took := stopwatch()
		go func() {
			for _, word := range strings.Fields("one two three") {
				time.Sleep(time.Minute)
				_ = address.Send(context.Background(), word)
			}
		}()
		p.Silent(59 * time.Second)
		check(t, "Await", p.Await(time.Hour), "one")
		check(t, "time", took(), time.Minute)
		p.Expect(time.Hour, "two", "three")
		check(t, "time", took(), 2*time.Minute)
		check(t, "All", fmt.Sprint(p.All()), "[one two three]")
		p.Silent(time.Hour)
		check(t, "time", took(), time.Hour)
		check(t, "path", p.Path(), "probe/probe")
	})
}

func TestProbeUnderTheSupervisorOfTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := actortest.NewProbe[int](t, "probe")
		_, kept := plant(t, p)
		p.FailNext(errOdd)
		for n := range 3 {
			if err := p.Send(t.Context(), n); err != nil {
				t.Error(err)
			}
		}
		p.Expect(time.Minute, 0, 1, 2) // also those after the crash
		check(t, "events", kept.take(), "dead letter 0: in hand at a crash\ntree/probe: odd")
	})
}

// fatal is a test that notes what would end it, and goes on.
type fatal struct {
	*testing.T
	text string
}

func (f *fatal) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	panic(f)
}

func (f *fatal) Error(args ...any) { f.text = fmt.Sprint(args...) }

// of gives what f would have ended the test with.
func (f *fatal) of(do func()) (text string) {
	defer func() {
		if value := recover(); value != nil && value != any(f) {
			panic(value)
		}
		text, f.text = f.text, ""
	}()
	do()
	return ""
}

func TestProbeFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &fatal{T: t}
		p := actortest.StartProbe[int](told, "probe")
		check(t, "nothing to await", told.of(func() { p.Await(time.Minute) }), "probe/probe: no message within 1m0s; so far: []")
		send := func(numbers ...int) {
			for _, n := range numbers {
				if err := p.Send(t.Context(), n); err != nil {
					t.Error(err)
				}
			}
		}
		send(1, 2)
		check(t, "another order", told.of(func() { p.Expect(time.Minute, 2, 1) }), "probe/probe: message 1 of 2: got 1, want 2; so far: [1 2]")
		check(t, "too few", told.of(func() { p.Expect(time.Minute, 2, 3) }), "probe/probe: message 2 of 2 has not come within 1m0s: got [1 2], want [2 3]")
		send(4)
		check(t, "not silent", told.of(func() { p.Silent(time.Minute) }), "probe/probe: got 4, want no message for 1m0s")
		check(t, "no failure", told.of(func() { p.FailNext(nil) }), "FailNext: a nil error is no failure")
	})
}

func TestProbeOutsideABubble(t *testing.T) {
	t.Run("life", func(t *testing.T) {
		p := actortest.StartProbe[int](t, "probe")
		if err := p.Send(t.Context(), 1); err != nil {
			t.Error(err)
		}
		p.Expect(time.Minute, 1)
		t.Cleanup(func() { // before the probe's own
			if err := p.Send(context.Background(), 2); err != nil {
				t.Errorf("before its end: got %v", err)
			}
		})
	})
	p := actortest.NewProbe[int](t, "probe")
	if err := p.Send(t.Context(), 1); !errors.Is(err, actor.ErrNoProc) {
		t.Errorf("not started: got %v, want %v", err, actor.ErrNoProc)
	}
}
