// Package conservation checks, from outside, that nothing vanishes: every
// message for which a sender got nil is handled or a dead letter, exactly once,
// whatever happens to the actor meanwhile; and every call has one outcome.
package conservation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fate is what a message makes its handler do.
type fate uint8

const (
	handle fate = iota
	panics
	fails
	exits
	goexits
	hangs // past the shutdown time, so that its incarnation is abandoned
)

type message struct {
	id   uint64
	fate fate
}

// book records what became of each message, by its id.
type book struct {
	mu      sync.Mutex
	settled map[uint64]string
	twice   []string
}

func (b *book) settle(id uint64, how string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// A handler may be done with a message in the very moment in which its
	// incarnation is given up: then both is true.
	if before, ok := b.settled[id]; ok && !(before == "handled" && how == "dead letter: "+mailbox.Interrupted.String()) {
		b.twice = append(b.twice, fmt.Sprintf("message %d: %s, then %s", id, before, how))
	}
	b.settled[id] = how
}

// receiver is an actor that does what its messages say.
func receiver(b *book, release <-chan struct{}, options actor.Options) *actor.Actor[message] {
	return actor.New("receiver", func(context.Context) (actor.Behavior[message], error) {
		return actor.Behavior[message]{Receive: func(ctx context.Context, m message) error {
			switch m.fate {
			case panics:
				panic("as told")
			case fails:
				return errors.New("as told")
			case goexits:
				runtime.Goexit()
			case exits:
				b.settle(m.id, "handled")
				return exit.Normal
			case hangs:
				<-release
				return nil // it was given up, so this settles nothing
			}
			b.settle(m.id, "handled")
			return nil
		}}, nil
	}, options)
}

func TestNothingVanishes(t *testing.T) {
	boxes := map[string]mailbox.Options{
		"unbuffered":  {Capacity: mailbox.Unbuffered},
		"one":         {Capacity: 1},
		"default":     {},
		"large":       {Capacity: 1024},
		"reject":      {Capacity: 4, Overflow: mailbox.Reject},
		"drop newest": {Capacity: 4, Overflow: mailbox.DropNewest},
		"drop oldest": {Capacity: 4, Overflow: mailbox.DropOldest},
		"fresh":       {Capacity: 4, Fresh: true},
		"discard":     {Capacity: 4, Drain: mailbox.Discard},
	}
	for name, box := range boxes {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(15) {
				synctest.Test(t, func(t *testing.T) {
					options := actor.Options{Mailbox: box}
					if !box.Fresh { // which keeps nothing to try again
						options.Retries = int(seed % 3)
					}
					conserve(t, seed, options)
				})
			}
		})
	}
}

// conserve lets senders send while the actor crashes, ends, hangs, and is
// terminated, restarted and taken along by a sibling. Then it counts.
func conserve(t *testing.T, seed uint64, options actor.Options) {
	const senders, each = 8, 60
	ledger := &book{settled: make(map[uint64]string)}
	release := make(chan struct{})
	to := receiver(ledger, release, options)
	events := tracing.New(tracing.Options{
		Logger: slog.New(slog.DiscardHandler),
		Sinks: []tracing.Sink{func(e tracing.Event) {
			if letter, ok := e.(tracing.DeadLetter); ok {
				ledger.settle(letter.Message.(message).id, "dead letter: "+letter.Why)
			}
		}},
	})
	poison := make(chan struct{})
	tree := supervisor.New("tree", supervisor.Policy{Strategy: strategy.RestForOne, Restarts: strategy.Unlimited, Tracing: events},
		supervisor.Func("elder", func(ctx context.Context) error {
			select {
			case <-poison:
				return errors.New("poisoned")
			case <-ctx.Done():
				return nil
			}
		}),
		supervisor.Spec{Child: to, Shutdown: supervisor.Timeout(2 * time.Millisecond)},
	)
	if _, err := tree.Start(t.Context()); err != nil {
		t.Fatal(err)
	}

	var accepted sync.Map
	var nils atomic.Int64
	var working sync.WaitGroup
	for s := range uint64(senders) {
		working.Go(func() {
			dice := rand.New(rand.NewPCG(seed, s))
			for i := range uint64(each) {
				m := message{id: s*each + i}
				if dice.IntN(12) == 0 {
					m.fate = fate(1 + dice.IntN(5))
				}
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				if to.Send(ctx, m) == nil {
					nils.Add(1)
					accepted.Store(m.id, true)
				}
				cancel()
			}
		})
	}
	working.Go(func() {
		dice := rand.New(rand.NewPCG(seed, 99))
		for range 12 {
			switch dice.IntN(3) {
			case 0:
				_ = tree.TerminateChild(t.Context(), "receiver")
				_ = tree.RestartChild(t.Context(), "receiver")
			case 1:
				select {
				case poison <- struct{}{}:
				default:
				}
			case 2:
				runtime.Gosched()
			}
		}
	})
	working.Wait()
	stopErr := tree.Stop(t.Context())
	if stuck := new(supervisor.StopError); stopErr != nil && !errors.As(stopErr, &stuck) {
		t.Errorf("seed %d: stop: %v", seed, stopErr)
	}
	close(release)

	ledger.mu.Lock()
	defer ledger.mu.Unlock()
	if len(ledger.twice) > 0 {
		t.Errorf("seed %d: settled twice: %v", seed, ledger.twice)
	}
	accepted.Range(func(id, _ any) bool {
		if _, ok := ledger.settled[id.(uint64)]; !ok {
			t.Errorf("seed %d: message %v was accepted and is gone", seed, id)
		}
		return true
	})
	if got, want := int64(len(ledger.settled)), nils.Load(); got != want {
		t.Errorf("seed %d: %d messages are handled or dead letters, senders were promised %d", seed, got, want)
	}
	stats := to.Stats()
	if sum := stats.Handled + stats.Dead; stats.InHand != 0 || stats.Waiting != 0 || sum != uint64(nils.Load()) {
		t.Errorf("seed %d: %+v, senders were promised %d", seed, stats, nils.Load())
	}
}
