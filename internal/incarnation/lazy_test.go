package incarnation_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/internal/testhelp"
)

var (
	errOwn    = errors.New("own")
	errSecond = errors.New("second")
	errAbove  = errors.New("above")
)

type testKey struct{ name string }

// subject is a context to be compared, and how it is ended.
type subject struct {
	context.Context
	cancel func(error)
}

func lazy(parent context.Context) subject {
	l := new(incarnation.Lazy)
	l.Init(parent)
	return subject{l, l.Cancel}
}

func standard(parent context.Context) subject {
	ctx, cancel := context.WithCancelCause(parent)
	return subject{ctx, func(cause error) { cancel(cause) }}
}

// looks are the ways in which a context may be used before its end. Each gives
// what it has found out when everything is over.
var looks = map[string]func(subject) (later func() string){
	"not at all": func(subject) func() string { return func() string { return "" } },
	"at Err": func(s subject) func() string {
		before := s.Err()
		return func() string { return fmt.Sprint(before) }
	},
	"at its cause": func(s subject) func() string {
		before := context.Cause(s)
		return func() string { return fmt.Sprint(before) }
	},
	"at Done": func(s subject) func() string {
		done := s.Done()
		return func() string { return fmt.Sprint(closed(done), done == s.Done()) }
	},
	"at a value": func(s subject) func() string {
		before := s.Value(testKey{"parent"})
		return func() string { return fmt.Sprint(before) }
	},
	"by a child": func(s subject) func() string {
		child, cancel := context.WithCancel(s)
		return func() string {
			defer cancel()
			return fmt.Sprint(child.Err(), context.Cause(child), child.Value(testKey{"parent"}))
		}
	},
	"by a grandchild": func(s subject) func() string {
		child, cancel := context.WithTimeout(context.WithValue(s, testKey{"child"}, 1), 24*time.Hour)
		return func() string {
			defer cancel()
			return fmt.Sprint(child.Err(), context.Cause(child), child.Value(testKey{"parent"}))
		}
	},
	"by AfterFunc": func(s subject) func() string {
		ran := make(chan struct{})
		stop := context.AfterFunc(s, func() { close(ran) })
		return func() string {
			synctest.Wait()
			return fmt.Sprint("ran ", closed(ran), ", stopped ", stop())
		}
	},
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// state is everything that can be seen of a context.
func state(s subject) string {
	deadline, has := s.Deadline()
	child, cancel := context.WithCancelCause(s)
	defer cancel(errors.New("over"))
	detached := context.WithoutCancel(s)
	return fmt.Sprint("err ", s.Err(), ", cause ", context.Cause(s), ", done ", closed(s.Done()),
		", deadline ", has, deadline.Unix()*map[bool]int64{true: 1}[has],
		", value ", s.Value(testKey{"parent"}), s.Value(testKey{"other"}),
		", child ", child.Err(), " ", context.Cause(child), child.Value(testKey{"parent"}),
		", detached ", detached.Err(), context.Cause(detached), detached.Value(testKey{"parent"}))
}

// A Lazy cannot be told from a context of the standard library, however it
// ends, and whenever somebody has looked at it.
func TestLazyIsLikeWithCancelCause(t *testing.T) {
	for _, events := range []string{
		"", "own", "above", "late", "own second", "own above", "above own", "own late", "late own", "above late own", "nil own",
	} {
		for look := range looks {
			for moment := range len(strings.Fields(events)) + 1 {
				name := fmt.Sprintf("%s; looked %s before %d", events, look, moment)
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						got := play(t, lazy, events, looks[look], moment)
						want := play(t, standard, events, looks[look], moment)
						check(t, "state", got, want)
					})
				})
			}
		}
	}
}

// play lets a context of the given kind live through the events, with a look at
// it before one of them.
func play(t *testing.T, kind func(context.Context) subject, events string, look func(subject) func() string, moment int) string {
	begin := time.Now()
	ctx, cancel := context.WithDeadline(context.WithValue(t.Context(), testKey{"parent"}, "value"), time.Unix(2e9, 0))
	defer cancel()
	above, cancelAbove := context.WithCancelCause(ctx)
	defer cancelAbove(nil)
	s := kind(above)
	defer s.cancel(nil)
	later := func() string { return "" }
	for i, event := range append(strings.Fields(events), "") {
		if i == moment {
			later = look(s)
		}
		switch event {
		case "own":
			s.cancel(errOwn)
		case "second":
			s.cancel(errSecond)
		case "nil":
			s.cancel(nil)
		case "above":
			cancelAbove(errAbove)
		case "late":
			cancel() // the parent of the parent
		}
		synctest.Wait()
	}
	cause := causeOf(s) // before somebody looks
	return fmt.Sprintf("cause %v, %s, %s, after %v", cause, state(s), later(), time.Since(begin))
}

// causeOf is the cause as the context itself gives it, if it can.
func causeOf(s subject) error {
	if l, ok := s.Context.(*incarnation.Lazy); ok {
		return l.Cause()
	}
	return context.Cause(s)
}

