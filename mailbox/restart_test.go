package mailbox_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/mailbox"
)

func TestTheQueueOutlivesAnIncarnation(t *testing.T) {
	box, dead, in := begin(t, 4, 2)
	in.StopAndWake(false)
	check(t, "after the stop", rest(in), "")
	send(t, box, 5)
	check(t, "next incarnation", drained(box.Incarnate(true)), "3 4 5")
	check(t, "dead letters", dead.String(), "")
	check(t, "account", account(box), "handled 5, in hand 0, waiting 0, dead 0")
}

func TestS8_RenewStartsEmpty(t *testing.T) {
	box, dead, in := begin(t, 4, 2)
	in.Crash(1)
	box.Renew()
	check(t, "dead letters", dead.String(), "2 waiting at a restart, 3 waiting at a restart, 4 waiting at a restart")
	in = box.Incarnate(true)
	send(t, box, 5)
	check(t, "next incarnation", drained(in), "5")
	check(t, "account", account(box), "handled 2, in hand 0, waiting 0, dead 3")
}

// What a sender brings into a channel that Renew has closed shares the fate of what
// waited there, whatever has become of the mailbox since.
func TestS8_LateSendersOfARenewedMailbox(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(box *mailbox.Mailbox[int])
		dead string
	}{
		{"renewed", func(box *mailbox.Mailbox[int]) { box.Renew() }, "2 waiting at a restart, 3 waiting at a restart"},
		{"renewed twice", func(box *mailbox.Mailbox[int]) { box.Renew(); box.Incarnate(true); box.Renew() },
			"2 waiting at a restart, 3 waiting at a restart"},
		{"renewed, then sealed", func(box *mailbox.Mailbox[int]) { box.Renew(); box.Seal() }, "2 waiting at a restart, 3 waiting at a restart"},
		{"renewed, then closed", func(box *mailbox.Mailbox[int]) { box.Renew(); box.Close() }, "2 waiting at a restart, 3 waiting at a restart"},
		{"closed", func(box *mailbox.Mailbox[int]) { box.Close() }, "2 discarded, 3 discarded"},
		{"closed, and not renewed by Renew", func(box *mailbox.Mailbox[int]) { box.Close(); box.Renew() }, "2 discarded, 3 discarded"},
		{"closed, then opened", func(box *mailbox.Mailbox[int]) { box.Close(); box.Open() }, "2 discarded, 3 discarded"},
		{"sealed, then opened", func(box *mailbox.Mailbox[int]) { box.Seal(); box.Open() }, "2 discarded, 3 discarded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			box, dead, in := begin(t, 2, 1)
			in.End()
			put := box.Underway()
			test.do(box)
			put(3)
			check(t, "dead letters", dead.String(), test.dead)
			check(t, "account", account(box), "handled 1, in hand 0, waiting 0, dead 2")
		})
	}
}

func TestCloseBuriesWhatWaits(t *testing.T) {
	box, dead, in := begin(t, 4, 2)
	in.Crash(1)
	box.Seal()
	check(t, "sealed", dead.String(), "")
	box.Close()
	check(t, "dead letters", dead.String(), "2 discarded, 3 discarded, 4 discarded")
	box.Close()
	check(t, "closed again", dead.String(), "2 discarded, 3 discarded, 4 discarded")
	box.Open()
	check(t, "opened again", drained(box.Incarnate(true)), "")
	check(t, "account", account(box), "handled 1, in hand 0, waiting 0, dead 3")
}

func TestOpenOfASealedMailboxBuriesWhatWaits(t *testing.T) {
	box, dead, _ := begin(t, 2, 0)
	box.Open()
	check(t, "opened twice", dead.String(), "")
	box.Seal()
	box.Open()
	check(t, "dead letters", dead.String(), "1 discarded, 2 discarded")
	check(t, "account", account(box), "handled 0, in hand 0, waiting 0, dead 2")
}

