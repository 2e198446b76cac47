package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/mailbox"
)

// serving is a receiver that serves, with a handler that waits as long as told.
type serving struct {
	in  *mailbox.Receiver[int]
	got chan mailbox.Got // what it comes back with
}

func serve(box *mailbox.Mailbox[int], patience time.Duration, handle func(*mailbox.Receiver[int], int)) *serving {
	s := &serving{in: box.Prepare(), got: make(chan mailbox.Got, 1)}
	go func() {
		got, _ := s.in.Serve(context.Background(), patience, func(_ context.Context, n int) error { handle(s.in, n); return nil })
		s.got <- got
	}()
	return s
}

// Who waits for its channel is dismissed, and who does anything else is not: that has
// something in hand, or may be given something, or nobody can tell.
func TestWhoIsDismissed(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // or else the receiver may be faster
	second := func(*mailbox.Receiver[int], int) { time.Sleep(time.Second) }
	settled := func(in *mailbox.Receiver[int], _ int) { in.Settle(); time.Sleep(time.Second) }
	for _, test := range []struct {
		name     string
		options  mailbox.Options
		patience time.Duration
		handle   func(*mailbox.Receiver[int], int)
		before   func(*mailbox.Mailbox[int], *mailbox.Receiver[int])
		gone     bool
		got      mailbox.Got
	}{
		{"before the first message", mailbox.Options{}, 0, second, nil, true, mailbox.Dismissed},
		{"after messages", mailbox.Options{}, 0, second,
			func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { send(t, b, 1, 2); time.Sleep(time.Minute) }, true, mailbox.Dismissed},
		{"with a time to park", mailbox.Options{}, time.Hour, second,
			func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { send(t, b, 1, 2); time.Sleep(time.Minute) }, true, mailbox.Dismissed},
		{"a sealed mailbox", mailbox.Options{}, 0, second,
			func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { b.Seal() }, true, mailbox.Dismissed},
		{"full but for what is in hand", capacity(1), 0, second,
			func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { send(t, b, 1); synctest.Wait(); send(t, b, 2) }, false, mailbox.Stopped},
		{"a message in hand", mailbox.Options{}, 0, second,
			func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { send(t, b, 1) }, false, mailbox.Stopped},
		{"a batch in hand", mailbox.Options{}, 0, second,
			func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) {
				_ = b.SendAll(t.Context(), []int{1, 2, 3}, nil)
			}, false, mailbox.Stopped},
		{"a handler that goes on for a moment", mailbox.Options{}, 0, settled,
			func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { send(t, b, 1) }, false, mailbox.Stopped},
		{"stopped before", mailbox.Options{}, 0, second,
			func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.StopAndWake(true) }, false, mailbox.Stopped},
		{"senders that may have taken the poke", mailbox.Options{Overflow: mailbox.DropOldest}, 0, second, nil, false, mailbox.Stopped},
		{"unbuffered", capacity(mailbox.Unbuffered), 0, second, nil, false, mailbox.Stopped},
	} {
		for _, drain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, drain %v", test.name, drain), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					box, dead := opened(test.options)
					s := serve(box, test.patience, test.handle)
					synctest.Wait()
					if test.before != nil {
						test.before(box, s.in)
						synctest.Wait()
					}
					parked, gone := s.in.Dismiss(drain)
					check(t, "parked", parked, false)
					check(t, "gone", gone, test.gone)
					if gone {
						check(t, "over", s.in.Over(), true)
						s.in.End()
						s.in.StopAndWake(false) // a kill that comes late
					}
					time.Sleep(time.Minute)
					check(t, "came back with", <-s.got, test.got)
					check(t, "room taken by pokes", box.Depth(), int(box.Stats().Waiting))
					check(t, "dead letters", dead.String(), "")
				})
			})
		}
	}
}

func TestOneThatIsParkedIsNotDismissed(t *testing.T) {
	box, _ := opened(mailbox.Options{})
	in := box.Prepare()
	here := false
	check(t, "parks", in.Park(mailbox.Woken(func(h bool) { here = h })), true)
	parked, gone := in.Dismiss(true)
	check(t, "parked", parked, true)
	check(t, "gone", gone, false)
	in.Wake(true)
	check(t, "woken here", here, true)
}

// A loop of the user's has something to do when it is stopped: what comes after it.
func TestALoopIsNotDismissed(t *testing.T) {
	box, _ := opened(mailbox.Options{})
	_, gone := box.Incarnate(false).Dismiss(true)
	check(t, "gone", gone, false)
}

// What comes after a dismissal waits for the next incarnation, and that has it alone.
func TestWhatComesAfterADismissalWaits(t *testing.T) {
	dismissed := 0
	for range 200 { // who is faster is not certain
		synctest.Test(t, func(t *testing.T) {
			box, dead := opened(mailbox.Options{})
			s := serve(box, 0, func(_ *mailbox.Receiver[int], n int) { t.Errorf("got %d handled, want it to wait", n) })
			synctest.Wait()
			if _, gone := s.in.Dismiss(true); !gone {
				return
			}
			dismissed++
			send(t, box, 1, 2)
			next := box.Prepare()
			synctest.Wait()
			next.StopAndWake(true)
			check(t, "next incarnation", rest(next), "1 2")
			check(t, "dead letters", dead.String(), "")
		})
	}
	if dismissed == 0 {
		t.Error("got no dismissal, want some")
	}
}

// Senders, a receiver and who dismisses it meet at any moment. What was accepted before
// is handled, nothing is begun after, and nothing is lost.
func TestADismissalLosesNothing(t *testing.T) {
	const senders, most = 3, 6
	dismissed := 0
	for round := range 3000 {
		box, dead := opened(capacity(2))
		var handled, accepted atomic.Int64
		s := serve(box, time.Duration(round%2)*time.Hour, func(*mailbox.Receiver[int], int) { handled.Add(1) })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		var all sync.WaitGroup
		for range senders {
			all.Go(func() {
				for n := range most {
					if err := box.Send(ctx, n); err != nil {
						if !errors.Is(err, context.Canceled) {
							t.Errorf("send: got %v, want it accepted, or canceled", err)
						}
						return
					}
					accepted.Add(1)
				}
			})
		}
		for ; accepted.Load() < int64(round%(senders*most)); runtime.Gosched() {
			if ctx.Err() != nil {
				t.Fatal("the messages do not get through")
			}
		}
		before := accepted.Load()
		_, gone := s.in.Dismiss(true)
		then := handled.Load()
		if gone {
			dismissed++
			s.in.End()
			if then < before {
				t.Errorf("round %d: got %d handled before the dismissal, want the %d that were accepted", round, then, before)
			}
		}
		cancel() // of those that wait for room
		all.Wait()
		check(t, "dismissed", <-s.got == mailbox.Dismissed, gone)
		if n := handled.Load(); n < before {
			t.Errorf("round %d: got %d handled, want the %d that were accepted before", round, n, before)
		}
		next := box.Prepare()
		next.StopAndWake(true)
		if gone {
			check(t, "handled after the dismissal", handled.Load(), then)
			for range accepted.Load() - then {
				if _, got := next.Next(0); got != mailbox.Message {
					t.Fatalf("round %d: got %v of the next incarnation, want a message", round, got)
				}
			}
			check(t, "dead letters", dead.String(), "")
		}
		if t.Failed() {
			return
		}
	}
	if dismissed == 0 {
		t.Error("got no dismissal, want some")
	}
	t.Logf("%d dismissals", dismissed)
}
