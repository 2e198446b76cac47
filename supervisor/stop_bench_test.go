package supervisor_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
)

// Stops of children that have a goroutine: actors that have handled a message, and
// functions. Beside them is what one writes by hand. The figures are for all.

const stopCapacity = 64

// warm are actors that handle one message each before they are stopped.
type warm struct {
	actors  []*actor.Actor[int]
	handled sync.WaitGroup
}

func newWarm(n int) *warm {
	w := new(warm)
	for i := range n {
		w.actors = append(w.actors, actor.New(strconv.Itoa(i), func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(context.Context, int) error { w.handled.Done(); return nil }}, nil
		}, actor.Options{Mailbox: mailbox.Options{Capacity: stopCapacity}}))
	}
	return w
}

func (w *warm) up(tb testing.TB) {
	w.handled.Add(len(w.actors))
	for _, a := range w.actors {
		if err := a.Send(context.Background(), 1); err != nil {
			tb.Fatal(err)
		}
	}
	w.handled.Wait()
}

// waiting is a function that tells when it waits for its stop.
func waiting(name string, running *sync.WaitGroup) supervisor.Child {
	return supervisor.Func(name, func(ctx context.Context) error {
		done := ctx.Done()
		running.Done()
		<-done
		return nil
	})
}

// rawChild is what a supervisor by hand knows of a child.
type rawChild struct {
	cancel context.CancelFunc
	gone   bool
}

// rawLife is an actor, or a function if there is no mailbox, as one writes it by hand.
func rawLife(ctx context.Context, mailbox <-chan int, handled *sync.WaitGroup) {
	done := ctx.Done()
	if mailbox == nil {
		handled.Done()
	}
	for {
		select {
		case <-mailbox:
			handled.Done()
		case <-done:
			return
		}
	}
}

// rawStart starts children by hand, waits until each has handled a message or runs, and
// gives what stops them: in order, or all at once.
func rawStart(n int, receive, ordered bool) (stop func()) {
	var handled, all sync.WaitGroup
	exits := make(chan *rawChild)
	children := make([]*rawChild, n)
	root, cancelAll := context.WithCancel(context.Background())
	handled.Add(n)
	for i := range children {
		ctx, cancel := context.WithCancel(root)
		c := &rawChild{cancel: cancel}
		children[i] = c
		var box chan int
		if receive {
			box = make(chan int, stopCapacity)
			box <- 1
		}
		if !ordered {
			all.Go(func() { rawLife(ctx, box, &handled) })
			continue
		}
		go func() {
			defer func() {
				_ = recover()
				exits <- c
			}()
			rawLife(ctx, box, &handled)
		}()
	}
	handled.Wait()
	return func() {
		defer all.Wait()
		defer cancelAll()
		if !ordered {
			return
		}
		for _, c := range slices.Backward(children) {
			for c.cancel(); !c.gone; {
				(<-exits).gone = true
			}
		}
	}
}

func benchmarkStop(b *testing.B, start func() (stop func())) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		stop := start()
		b.StartTimer()
		stop()
	}
}

// BenchmarkStopInOrder stops the children of a Supervisor.
func BenchmarkStopInOrder(b *testing.B) {
	const n = 1000
	for _, kind := range []string{"actor", "func"} {
		b.Run("child="+kind+"/impl=raw", func(b *testing.B) {
			benchmarkStop(b, func() func() { return rawStart(n, kind == "actor", true) })
		})
	}
	w := newWarm(n)
	var actors, funcs []supervisor.Child
	var running sync.WaitGroup
	for i, a := range w.actors {
		actors = append(actors, a)
		funcs = append(funcs, waiting(strconv.Itoa(i), &running))
	}
	b.Run("child=actor/impl=coppice", func(b *testing.B) {
		tree := supervisor.New("tree", usual(), actors...)
		benchmarkStop(b, func() func() {
			begin(b, tree)
			w.up(b)
			return func() { end(b, tree) }
		})
	})
	b.Run("child=func/impl=coppice", func(b *testing.B) {
		tree := supervisor.New("tree", usual(), funcs...)
		benchmarkStop(b, func() func() {
			running.Add(n)
			begin(b, tree)
			running.Wait()
			return func() { end(b, tree) }
		})
	})
}

// BenchmarkStopAtOnce stops those of a Dynamic, of actors.
func BenchmarkStopAtOnce(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("n=%d/impl=raw", n), func(b *testing.B) {
			benchmarkStop(b, func() func() { return rawStart(n, true, false) })
		})
		b.Run(fmt.Sprintf("n=%d/impl=coppice", n), func(b *testing.B) {
			w := newWarm(n)
			pool := supervisor.NewDynamic("pool", usual())
			benchmarkStop(b, func() func() {
				begin(b, pool)
				for _, a := range w.actors {
					if _, err := pool.StartChild(context.Background(), a); err != nil {
						b.Fatal(err)
					}
				}
				w.up(b)
				return func() { end(b, pool) }
			})
		})
	}
}
