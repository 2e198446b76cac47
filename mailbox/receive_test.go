package mailbox_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/mailbox"
)

// begin is an inbox with messages 1 to n waiting, and the first hand of them
// begun.
func begin(t *testing.T, n, hand int) (*mailbox.Mailbox[int], *letters, *mailbox.Receiver[int]) {
	t.Helper()
	box, dead := opened(mailbox.Options{})
	in := box.Incarnate(true)
	for message := range n {
		send(t, box, message+1)
	}
	for message := range hand {
		check(t, "received", next(t, in), message+1)
	}
	return box, dead, in
}

// rest is what Next gives until it ends.
func rest(in *mailbox.Receiver[int]) string {
	var got []int
	for {
		e, what := in.Next(0)
		if what != mailbox.Message {
			return list(got)
		}
		got = append(got, e)
	}
}

func TestStop(t *testing.T) {
	type stops []bool // each with drain or without
	for _, test := range []struct {
		name     string
		stops    stops
		received string
		depth    int
	}{
		{"without drain", stops{false}, "", 3},
		{"drain", stops{true}, "2 3 4", 0},
		{"S154 drain twice", stops{true, true}, "2 3 4", 0},
		{"a second stop ends a drain", stops{true, false}, "", 3},
		{"nothing begins a drain again", stops{false, true}, "", 3},
		{"nothing begins a drain again once it was ended", stops{true, false, true}, "", 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			box, _, in := begin(t, 4, 1)
			for _, drain := range test.stops {
				in.StopAndWake(drain)
			}
			check(t, "received", rest(in), test.received)
			check(t, "depth", box.Depth(), test.depth)
			_, got := in.Next(0)
			check(t, "and then", outcome(got), "stopped")
			check(t, "account", account(box), fmt.Sprintf("handled %d, in hand 0, waiting %d, dead 0", 4-test.depth, test.depth))
		})
	}
	t.Run("in the middle of a drain", func(t *testing.T) {
		box, _, in := begin(t, 4, 1)
		in.StopAndWake(true)
		check(t, "received", next(t, in), 2)
		in.StopAndWake(false)
		check(t, "received", rest(in), "")
		check(t, "depth", box.Depth(), 2)
	})
	t.Run("sealed while it drains", func(t *testing.T) {
		box, _, in := begin(t, 4, 1)
		box.Seal()
		in.StopAndWake(true)
		check(t, "received", rest(in), "2 3 4")
	})
}

func TestStopWakesAWaitingReceiver(t *testing.T) {
	for _, options := range []mailbox.Options{capacity(mailbox.Unbuffered), capacity(1), {}} {
		for _, drain := range []bool{true, false} {
			for _, patience := range []time.Duration{0, time.Hour} {
				t.Run(fmt.Sprintf("capacity %d, drain %v, patience %v", options.Capacity, drain, patience), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						box, dead := opened(options)
						in := box.Incarnate(true)
						var got mailbox.Got
						begun := time.Now()
						go func() { _, got = in.Next(patience) }()
						synctest.Wait()
						in.StopAndWake(drain)
						synctest.Wait()
						check(t, "Next", outcome(got), "stopped")
						check(t, "after", time.Since(begun), 0)
						check(t, "depth", box.Depth(), 0)
						box.Close()
						check(t, "dead letters", dead.String(), "")
					})
				})
			}
		}
	}
}

// A stop during a message sends no poke: the receiver must see it before it waits. One
// that comes later does.
func TestAStopBeforeTheWaitIsNotLost(t *testing.T) {
	for _, drain := range []bool{false, true} {
		_, _, in := begin(t, 1, 1)
		in.StopAndWake(drain)
		check(t, "pokes for who has a message in hand", len(in.Channel()), 0)
		check(t, "would wait", in.RestsToWait(), false)

		_, _, in = begin(t, 1, 1)
		check(t, "would wait, not stopped", in.RestsToWait(), true)
		in.StopAndWake(drain)
		check(t, "pokes for who waits", len(in.Channel()), 1)
	}
}

