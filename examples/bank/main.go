// Bank is the program of the README: two accounts, a teller who calls one and
// casts to the other, and a supervision tree around them. Ctrl-C stops it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Account is one incarnation's state: a plain struct that only its own messages touch.
type Account struct{ cents int }

func open(context.Context) (*Account, error) { return new(Account), nil }

// Deposit is a message: a value with the code that runs inside the actor.
type Deposit struct{ Cents int }

// Handle adds to the balance and answers with it.
func (d Deposit) Handle(_ context.Context, a *Account) (int, error) {
	if d.Cents < 0 {
		panic("negative deposit") // let it crash: the caller hears why at once, the account restarts
	}
	a.cents += d.Cents
	return a.cents, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second ^C kills at once

	alice, bob := actor.NewServer("alice", open), actor.NewServer("bob", open)

	bank := supervisor.New("bank", supervisor.Policy{Strategy: strategy.RestForOne},
		supervisor.New("accounts", supervisor.Policy{Backoff: strategy.Exponential(10*time.Millisecond, time.Second)},
			alice, bob),
		supervisor.Spec{
			Restart: strategy.Temporary,
			Child: supervisor.Func("teller", func(ctx context.Context) error {
				cents, err := actor.Call(ctx, alice, Deposit{500}) // typed both ways: no any, no type switch, no reply channel
				fmt.Println(cents, err)
				return actor.Cast(ctx, bob, Deposit{20})
			}),
		},
	)
	if err := bank.Run(ctx); err != nil { // ^C stops the teller, then bob, then alice; err names whatever would not stop
		log.Fatal(err)
	}
}
