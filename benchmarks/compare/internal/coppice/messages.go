package coppice

import (
	"context"
	"strconv"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/supervisor"
)

// counting makes actors that count their messages.
func counting(tallies []*bench.Tally) ([]*actor.Actor[*bench.Message], bench.Stop, error) {
	return all(len(tallies), func(i int) *actor.Actor[*bench.Message] {
		tally := tallies[i]
		return named(i, func(context.Context, *bench.Message) error {
			tally.Count()
			return nil
		})
	})
}

func send(tallies []*bench.Tally) (bench.Burst, bench.Stop, error) {
	actors, stop, err := counting(tallies)
	return func(to, n int) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		a, message := actors[to], new(bench.Message)
		for range n {
			if err := a.Send(ctx, message); err != nil {
				return err
			}
		}
		return nil
	}, stop, err
}

// batch makes a new slice for each batch: it belongs to the receiver.
func batch(tallies []*bench.Tally) (bench.Burst, bench.Stop, error) {
	actors, stop, err := counting(tallies)
	return func(to, n int) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		a, message := actors[to], new(bench.Message)
		for n > 0 {
			messages := make([]*bench.Message, min(n, bench.BatchSize))
			for i := range messages {
				messages[i] = message
			}
			if err := a.SendAll(ctx, messages); err != nil {
				return err
			}
			n -= len(messages)
		}
		return nil
	}, stop, err
}

func paced(tallies []*bench.Tally) (func(int, *bench.Message) error, bench.Stop, error) {
	actors, stop, err := all(len(tallies), func(i int) *actor.Actor[*bench.Message] {
		tally := tallies[i]
		return named(i, func(_ context.Context, m *bench.Message) error {
			tally.Clock(m)
			return nil
		})
	})
	ctx, cancel := context.WithCancel(context.Background())
	return func(to int, m *bench.Message) error { return actors[to].Send(ctx, m) },
		func() error { cancel(); return stop() }, err
}

func ring(n int, last *bench.Tally) (func(*bench.Token) error, bench.Stop, error) {
	var actors []*actor.Actor[*bench.Token]
	actors, stop, err := all(n, func(i int) *actor.Actor[*bench.Token] {
		next := (i + 1) % n
		return named(i, func(ctx context.Context, token *bench.Token) error {
			if token.Hops--; token.Hops == 0 {
				last.Count()
				return nil
			}
			return actors[next].Send(ctx, token)
		})
	})
	return func(token *bench.Token) error { return actors[0].Send(context.Background(), token) }, stop, err
}

// counter is the state of a server.
type counter struct {
	tally   *bench.Tally
	handled int
}

// count is a message to it that nobody waits for, ask one that is answered, look one
// whose handler looks whether it is still wanted.
type (
	count struct{ bench.Message }
	ask   struct{ bench.Message }
	look  struct{ bench.Message }
)

func (*count) Handle(_ context.Context, c *counter) (struct{}, error) {
	c.tally.Count()
	return struct{}{}, nil
}

func (*ask) Handle(_ context.Context, c *counter) (int, error) {
	c.handled++
	return c.handled, nil
}

func (*look) Handle(ctx context.Context, c *counter) (int, error) {
	select {
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	default:
	}
	c.handled++
	return c.handled, nil
}

func server(name string, tally *bench.Tally) *actor.Server[counter] {
	return actor.NewServer(name, func(context.Context) (*counter, error) {
		return &counter{tally: tally}, nil
	}, actor.ServerOptions[counter]{Options: options})
}

func cast(tallies []*bench.Tally) (bench.Burst, bench.Stop, error) {
	servers, children := make([]*actor.Server[counter], len(tallies)), make([]supervisor.Child, len(tallies))
	for i, tally := range tallies {
		servers[i] = server(strconv.Itoa(i), tally)
		children[i] = servers[i]
	}
	stop, err := plant(supervisor.New("bench", rootPolicy(), children...))
	return func(to, n int) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		s, message := servers[to], new(count)
		for range n {
			if err := actor.Cast(ctx, s, message); err != nil {
				return err
			}
		}
		return nil
	}, stop, err
}

func call(deadline bool) (func(context.Context, int) error, bench.Stop, error) {
	if deadline {
		return asking(new(ask), func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		})
	}
	return asking(new(ask), nil)
}

func looking() (func(context.Context, int) error, bench.Stop, error) { return asking(new(look), nil) }

// asking calls with the message, each time with a ctx that derive gives, if there is one.
func asking[M actor.Message[counter, int]](message M, derive func(context.Context) (context.Context, context.CancelFunc)) (func(context.Context, int) error, bench.Stop, error) {
	s := server("server", nil)
	stop, err := plant(supervisor.New("bench", rootPolicy(), s))
	return func(ctx context.Context, n int) error {
		for range n {
			own, cancel := ctx, context.CancelFunc(nil)
			if derive != nil {
				own, cancel = derive(ctx)
			}
			_, err := actor.Call(own, s, message)
			if cancel != nil {
				cancel()
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, stop, err
}
