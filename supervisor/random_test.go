package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// dice is a random source for many goroutines.
type dice struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func (d *dice) roll(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rand.IntN(n)
}

func (d *dice) time(most time.Duration) time.Duration { return time.Duration(d.roll(int(most))) }

// unruly is a child that does anything but ignore its ctx.
func unruly(t *testing.T, d *dice, name string) supervisor.Child {
	var alive atomic.Int32
	c := named(name)
	c.onStart = func(ctx context.Context, n int) error {
		select {
		case <-time.After(d.time(10 * time.Millisecond)):
		case <-ctx.Done():
		}
		switch d.roll(8) {
		case 0:
			return errBoom
		case 1:
			return errDeclines
		case 2:
			panic("in start")
		}
		return nil
	}
	life := func(ctx context.Context) error {
		if alive.Add(1) != 1 {
			t.Errorf("%s: two incarnations at the same time", name)
		}
		defer alive.Add(-1)
		select {
		case <-ctx.Done():
			time.Sleep(d.time(10 * time.Millisecond))
		case <-time.After(d.time(100 * time.Millisecond)):
		}
		return ends[d.roll(len(ends))].how()
	}
	child := supervisor.Factory(name, func(ctx context.Context) (lifeFunc, error) {
		return life, c.onStart(ctx, 0)
	})
	return supervisor.Spec{Child: child, Restart: strategy.Restart(d.roll(3))}
}

type lifeFunc func(context.Context) error

func (f lifeFunc) Serve(ctx context.Context) error { return f(ctx) }

// Anything goes at the same time; nothing may hang, race, run twice or be left.
func TestRandomUse(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &dice{rand: rand.New(rand.NewPCG(seed, 0))}
				policy := func() supervisor.Policy {
					p := supervisor.Policy{Strategy: strategy.Strategy(d.roll(3)), Restarts: 1 + d.roll(20), Within: time.Second, Tracing: quiet()}
					if d.roll(2) == 0 {
						p.Backoff = strategy.Exponential(time.Millisecond, 50*time.Millisecond)
					}
					return p
				}
				pool := supervisor.NewDynamic("pool", supervisor.Policy{Restarts: strategy.Unlimited, MaxChildren: 20})
				subs := []*supervisor.Supervisor{
					supervisor.New("sub1", policy(), unruly(t, d, "a"), unruly(t, d, "b"), unruly(t, d, "c")),
					supervisor.New("sub2", policy(), unruly(t, d, "d"), supervisor.New("subsub", policy(), unruly(t, d, "e"), unruly(t, d, "f"))),
				}
				// Which may give up, or fail to start: then it is started again.
				top := policy()
				top.Restarts = strategy.Unlimited
				root := supervisor.New("root", top, subs[0], pool, subs[1])
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() { administer(ctx, t, d, root, subs, pool) })
				}
				for ctx.Err() == nil {
					if err := root.Run(ctx); errors.As(err, new(*supervisor.StopError)) {
						t.Errorf("run: got %v, want no report", err)
					}
				}
				wg.Wait()
				checkError(t, "stop", root.Stop(context.Background()), "")
				for path, s := range root.Snapshot().All() {
					if s.State != supervisor.Stopped {
						t.Errorf("%s: got %v, want stopped", path, s.State)
					}
				}
			})
		})
	}
}

func administer(ctx context.Context, t *testing.T, d *dice, root *supervisor.Supervisor, subs []*supervisor.Supervisor, pool *supervisor.Dynamic) {
	for ctx.Err() == nil {
		time.Sleep(d.time(20 * time.Millisecond))
		sub := subs[d.roll(len(subs))]
		name := string(rune('a' + d.roll(8)))
		switch d.roll(8) {
		case 0:
			_ = sub.StartChild(ctx, unruly(t, d, name+"2"))
		case 1:
			_ = sub.TerminateChild(ctx, name)
		case 2:
			_ = sub.RestartChild(ctx, name)
		case 3:
			_ = sub.DeleteChild(ctx, name)
		case 4:
			_, _ = pool.StartChild(ctx, unruly(t, d, "x"))
		case 5:
			if names := pool.Children(); len(names) > 0 {
				_ = pool.TerminateChild(ctx, names[d.roll(len(names))])
			}
		case 6:
			_ = root.TerminateChild(ctx, sub.Name())
			_ = root.RestartChild(ctx, sub.Name())
		case 7:
			if text := root.Snapshot().String(); !strings.HasPrefix(text, "root ") {
				t.Errorf("snapshot: got %q, want root first", text)
			}
		}
	}
}

func TestAbnormalEndsAreLoggedToTheDefault(t *testing.T) {
	var text strings.Builder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&text, nil)))
	defer slog.SetDefault(before)
	synctest.Test(t, func(t *testing.T) {
		a, c := named("a"), named("c")
		root := supervisor.New("root", supervisor.Policy{Restarts: strategy.NoRestarts}, a, c)
		wait, err := root.Start(context.Background())
		checkError(t, "start", err, "")
		c.crash()
		checkError(t, "wait", wait(), gaveUpText("root", "c"))
	})
	var messages []string
	for l := range strings.Lines(text.String()) {
		_, l, _ = strings.Cut(l, " ")
		l, _, _ = strings.Cut(l, " coppice.reason")
		messages = append(messages, l)
	}
	checkList(t, "log", messages, []string{
		`level=ERROR msg="child exited" coppice.path=root/c coppice.incarnation=1`,
		`level=ERROR msg="supervisor gave up" coppice.path=root coppice.incarnation=1 coppice.child=c`,
	})
}
