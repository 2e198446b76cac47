package coppice

import (
	"context"
	"strconv"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/supervisor"
)

// hibernating gives the goroutine back at once.
var hibernating = actor.Options{Mailbox: options.Mailbox, ParkAfter: time.Millisecond}

// dynamic makes a Dynamic, and gives what starts actors below it. Those that are to
// be warm are sent a message each: what has never had work has no goroutine.
func dynamic(options actor.Options, warm bool) (func(int) error, bench.Stop, error) {
	d := supervisor.NewDynamic("bench", rootPolicy())
	stop, err := plant(d)
	var actors []*actor.Actor[*bench.Message]
	return func(n int) error {
		actors = make([]*actor.Actor[*bench.Message], 0, n)
		for range n {
			a := actor.New("idle", idle, options)
			if _, err := d.StartChild(context.Background(), a); err != nil {
				return err
			}
			actors = append(actors, a)
		}
		if warm {
			return each(actors)
		}
		return nil
	}, stop, err
}

// each sends every actor a message, and does not wait until it is handled.
func each(actors []*actor.Actor[*bench.Message]) error {
	m := new(bench.Message)
	for _, a := range actors {
		if err := a.Send(context.Background(), m); err != nil {
			return err
		}
	}
	return nil
}

func idle(context.Context) (actor.Behavior[*bench.Message], error) {
	return actor.Behavior[*bench.Message]{Receive: nothing}, nil
}

func nothing(context.Context, *bench.Message) error { return nil }

func crashes(supervisors, children int, lives bench.Lives) (func(int, *bench.Message) error, bench.Stop, error) {
	workers, groups := make([]*actor.Actor[*bench.Message], supervisors*children), make([]supervisor.Child, supervisors)
	for i := range groups {
		below := make([]supervisor.Child, children)
		for j := range below {
			number := i*children + j
			workers[number] = worker(number, lives)
			below[j] = workers[number]
		}
		if supervisors == 1 {
			groups = below
		} else {
			groups[i] = supervisor.New(strconv.Itoa(i), policy, below...)
		}
	}
	stop, err := plant(supervisor.New("bench", rootPolicy(), groups...))
	return func(child int, m *bench.Message) error { return workers[child].Send(context.Background(), m) }, stop, err
}

// worker is an actor that a message crashes.
func worker(number int, lives bench.Lives) *actor.Actor[*bench.Message] {
	return actor.New(strconv.Itoa(number), func(context.Context) (actor.Behavior[*bench.Message], error) {
		lives.Began(number)
		return actor.Behavior[*bench.Message]{Receive: func(_ context.Context, m *bench.Message) error {
			if m != bench.Poison {
				lives.Handled(number)
				return nil
			}
			lives.Ends(number)
			panic("poison")
		}}, nil
	}, options)
}

func tree(depth, fanOut int) (bench.Stop, error) {
	return plant(supervisor.New("bench", rootPolicy(), nodes(depth, fanOut)...))
}

// nodes are the children of a supervisor with so many levels below it.
func nodes(depth, fanOut int) []supervisor.Child {
	children := make([]supervisor.Child, fanOut)
	for i := range children {
		name := strconv.Itoa(i)
		if depth == 1 {
			children[i] = actor.New(name, idle, options)
		} else {
			children[i] = supervisor.New(name, policy, nodes(depth-1, fanOut)...)
		}
	}
	return children
}
