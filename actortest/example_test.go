package actortest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/actortest"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func ExampleLeaks() {
	end := make(chan struct{})
	tree := supervisor.New("tree", supervisor.Policy{},
		supervisor.Func("forgetful", func(ctx context.Context) error {
			go func() { <-end }() // nobody waits for it: supervisor.Go would
			<-ctx.Done()
			return nil
		}))
	if _, err := tree.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println("stop:", tree.Stop(context.Background()))
	for _, leak := range actortest.Leaks(tree) {
		fmt.Println("left of", leak.Path)
	}
	close(end)
	fmt.Println(len(actortest.Leaks(tree)), "left")

	// Output:
	// stop: <nil>
	// left of tree/forgetful
	// 0 left
}

// The whole proof for a child, in two lines.
func TestExample_Run(t *testing.T) {
	actortest.Run(t, newCounter, actortest.Options{Load: calls})
	actortest.Stress(t, newCounter, actortest.Options{Load: calls})
}

// app is a tree together with the addresses in it: so a load finds whom to call.
type app struct {
	*supervisor.Supervisor
	orders *actor.Server[counter]
}

func newApp() supervisor.Child {
	orders := actor.NewServer("orders", openCounter)
	return &app{supervisor.New("app", supervisor.Policy{}, orders, supervisor.Func("poller", waits)), orders}
}

// A whole tree is a child as well. Its type keeps the addresses for the load.
func TestExample_RunATree(t *testing.T) {
	load := actortest.Options{Load: func(ctx context.Context, child supervisor.Child) {
		for ctx.Err() == nil {
			_, _ = actor.Call(ctx, child.(*app).orders, add(1))
			time.Sleep(time.Second)
		}
	}}
	actortest.Run(t, newApp, load)
	actortest.Stress(t, newApp, load)
}

// To strike a tree that has nobody above, put a supervisor there. Its name is the
// first in every path.
func TestExample_InjectorAroundARoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := newApp().(*app)
		in := actortest.NewInjector(t, 0, actortest.Fault{Kind: actortest.Panic, At: 2})
		root := supervisor.New("test", supervisor.Policy{}, in.Child(tree))
		if _, err := root.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		var outcomes []string
		for range 3 {
			n, err := actor.Call(t.Context(), tree.orders, add(1))
			outcomes = append(outcomes, fmt.Sprint(n, " ", errors.Is(err, actor.ErrEnded)))
		}
		check(t, "outcomes", fmt.Sprint(outcomes), "[1 false 0 true 1 false]")
		check(t, "path", tree.orders.Path(), "test/app/orders")
		if err := root.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		actortest.NoLeaks(t, root)
	})
}

// One message in ten is a crash, somewhere below the supervisor. No call may be
// left without an outcome.
func TestExample_Injector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alice, bob := actor.NewServer("alice", openCounter), actor.NewServer("bob", openCounter)
		accounts := supervisor.New("accounts", supervisor.Policy{Restarts: strategy.Unlimited}, alice, bob)
		in := actortest.NewInjector(t, 0, actortest.Fault{Kind: actortest.Panic, Rate: 0.1})
		tree, _ := plant(t, in.Child(accounts))

		crashes := 0
		for range 500 {
			for _, account := range []*actor.Server[counter]{alice, bob} {
				if _, err := actor.Call(t.Context(), account, add(1)); errors.Is(err, actor.ErrEnded) {
					crashes++
				} else if err != nil {
					t.Error(err)
				}
			}
		}
		if crashes == 0 || crashes != in.Count() {
			t.Errorf("got %d calls that failed, want one for each of the %d faults", crashes, in.Count())
		}
		if err := tree.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		actortest.NoLeaks(t, tree)
	})
}

// Mail is what the shop sends.
type Mail struct{ To, Text string }

// shop is the code under test: it wants the address of an actor.
func shop(mailer *actor.Actor[Mail], customer string) supervisor.Child {
	return supervisor.Func("shop", func(ctx context.Context) error {
		for _, text := range []string{"ordered", "sent"} {
			if err := mailer.Send(ctx, Mail{customer, text}); err != nil {
				return err
			}
			time.Sleep(24 * time.Hour)
		}
		<-ctx.Done()
		return nil
	})
}

// A probe stands in for the actor that would send mails.
func TestExample_Probe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mailer := actortest.StartProbe[Mail](t, "mailer")
		plant(t, supervisor.Spec{Child: shop(mailer.Actor, "ada"), Shutdown: supervisor.Timeout(48 * time.Hour)})

		mailer.Expect(time.Minute, Mail{"ada", "ordered"})
		mailer.Silent(23 * time.Hour)
		mailer.Expect(2*time.Hour, Mail{"ada", "sent"})
	})
}

// Rates is the state of a server that asks a bank for exchange rates.
type Rates struct {
	fetch func(ctx context.Context, currency string) (float64, error)
}

// Rate asks for one.
type Rate struct{ Currency string }

func (r Rate) Handle(ctx context.Context, state *Rates) (float64, error) {
	return state.fetch(ctx, r.Currency)
}

// A server stands in for itself: the same type, the same messages and handlers,
// with a state for the test.
func TestExample_ServerStandsInForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rates := actor.NewServer("rates", func(context.Context) (*Rates, error) {
			return &Rates{fetch: func(context.Context, string) (float64, error) { return 1.5, nil }}, nil
		})
		plant(t, rates)
		rate, err := actor.Call(t.Context(), rates, Rate{"EUR"})
		if rate != 1.5 || err != nil {
			t.Errorf("got %v, %v, want 1.5", rate, err)
		}
	})
}

// A child that has crashed every time for a week, with its backoff at its longest:
// virtual time makes it a fraction of a second.
func TestExample_WeekOfCrashes(t *testing.T) {
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		crashes := 0
		broken := supervisor.Func("broken", func(context.Context) error { crashes++; return errOdd })
		tree := supervisor.New("tree", supervisor.Policy{
			Restarts: strategy.Unlimited,
			Backoff:  strategy.Exponential(time.Second, time.Minute),
			Tracing:  silent,
		}, broken)
		if _, err := tree.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(7 * 24 * time.Hour)
		if err := tree.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if crashes < 7*24*60 {
			t.Errorf("got %d crashes, want one a minute at least", crashes)
		}
		t.Logf("%d crashes", crashes)
	})
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v, want a fraction of a second", took)
	} else {
		t.Logf("a week took %v", took)
	}
}