func TestNextIsIdleWhenItsPatienceEnds(t *testing.T) {
	for _, options := range []mailbox.Options{capacity(mailbox.Unbuffered), capacity(1)} {
		t.Run(fmt.Sprint(options.Capacity), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box, _ := opened(options)
				in := box.Incarnate(true)
				for _, test := range []struct {
					name  string
					after time.Duration // of a message or a stop; 0: none comes
					do    func()
					want  string
					took  time.Duration
				}{
					{"nothing comes", 0, nil, "idle", time.Minute},
					{"a message comes", time.Second, func() { send(t, box, 1) }, "a message", time.Second},
					{"nothing comes after a message", 0, nil, "idle", time.Minute},
					{"a stop comes", time.Second, func() { in.StopAndWake(true) }, "stopped", time.Second},
					{"after the stop", 0, nil, "stopped", 0},
				} {
					if test.do != nil {
						time.AfterFunc(test.after, test.do)
					}
					begun := time.Now()
					_, got := in.Next(time.Minute)
					check(t, test.name, outcome(got), test.want)
					check(t, test.name+", after", time.Since(begun), test.took)
					if got == mailbox.Message {
						check(t, test.name, account(box), "handled 0, in hand 1, waiting 0, dead 0")
					}
				}
				check(t, "account", account(box), "handled 1, in hand 0, waiting 0, dead 0")
			})
		})
	}
}

func TestNextFindsNothingWithoutWaitingForAMessageThatIsThere(t *testing.T) {
	box, _, in := begin(t, 2, 0)
	for message := range 2 {
		e, got := in.Next(time.Nanosecond)
		check(t, "Next", outcome(got), "a message")
		check(t, "message", e, message+1)
	}
	_, got := in.Next(time.Nanosecond)
	check(t, "Next", outcome(got), "idle")
	check(t, "account", account(box), "handled 2, in hand 0, waiting 0, dead 0")
}

func TestRest(t *testing.T) {
	box, _, in := begin(t, 5, 1)
	for message := range in.Rest() {
		check(t, "message", message, 2)
		check(t, "account", account(box), "handled 1, in hand 1, waiting 3, dead 0")
		break
	}
	check(t, "still in hand", account(box), "handled 1, in hand 1, waiting 3, dead 0")
	check(t, "rest", list(slices.Collect(in.Rest())), "3 4 5")
	check(t, "none is left", list(slices.Collect(in.Rest())), "")
	check(t, "account", account(box), "handled 5, in hand 0, waiting 0, dead 0")
	in.Freeze()
	check(t, "of a frozen inbox", list(slices.Collect(in.Rest())), "")
}

// What is not to be drained is left for the next incarnation, or for the end.
func TestRestHeedsTheStop(t *testing.T) {
	for _, test := range []struct {
		name string
		stop func(*mailbox.Receiver[int])
		want string
	}{
		{"none", func(*mailbox.Receiver[int]) {}, "1 2 3"},
		{"drain", func(in *mailbox.Receiver[int]) { in.StopAndWake(true) }, "1 2 3"},
		{"no drain", func(in *mailbox.Receiver[int]) { in.StopAndWake(false) }, ""},
		{"the drain has been ended", func(in *mailbox.Receiver[int]) { in.StopAndWake(true); in.StopAndWake(false) }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, in := begin(t, 3, 0)
			test.stop(in)
			check(t, "rest", list(slices.Collect(in.Inbox().Rest())), test.want)
		})
	}
	_, _, in := begin(t, 3, 0)
	for message := range in.Rest() { // the time is over meanwhile
		check(t, "message", message, 1)
		in.StopAndWake(false)
	}
}

// A loop sees its context end a moment before it is told what the stop wants.
func TestRestWaitsToBeTold(t *testing.T) {
	for drain, want := range map[bool]string{true: "1 2 3", false: ""} {
		synctest.Test(t, func(t *testing.T) {
			box, _, _ := begin(t, 3, 0)
			in := box.Incarnate(false)
			ctx, cancel := context.WithCancel(t.Context())
			in.Watch(mailbox.Watch[int]{Ctx: ctx})
			cancel()
			time.AfterFunc(time.Second, func() { in.StopAndWake(drain) })
			began := time.Now()
			check(t, "rest", list(slices.Collect(in.Inbox().Rest())), want)
			check(t, "waited", time.Since(began), time.Second)
		})
	}
}

func TestOpen(t *testing.T) {
	box, dead, in := begin(t, 3, 0)
	for message := range 2 {
		got, ok := in.Open(<-in.C())
		check(t, "message", got, message+1)
		check(t, "ok", ok, true)
		check(t, "account", account(box), fmt.Sprintf("handled %d, in hand 1, waiting %d, dead 0", message, 2-message))
	}
	last := <-in.C()
	in.Done()
	check(t, "account", account(box), "handled 2, in hand 0, waiting 0, dead 0")
	in.Freeze()
	_, ok := in.Open(last)
	check(t, "ok of a frozen inbox", ok, false)
	check(t, "dead letters", dead.String(), "3 in hand of an abandoned incarnation")
}

