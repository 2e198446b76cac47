// Package raw is what one writes by hand, without a library: goroutines with a
// channel, a select on it and on a context of their own.
package raw

import (
	"context"
	"sync"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
)

// Contender is raw Go.
var Contender = bench.Contender{
	Name:        "raw",
	About:       "goroutines written by hand: a channel of 64, a select on it and on the goroutine's own context (one context.WithCancel each), a plain send; a call makes a reply channel of one and selects on its ctx; a supervisor of thirty lines recovers, is told through a channel and starts again, and stops its children in reverse order, one by one. Nothing is logged, counted or limited.",
	Send:        send,
	Cast:        send, // a channel knows no other way
	Batch:       send, // one by one: what batches are compared with
	Paced:       paced,
	Call:        call,
	CallLooking: looking,
	Ring:        ring,
	Idle:        func() (func(int) error, bench.Stop, error) { return idle(false) },
	Warm:        func() (func(int) error, bench.Stop, error) { return idle(true) },
	Crashes:     crashes,
	Tree:        tree,
}

// group is goroutines that end together.
type group struct {
	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup
}

func newGroup() *group {
	g := new(group)
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

func (g *group) stop() error {
	g.cancel()
	g.all.Wait()
	return nil
}

// actor is a goroutine's other end.
type actor struct {
	mailbox chan *bench.Message
	cancel  context.CancelFunc
}

// spawn starts a goroutine with a mailbox and a context of its own.
func (g *group) spawn(run func(ctx context.Context, mailbox <-chan *bench.Message)) actor {
	ctx, cancel := context.WithCancel(g.ctx)
	mailbox := make(chan *bench.Message, bench.Capacity)
	g.all.Add(1)
	go func() {
		defer g.all.Done()
		run(ctx, mailbox)
	}()
	return actor{mailbox, cancel}
}

func send(tallies []*bench.Tally) (bench.Burst, bench.Stop, error) {
	g := newGroup()
	actors := make([]actor, len(tallies))
	for i, tally := range tallies {
		actors[i] = g.spawn(func(ctx context.Context, mailbox <-chan *bench.Message) {
			done := ctx.Done()
			for {
				select {
				case <-mailbox:
					tally.Count()
				case <-done:
					return
				}
			}
		})
	}
	return func(actor, n int) error {
		mailbox, message := actors[actor].mailbox, new(bench.Message)
		for range n {
			mailbox <- message
		}
		return nil
	}, g.stop, nil
}

func paced(tallies []*bench.Tally) (func(int, *bench.Message) error, bench.Stop, error) {
	g := newGroup()
	actors := make([]actor, len(tallies))
	for i, tally := range tallies {
		actors[i] = g.spawn(func(ctx context.Context, mailbox <-chan *bench.Message) {
			done := ctx.Done()
			for {
				select {
				case m := <-mailbox:
					tally.Clock(m)
				case <-done:
					return
				}
			}
		})
	}
	return func(actor int, m *bench.Message) error {
		actors[actor].mailbox <- m
		return nil
	}, g.stop, nil
}

func ring(n int, last *bench.Tally) (func(*bench.Token) error, bench.Stop, error) {
	g := newGroup()
	mailboxes := make([]chan *bench.Token, n)
	for i := range mailboxes {
		mailboxes[i] = make(chan *bench.Token, bench.Capacity)
	}
	for i, mailbox := range mailboxes {
		ctx, cancel := context.WithCancel(g.ctx)
		next := mailboxes[(i+1)%n]
		g.all.Go(func() {
			defer cancel()
			done := ctx.Done()
			for {
				select {
				case token := <-mailbox:
					if token.Hops--; token.Hops == 0 {
						last.Count()
					} else {
						next <- token
					}
				case <-done:
					return
				}
			}
		})
	}
	return func(token *bench.Token) error {
		mailboxes[0] <- token
		return nil
	}, g.stop, nil
}

// idle makes actors that have nothing to do; warm ones are sent a message each first.
func idle(warm bool) (func(int) error, bench.Stop, error) {
	g := newGroup()
	var actors []actor
	return func(n int) error {
		actors = make([]actor, 0, n)
		for range n {
			actors = append(actors, g.spawn(nothing))
		}
		if warm {
			m := new(bench.Message)
			for _, a := range actors {
				a.mailbox <- m
			}
		}
		return nil
	}, g.stop, nil
}

// nothing is the work of an actor that gets no messages.
func nothing(ctx context.Context, mailbox <-chan *bench.Message) {
	done := ctx.Done()
	for {
		select {
		case <-mailbox:
		case <-done:
			return
		}
	}
}