func TestLazyInheritsADeadline(t *testing.T) {
	for _, own := range []string{"", "first", "second"} {
		for look := range looks {
			t.Run(own+"; looked "+look, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var states [2]string
					for i, kind := range []func(context.Context) subject{lazy, standard} {
						parent, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errAbove)
						s := kind(parent)
						later := looks[look](s)
						if own == "first" {
							s.cancel(errOwn)
						}
						end, _ := parent.Deadline()
						time.Sleep(2 * time.Minute)
						s.cancel(errOwn)
						states[i] = strings.ReplaceAll(state(s), fmt.Sprint(end.Unix()), "the deadline") + ", " + later()
						cancel()
					}
					check(t, "state", states[0], states[1])
				})
			})
		}
	}
}

// Whoever sees a Lazy ended sees the one cause, from the first moment on.
func TestLazyEndsAtOnceForEverybody(t *testing.T) {
	for round := range 2000 {
		parent, cancelParent := context.WithCancelCause(context.Background())
		s := lazy(parent)
		want := []error{errOwn}
		var wg sync.WaitGroup
		wg.Go(func() {
			s.cancel(errOwn)
			if s.Err() == nil {
				t.Error("Err after Cancel: got nil, want an error")
			}
		})
		if round%2 == 1 {
			want = append(want, errAbove)
			wg.Go(func() { cancelParent(errAbove) })
		}
		var seen [8]error
		for i, wait := range []func() error{
			func() error {
				<-s.Done()
				return context.Cause(s)
			},
			func() error {
				for s.Err() == nil {
					runtime.Gosched()
				}
				return context.Cause(s)
			},
			func() error {
				child, cancel := context.WithCancel(s)
				defer cancel()
				<-child.Done()
				return context.Cause(child)
			},
			func() error {
				var cause error
				ended := make(chan struct{})
				context.AfterFunc(s, func() {
					cause = context.Cause(s)
					close(ended)
				})
				<-ended
				return cause
			},
			func() error {
				child, cancel := context.WithCancelCause(context.WithValue(s, testKey{"child"}, 1))
				defer cancel(errSecond)
				for child.Err() == nil {
					runtime.Gosched()
				}
				return context.Cause(child)
			},
			func() error { return first(func() error { return context.Cause(s) }) },
			func() error { return first(s.Context.(*incarnation.Lazy).Cause) },
			func() error {
				return first(func() error { return context.Cause(context.WithValue(s, testKey{"child"}, 1)) })
			},
		} {
			wg.Go(func() { seen[i] = wait() })
		}
		wg.Wait()
		cancelParent(nil)
		for _, cause := range seen {
			if cause != seen[0] || cause != want[0] && cause != want[len(want)-1] {
				t.Fatalf("round %d: got causes %v, want one of %v", round, seen, want)
			}
		}
		check(t, "cause in the end", context.Cause(s), seen[0])
	}
}

// first is the first cause that there is.
func first(cause func() error) error {
	for {
		if got := cause(); got != nil {
			return got
		}
		runtime.Gosched()
	}
}

// Err and cause never change once there are any, and then Done is closed: for those who
// ask at any moment, whatever comes first, and whoever looks.
func TestEndOfALazyDoesNotChange(t *testing.T) {
	for round := range 3000 {
		above, cancelAbove := context.WithCancelCause(t.Context())
		if round%3 == 0 {
			above, cancelAbove = cancelLater(t.Context(), time.Duration(round%50)*time.Microsecond)
		}
		c := newCell(above)
		contexts := []context.Context{lazy(above), c, c.Work()}
		var everybody sync.WaitGroup
		for i, ctx := range contexts {
			for way := range testhelp.Ways {
				everybody.Go(func() { testhelp.EndsOnce(t, ctx, way) })
			}
			if i == 0 {
				everybody.Go(func() { ctx.(subject).cancel(errOwn) })
			}
		}
		everybody.Go(func() {
			if round%2 == 0 {
				c.Kill(exit.Killed)
			} else {
				c.Stop(exit.Shutdown, true)
				c.End(exit.Normal)
			}
		})
		everybody.Go(func() { cancelAbove(errAbove) })
		everybody.Wait()
		cancelAbove(nil)
	}
}

// cancelLater is a context with a deadline.
func cancelLater(ctx context.Context, after time.Duration) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithTimeoutCause(ctx, after, errSecond)
	return ctx, func(error) { cancel() }
}

func TestLazyIsSmall(t *testing.T) {
	check(t, "size", unsafe.Sizeof(incarnation.Lazy{}), 24)

	parent, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := lazy(parent)
	check(t, "allocations", testing.AllocsPerRun(100, func() {
		s.Err()
		s.Value(testKey{"parent"})
		s.Deadline()
	}), 0)
}

func TestLazyStartsNoGoroutine(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := runtime.NumGoroutine()
	for range 100 {
		s := lazy(parent)
		defer s.cancel(nil)
		child, stop := context.WithCancel(s)
		defer stop()
		context.AfterFunc(s, func() {})
		context.AfterFunc(child, func() {})
	}
	if got := runtime.NumGoroutine(); got > before {
		t.Errorf("goroutines: got %d more, want none", got-before)
	}
}

func TestLazyLeavesItsParentWhenItEnds(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	defer cancel()
	allocated := func(n int) uint64 {
		for range n {
			s := lazy(parent)
			s.Done()
			s.cancel(errOwn)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapObjects
	}
	before := allocated(100)
	if after := allocated(10_000); after > before+5_000 {
		t.Errorf("objects that stay: got %d for 10,000 contexts, want few", after-before)
	}
}