func TestCrash(t *testing.T) {
	for _, test := range []struct {
		retries int
		begun   string // by each incarnation
		dead    string
		account string
	}{
		{0, "1; 2; 3", "1 in hand at a crash, 2 in hand at a crash", "handled 1, in hand 0, waiting 0, dead 2"},
		{1, "1; 1; 2", "1 in hand at a crash, 2 discarded, 3 discarded", "handled 0, in hand 0, waiting 0, dead 3"},
		{2, "1; 1; 1", "1 in hand at a crash, 2 discarded, 3 discarded", "handled 0, in hand 0, waiting 0, dead 3"},
	} {
		t.Run(fmt.Sprintf("%d retries", test.retries), func(t *testing.T) {
			box, dead, in := begin(t, 3, 0)
			begun := ""
			for i := range 3 {
				if i > 0 {
					in = box.Incarnate(true)
					begun += "; "
				}
				message := next(t, in)
				begun += fmt.Sprint(message)
				if message == 3 {
					in.Done()
					break
				}
				e, inHand := in.Crash(test.retries)
				check(t, "in hand", inHand, true)
				check(t, "message", e, message)
				if e, inHand := in.Crash(test.retries); inHand {
					t.Errorf("second Crash: got %d in hand, want none", e)
				}
			}
			check(t, "begun", begun, test.begun)
			box.Close()
			check(t, "dead letters", dead.String(), test.dead)
			check(t, "account", account(box), test.account)
		})
	}
}

func TestAMessageThatIsTriedAgainComesFirst(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(*testing.T, *mailbox.Mailbox[int]) string
		want string
		dead string
	}{
		{"Next", func(t *testing.T, box *mailbox.Mailbox[int]) string {
			in := box.Incarnate(true)
			return list([]int{next(t, in), next(t, in)})
		}, "1 2", ""},
		{"a drain", func(_ *testing.T, box *mailbox.Mailbox[int]) string { return drained(box.Incarnate(true)) }, "1 2 3", ""},
		{"Rest", func(_ *testing.T, box *mailbox.Mailbox[int]) string {
			var got []int
			for message := range box.Incarnate(false).Rest() {
				got = append(got, message)
			}
			return list(got)
		}, "1 2 3", ""},
		{"an incarnation that is stopped first", func(t *testing.T, box *mailbox.Mailbox[int]) string {
			in := box.Incarnate(true)
			in.StopAndWake(false)
			check(t, "stopped incarnation", rest(in), "")
			return drained(box.Incarnate(true))
		}, "1 2 3", ""},
		{"an incarnation that is abandoned first", func(t *testing.T, box *mailbox.Mailbox[int]) string {
			in := box.Incarnate(true)
			in.Freeze()
			successor := box.Incarnate(true)
			check(t, "abandoned incarnation", rest(in), "")
			return drained(successor)
		}, "1 2 3", ""},
		{"after a move", func(_ *testing.T, box *mailbox.Mailbox[int]) string {
			return drained(box.Incarnate(true))
		}, "1 2 3", ""},
		{"closed", func(_ *testing.T, box *mailbox.Mailbox[int]) string {
			box.Close()
			box.Open()
			return drained(box.Incarnate(true))
		}, "", "1 discarded, 2 discarded, 3 discarded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			box, dead, in := begin(t, 3, 1)
			in.Crash(1)
			check(t, "account", account(box), "handled 0, in hand 0, waiting 3, dead 0")
			check(t, "received", test.do(t, box), test.want)
			check(t, "dead letters", dead.String(), test.dead)
		})
	}
}

func TestACrashAfterTheEndKeepsNothing(t *testing.T) {
	for name, end := range map[string]func(*mailbox.Mailbox[int]){
		"closed":                 (*mailbox.Mailbox[int]).Close,
		"there is another inbox": func(b *mailbox.Mailbox[int]) { b.Incarnate(true) },
	} {
		t.Run(name, func(t *testing.T) {
			box, dead, in := begin(t, 1, 1)
			end(box)
			in.Crash(1)
			check(t, "dead letters", dead.String(), "1 in hand at a crash")
			check(t, "account", account(box), "handled 0, in hand 0, waiting 0, dead 1")
		})
	}
}