// The incarnation before waited in Next, this one selects on C.
func TestOpenOfAPokeThatAnEarlierStopHasLeft(t *testing.T) {
	box, _, in := begin(t, 0, 0)
	in.StopAndWake(false)
	send(t, box, 1)
	in = box.Incarnate(false)
	_, ok := in.Open(<-in.C())
	check(t, "ok", ok, false)
	message, ok := in.Open(<-in.C())
	check(t, "ok", ok, true)
	check(t, "message", message, 1)
	check(t, "account", account(box), "handled 0, in hand 1, waiting 0, dead 0")
}

func TestBegunAndDone(t *testing.T) {
	_, _, in := begin(t, 3, 0)
	state := func() string { n, busy := in.Begun(); return fmt.Sprint(n, " ", busy) }
	check(t, "before", state(), "0 false")
	next(t, in)
	check(t, "first", state(), "1 true")
	next(t, in)
	check(t, "second", state(), "2 true")
	in.Done()
	in.Done()
	check(t, "finished", state(), "2 false")
	next(t, in)
	in.Freeze()
	check(t, "frozen", state(), "3 false")
	in.Done()
	check(t, "finished when frozen", state(), "3 false")
}

func TestSkip(t *testing.T) {
	box, dead, in := begin(t, 3, 0)
	in.Skip(mailbox.CallerGone) // nothing is in hand
	next(t, in)
	in.Skip(mailbox.CallerGone)
	in.Skip(mailbox.CallerGone)
	check(t, "dead letters", dead.String(), "1 caller gone")
	check(t, "account", account(box), "handled 0, in hand 0, waiting 2, dead 1")
	next(t, in)
	in.Freeze()
	in.Skip(mailbox.CallerGone)
	check(t, "dead letters", dead.String(), "1 caller gone, 2 in hand of an abandoned incarnation")
	check(t, "account", account(box), "handled 0, in hand 0, waiting 1, dead 2")
}

func TestFreeze(t *testing.T) {
	for _, test := range []struct {
		name   string
		do     func(*mailbox.Receiver[int])
		inHand int // 0 for none
		dead   string
	}{
		{"before the first message", nil, 0, ""},
		{"with a message in hand", func(in *mailbox.Receiver[int]) { in.Next(0) }, 1, "1 in hand of an abandoned incarnation"},
		{"with the second in hand", func(in *mailbox.Receiver[int]) { in.Next(0); in.Next(0) }, 2, "2 in hand of an abandoned incarnation"},
		{"while idle", func(in *mailbox.Receiver[int]) { in.Next(0); in.Done() }, 0, ""},
		{"frozen already", func(in *mailbox.Receiver[int]) { in.Next(0); in.Freeze() }, 0, "1 in hand of an abandoned incarnation"},
		{"after a crash", func(in *mailbox.Receiver[int]) { in.Next(0); in.Crash(0) }, 0, "1 in hand at a crash"},
		{"after a stop", func(in *mailbox.Receiver[int]) { in.Next(0); in.StopAndWake(true) }, 1, "1 in hand of an abandoned incarnation"},
	} {
		t.Run(test.name, func(t *testing.T) {
			box, dead, in := begin(t, 3, 0)
			if test.do != nil {
				test.do(in)
			}
			e, inHand := in.Freeze()
			check(t, "in hand", inHand, test.inHand != 0)
			check(t, "message", e, test.inHand)
			check(t, "dead letters", dead.String(), test.dead)
			check(t, "frozen inbox", rest(in), "")
			check(t, "frozen inbox, channel", messages(in.C()), "")
			if _, again := in.Crash(2); again {
				t.Error("Crash: got a message in hand, want none")
			}
			begun, _ := in.Begun()
			check(t, "successor", drained(box.Incarnate(true)), list([]int{1, 2, 3}[begun:]))
			check(t, "dead letters", dead.String(), test.dead)
		})
	}
}

func TestFreezeEndsAWaitingNext(t *testing.T) {
	for _, options := range []mailbox.Options{capacity(mailbox.Unbuffered), capacity(1)} {
		t.Run(fmt.Sprint(options.Capacity), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box, _ := opened(options)
				in := box.Incarnate(true)
				var got mailbox.Got
				go func() { _, got = in.Next(0) }()
				synctest.Wait()
				in.Freeze()
				synctest.Wait()
				check(t, "Next", outcome(got), "stopped")
			})
		})
	}
}
