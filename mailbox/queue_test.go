package mailbox_test

import (
	"sync"
	"testing"

	"github.com/coppice-go/coppice/mailbox"
)

func TestQueueCountsWhatHasLeft(t *testing.T) {
	box, _, in := begin(t, 4, 2)
	queue := func(what string, left uint64, waiting int) {
		t.Helper()
		gotLeft, gotWaiting := box.Queue()
		check(t, what+", left", gotLeft, left)
		check(t, what+", waiting", gotWaiting, waiting)
	}
	queue("two begun", 2, 2)
	in.Crash(1)
	queue("one is to be tried again", 1, 3)
	in = box.Incarnate(true)
	check(t, "again", next(t, in), 2)
	queue("it is", 2, 2)
	in.Freeze()
	queue("abandoned", 2, 2)
	in = box.Incarnate(true)
	next(t, in)
	in.Crash(1)
	queue("kept once more", 2, 2)
	box.Close()
	queue("closed", 4, 0)
}

// Whatever moves meanwhile, a later look never says that what an earlier one saw
// waiting still waits when it does not: more may have left than is known, not less
// have come.
func TestQueueWhileMessagesMove(t *testing.T) {
	for _, overflow := range []mailbox.Overflow{mailbox.Block, mailbox.DropOldest, mailbox.DropNewest} {
		t.Run(overflow.String(), func(t *testing.T) {
			box, _ := opened(mailbox.Options{Capacity: 4, Overflow: overflow})
			in := box.Incarnate(true)
			const each, senders = moves, 2
			var wg, looking sync.WaitGroup
			for range senders {
				wg.Go(func() {
					for n := range each {
						send(t, box, n)
					}
				})
			}
			over := make(chan struct{})
			looking.Go(func() {
				last := uint64(0)
				for {
					left, waiting := box.Queue()
					if left < last || waiting < 0 || waiting > 4 || left+uint64(waiting) > each*senders {
						t.Errorf("Queue: got %d left and %d waiting after %d had left, want at most %d in all", left, waiting, last, each*senders)
						return
					}
					last = left
					select {
					case <-over:
						return
					default:
					}
				}
			})
			go func() {
				wg.Wait()
				in.StopAndWake(true)
			}()
			for got := mailbox.Message; got == mailbox.Message; {
				_, got = in.Next(0)
			}
			close(over)
			looking.Wait()
			left, waiting := box.Queue()
			check(t, "waiting at the end", waiting, 0)
			if overflow != mailbox.DropNewest {
				check(t, "left at the end", left, uint64(each*senders))
			}
		})
	}
}
