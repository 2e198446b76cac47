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
	"unsafe"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// A panic is caught on the two kilobytes that its goroutine has begun with if the
// handler is small: to copy them takes longer than all else in a crash. Whether they
// were copied is told by the addresses of two variables, before and after.
func TestACrashFitsIntoTheStackThatAGoroutineBeginsWith(t *testing.T) {
	countsFrames(t)
	const actors = 1000
	var handled, closed sync.WaitGroup
	var grown atomic.Int32
	all := make([]*actor.Actor[int], actors)
	children := make([]supervisor.Child, actors)
	for i := range all {
		all[i] = actor.New(fmt.Sprint(i), func(context.Context) (actor.Behavior[int], error) {
			var before uintptr
			return actor.Behavior[int]{
				Receive: func(_ context.Context, n int) error {
					if n == 0 {
						handled.Done()
						return nil
					}
					var reserve [48]byte // what a user's handler may need more
					before = address(&reserve[0])
					panic("boom")
				},
				Close: func(_ context.Context, reason exit.Reason) error {
					var local byte
					if after := address(&local); before != 0 && max(after, before)-min(after, before) > 2048 {
						grown.Add(1)
					}
					if !reason.Clean() {
						closed.Done()
					}
					return nil
				},
			}, nil
		})
		children[i] = all[i]
	}
	policy := supervisor.Policy{Restarts: 2 * actors, Tracing: tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})}
	plantWith(t, policy, children...)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range 2 {
		grown.Store(0)
		handled.Add(actors)
		closed.Add(actors)
		sendAll := func(message int) {
			for _, a := range all {
				if err := a.Send(t.Context(), message); err != nil {
					t.Fatal(err)
				}
			}
		}
		sendAll(0)
		handled.Wait()
		runtime.GC() // decides what those of the second round begin with: two kilobytes
		sendAll(1)
		closed.Wait()
	}
	// Now and then the allocator needs more, when it has to find room.
	if n := grown.Load(); n > actors/5 {
		t.Errorf("stacks that have grown in %d crashes: got %d, want few", actors, n)
	}
}

// address is where a variable on the stack is. That it is not kept on the heap is why
// it is no pointer.
//
//go:noinline
func address(b *byte) uintptr { return uintptr(unsafe.Pointer(b)) }
