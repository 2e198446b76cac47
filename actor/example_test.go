package actor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// up starts a tree of the children and gives the function that stops it.
func up(children ...supervisor.Child) (stop func()) {
	silent := tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})
	bank := supervisor.New("bank", supervisor.Policy{Tracing: silent}, children...)
	if _, err := bank.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	return func() {
		if err := bank.Stop(context.Background()); err != nil {
			fmt.Println(err)
		}
	}
}

// Account is one incarnation's state.
type Account struct{ cents int }

func openAccount(context.Context) (*Account, error) { return new(Account), nil }

var errFunds = errors.New("insufficient funds")

// Deposit is a message: a value with the code that runs inside the server.
type Deposit struct{ Cents int }

func (d Deposit) Handle(_ context.Context, a *Account) (int, error) {
	if d.Cents < 0 {
		panic("negative deposit")
	}
	a.cents += d.Cents
	return a.cents, nil
}

// Withdraw is another.
type Withdraw struct{ Cents int }

func (w Withdraw) Handle(_ context.Context, a *Account) (int, error) {
	if w.Cents > a.cents {
		return a.cents, errFunds
	}
	a.cents -= w.Cents
	return a.cents, nil
}

// An actor that handles its messages one by one. What open allocates is the
// state of one incarnation.
func ExampleNew() {
	lines := actor.New("printer", func(context.Context) (actor.Behavior[string], error) {
		printed := 0
		return actor.Behavior[string]{
			Receive: func(_ context.Context, line string) error {
				printed++
				fmt.Println(printed, line)
				return nil
			},
			Close: func(_ context.Context, reason exit.Reason) error {
				fmt.Println("closed:", reason)
				return nil
			},
		}, nil
	})
	stop := up(lines)
	for _, line := range []string{"to be", "or not to be"} {
		if err := lines.Send(context.Background(), line); err != nil {
			fmt.Println(err)
		}
	}
	stop() // what was accepted is handled first
	fmt.Println(lines.Send(context.Background(), "that is the question"))
	// Output:
	// 1 to be
	// 2 or not to be
	// closed: shutdown
	// bank/printer: no such process: not started, or gone for good
}

// An actor with a loop of its own, which selects on its messages beside other
// channels.
func ExampleNew_loop() {
	flush, flushed := make(chan struct{}), make(chan struct{})
	sum := actor.New("sum", func(context.Context) (actor.Behavior[int], error) {
		return actor.Behavior[int]{Loop: func(ctx context.Context, in *mailbox.Inbox[int]) error {
			total := 0
			for {
				select {
				case e := <-in.C:
					if n, ok := in.Open(e); ok {
						total += n
					}
				case <-flush:
					for n := range in.Rest() {
						total += n
					}
					fmt.Println("total", total)
					flushed <- struct{}{}
				case <-ctx.Done():
					return nil
				}
			}
		}}, nil
	})
	defer up(sum)()
	for n := range 5 {
		if err := sum.Send(context.Background(), n); err != nil {
			fmt.Println(err)
		}
	}
	flush <- struct{}{}
	<-flushed
	// Output: total 10
}

// A server that writes its state back when it ends.
func ExampleNewServer() {
	alice := actor.NewServer("alice", openAccount, actor.ServerOptions[Account]{
		Close: func(_ context.Context, a *Account, reason exit.Reason) error {
			fmt.Printf("saved %d cents: %v\n", a.cents, reason)
			return nil
		},
	})
	stop := up(alice)
	fmt.Println(actor.Call(context.Background(), alice, Deposit{500}))
	stop()
	// Output:
	// 500 <nil>
	// saved 500 cents: shutdown
}

