package cancel_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// byHand is what one writes without a library: goroutines, a derived context, a
// channel for each worker, and a WaitGroup. drains says whether a worker handles
// what waits in its channel before it ends.
func byHand(drains bool) contender {
	return contender{start: func(r *run) crowd {
		ctx, cancel := context.WithCancel(background)
		channels := newChannels(r.workers)
		var workers sync.WaitGroup
		for i, c := range channels {
			workers.Go(func() {
				defer r.exit(i)
				r.loop(ctx, i, c)
				for drains && len(c) > 0 { // it is the only one that receives
					r.handle(i, <-c)
				}
			})
		}
		return crowd{
			send:   func(worker int, m message) bool { return put(ctx, channels[worker], m) },
			cancel: func() { cancel(); workers.Wait() },
		}
	}}
}

// loop is what a worker by hand and a Func do alike.
func (r *run) loop(ctx context.Context, worker int, c <-chan message) {
	for {
		select {
		case m := <-c:
			r.handle(worker, m)
		case <-ctx.Done():
			return
		}
	}
}

func newChannels(n int) []chan message {
	channels := make([]chan message, n)
	for i := range channels {
		channels[i] = make(chan message, mailbox.DefaultCapacity)
	}
	return channels
}

func put(ctx context.Context, c chan<- message, m message) bool {
	select {
	case c <- m:
		return true
	case <-ctx.Done():
		return false
	}
}

// team is a tree of workers: how it is made, how it is told to stop.
type team struct {
	static bool // a Supervisor, which stops its children one after the other, instead of a Dynamic
	byStop bool // by Stop, of which the senders hear only by being refused, instead of the end of the ctx that is theirs too
}

// grow starts the tree and gives its ctx, and what stops it and waits for its end. The workers
// have all the time they want: none is abandoned because the machine is slow.
func (t team) grow(workers []supervisor.Child) (ctx context.Context, stop func()) {
	for i, worker := range workers {
		workers[i] = supervisor.Spec{Child: worker, Shutdown: supervisor.Infinity}
	}
	policy := supervisor.Policy{Tracing: tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})}
	pool := supervisor.NewDynamic("pool", policy)
	static := supervisor.New("static", policy, workers...)
	children := []supervisor.Child{pool}
	if t.static {
		children[0] = static
	}
	root := supervisor.New("root", policy, children...)
	ctx, cancel := context.WithCancel(background)
	wait, err := root.Start(ctx)
	must(err)
	if !t.static {
		for _, worker := range workers {
			_, err := pool.StartChild(background, worker)
			must(err)
		}
	}
	if t.byStop {
		return ctx, func() { must(root.Stop(background)); must(wait()); cancel() }
	}
	return ctx, func() { cancel(); must(wait()) }
}

// must is for what cannot go wrong, or the figures mean nothing.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// funcs are the workers of byHand as children.
func funcs(t team) contender {
	return contender{start: func(r *run) crowd {
		ctx, cancel := context.WithCancel(background) // of the senders: a channel refuses nobody
		channels := newChannels(r.workers)
		workers := make([]supervisor.Child, r.workers)
		for i, c := range channels {
			workers[i] = supervisor.Func("worker"+strconv.Itoa(i), func(ctx context.Context) error {
				defer r.exit(i)
				r.loop(ctx, i, c)
				return nil
			})
		}
		_, stop := t.grow(workers)
		return crowd{
			send:   func(worker int, m message) bool { return put(ctx, channels[worker], m) },
			cancel: func() { cancel(); stop() },
		}
	}}
}

// actors are the workers as actors.
func actors(t team, drain mailbox.Drain) contender {
	return contender{keeps: true, start: func(r *run) crowd {
		all, workers := make([]*actor.Actor[message], r.workers), make([]supervisor.Child, r.workers)
		for i := range all {
			all[i] = actor.New("worker"+strconv.Itoa(i), func(context.Context) (actor.Behavior[message], error) {
				return actor.Behavior[message]{
					Receive: func(_ context.Context, m message) error { r.handle(i, m); return nil },
					Close:   func(context.Context, exit.Reason) error { r.exit(i); return nil },
				}, nil
			}, actor.Options{Mailbox: mailbox.Options{Drain: drain}})
			workers[i] = all[i]
		}
		ctx, stop := t.grow(workers)
		return crowd{
			cancel: stop,
			send:   func(worker int, m message) bool { return all[worker].Send(ctx, m) == nil },
			dead:   func(worker int) uint64 { return all[worker].Stats().Dead },
		}
	}}
}

// servers are the workers as servers, which get their messages by Cast.
func servers(t team) contender {
	return contender{keeps: true, start: func(r *run) crowd {
		all, workers := make([]*actor.Server[place], r.workers), make([]supervisor.Child, r.workers)
		for i := range all {
			all[i] = actor.NewServer("worker"+strconv.Itoa(i), func(context.Context) (*place, error) {
				return &place{r, i}, nil
			}, actor.ServerOptions[place]{Close: func(_ context.Context, p *place, _ exit.Reason) error {
				p.run.exit(p.worker)
				return nil
			}})
			workers[i] = all[i]
		}
		ctx, stop := t.grow(workers)
		return crowd{
			cancel: stop,
			send:   func(worker int, m message) bool { return actor.Cast(ctx, all[worker], m) == nil },
			dead:   func(worker int) uint64 { return all[worker].Stats().Dead },
		}
	}}
}

// place is the state of a server: which of the workers it is.
type place struct {
	run    *run
	worker int
}

// Handle makes a message one for servers too.
func (m message) Handle(_ context.Context, p *place) (struct{}, error) {
	p.run.handle(p.worker, m)
	return struct{}{}, nil
}
