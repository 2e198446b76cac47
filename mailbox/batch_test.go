package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/mailbox"
)

// sendAll sends a batch that must be accepted.
func sendAll(t *testing.T, box *mailbox.Mailbox[int], messages ...int) {
	t.Helper()
	if err := box.SendAll(context.Background(), messages, nil); err != nil {
		t.Fatalf("batch %v: got %v, want nil", messages, err)
	}
}

// Between the messages of a batch nothing changes for who receives.
func TestABatchIsReceivedMessageByMessage(t *testing.T) {
	for name, receive := range map[string]func(*mailbox.Mailbox[int]) string{
		"Next": func(box *mailbox.Mailbox[int]) string { return drained(box.Incarnate(true)) },
		"Serve": func(box *mailbox.Mailbox[int]) string {
			in := box.Incarnate(true)
			return served(in, func(message int) {
				if message == 7 {
					in.Stop(true)
				}
			})
		},
		"Open": func(box *mailbox.Mailbox[int]) string {
			in := box.Incarnate(false).Inbox()
			var got []int
			for len(got) < 7 {
				message, ok := in.Open(<-in.C)
				if !ok {
					return "nothing"
				}
				got = append(got, message)
			}
			in.Done()
			return list(got)
		},
		"Open, and then Rest": func(box *mailbox.Mailbox[int]) string {
			in := box.Incarnate(false).Inbox()
			message, _ := in.Open(<-in.C)
			got := []int{message}
			message, _ = in.Open(<-in.C)
			got = append(got, message)
			for message := range in.Rest() {
				got = append(got, message)
			}
			if _, ok := in.Open(<-in.C); ok {
				return "more than there was"
			}
			select {
			case <-in.C:
				return "a channel that is ready for ever"
			default:
			}
			return list(got)
		},
	} {
		t.Run(name, func(t *testing.T) {
			box, dead := opened(mailbox.Options{})
			send(t, box, 1)
			sendAll(t, box, 2, 3, 4)
			sendAll(t, box)
			sendAll(t, box, 5)
			sendAll(t, box, 6, 7)
			check(t, "depth", box.Depth(), 7)
			check(t, "account", account(box), "handled 0, in hand 0, waiting 7, dead 0")
			check(t, "received", receive(box), "1 2 3 4 5 6 7")
			check(t, "account", account(box), "handled 7, in hand 0, waiting 0, dead 0")
			check(t, "dead letters", dead.String(), "")
		})
	}
}

// served is what Serve hands over until it ends.
func served(in *mailbox.Receiver[int], then func(int)) string {
	var got []int
	_, _ = in.Serve(context.Background(), 0, func(_ context.Context, message int) error {
		got = append(got, message)
		then(message)
		return nil
	})
	return list(got)
}

func TestABatchTakesOnePlace(t *testing.T) {
	for _, test := range []struct {
		overflow mailbox.Overflow
		err      error
		received string
		dead     string
	}{
		{mailbox.Reject, mailbox.ErrFull, "1 2 3 4", ""},
		{mailbox.DropNewest, nil, "1 2 3 4", "5 overflow, 6 overflow"},
		{mailbox.DropOldest, nil, "4 5 6", "1 overflow, 2 overflow, 3 overflow"},
		{mailbox.Block, context.DeadlineExceeded, "1 2 3 4", ""},
	} {
		t.Run(test.overflow.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box, dead := opened(mailbox.Options{Capacity: 2, Overflow: test.overflow})
				sendAll(t, box, 1, 2, 3)
				send(t, box, 4)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				messages := []int{5, 6}
				if err := box.SendAll(ctx, messages, nil); !errors.Is(err, test.err) {
					t.Errorf("third: got %v, want %v", err, test.err)
				}
				check(t, "slice", fmt.Sprint(messages), "[5 6]")
				dropped := strings.Count(test.dead, "overflow")
				check(t, "account", account(box), fmt.Sprintf("handled 0, in hand 0, waiting %d, dead %d", len(test.received)/2+1, dropped))
				check(t, "received", drained(box.Incarnate(true)), test.received)
				check(t, "dead letters", dead.String(), test.dead)
				check(t, "account", account(box), fmt.Sprintf("handled %d, in hand 0, waiting 0, dead %d", len(test.received)/2+1, dropped))
			})
		})
	}
}

func TestABatchIsRefusedAsAWhole(t *testing.T) {
	box := mailbox.New(mailbox.Options{}, mailbox.DeadLetters[int](func(message int, _ *mailbox.Note, _ mailbox.Why) {
		t.Errorf("got a dead letter of %d", message)
	}))
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	refused := func(when string, ctx context.Context, want error) {
		t.Helper()
		if err := box.SendAll(ctx, []int{1, 2}, nil); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", when, err, want)
		}
		check(t, when+", an empty batch", box.SendAll(ctx, nil, nil), nil)
		check(t, when, account(box), "handled 0, in hand 0, waiting 0, dead 0")
	}
	refused("not opened", t.Context(), mailbox.ErrClosed)
	box.Open()
	refused("ctx has ended", dead, context.Canceled)
	box.Seal()
	refused("sealed", t.Context(), mailbox.ErrClosed)
	box.Close()
	refused("closed", t.Context(), mailbox.ErrClosed)
}

