package actor_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// Who crashes again and again deep in calls of its own gets the stack for that at once,
// while there is nothing on it to be copied.
func TestWhoCrashesDeepBeginsWithTheStackForIt(t *testing.T) {
	countsFrames(t)
	for name, test := range map[string]struct {
		at      func(*actor.Behavior[int]) // changes it
		waiting bool                       // all messages, from the beginning
	}{
		"parked before each message": {func(*actor.Behavior[int]) {}, false},
		"messages wait at its start": {func(*actor.Behavior[int]) {}, true},
		"with a rest of the start":   {func(b *actor.Behavior[int]) { b.Continue = func(context.Context) error { return nil } }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { crashDeep(t, test.at, test.waiting) })
		})
	}
}

// crashDeep lets many actors crash some times, and counts whose stack grows meanwhile.
func crashDeep(t *testing.T, change func(*actor.Behavior[int]), waiting bool) {
	const actors, crashes = 200, 4
	var closed sync.WaitGroup
	var grown [crashes]atomic.Int32
	all := make([]*actor.Actor[int], actors)
	children := make([]supervisor.Child, actors)
	for i := range all {
		all[i] = actor.New(fmt.Sprint(i), func(context.Context) (actor.Behavior[int], error) {
			var before uintptr
			var at int
			behavior := actor.Behavior[int]{
				Receive: func(_ context.Context, n int) error {
					var local byte
					before, at = address(&local), n
					panicBelow(3)
					return nil
				},
				Close: func(_ context.Context, reason exit.Reason) error {
					var local byte
					if after := address(&local); before != 0 && max(after, before)-min(after, before) > 2048 {
						grown[at].Add(1)
					}
					if !reason.Clean() {
						closed.Done()
					}
					return nil
				},
			}
			change(&behavior)
			return behavior, nil
		})
		children[i] = all[i]
	}
	policy := supervisor.Policy{Restarts: 2 * actors * crashes, Tracing: tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})}
	plantWith(t, policy, children...)
	crowd := make(chan byte)
	defer close(crowd)
	for range 5 * actors { // what most need decides what all begin with: two kilobytes
		go func() { <-crowd }()
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	runtime.GC()
	closed.Add(actors * crashes)
	for n := range crashes {
		for _, a := range all {
			if err := a.Send(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		if !waiting {
			synctest.Wait()
		}
	}
	closed.Wait()
	if n := grown[0].Load(); n < actors*4/5 {
		t.Errorf("stacks that have grown in %d first crashes: got %d, want most", actors, n)
	}
	if n := grown[crashes-1].Load(); n > actors/5 {
		t.Errorf("stacks that have grown in %d later crashes: got %d, want few", actors, n)
	}
}

//go:noinline
func panicBelow(n int) byte {
	var room [96]byte
	if n == 0 {
		panic("boom")
	}
	return room[panicBelow(n-1)%96]
}
