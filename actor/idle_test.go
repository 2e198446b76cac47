package actor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
)

// An idle timeout is a timer of the loop's own: any message cancels it, and it
// is set when the work is done, so it counts from there.
func TestS151_IdleTimeoutOfALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		start := time.Now()
		a := actor.New("a", func(context.Context) (actor.Behavior[time.Duration], error) {
			return actor.Behavior[time.Duration]{Loop: func(ctx context.Context, in *mailbox.Inbox[time.Duration]) error {
				idle := time.NewTimer(time.Second)
				defer idle.Stop()
				for {
					select {
					case e := <-in.C:
						work, ok := in.Open(e)
						if !ok {
							continue
						}
						idle.Stop()
						time.Sleep(work)
						in.Done()
						j.add("worked %v", time.Since(start))
						idle.Reset(time.Second)
					case <-idle.C:
						j.add("idle %v", time.Since(start))
					case <-ctx.Done():
						return nil
					}
				}
			}}, nil
		})
		plant(t, a)
		for _, work := range []time.Duration{0, 100 * time.Millisecond, 10 * time.Second} {
			time.Sleep(900 * time.Millisecond)
			if err := a.Send(t.Context(), work); err != nil {
				t.Error(err)
			}
		}
		if err := a.Send(t.Context(), 0); err != nil { // waits while the timer is not running
			t.Error(err)
		}
		time.Sleep(time.Minute)
		check(t, "journal", j.take(), "worked 900ms, worked 1.9s, worked 12.7s, worked 12.7s, idle 13.7s")
	})
}
