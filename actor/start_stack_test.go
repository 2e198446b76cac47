package actor_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// An open that keeps little on the stack, and tells somebody of its start through a
// channel, fits into the two kilobytes that its goroutine has begun with. To copy them
// into more takes longer than all else in a start, and makes a crash slower that comes
// after it.
func TestAStartFitsIntoTheStackThatAGoroutineBeginsWith(t *testing.T) {
	countsFrames(t)
	const actors = 1000
	news, crowd := make(chan byte), make(chan byte)
	go func() {
		for range news {
		}
	}()
	defer close(news)
	for range actors { // what most need decides what all begin with
		go func() { <-crowd }()
	}
	defer close(crowd)
	var grown atomic.Int32
	policy := supervisor.Policy{Tracing: tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range 2 {
		runtime.GC() // decides it: two kilobytes
		grown.Store(0)
		children := make([]supervisor.Child, actors)
		for i := range children {
			children[i] = actor.New(fmt.Sprint(i), func(context.Context) (actor.Behavior[int], error) {
				var local byte
				before := address(&local)
				tell(news, int(before%256))
				if address(&local) != before {
					grown.Add(1)
				}
				return actor.Behavior[int]{Receive: func(context.Context, int) error { return nil }}, nil
			})
		}
		plantWith(t, policy, children...)
	}
	// Now and then the allocator needs more, when it has to find room.
	if n := grown.Load(); n > actors/5 {
		t.Errorf("stacks that have grown in %d starts: got %d, want few", actors, n)
	}
}

// tell has as much on the stack as an open may need.
//
//go:noinline
func tell(news chan<- byte, at int) {
	var reserve [256]byte
	news <- reserve[at]
}
