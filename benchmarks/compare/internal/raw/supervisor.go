package raw

import (
	"context"
	"slices"
	"sync"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
)

// child is what a supervisor starts, and starts again after a panic.
type child struct {
	run    func(ctx context.Context)
	ctx    context.Context
	cancel context.CancelFunc
	gone   bool
}

func (c *child) live(exits chan<- *child) {
	defer func() {
		_ = recover()
		exits <- c
	}()
	c.run(c.ctx)
}

// supervise gives the life of a supervisor, the usual few lines: it starts its
// children, starts again who crashes, and stops all in reverse order, each when
// the one before is gone.
func supervise(lives ...func(ctx context.Context)) func(ctx context.Context) {
	return func(ctx context.Context) {
		exits := make(chan *child)
		children := make([]*child, len(lives))
		for i, run := range lives {
			// Not derived from ctx: all would end with it at once.
			own, cancel := context.WithCancel(context.WithoutCancel(ctx))
			children[i] = &child{run: run, ctx: own, cancel: cancel}
			go children[i].live(exits)
		}
		for ctx.Err() == nil {
			select {
			case c := <-exits:
				go c.live(exits)
			case <-ctx.Done():
			}
		}
		for _, c := range slices.Backward(children) {
			for c.cancel(); !c.gone; {
				(<-exits).gone = true
			}
		}
	}
}

// plant starts a root, and gives what stops it.
func plant(root func(ctx context.Context)) bench.Stop {
	g := newGroup()
	g.all.Go(func() { root(g.ctx) })
	return g.stop
}

func crashes(supervisors, children int, lives bench.Lives) (func(int, *bench.Message) error, bench.Stop, error) {
	mailboxes := make([]chan *bench.Message, supervisors*children)
	groups := make([]func(context.Context), supervisors)
	for i := range groups {
		workers := make([]func(context.Context), children)
		for j := range workers {
			number := i*children + j
			mailboxes[number] = make(chan *bench.Message, bench.Capacity)
			workers[j] = worker(number, mailboxes[number], lives)
		}
		groups[i] = supervise(workers...)
	}
	root := groups[0]
	if supervisors > 1 {
		root = supervise(groups...)
	}
	return func(number int, m *bench.Message) error {
		mailboxes[number] <- m
		return nil
	}, plant(root), nil
}

// worker is the life of a child that a message crashes. Its mailbox outlives it.
func worker(number int, mailbox <-chan *bench.Message, lives bench.Lives) func(context.Context) {
	return func(ctx context.Context) {
		lives.Began(number)
		done := ctx.Done()
		for {
			select {
			case m := <-mailbox:
				if m != bench.Poison {
					lives.Handled(number)
					continue
				}
				lives.Ends(number)
				panic("poison")
			case <-done:
				return
			}
		}
	}
}

func tree(depth, fanOut int) (bench.Stop, error) {
	var up sync.WaitGroup
	root := node(depth, fanOut, &up)
	stop := plant(root)
	up.Wait()
	return stop, nil
}

// node is a supervisor of so many levels, or a leaf, which tells when it is up.
func node(depth, fanOut int, up *sync.WaitGroup) func(context.Context) {
	if depth == 0 {
		up.Add(1)
		mailbox := make(chan *bench.Message, bench.Capacity)
		return func(ctx context.Context) {
			up.Done()
			nothing(ctx, mailbox)
		}
	}
	children := make([]func(context.Context), fanOut)
	for i := range children {
		children[i] = node(depth-1, fanOut, up)
	}
	return supervise(children...)
}