// Whatever ends an incarnation in the middle of a batch, the next one begins with
// what is left of it.
func TestAnEndInTheMiddleOfABatch(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*mailbox.Mailbox[int], *mailbox.Receiver[int])
		next string // for the next incarnation
		dead string
	}{
		{"a crash", func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Crash(0) }, "3 4 5", "2 in hand at a crash"},
		{"a crash, with retries", func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Crash(1) }, "2 3 4 5", ""},
		{"a crash, with nothing in hand", func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Done(); in.Crash(1) }, "3 4 5", ""},
		{"an end in order", func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Stop(false); in.Next(0); in.End() }, "3 4 5", ""},
		{"an abandonment", func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Freeze() }, "3 4 5", "2 in hand of an abandoned incarnation"},
		{"an abandonment, with nothing in hand", func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Done(); in.Freeze() }, "3 4 5", ""},
		{"an abandonment after the seal", func(box *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { box.Seal(); in.Freeze() }, "3 4 5", "2 in hand of an abandoned incarnation"},
		{"a crash and an abandonment", func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Crash(0); in.Freeze() }, "3 4 5", "2 in hand at a crash"},
		{"Renew", func(box *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Crash(1); box.Renew() }, "",
			"2 waiting at a restart, 3 waiting at a restart, 4 waiting at a restart, 5 waiting at a restart"},
		{"Close", func(box *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.End(); box.Close(); box.Open() }, "", "3 discarded, 4 discarded, 5 discarded"},
		{"Close, and then a crash", func(box *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { box.Close(); in.Crash(1); box.Open() }, "", "5 discarded, 2 in hand at a crash, 3 discarded, 4 discarded"},
		{"Close, and then an abandonment", func(box *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { box.Close(); in.Freeze(); box.Open() }, "", "5 discarded, 2 in hand of an abandoned incarnation, 3 discarded, 4 discarded"},
	} {
		for _, pokes := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, pokes %v", test.name, pokes), func(t *testing.T) {
				box, dead := opened(mailbox.Options{})
				sendAll(t, box, 1, 2, 3, 4)
				send(t, box, 5)
				in := box.Incarnate(pokes)
				check(t, "first", receive1(in, pokes), 1)
				check(t, "second", receive1(in, pokes), 2)
				check(t, "account", account(box), "handled 1, in hand 1, waiting 3, dead 0")
				check(t, "depth", box.Depth(), 3)
				test.end(box, in)
				_, got := in.Next(0)
				check(t, "the one that has ended", outcome(got), "stopped")
				next := box.Incarnate(pokes)
				if test.next != "" {
					check(t, "depth", box.Depth(), len(test.next)/2+1)
				}
				received := ""
				if pokes {
					received = drained(next)
				} else {
					for range len(test.next)/2 + min(1, len(test.next)) {
						received += fmt.Sprint(receive1(next, false), " ")
					}
					received = strings.TrimSpace(received)
					next.Done()
				}
				check(t, "next incarnation", received, test.next)
				check(t, "dead letters", dead.String(), test.dead)
				s := box.Stats()
				check(t, "accounted for", s.Handled+s.Dead, 5)
				check(t, "waiting and in hand", s.Waiting+s.InHand, 0)
			})
		}
	}
}

// receive1 receives one message by Next or by Open.
func receive1(in *mailbox.Receiver[int], pokes bool) int {
	if pokes {
		message, _ := in.Next(0)
		return message
	}
	message, _ := in.Open(<-in.C())
	return message
}

// Only the message that has crashed is tried once more, not what comes after it.
func TestRetriesOfABatch(t *testing.T) {
	box, dead := opened(mailbox.Options{})
	sendAll(t, box, 1, 2, 3)
	begun := ""
	for range 6 {
		in := box.Incarnate(true)
		begun += fmt.Sprint(next(t, in))
		in.Crash(1)
	}
	check(t, "begun", begun, "112233")
	check(t, "dead letters", dead.String(), "1 in hand at a crash, 2 in hand at a crash, 3 in hand at a crash")
	check(t, "account", account(box), "handled 0, in hand 0, waiting 0, dead 3")
}

func TestStopInTheMiddleOfABatch(t *testing.T) {
	for _, test := range []struct {
		drain    bool
		received string
		waiting  int
	}{{true, "1 2 3 4", 0}, {false, "1 2", 2}} {
		t.Run(fmt.Sprintf("drain %v", test.drain), func(t *testing.T) {
			box, _ := opened(mailbox.Options{})
			sendAll(t, box, 1, 2, 3)
			send(t, box, 4)
			in := box.Incarnate(true)
			check(t, "received", served(in, func(message int) {
				if message == 2 {
					in.Stop(test.drain)
				}
			}), test.received)
			in.End()
			check(t, "waiting", box.Stats().Waiting, uint64(test.waiting))
		})
	}
}

