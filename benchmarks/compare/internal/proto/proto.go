// Package proto is protoactor-go. Its mailboxes have no bounds, and an actor has
// no goroutine while it is idle.
package proto

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
)

// Contender is protoactor-go.
var Contender = bench.Contender{
	Name:       "protoactor",
	About:      "protoactor-go of 2024-08-22. Its mailboxes have no bounds, its idle actors no goroutine, so it is there as idle, as warm, and as hibernated; each of its calls has a timeout. It restarts without limit and logs nothing. It tells all children of an actor to stop at once.",
	Send:       send,
	Cast:       send, // it knows no other way
	Paced:      paced,
	Call:       call,
	Ring:       ring,
	Idle:       func() (func(int) error, bench.Stop, error) { return idle(false) },
	Warm:       func() (func(int) error, bench.Stop, error) { return idle(true) },
	Hibernated: func() (func(int) error, bench.Stop, error) { return idle(true) },
	Crashes:    crashes,
	Tree:       tree,
}

func newSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}

// stopping stops actors, and waits until they and all below them have stopped.
func stopping(system *actor.ActorSystem, actors ...*actor.PID) bench.Stop {
	return func() error {
		defer system.Shutdown()
		futures := make([]*actor.Future, len(actors))
		for i, pid := range actors {
			futures[i] = system.Root.StopFuture(pid)
		}
		var errs []error
		for _, future := range futures {
			errs = append(errs, future.Wait())
		}
		return errors.Join(errs...)
	}
}

// all spawns an actor for each tally; handle is what it does with a message.
func all(system *actor.ActorSystem, tallies []*bench.Tally, handle func(*bench.Tally) actor.ReceiveFunc) []*actor.PID {
	actors := make([]*actor.PID, len(tallies))
	for i, tally := range tallies {
		actors[i] = system.Root.Spawn(actor.PropsFromFunc(handle(tally)))
	}
	return actors
}

func send(tallies []*bench.Tally) (bench.Burst, bench.Stop, error) {
	system := newSystem()
	actors := all(system, tallies, func(tally *bench.Tally) actor.ReceiveFunc {
		return func(c actor.Context) {
			if _, ok := c.Message().(*bench.Message); ok {
				tally.Count()
			}
		}
	})
	return func(to, n int) error {
		pid, message := actors[to], new(bench.Message)
		for range n {
			system.Root.Send(pid, message)
		}
		return nil
	}, stopping(system, actors...), nil
}

func paced(tallies []*bench.Tally) (func(int, *bench.Message) error, bench.Stop, error) {
	system := newSystem()
	actors := all(system, tallies, func(tally *bench.Tally) actor.ReceiveFunc {
		return func(c actor.Context) {
			if m, ok := c.Message().(*bench.Message); ok {
				tally.Clock(m)
			}
		}
	})
	return func(to int, m *bench.Message) error {
		system.Root.Send(actors[to], m)
		return nil
	}, stopping(system, actors...), nil
}

func call(bool) (func(context.Context, int) error, bench.Stop, error) {
	system := newSystem()
	handled := 0
	pid := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if _, ok := c.Message().(*bench.Message); ok {
			handled++
			c.Respond(handled)
		}
	}))
	return func(_ context.Context, n int) error {
		message := new(bench.Message)
		for range n {
			if _, err := system.Root.RequestFuture(pid, message, time.Minute).Result(); err != nil {
				return err
			}
		}
		return nil
	}, stopping(system, pid), nil
}

func ring(n int, last *bench.Tally) (func(*bench.Token) error, bench.Stop, error) {
	system := newSystem()
	actors := make([]*actor.PID, n)
	for i := range actors {
		next := (i + 1) % n
		actors[i] = system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
			token, ok := c.Message().(*bench.Token)
			if !ok {
				return
			}
			if token.Hops--; token.Hops == 0 {
				last.Count()
			} else {
				c.Send(actors[next], token)
			}
		}))
	}
	return func(token *bench.Token) error {
		system.Root.Send(actors[0], token)
		return nil
	}, stopping(system, actors...), nil
}

// spawn asks a parent for so many children.
type spawn struct {
	children int
	done     chan struct{}
}

// idle makes actors that have nothing to do; warm ones are sent a message each first.
func idle(warm bool) (func(int) error, bench.Stop, error) {
	system, message := newSystem(), new(bench.Message)
	child := actor.PropsFromFunc(nothing)
	parent := system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if m, ok := c.Message().(spawn); ok {
			for range m.children {
				if pid := c.Spawn(child); warm {
					c.Send(pid, message)
				}
			}
			close(m.done)
		}
	}))
	return func(n int) error {
		done := make(chan struct{})
		system.Root.Send(parent, spawn{n, done})
		<-done
		return nil
	}, stopping(system, parent), nil
}

func nothing(actor.Context) {}

// supervisor makes the props of an actor that spawns its children when it
// starts, and restarts those that panic.
func supervisor(children []*actor.Props, born func(child int, pid *actor.PID)) *actor.Props {
	return actor.PropsFromFunc(func(c actor.Context) {
		if _, ok := c.Message().(*actor.Started); ok {
			for i, props := range children {
				pid := c.Spawn(props)
				if born != nil {
					born(i, pid)
				}
			}
		}
	}, actor.WithSupervisor(actor.NewRestartingStrategy()))
}

func crashes(supervisors, children int, lives bench.Lives) (func(int, *bench.Message) error, bench.Stop, error) {
	system := newSystem()
	workers, roots := make([]*actor.PID, supervisors*children), make([]*actor.PID, supervisors)
	var up sync.WaitGroup
	up.Add(len(workers))
	for i := range roots {
		below := make([]*actor.Props, children)
		for j := range below {
			number := i*children + j
			below[j] = actor.PropsFromFunc(func(c actor.Context) {
				switch m := c.Message().(type) {
				case *actor.Started:
					lives.Began(number)
				case *bench.Message:
					if m != bench.Poison {
						lives.Handled(number)
						return
					}
					lives.Ends(number)
					panic("poison")
				}
			})
		}
		roots[i] = system.Root.Spawn(supervisor(below, func(j int, pid *actor.PID) {
			workers[i*children+j] = pid
			up.Done()
		}))
	}
	up.Wait()
	return func(child int, m *bench.Message) error {
		system.Root.Send(workers[child], m)
		return nil
	}, stopping(system, roots...), nil
}

func tree(depth, fanOut int) (bench.Stop, error) {
	system := newSystem()
	var up sync.WaitGroup
	root := system.Root.Spawn(node(depth, fanOut, &up))
	up.Wait()
	return stopping(system, root), nil
}

// node is an actor with so many levels below it, whose leaves tell when they
// are up.
func node(depth, fanOut int, up *sync.WaitGroup) *actor.Props {
	if depth == 0 {
		up.Add(1)
		return actor.PropsFromFunc(func(c actor.Context) {
			if _, ok := c.Message().(*actor.Started); ok {
				up.Done()
			}
		})
	}
	children := make([]*actor.Props, fanOut)
	for i := range children {
		children[i] = node(depth-1, fanOut, up)
	}
	return supervisor(children, nil)
}