func TestCrashesAreWrittenOnTheNote(t *testing.T) {
	box, _ := opened(mailbox.Options{})
	note := &mailbox.Note{Trace: "trace"}
	if err := box.SendNoted(t.Context(), 1, note); err != nil {
		t.Fatal(err)
	}
	for crashes := range 3 {
		in := box.Incarnate(true)
		in.Next(0)
		check(t, "note", *in.Note(), mailbox.Note{Trace: "trace", Crashes: crashes})
		in.Crash(2)
	}
	check(t, "the sender's note", *note, mailbox.Note{Trace: "trace"})
}

func TestMove(t *testing.T) {
	for _, test := range []struct {
		name    string
		abandon func(*mailbox.Mailbox[int], *mailbox.Receiver[int])
	}{
		{"frozen", func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Freeze() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			box, dead, in := begin(t, 4, 1)
			test.abandon(box, in)
			send(t, box, 5)
			check(t, "old channel", messages(in.C()), "")
			check(t, "account", account(box), "handled 0, in hand 0, waiting 4, dead 1")
			check(t, "successor", drained(box.Incarnate(true)), "2 3 4 5")
			check(t, "dead letters", dead.String(), "1 in hand of an abandoned incarnation")
		})
	}
	t.Run("keeps a sealed mailbox sealed", func(t *testing.T) {
		box, dead, in := begin(t, 3, 1)
		box.Seal()
		in.Freeze()
		if err := box.Send(t.Context(), 4); err != mailbox.ErrClosed {
			t.Errorf("got %v, want %v", err, mailbox.ErrClosed)
		}
		check(t, "depth", box.Depth(), 2)
		box.Close()
		check(t, "dead letters", dead.String(), "1 in hand of an abandoned incarnation, 2 discarded, 3 discarded")
	})
	t.Run("leaves a successor's channel alone", func(t *testing.T) {
		box, _, old := begin(t, 2, 0)
		in := box.Incarnate(true)
		old.Freeze() // late
		check(t, "successor", drained(in), "1 2")
	})
	for waiting, name := range []string{"leaves the poke to the old receiver", "gives the old receiver the poke for which there was no room"} {
		t.Run(name, func(t *testing.T) {
			box, _ := opened(capacity(1))
			in := box.Incarnate(true)
			for message := range waiting {
				send(t, box, message)
			}
			in.Freeze()
			check(t, "depth", box.Depth(), waiting)
			check(t, "old channel", len(in.C()), 1)
			_, ok := in.Open(<-in.C())
			check(t, "ok", ok, false)
		})
	}
}

func TestMoveTakesBlockedSendersAlong(t *testing.T) {
	for _, options := range []mailbox.Options{capacity(1), capacity(mailbox.Unbuffered)} {
		t.Run(fmt.Sprint(options.Capacity), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box, dead := opened(options)
				old := box.Incarnate(true)
				if options.Capacity == 1 {
					send(t, box, 0)
				}
				errs := make(chan error, 3)
				for sender := range 3 {
					go func() { errs <- box.Send(t.Context(), sender+1) }()
					synctest.Wait()
				}
				old.Freeze()
				synctest.Wait()
				check(t, "senders that returned", len(errs), 0)
				check(t, "old channel", messages(old.C()), "")
				in := box.Incarnate(true)
				if options.Capacity == 1 {
					check(t, "first", next(t, in), 0)
				}
				seen := map[int]bool{}
				for range 3 {
					seen[next(t, in)] = true
				}
				check(t, "blocked senders", fmt.Sprint(seen), "map[1:true 2:true 3:true]")
				for range 3 {
					if err := <-errs; err != nil {
						t.Errorf("got %v, want nil", err)
					}
				}
				check(t, "dead letters", dead.String(), "")
			})
		})
	}
}

