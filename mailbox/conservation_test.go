package mailbox_test

import (
	"sync"
	"testing"
	"time"

	"github.com/coppice-go/coppice/mailbox"
)

// shapes are the mailboxes with which everything is tried.
func shapes() (all []mailbox.Options) {
	for _, capacity := range []int{mailbox.Unbuffered, 1, 64} {
		for overflow := mailbox.Block; overflow <= mailbox.DropOldest; overflow++ {
			options := mailbox.Options{Capacity: capacity, Overflow: overflow}
			if options.Check() == nil {
				all = append(all, options)
			}
		}
	}
	return all
}

// Accepted is handled or dead, exactly once, whatever happens to the mailbox
// while 8 senders are at work.
func TestConservation(t *testing.T) {
	for _, test := range []struct {
		name   string
		closes bool // while messages are sent
		run    func(*trial)
	}{
		{"sealed and drained", true, func(tr *trial) {
			l := tr.nexts()
			tr.pause()
			tr.seal()
			l.in.StopAndWake(true)
			<-l.done
			tr.box.Close()
			tr.sending.Wait()
			tr.checkDrained()
		}},
		{"sealed and drained by a select", true, func(tr *trial) {
			l := tr.selects()
			tr.pause()
			tr.seal()
			close(tr.over)
			<-l.done
			tr.box.Close()
			tr.sending.Wait()
			tr.checkDrained()
		}},
		{"stopped again and again, with the queue kept", false, func(tr *trial) {
			for range 3 {
				l := tr.serves()
				tr.pause()
				l.in.Stop(false)
				<-l.done
			}
			tr.end(tr.serves())
		}},
		{"one loop after the other", false, func(tr *trial) {
			for range 3 {
				l := tr.selects()
				tr.pause()
				tr.over <- struct{}{}
				<-l.done
			}
			tr.end(tr.selects())
		}},
		{"a drain that is ended", true, func(tr *trial) {
			l := tr.nexts()
			tr.pause()
			tr.seal()
			l.in.StopAndWake(true)
			l.in.StopAndWake(false)
			<-l.done
			tr.box.Close()
		}},
		{"closed", true, func(tr *trial) {
			l := tr.nexts()
			tr.pause()
			l.in.StopAndWake(false)
			<-l.done
			tr.box.Close()
		}},
		{"restarted by hand", true, func(tr *trial) { tr.restartByHand(tr.nexts) }},
		{"restarted by hand, with a fresh queue", false, func(tr *trial) {
			for range 2 {
				l := tr.nexts()
				tr.pause()
				l.in.StopAndWake(false)
				<-l.done
				tr.box.Renew()
			}
			tr.end(tr.nexts())
		}},
		{"parked, sealed and drained", true, func(tr *trial) {
			l := tr.parks()
			tr.pause()
			tr.seal()
			l.in.StopAndWake(true)
			<-l.done
			tr.box.Close()
			tr.sending.Wait()
			tr.checkDrained()
		}},
		{"parked, stopped again and again", false, func(tr *trial) {
			for range 3 {
				l := tr.parks()
				tr.pause()
				tr.sending.Go(func() { l.in.StopAndWake(true) })
				l.in.StopAndWake(false)
				<-l.done
			}
			tr.end(tr.parks())
		}},
		{"parked, and restarted by hand", true, func(tr *trial) { tr.restartByHand(tr.parks) }},
		{"parked, and abandoned", false, func(tr *trial) {
			for drain := range 3 {
				l := tr.parks()
				tr.pause()
				if drain == 1 {
					l.in.StopAndWake(true)
				}
				tr.abandon(l)
			}
			tr.end(tr.parks())
		}},
		{"crashes, with 0 to 2 retries", false, (*trial).crashLoop},
		{"abandoned", false, func(tr *trial) { tr.abandonTwice(tr.nexts, tr.nexts) }},
		{"abandoned while it is handed its messages", false, func(tr *trial) { tr.abandonTwice(tr.serves, tr.serves) }},
		{"abandoned while it selects on", false, func(tr *trial) { tr.abandonTwice(tr.selects, tr.nexts) }},
		{"abandoned while it drains", true, func(tr *trial) {
			l := tr.nexts()
			tr.pause()
			tr.seal()
			l.in.StopAndWake(true)
			tr.abandon(l)
			tr.box.Close()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, options := range shapes() {
				for round := range rounds {
					tr := newTrial(t, options, round)
					test.run(tr)
					tr.reckon()
					tr.checkRefused(test.closes)
					if t.Failed() {
						t.Fatalf("capacity %d, %v, round %d", options.Capacity, options.Overflow, round)
					}
				}
			}
		})
	}
}

// Who is about to wait for room when the mailbox is sealed is refused, not
// forgotten.
func TestASealMissesNobodyWhoIsAboutToWait(t *testing.T) {
	for range 5 * rounds {
		box, _ := opened(capacity(1))
		send(t, box, 0)
		var sending sync.WaitGroup
		for range senders {
			sending.Go(func() {
				if err := box.Send(t.Context(), 1); err != mailbox.ErrClosed {
					t.Errorf("got %v, want %v", err, mailbox.ErrClosed)
				}
			})
		}
		box.Seal()
		sending.Wait()
	}
}

func TestAStopMissesNobodyWhoIsAboutToWait(t *testing.T) {
	for _, options := range []mailbox.Options{capacity(mailbox.Unbuffered), capacity(1)} {
		for range 5 * rounds {
			box, _ := opened(options)
			in := box.Prepare()
			ended := make(chan mailbox.Got)
			go func() {
				_, got := in.Next(0)
				ended <- got
			}()
			in.StopAndWake(true)
			check(t, "Next", outcome(<-ended), "stopped")
		}
	}
}

// A sender's later message must not overtake an earlier one that another late
// sender is carrying over to the new channel.
func TestOrderIsKeptFromMoveToMove(t *testing.T) {
	const each = 800
	for _, options := range []mailbox.Options{capacity(1), capacity(64), {Overflow: mailbox.DropOldest}} {
		box, _ := opened(options)
		var sending sync.WaitGroup
		for sender := range senders {
			sending.Go(func() {
				for n := range each {
					if err := box.Send(t.Context(), sender*each+n); err != nil {
						t.Errorf("sender %d: got %v", sender, err)
					}
				}
			})
		}
		ended := make(chan struct{})
		go func() {
			sending.Wait()
			close(ended)
		}()
		var last [senders]int
		for over := false; !over; {
			in := box.Prepare()
			select {
			case <-ended:
				over = true
				in.StopAndWake(true)
			default:
			}
			for range 3 {
				e, got := in.Next(time.Microsecond)
				if got != mailbox.Message {
					break
				}
				sender, n := e/each, e%each
				if n < last[sender] {
					t.Errorf("capacity %d, sender %d: got message %d after %d", options.Capacity, sender, n, last[sender])
				}
				last[sender] = n
			}
			in.Freeze()
		}
	}
}

// crashLoop restarts what crashes until all messages are settled.
func (tr *trial) crashLoop() {
	var stopping sync.WaitGroup
	defer stopping.Wait()
	for {
		l := tr.crashes(tr.round % 3)
		stopping.Go(func() {
			tr.sending.Wait()
			l.in.StopAndWake(true)
		})
		<-l.done
		if !l.crashed {
			tr.box.Close()
			return
		}
	}
}