// What is drained once the time is over is not handed over any more.
func TestADrainOfABatchWhoseTimeIsOver(t *testing.T) {
	box, dead := opened(mailbox.Options{})
	sendAll(t, box, 1, 2, 3)
	in := box.Incarnate(true)
	ctx, cancel := context.WithCancel(t.Context())
	_, _ = in.Serve(ctx, 0, func(context.Context, int) error {
		in.Stop(true)
		cancel()
		return nil
	})
	check(t, "dead letters", dead.String(), "2 discarded, 3 discarded")
	check(t, "account", account(box), "handled 1, in hand 0, waiting 0, dead 2")
}

// A loop that keeps a copy of C misses what it was told, but nobody else does.
func TestALoopThatOpensSomethingElseInTheMiddleOfABatch(t *testing.T) {
	box, dead := opened(mailbox.Options{})
	sendAll(t, box, 1, 2, 3)
	send(t, box, 4)
	in := box.Incarnate(false).Inbox()
	c := in.C
	in.Open(<-c)
	message, ok := in.Open(<-c)
	check(t, "opened", fmt.Sprint(message, ok), "4 true")
	in.Done()
	check(t, "dead letters", dead.String(), "2 discarded, 3 discarded")
	check(t, "account", account(box), "handled 2, in hand 0, waiting 0, dead 2")
}

// A loop that was abandoned gets nothing more of its batch, and does not spin.
func TestAnAbandonedLoopInTheMiddleOfABatch(t *testing.T) {
	box, _ := opened(mailbox.Options{})
	sendAll(t, box, 1, 2, 3)
	zombie := box.Incarnate(false)
	in := zombie.Inbox()
	in.Open(<-in.C)
	zombie.Freeze()
	if message, ok := in.Open(<-in.C); ok {
		t.Errorf("got %d, want nothing", message)
	}
	for range 2 { // the poke that the move leaves behind, and then nothing
		select {
		case e := <-in.C:
			if _, ok := in.Open(e); ok {
				t.Error("got a message")
			}
		default:
		}
	}
	select {
	case <-in.C:
		t.Error("C is ready for ever")
	default:
	}
	check(t, "next incarnation", drained(box.Incarnate(true)), "2 3")
}

// Every letter of a batch has the sender's trace, and who had it in hand.
func TestDeadLettersOfABatch(t *testing.T) {
	var notes []string
	box := mailbox.New(mailbox.Options{}, mailbox.DeadLetters[int](func(n int, note *mailbox.Note, _ mailbox.Why) {
		notes = append(notes, fmt.Sprint(n, " ", note.Trace, " ", note.Crashes, " ", note.Incarnation))
	}))
	box.Open()
	if err := box.SendAll(t.Context(), []int{1, 2, 3}, &mailbox.Note{Trace: "t"}); err != nil {
		t.Fatal(err)
	}
	in := box.Incarnate(true)
	in.Incarnation = 7
	next(t, in)
	check(t, "trace", in.Note().Trace, "t")
	in.Crash(1)
	box.Incarnate(true)
	box.Close()
	check(t, "notes", fmt.Sprint(notes), "[1 t 1 0 2 t 0 0 3 t 0 0]")

	notes = nil
	box.Open()
	in = box.Incarnate(false)
	in.Incarnation = 8
	if err := box.SendAll(t.Context(), []int{4, 5}, nil); err != nil {
		t.Fatal(err)
	}
	e := <-in.C()
	in.Freeze()
	if _, ok := in.Open(e); ok {
		t.Error("an abandoned incarnation got a message")
	}
	check(t, "on their way", fmt.Sprint(notes), "[4 <nil> 0 8 5 <nil> 0 8]")
	s := box.Stats()
	check(t, "accounted for", s.Handled+s.Dead, 5)
	check(t, "waiting", s.Waiting, 0)
}

// The head of the queue is looked at by numbers of messages.
func TestQueueCountsTheMessagesOfABatch(t *testing.T) {
	box, _ := opened(mailbox.Options{Capacity: 2, Overflow: mailbox.DropOldest})
	queue := func(what string, left uint64, waiting int) {
		t.Helper()
		gotLeft, gotWaiting := box.Queue()
		check(t, what+", left", gotLeft, left)
		check(t, what+", waiting", gotWaiting, waiting)
	}
	sendAll(t, box, 1, 2, 3)
	sendAll(t, box, 4, 5)
	queue("sent", 0, 5)
	in := box.Incarnate(true)
	next(t, in)
	queue("one begun", 1, 4)
	sendAll(t, box, 6, 7)
	sendAll(t, box, 8, 9)
	queue("4 and 5 dropped", 3, 6)
	next(t, in)
	in.Crash(1)
	queue("2 is to be tried again", 3, 6)
	in = box.Incarnate(true)
	next(t, in)
	queue("it is", 4, 5)
	in.Freeze()
	queue("abandoned", 4, 5)
	box.Close()
	queue("closed", 9, 0)
}
