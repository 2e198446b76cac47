package mailbox_test

import (
	"fmt"
	"testing"

	"github.com/coppice-go/coppice/mailbox"
)

// A loop that breaks Rest off gets what is left of the batch from C, before all others.
func TestALoopThatBreaksRestOffInTheMiddleOfABatch(t *testing.T) {
	box, dead := opened(mailbox.Options{})
	sendAll(t, box, 1, 2, 3)
	send(t, box, 4)
	in := box.Incarnate(false).Inbox()
	for message := range in.Rest() {
		check(t, "rest", message, 1)
		break
	}
	got := ""
	for range 3 {
		message, _ := in.Open(<-in.C)
		got += fmt.Sprint(message, " ")
	}
	in.Done()
	check(t, "opened", got, "2 3 4 ")
	check(t, "dead letters", dead.String(), "")
	check(t, "account", account(box), "handled 4, in hand 0, waiting 0, dead 0")
}

// What a crash has left for the next incarnation comes first, or not at all: so a
// loop with the channel of an earlier incarnation does not spoil the order.
func TestALoopThatOpensSomethingElseThanWhatIsLeftForIt(t *testing.T) {
	box, dead := opened(mailbox.Options{})
	sendAll(t, box, 1, 2, 3)
	send(t, box, 4)
	first := box.Incarnate(false)
	in := first.Inbox()
	c := in.C
	in.Open(<-c)
	first.Crash(1)
	in = box.Incarnate(false).Inbox()
	message, ok := in.Open(<-c)
	check(t, "opened", fmt.Sprint(message, ok), "4 true")
	in.Done()
	check(t, "dead letters", dead.String(), "1 discarded, 2 discarded, 3 discarded")
	check(t, "account", account(box), "handled 1, in hand 0, waiting 0, dead 3")
}

func TestNobodyParksInTheMiddleOfABatch(t *testing.T) {
	box, _ := opened(mailbox.Options{})
	sendAll(t, box, 1, 2)
	in := box.Prepare()
	next(t, in)
	in.Done()
	if in.Park(mailbox.Woken(func(bool) { t.Error("woken") })) {
		t.Fatal("parked, with a message left")
	}
	check(t, "second", next(t, in), 2)
	in.Done()
	if !in.Park(mailbox.Woken(func(bool) {})) {
		t.Error("not parked, with nothing left")
	}
}
