package actor_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// Watch the dead letters, look at them, and send one again. The other events take
// no place in the buffer.
func Example_deadLetters() {
	events := tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})
	letters := events.Subscribe(100, tracing.DeadLetter{})
	defer letters.Close()

	alice := actor.NewServer("alice", openAccount)
	bank := supervisor.New("bank", supervisor.Policy{Tracing: events}, alice)
	ctx := context.Background()
	if _, err := bank.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	if err := actor.Cast(ctx, alice, Transfer{Cents: 20, Bad: new(true)}); err != nil {
		fmt.Println(err)
	}

	letter, ok := (<-letters.C).(tracing.DeadLetter) // or a tracing.Missed, if the buffer was full
	fmt.Println(ok, letter)
	if transfer, ok := letter.Message.(Transfer); ok {
		*transfer.Bad = false // the cause is repaired
		fmt.Println("again:", letter.Resend(ctx))
	}
	fmt.Println(actor.Call(ctx, alice, Deposit{0}))
	fmt.Println(bank.Stop(ctx))
	fmt.Println("too late:", letter.Resend(ctx))
	// Output:
	// true bank/alice#1 dead letter: actor_test.Transfer: in hand at a crash
	// again: <nil>
	// 20 <nil>
	// <nil>
	// too late: bank/alice: no such process: not started, or gone for good
}

// Transfer is a message that crashes its account as long as something is bad.
type Transfer struct {
	Cents int
	Bad   *bool
}

func (t Transfer) Handle(_ context.Context, a *Account) (int, error) {
	if *t.Bad {
		panic("no connection to the clearing house")
	}
	a.cents += t.Cents
	return a.cents, nil
}