// A sender that has looked at the channel before the abandonment, and puts its message
// in after: that goes over to the successor, unless the mailbox is closed by then.
func TestMoveTakesLateSendersAlong(t *testing.T) {
	for _, test := range []struct {
		name  string
		do    func(box *mailbox.Mailbox[int], put func(int) bool)
		taken string
		dead  string
	}{
		{"before there is a successor", func(_ *mailbox.Mailbox[int], put func(int) bool) { put(3); put(4) },
			"2 3 4", "1 in hand of an abandoned incarnation"},
		{"when there is more than room for", func(_ *mailbox.Mailbox[int], put func(int) bool) { put(3); put(4); put(5) },
			"2 3 4", "1 in hand of an abandoned incarnation, 5 in hand of an abandoned incarnation"},
		{"when the mailbox is sealed", func(box *mailbox.Mailbox[int], put func(int) bool) { box.Seal(); put(3) },
			"2 3", "1 in hand of an abandoned incarnation"},
		{"when the mailbox is closed", func(box *mailbox.Mailbox[int], put func(int) bool) { box.Close(); put(3); box.Open() },
			"", "1 in hand of an abandoned incarnation, 2 discarded, 3 discarded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			box, dead := opened(capacity(3))
			old := box.Incarnate(true)
			send(t, box, 1, 2)
			check(t, "in hand", next(t, old), 1)
			put := box.Underway()
			old.Freeze()
			test.do(box, put)
			check(t, "old channel", messages(old.C()), "")
			check(t, "successor", drained(box.Incarnate(true)), test.taken)
			check(t, "dead letters", dead.String(), test.dead)
		})
	}
	t.Run("a successor that waits is woken", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			box, _ := opened(capacity(3))
			old := box.Incarnate(true)
			put := box.Underway()
			old.Freeze()
			in, taken := box.Incarnate(true), make(chan int)
			go func() { message, _ := in.Next(0); taken <- message }()
			synctest.Wait()
			put(1)
			check(t, "taken", <-taken, 1)
		})
	})
}

// The callback may use the mailbox: whatever finds a dead letter holds no lock.
func TestDeadLettersMayBeSentAgain(t *testing.T) {
	for _, test := range []struct {
		name     string
		overflow mailbox.Overflow
		do       func(*mailbox.Mailbox[int], *mailbox.Receiver[int])
		want     string
	}{
		{"overflow, newest", mailbox.DropNewest, func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { b.Send(t.Context(), 5) },
			"5 overflow, 105 overflow"},
		{"overflow, oldest", mailbox.DropOldest, func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { b.Send(t.Context(), 5) },
			"2 overflow, 3 overflow, 4 overflow, 102 overflow"}, // 102, 103 and 104 are faster than 5
		{"Close", 0, func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { b.Close() }, "2 discarded, 3 discarded, 4 discarded"},
		{"Renew", 0, func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { b.Renew() },
			"2 waiting at a restart, 3 waiting at a restart, 4 waiting at a restart"},
		{"Open", 0, func(b *mailbox.Mailbox[int], _ *mailbox.Receiver[int]) { b.Seal(); b.Open() }, "2 discarded, 3 discarded, 4 discarded"},
		{"Skip", 0, func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Skip(mailbox.CallerGone) }, "1 caller gone"},
		{"Crash", 0, func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Crash(0) }, "1 in hand at a crash"},
		{"Freeze", 0, func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) { in.Freeze() }, "1 in hand of an abandoned incarnation"},
		{"Open of an abandoned inbox", 0, func(_ *mailbox.Mailbox[int], in *mailbox.Receiver[int]) {
			in.Done()
			e := <-in.C()
			in.Freeze()
			in.Open(e)
		}, "2 in hand of an abandoned incarnation"},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := mailbox.Options{Overflow: test.overflow}
			if test.overflow != mailbox.Block {
				options.Capacity = 3
			}
			dead := new(letters)
			var box *mailbox.Mailbox[int]
			box = mailbox.New(options, mailbox.DeadLetters[int](func(message int, note *mailbox.Note, why mailbox.Why) {
				dead.add(message, note, why)
				box.Stats()
				if message > 100 {
					return // it was sent again before
				}
				if err := box.Send(t.Context(), message+100); err != nil && err != mailbox.ErrClosed {
					t.Errorf("send %d again: got %v, want nil", message, err)
				}
			}))
			box.Open()
			in := box.Incarnate(true)
			send(t, box, 1)
			next(t, in)
			send(t, box, 2, 3, 4)
			test.do(box, in)
			check(t, "dead letters", dead.String(), test.want)
		})
	}
}
