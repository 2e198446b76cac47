package incarnation_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
)

func TestAfterGone(t *testing.T) {
	scope := incarnation.NewScope("root/child")
	check(t, "path", scope.Path(), "root/child")
	var calls []string
	after := func(name string) func(exit.Reason) {
		return func(cause exit.Reason) { calls = append(calls, fmt.Sprint(name, " ", cause)) }
	}
	scope.AfterGone(after("first"))
	scope.AfterGone(func(cause exit.Reason) {
		after("second")(cause)
		scope.AfterGone(after("within")) // the scope is gone already
		scope.End(exit.Normal)
	})
	scope.AfterGone(after("third"))
	check(t, "before the end", len(calls), 0)
	scope.End(exit.Shutdown)
	check(t, "at the end", strings.Join(calls, ", "), "first shutdown, second shutdown, within shutdown, third shutdown")
	calls = nil
	scope.End(exit.Killed)
	check(t, "at a second end", len(calls), 0)
	scope.AfterGone(after("late"))
	check(t, "after the end", strings.Join(calls, ", "), "late shutdown")
}

func TestAfterGoneIsCalledOnceWhateverComesFirst(t *testing.T) {
	for range 1000 {
		scope := incarnation.NewScope("root/child")
		var calls [4]atomic.Int32
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() { scope.AfterGone(func(exit.Reason) { calls[i].Add(1) }) })
		}
		for range 2 {
			wg.Go(func() { scope.End(exit.Shutdown) })
		}
		wg.Wait()
		for i := range calls {
			check(t, "calls", calls[i].Load(), 1)
		}
	}
}

// A wrapper of the user's may start a second actor when the first would not start.
func TestMailboxesAreToldOfTheEnd(t *testing.T) {
	scope := incarnation.NewScope("root/child")
	first, second, late := new(sealable), new(sealable), new(sealable)
	scope.SetTenant(first)
	scope.SetTenant(second)
	check(t, "before the end", fmt.Sprint(first.gone, second.gone), "[] []")
	scope.End(exit.Shutdown)
	scope.End(exit.Killed)
	check(t, "at the end", fmt.Sprint(first.gone, second.gone), "[shutdown] [shutdown]")
	scope.SetTenant(late)
	check(t, "after the end", fmt.Sprint(late.gone), "[shutdown]")
}

// sealable is a mailbox that counts its seals.
type sealable struct {
	seals int
	gone  []exit.Reason
}

func (s *sealable) Queue() (left uint64, waiting int) { return 0, 0 }
func (s *sealable) Seal()                             { s.seals++ }
func (s *sealable) Gone(cause exit.Reason)            { s.gone = append(s.gone, cause) }

// After the end of a life its mailbox may be that of another.
func TestMailboxIsSealedInItsOwnLifeOnly(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(scope *incarnation.Scope, q *sealable)
		want bool
	}{
		{"not asked for", func(scope *incarnation.Scope, q *sealable) { scope.SetTenant(q) }, false},
		{"asked for", func(scope *incarnation.Scope, q *sealable) { scope.SetTenant(q); scope.Seal() }, true},
		{"asked for before", func(scope *incarnation.Scope, q *sealable) { scope.Seal(); scope.SetTenant(q) }, true},
		{"after the end", func(scope *incarnation.Scope, q *sealable) { scope.SetTenant(q); scope.End(exit.Normal); scope.Seal() }, false},
		{"stop for good", func(scope *incarnation.Scope, q *sealable) {
			scope.SetTenant(q)
			cell := incarnation.New(t.Context(), scope, 1, incarnation.Terms{})
			cell.Stop(exit.Shutdown, false)
			cell.Stop(exit.Shutdown, true)
		}, true},
		{"stop of an abandoned incarnation", func(scope *incarnation.Scope, q *sealable) {
			scope.SetTenant(q)
			cell := incarnation.New(t.Context(), scope, 1, incarnation.Terms{})
			cell.Abandon()
			cell.Stop(exit.Shutdown, true)
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			scope, q := incarnation.NewScope("root/child"), new(sealable)
			test.do(scope, q)
			check(t, "sealed", q.seals > 0, test.want)
			check(t, "Sealed", scope.Sealed(), test.want)
		})
	}
}

// One of them may make dead letters, and a sink that is told of these leave by
// Goexit.
func TestAfterGoneGoesOnAfterGoexit(t *testing.T) {
	scope := incarnation.NewScope("a")
	var called []int
	for i := range 4 {
		scope.AfterGone(func(exit.Reason) {
			called = append(called, i)
			if i < 3 {
				runtime.Goexit()
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		scope.End(exit.Shutdown)
	}()
	<-done
	check(t, "called", fmt.Sprint(called), "[0 1 2 3]")
}
