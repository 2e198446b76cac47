package mailbox_test

import (
	"context"
	"fmt"

	"github.com/coppice-go/coppice/mailbox"
)

// A mailbox for two messages: the third takes the place of the first.
func ExampleNew() {
	options := mailbox.Options{Capacity: 2, Overflow: mailbox.DropOldest}
	box := mailbox.New(options, mailbox.DeadLetters[string](func(message string, _ *mailbox.Note, why mailbox.Why) {
		fmt.Println("dead letter:", message, "-", why)
	}))

	ctx := context.Background()
	fmt.Println(box.Send(ctx, "hello?"))
	box.Open()
	for _, message := range []string{"one", "two", "three"} {
		if err := box.Send(ctx, message); err != nil {
			fmt.Println(err)
		}
	}

	in := new(mailbox.Receiver[string])
	box.Receive(in)
	e, _ := in.Next(0)
	fmt.Println("handled:", e)
	in.Done()
	box.Close()
	fmt.Println(box.Stats())
	// Output:
	// mailbox closed
	// dead letter: one - overflow
	// handled: two
	// dead letter: three - discarded
	// 1 handled, 0 in hand, 0 waiting, 2 dead
}

func ExampleOptions_Check() {
	fmt.Println(mailbox.Options{}.Check()) // the zero value: 16 messages, senders wait

	fmt.Println(mailbox.Options{Capacity: mailbox.Unbuffered, Overflow: mailbox.DropOldest, Drain: 7}.Check())
	// Output:
	// <nil>
	// Overflow: an unbuffered mailbox has no oldest message to drop
	// Drain: drain(7) is neither DrainAll, FinishInHand nor Discard
}
