package supervisor_test

import (
	"context"
	"errors"
	"fmt"
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
	mu       sync.Mutex
	rand     *rand.Rand
	stubborn bool // children do not always end in time
}

func (d *dice) roll(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rand.IntN(n)
}

func (d *dice) time(most time.Duration) time.Duration { return time.Duration(d.roll(int(most))) }

// unruly is a child that does anything but ignore its ctx for ever.
func unruly(t *testing.T, d *dice, name string) supervisor.Child {
	var present atomic.Int32 // goroutines of the incarnation
	some := func(ctx context.Context) {
		for d.roll(3) == 0 {
			present.Add(1)
			err := supervisor.Go(ctx, func(ctx context.Context) error {
				defer present.Add(-1)
				return d.live(ctx)
			})
			if err != nil {
				present.Add(-1)
			}
		}
	}
	child := &anyChild{name: name, start: func(ctx context.Context) (run func() error, err error) {
		if present.Add(1) != 1 && !d.stubborn {
			t.Errorf("%s: two incarnations at the same time", name)
		}
		defer func() {
			if run == nil {
				present.Add(-1)
			}
		}()
		some(ctx)
		select {
		case <-time.After(d.time(10 * time.Millisecond)):
		case <-ctx.Done():
			d.linger()
		}
		switch d.roll(8) {
		case 0:
			return nil, errBoom
		case 1:
			return nil, nil
		case 2:
			panic("in start")
		}
		return func() error {
			defer present.Add(-1)
			some(ctx)
			return d.live(ctx)
		}, nil
	}}
	return supervisor.Spec{Child: child, Restart: strategy.Restart(d.roll(3)), Shutdown: d.shutdown()}
}

// live is what a goroutine of a child does.
func (d *dice) live(ctx context.Context) error {
	select {
	case <-ctx.Done():
		d.linger()
	case <-time.After(d.time(100 * time.Millisecond)):
	}
	return ends[d.roll(len(ends))].how()
}

// linger is how a child behaves that was asked to stop.
func (d *dice) linger() {
	most := 10 * time.Millisecond
	if d.stubborn && d.roll(4) == 0 {
		most = time.Second
	}
	time.Sleep(d.time(most))
}

func (d *dice) shutdown() supervisor.Shutdown {
	if !d.stubborn {
		return supervisor.Shutdown{}
	}
	return []supervisor.Shutdown{
		supervisor.BrutalKill, supervisor.Infinity, supervisor.Timeout(0), supervisor.Timeout(30 * time.Millisecond), supervisor.Timeout(time.Second),
	}[d.roll(5)]
}

// anyChild is a child of the user's own.
type anyChild struct {
	name  string
	start func(context.Context) (func() error, error)
}

func (c *anyChild) Name() string                                    { return c.name }
func (c *anyChild) Start(ctx context.Context) (func() error, error) { return c.start(ctx) }

// Anything goes at the same time; nothing may hang, race, run twice or be left.
func TestRandomUse(t *testing.T) {
	for seed := range uint64(uses) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := new(story)
				d := &dice{rand: rand.New(rand.NewPCG(seed, 0)), stubborn: seed%2 == 1}
				policy := func() supervisor.Policy {
					p := supervisor.Policy{Strategy: strategy.Strategy(d.roll(3)), Restarts: 1 + d.roll(20), Within: time.Second, Tracing: quiet(told.sink)}
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
				spec := func(child supervisor.Child) supervisor.Spec {
					return supervisor.Spec{Child: child, Shutdown: d.shutdown()}
				}
				root := supervisor.New("root", top, spec(subs[0]), spec(pool), spec(subs[1]))
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() { administer(ctx, t, d, root, subs, pool) })
				}
				for ctx.Err() == nil {
					if err := root.Run(ctx); errors.As(err, new(*supervisor.StopError)) && !d.stubborn {
						t.Errorf("run: got %v, want no report", err)
					}
				}
				wg.Wait()
				if err := root.Stop(context.Background()); err != nil && !d.stubborn {
					t.Errorf("stop: got %v, want nil", err)
				}
				time.Sleep(time.Minute) // what was abandoned comes back
				// A supervisor that was abandoned tells of its children late, or not at all.
				if !d.stubborn {
					check(t, "what the events tell", told.faults(), "")
				}
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
