package actortest_test

import (
	"context"
	"testing"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/actortest"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

type counter struct{ n int }

type add int

func (a add) Handle(_ context.Context, c *counter) (int, error) {
	c.n += int(a)
	return c.n, nil
}

func openCounter(context.Context) (*counter, error) { return new(counter), nil }

func newCounter() supervisor.Child { return actor.NewServer("counter", openCounter) }

// calls is a load for a counter.
func calls(ctx context.Context, child supervisor.Child) {
	for ctx.Err() == nil {
		_, _ = actor.Call(ctx, child.(*actor.Server[counter]), add(1))
		time.Sleep(time.Millisecond)
	}
}

func waits(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func TestGoodChildrenPass(t *testing.T) {
	for name, test := range map[string]struct {
		make    func() supervisor.Child
		options actortest.Options
	}{
		"function":              {make: func() supervisor.Child { return supervisor.Func("f", waits) }},
		"function that is done": {make: func() supervisor.Child { return supervisor.Func("f", func(context.Context) error { return nil }) }},
		"function that says ctx's": {make: func() supervisor.Child {
			return supervisor.Func("f", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		}},
		"slow to start and to stop": {make: func() supervisor.Child {
			return supervisor.Factory("slow", func(context.Context) (slow, error) { time.Sleep(3 * time.Second); return slow{}, nil })
		}},
		"server": {make: newCounter, options: actortest.Options{Load: calls}},
		"parking actor": {
			make:    func() supervisor.Child { return newNumbers(actor.Options{ParkAfter: time.Second}) },
			options: actortest.Options{Load: sends},
		},
		"loop": {
			make:    func() supervisor.Child { return newLoop() },
			options: actortest.Options{Load: sends},
		},
		"supervisor": {make: func() supervisor.Child {
			return supervisor.New("sup", supervisor.Policy{Strategy: strategy.RestForOne}, newCounter(), supervisor.Func("f", waits))
		}},
		"dynamic": {make: func() supervisor.Child { return supervisor.NewDynamic("sup", supervisor.Policy{}) }},
	} {
		t.Run(name, func(t *testing.T) { actortest.Run(t, test.make, test.options) })
	}
}

// slow takes its time to stop.
type slow struct{}

func (slow) Serve(ctx context.Context) error {
	<-ctx.Done()
	time.Sleep(50 * time.Millisecond)
	return nil
}

func newNumbers(options actor.Options) *actor.Actor[int] {
	return actor.New("numbers", func(context.Context) (actor.Behavior[int], error) {
		return actor.Behavior[int]{Receive: func(context.Context, int) error { return nil }}, nil
	}, options)
}

func newLoop() *actor.Actor[int] {
	return actor.New("numbers", func(context.Context) (actor.Behavior[int], error) {
		return actor.Behavior[int]{Loop: func(ctx context.Context, in *mailbox.Inbox[int]) error {
			for {
				select {
				case e := <-in.C:
					in.Open(e)
				case <-ctx.Done():
					for range in.Rest() {
					}
					return nil
				}
			}
		}}, nil
	})
}

// sends is a load for an actor of numbers.
func sends(ctx context.Context, child supervisor.Child) {
	for n := 0; ctx.Err() == nil; n++ {
		_ = child.(*actor.Actor[int]).Send(ctx, n)
		time.Sleep(1500 * time.Millisecond)
	}
}