// A server that is up at once, and fetches what it needs before it handles its
// first message.
func ExampleServerOptions_continue() {
	ledger := make(chan int)
	alice := actor.NewServer("alice", openAccount, actor.ServerOptions[Account]{
		Continue: func(ctx context.Context, a *Account) error {
			select {
			case a.cents = <-ledger: // that takes its time
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		},
	})
	defer up(alice)()
	fmt.Println("the bank is open")
	balance := make(chan int)
	go func() {
		cents, err := actor.Call(context.Background(), alice, Deposit{20})
		if err != nil {
			fmt.Println(err)
		}
		balance <- cents
	}()
	ledger <- 500
	fmt.Println(<-balance)
	// Output:
	// the bank is open
	// 520
}

// The outcome of a call is the handler's value and error, or says why there is
// none.
func ExampleCall() {
	ctx := context.Background()
	alice := actor.NewServer("alice", openAccount)
	fmt.Println(actor.Call(ctx, alice, Deposit{500}))
	defer up(alice)()

	fmt.Println(actor.Call(ctx, alice, Deposit{500}))
	cents, err := actor.Call(ctx, alice, Withdraw{700})
	fmt.Println(cents, err == errFunds)

	_, err = actor.Call(ctx, alice, Deposit{-1}) // crashes alice, who is restarted
	var failed *actor.SendError
	if errors.As(err, &failed) {
		fmt.Println(failed.Path, "|", failed.Err, "|", failed.Reason)
	}
	fmt.Println(actor.Call(ctx, alice, Deposit{20}))
	// Output:
	// 0 alice: no such process: not started, or gone for good
	// 500 <nil>
	// 500 true
	// bank/alice | callee ended before it replied | panic: negative deposit
	// 20 <nil>
}

// A cast returns when the message is accepted. Messages of one sender keep their
// order, so a call after it sees its effect.
func ExampleCast() {
	ctx := context.Background()
	bob := actor.NewServer("bob", openAccount)
	defer up(bob)()
	fmt.Println(actor.Cast(ctx, bob, Deposit{20}))
	fmt.Println(actor.Call(ctx, bob, Deposit{1}))
	// Output:
	// <nil>
	// 21 <nil>
}

// Audit is answered by another goroutine, while the server goes on.
type Audit struct{ results <-chan string }

func (m Audit) Handle(ctx context.Context, _ *Account) (string, error) {
	reply, err := actor.Defer[string](ctx)
	if err != nil {
		return "", err
	}
	go func() {
		select {
		case result := <-m.results:
			reply.Give(result, nil)
		case <-ctx.Done(): // the caller has left, or the server has ended
		}
	}()
	return "", nil
}

func ExampleDefer() {
	ctx := context.Background()
	alice := actor.NewServer("alice", openAccount)
	defer up(alice)()

	results, audited := make(chan string), make(chan string)
	go func() {
		result, err := actor.Call(ctx, alice, Audit{results})
		audited <- fmt.Sprintf("%s %v", result, err)
	}()
	fmt.Println(actor.Call(ctx, alice, Deposit{5})) // alice is not blocked
	results <- "all is well"
	fmt.Println(<-audited)
	// Output:
	// 5 <nil>
	// all is well <nil>
}

// Book is answered when the account has changed; the slip is printed after that,
// and before anything else happens to the account.
type Book struct {
	Cents int
	Seen  <-chan struct{} // closed when the caller has looked at the answer
}

func (b Book) Handle(_ context.Context, a *Account) (int, error) {
	a.cents += b.Cents
	return a.cents, actor.Continue(func(context.Context) error {
		<-b.Seen
		fmt.Printf("slip: %d cents\n", a.cents)
		return nil
	})
}

func ExampleContinue() {
	ctx := context.Background()
	alice := actor.NewServer("alice", openAccount)
	defer up(alice)()
	seen := make(chan struct{})
	fmt.Println(actor.Call(ctx, alice, Book{7, seen}))
	close(seen)
	fmt.Println(actor.Call(ctx, alice, Deposit{3}))
	// Output:
	// 7 <nil>
	// slip: 7 cents
	// 10 <nil>
}

// Settle ends the server; its caller hears the last balance when that is saved.
type Settle struct{}

func (Settle) Handle(_ context.Context, a *Account) (int, error) {
	return a.cents, actor.AfterReply(exit.Normal)
}

func ExampleAfterReply() {
	alice := actor.NewServer("alice", openAccount, actor.ServerOptions[Account]{
		Close: func(context.Context, *Account, exit.Reason) error {
			fmt.Println("saved")
			return nil
		},
	})
	defer up(supervisor.Spec{Child: alice, Restart: strategy.Transient})()
	if err := actor.Cast(context.Background(), alice, Deposit{7}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(actor.Call(context.Background(), alice, Settle{}))
	// Output:
	// saved
	// 7 <nil>
}

// Whoami answers with what a handler finds in its ctx.
type Whoami struct{}

func (Whoami) Handle(ctx context.Context, _ *Account) (string, error) {
	self, ok := actor.Self[actor.Target[Account]](ctx)
	if !ok {
		return "", errors.New("no server of an Account")
	}
	// It could be handed on now, as the address for an answer.
	return self.Path(), nil
}

func ExampleSelf() {
	alice := actor.NewServer("alice", openAccount)
	defer up(alice)()
	fmt.Println(actor.Call(context.Background(), alice, Whoami{}))
	// Output: bank/alice <nil>
}

func ExamplePath() {
	paths := make(chan string, 1)
	teller := supervisor.Func("teller", func(ctx context.Context) error {
		paths <- actor.Path(ctx)
		return nil
	})
	defer up(supervisor.New("tellers", supervisor.Policy{}, supervisor.Spec{Child: teller, Restart: strategy.Temporary}))()
	fmt.Println(<-paths)
	fmt.Printf("%q\n", actor.Path(context.Background()))
	// Output:
	// bank/tellers/teller
	// ""
}

// Report takes as long as its ctx lets it.
type Report struct{}

func (Report) Handle(ctx context.Context, _ *Account) (string, error) {
	<-ctx.Done() // a query, say, that was given ctx and does not come back
	return "", context.Cause(ctx)
}

// The message has so much time, whether or not its caller has set a deadline.
func ExampleOptions_handlerTimeout() {
	alice := actor.NewServer("alice", openAccount, actor.ServerOptions[Account]{
		Options: actor.Options{HandlerTimeout: 10 * time.Millisecond},
	})
	defer up(alice)()
	_, err := actor.Call(context.Background(), alice, Report{})
	fmt.Println(err)
	fmt.Println(errors.Is(err, actor.ErrHandlerTimeout), errors.Is(err, context.DeadlineExceeded))
	fmt.Println(actor.Call(context.Background(), alice, Deposit{5})) // alice lives on
	// Output:
	// handler timeout: context deadline exceeded
	// true true
	// 5 <nil>
}
