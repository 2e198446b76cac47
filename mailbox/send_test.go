package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/mailbox"
)

func TestOverflow(t *testing.T) {
	for _, given := range []int{mailbox.Unbuffered, 1, 0, 1024} {
		room := map[int]int{mailbox.Unbuffered: 0, 0: mailbox.DefaultCapacity, 1: 1, 1024: 1024}[given]
		for _, test := range []struct {
			policy mailbox.Overflow
			want   string // of the two messages for which there is no room
			dead   string
			first  int // message that is received
			last   int
		}{
			{mailbox.Block, "send: no room in the mailbox: context deadline exceeded", "", 1, room},
			{mailbox.Reject, "mailbox full", "", 1, room},
			{mailbox.DropNewest, "<nil>", fmt.Sprintf("%d overflow, %d overflow", room+1, room+2), 1, room},
			{mailbox.DropOldest, "<nil>", "1 overflow, 2 overflow", 3, room + 2},
		} {
			if given == mailbox.Unbuffered && test.policy == mailbox.DropOldest {
				continue // does not pass Check
			}
			t.Run(fmt.Sprintf("%v, capacity %d", test.policy, given), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					box, dead := opened(mailbox.Options{Capacity: given, Overflow: test.policy})
					in := box.Incarnate(true)
					for message := range room {
						send(t, box, message+1)
					}
					for i := range 2 {
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						check(t, "error", fmt.Sprint(box.Send(ctx, room+1+i)), test.want)
						cancel()
					}
					check(t, "depth", box.Depth(), room)
					check(t, "dead letters", dead.String(), test.dead)
					var want []int
					for message := test.first; message <= test.last; message++ {
						want = append(want, message)
					}
					check(t, "received", drained(in), list(want))
					check(t, "account", account(box), fmt.Sprintf("handled %d, in hand 0, waiting 0, dead %d",
						len(want), strings.Count(dead.String(), "overflow")))
				})
			})
		}
	}
}

func TestUnbufferedHandsOverToAWaitingReceiver(t *testing.T) {
	for _, policy := range []mailbox.Overflow{mailbox.Block, mailbox.Reject, mailbox.DropNewest} {
		t.Run(policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box, dead := opened(mailbox.Options{Capacity: mailbox.Unbuffered, Overflow: policy})
				in := box.Incarnate(true)
				received := make(chan string)
				go func() { received <- list([]int{next(t, in), next(t, in)}) }()
				for message := range 2 {
					synctest.Wait() // it waits
					send(t, box, message)
				}
				check(t, "received", <-received, "0 1")
				check(t, "dead letters", dead.String(), "")
			})
		})
	}
}

// A stop of a receiver that has not looked yet leaves a poke in the channel. It
// takes the room of a message, and is none.
func TestPokesAreNoMessages(t *testing.T) {
	for _, test := range []struct {
		policy         mailbox.Overflow
		before, behind int // messages sent before and behind the poke, capacity 2
		want           string
		received, dead string
	}{
		{mailbox.Block, 0, 2, "1: <nil>, 2: send: no room in the mailbox: context deadline exceeded", "1", ""},
		{mailbox.Reject, 0, 2, "1: <nil>, 2: mailbox full", "1", ""},
		{mailbox.Reject, 1, 1, "1: <nil>, 2: mailbox full", "1", ""},
		{mailbox.DropNewest, 0, 2, "1: <nil>, 2: <nil>", "1", "2 overflow"},
		{mailbox.DropOldest, 0, 2, "1: <nil>, 2: <nil>", "1 2", ""}, // the poke goes
		{mailbox.DropOldest, 1, 1, "1: <nil>, 2: <nil>", "2", "1 overflow"},
		{mailbox.DropOldest, 0, 4, "1: <nil>, 2: <nil>, 3: <nil>, 4: <nil>", "3 4", "1 overflow, 2 overflow"},
		{mailbox.Reject, 2, 0, "1: <nil>, 2: <nil>", "1 2", ""}, // no room for a poke, and no need
	} {
		t.Run(fmt.Sprintf("%v, %d before, %d behind", test.policy, test.before, test.behind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box, dead := opened(mailbox.Options{Capacity: 2, Overflow: test.policy})
				var errs []string
				sendSome := func(n int) {
					for range n {
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						message := len(errs) + 1
						errs = append(errs, fmt.Sprintf("%d: %v", message, box.Send(ctx, message)))
						cancel()
					}
				}
				in := box.Incarnate(true)
				sendSome(test.before)
				in.StopAndWake(false)
				check(t, "depth", box.Depth(), test.before)
				if e, got := in.Next(0); got != mailbox.Stopped {
					t.Errorf("Next: got %v %v, want stopped", outcome(got), e)
				}
				sendSome(test.behind)
				check(t, "errors", strings.Join(errs, ", "), test.want)

				check(t, "received", drained(box.Incarnate(true)), test.received)
				check(t, "dead letters", dead.String(), test.dead)
			})
		})
	}
}

type uncomparable []string

func (u uncomparable) Error() string { return strings.Join(u, " ") }

// ended is a context of somebody else, whose error cannot be compared.
type ended struct{ context.Context }

func (ended) Err() error { return uncomparable{"gone"} }

func TestSendWithADeadContextIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("upgrade")
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		caused, cancelCause := context.WithCancelCause(t.Context())
		cancelCause(cause)
		wrapped, cancelCause := context.WithCancelCause(t.Context())
		cancelCause(fmt.Errorf("caller: %w", context.Canceled))
		expired, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		overdue, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		time.Sleep(2 * time.Second)
		for _, test := range []struct {
			name string
			ctx  context.Context
			is   []error
			want string
		}{
			{"canceled", canceled, []error{context.Canceled}, "send: context canceled"},
			{"cause", caused, []error{context.Canceled, cause}, "send: context canceled: upgrade"},
			{"cause that wraps", wrapped, []error{context.Canceled}, "send: caller: context canceled"},
			{"deadline", expired, []error{context.DeadlineExceeded}, "send: context deadline exceeded"},
			{"deadline with cause", overdue, []error{context.DeadlineExceeded, cause}, "send: context deadline exceeded: upgrade"},
			{"foreign", ended{t.Context()}, nil, "send: gone: gone"},
		} {
			box, _ := opened(capacity(1)) // with room
			err := box.Send(test.ctx, 1)
			check(t, test.name, fmt.Sprint(err), test.want)
			for _, is := range test.is {
				if !errors.Is(err, is) {
					t.Errorf("%s: errors.Is(%v, %v): got false, want true", test.name, err, is)
				}
			}
			check(t, test.name, account(box), "handled 0, in hand 0, waiting 0, dead 0")
		}
	})
}

func TestSendToAMailboxThatIsNotOpen(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(*mailbox.Mailbox[int])
		want error
	}{
		{"new", func(*mailbox.Mailbox[int]) {}, mailbox.ErrClosed},
		{"opened", (*mailbox.Mailbox[int]).Open, nil},
		{"sealed before it was opened", (*mailbox.Mailbox[int]).Seal, mailbox.ErrClosed},
		{"closed before it was opened", (*mailbox.Mailbox[int]).Close, mailbox.ErrClosed},
		{"sealed", func(b *mailbox.Mailbox[int]) { b.Open(); b.Seal() }, mailbox.ErrClosed},
		{"closed", func(b *mailbox.Mailbox[int]) { b.Open(); b.Close() }, mailbox.ErrClosed},
		{"sealed and closed", func(b *mailbox.Mailbox[int]) { b.Open(); b.Seal(); b.Close(); b.Close() }, mailbox.ErrClosed},
		{"opened twice", func(b *mailbox.Mailbox[int]) { b.Open(); b.Open() }, nil},
		{"opened again after seal", func(b *mailbox.Mailbox[int]) { b.Open(); b.Seal(); b.Open() }, nil},
		{"opened again after close", func(b *mailbox.Mailbox[int]) { b.Open(); b.Close(); b.Open() }, nil},
		{"renewed", func(b *mailbox.Mailbox[int]) { b.Open(); b.Renew() }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			box := mailbox.New(mailbox.Options{}, mailbox.DeadLetters[int](new(letters).add))
			test.do(box)
			if got := box.Send(t.Context(), 1); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			check(t, "depth", box.Depth() == 1, test.want == nil)
		})
	}
}

func TestBlockedSendersAreWoken(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(*mailbox.Mailbox[int])
		want error
	}{
		{"by Seal", (*mailbox.Mailbox[int]).Seal, mailbox.ErrClosed},
		{"by Close", (*mailbox.Mailbox[int]).Close, mailbox.ErrClosed},
		{"by Seal, then Close", func(b *mailbox.Mailbox[int]) { b.Seal(); b.Close() }, mailbox.ErrClosed},
		{"by Renew", (*mailbox.Mailbox[int]).Renew, nil},
	} {
		for _, options := range []mailbox.Options{capacity(1), capacity(mailbox.Unbuffered)} {
			t.Run(fmt.Sprintf("%s, capacity %d", test.name, options.Capacity), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					box, _ := opened(options)
					box.Incarnate(true)
					if options.Capacity == 1 {
						send(t, box, 0)
					}
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					errs := make(chan error, 3)
					for sender := range 3 {
						go func() { errs <- box.Send(ctx, sender+1) }()
					}
					synctest.Wait()
					check(t, "senders that returned too early", len(errs), 0)
					test.do(box)
					synctest.Wait()
					if test.want != nil {
						check(t, "senders that returned", len(errs), 3)
					}
					if options.Capacity == 1 && test.want == nil {
						check(t, "depth of the new channel", box.Depth(), 1)
					}
					cancel() // for those who wait for room in a new channel
					for range 3 {
						if err := <-errs; err != test.want && !(test.want == nil && errors.Is(err, context.Canceled)) {
							t.Errorf("got %v, want %v", err, test.want)
						}
					}
				})
			})
		}
	}
}

func TestMessagesOfOneSenderKeepTheirOrder(t *testing.T) {
	const senders, each = 4, 500
	for _, options := range []mailbox.Options{capacity(mailbox.Unbuffered), capacity(1), {}, capacity(1024)} {
		t.Run(fmt.Sprint(options.Capacity), func(t *testing.T) {
			box, _ := opened(options)
			in := box.Incarnate(true)
			var wg sync.WaitGroup
			for sender := range senders {
				wg.Go(func() {
					for i := range each {
						if err := box.Send(t.Context(), sender*each+i); err != nil {
							t.Error(err)
						}
					}
				})
			}
			var last [senders]int
			for range senders * each {
				message := next(t, in)
				if sender, n := message/each, message%each; n != last[sender] {
					t.Fatalf("sender %d: got %d, want %d", sender, n, last[sender])
				}
				last[message/each]++
			}
			wg.Wait()
		})
	}
}
