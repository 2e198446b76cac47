package unsupervised_test

import (
	"context"
	"log"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// programs are what a handler does in a program of its own, by name.
var programs = map[string]func(ctx context.Context) error{
	"map":               func(context.Context) error { writeTogether(func(f func()) { go f() }); return nil },
	"map, supervised":   func(ctx context.Context) error { writeTogether(with(ctx)); return nil },
	"unlock":            func(context.Context) error { new(sync.Mutex).Unlock(); return nil },
	"stack":             func(context.Context) error { debug.SetMaxStack(1 << 20); return recurse(0) },
	"deadlock":          sleepForEver,
	"deadlock, in time": sleepForEver,
	"go":                func(context.Context) error { go boom(); select {} },
	"go, supervised":    func(ctx context.Context) error { with(ctx)(boom); return nil },
	"go, recovered":     func(context.Context) error { return <-recovered(boom) },
	"wait group":        func(context.Context) error { new(sync.WaitGroup).Go(boom); select {} },
	"timer":             func(context.Context) error { time.AfterFunc(0, boom); select {} },
	"timer, in line":    func(context.Context) error { <-time.After(0); boom(); return nil },
	"after":             func(ctx context.Context) error { context.AfterFunc(ended(ctx), boom); select {} },
	"after, in line":    func(ctx context.Context) error { <-ended(ctx).Done(); boom(); return nil },
	"panic":             func(context.Context) error { boom(); return nil },
	"nil pointer":       func(context.Context) error { *nothing = 1; return nil },
	"os.Exit":           func(context.Context) error { os.Exit(3); return nil },
	"log.Fatal":         func(context.Context) error { log.Fatal("good bye"); return nil },
	"log.Panic":         func(context.Context) error { log.Panic("good bye"); return nil },
	"SIGKILL":           func(context.Context) error { return kill() },
	"memory":            func(context.Context) error { return outOfMemory() },
	"memory, too much":  func(context.Context) error { hold = make([]byte, tooMuch); return nil },
}

func sleepForEver(context.Context) error { select {} }

func boom() { panic("boom") }

// with starts goroutines that belong to the child.
func with(ctx context.Context) func(func()) {
	return func(f func()) {
		if err := supervisor.Go(ctx, func(context.Context) error { f(); return nil }); err != nil {
			panic(err)
		}
	}
}

// recovered calls f on a goroutine whose panic is an error, as where foreign code
// calls back.
func recovered(f func()) <-chan error {
	result := make(chan error, 1)
	go func() {
		defer func() {
			if value := recover(); value != nil {
				result <- &recoveredError{value}
			}
		}()
		f()
	}()
	return result
}

type recoveredError struct{ value any }

func (e *recoveredError) Error() string { return "recovered: " + e.value.(string) }

// writeTogether lets two goroutines write into one map until the runtime sees it.
func writeTogether(start func(func())) {
	shared := make(map[int]int)
	for range 2 {
		start(func() {
			for i := 0; ; i++ {
				shared[i%100] = i
			}
		})
	}
	select {}
}

func recurse(depth int) error {
	if depth < 0 { // which does not happen
		return nil
	}
	return recurse(depth + 1)
}

func ended(ctx context.Context) context.Context {
	ctx, end := context.WithCancel(ctx)
	end()
	return ctx
}

func kill() error {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	if err := self.Kill(); err != nil {
		return err
	}
	select {}
}

var (
	nothing *int
	hold    []byte
	tooMuch = 1 << 62
)
