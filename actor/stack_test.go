package actor_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// A goroutine begins with a stack of two kilobytes, unless most others need more. An
// actor that has handled a message with a small handler, and waits for the next, is to
// stay within them: a few bytes more in a frame below, and a million take twice that.
func TestAnActorThatWaitsStaysWithinTwoKilobytes(t *testing.T) {
	if notUsedAgain != 0 || testing.CoverMode() != "" {
		t.Skip("the race detector and the counters of coverage make larger frames")
	}
	const actors = 2000
	stacks := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // gives back what the first has found
		runtime.ReadMemStats(&m)
		return int64(m.StackInuse)
	}
	policy := supervisor.Policy{Tracing: tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})}
	var each int64
	for range 2 { // the first decide what the second begin with
		var handled atomic.Int32
		last := make(chan struct{})
		all := make([]*actor.Actor[int], actors)
		children := make([]supervisor.Child, actors)
		for i := range all {
			all[i] = actor.New(fmt.Sprint(i), func(context.Context) (actor.Behavior[int], error) {
				return actor.Behavior[int]{Receive: func(context.Context, int) error {
					if handled.Add(1) == actors {
						close(last)
					}
					return nil
				}}, nil
			})
			children[i] = all[i]
		}
		plantWith(t, policy, children...)
		before := stacks()
		for _, a := range all {
			if err := a.Send(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		<-last
		each = (stacks() - before) / actors
	}
	if each > 3000 {
		t.Errorf("stack of an actor that waits: got %d bytes, want two kilobytes and a little", each)
	}
}

// countsFrames is for tests of which frames fit into two kilobytes: it skips those for
// which the compiler makes others than it was counted with.
func countsFrames(t *testing.T) {
	t.Helper()
	if notUsedAgain != 0 || testing.CoverMode() != "" {
		t.Skip("the race detector and the counters of coverage make larger frames")
	}
	if runtime.GOARCH != "amd64" || !strings.HasPrefix(runtime.Version(), "go1.26") {
		t.Skip("frames are counted as this compiler makes them")
	}
}
