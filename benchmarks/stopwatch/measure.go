package stopwatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/coppice-go/coppice/benchmarks/internal/machine"
	"github.com/coppice-go/coppice/tracing"
)

// Measure makes trees, crashes their victims, stops them, and tells how long all
// that took. make gives a new tree at each call, whose root has events as its
// Policy.Tracing.
//
// The report is valid with an error too, and has what was measured by then; it is
// nil only if the options make no sense. The error is that of [Options.Check] or of
// a tree that cannot be measured; why a tree did not start; an [*exit.GaveUp] if it
// was crashed more often than it may be; what took longer than
// [Options.Patience]; or the cause of ctx, whose end stops the tree in order. What
// would not stop in a stop is no error, but counted.
//
// Measure may be called concurrently, but then measures that too.
func Measure(ctx context.Context, make func(events *tracing.Tracing) Tree, options Options) (*Report, error) {
	if err := options.Check(); err != nil {
		return nil, err
	}
	if make == nil {
		return nil, errors.New("make: nil")
	}
	m := newMeasuring(make, options.withDefaults())
	err := m.run(ctx)
	return m.report(err), err
}

// measuring is one call of Measure.
type measuring struct {
	make    func(*tracing.Tracing) Tree
	options Options
	machine machine.Machine
	clock   clock
	random  *rand.Rand
	events  tracing.Options

	counts                  Counts
	ready, handled, stopped Latency
	message                 Latency
}

func newMeasuring(make func(*tracing.Tracing) Tree, options Options) *measuring {
	m := &measuring{
		make:    make,
		options: options,
		machine: machine.Describe(),
		random:  rand.New(rand.NewPCG(options.Seed, 0)),
		events:  options.Tracing,
	}
	if m.events.Logger == nil {
		m.events.Logger = slog.New(slog.DiscardHandler)
	}
	m.clock = clock{time.Now()}
	return m
}

// run measures one tree after the other.
func (m *measuring) run(ctx context.Context) error {
	all, trees := m.options.Crashes, m.options.Trees
	for i := range trees {
		if m.timeOver() || ctx.Err() != nil {
			break
		}
		share := all*(i+1)/trees - all*i/trees
		if err := m.measure(ctx, share); err != nil {
			return err
		}
		m.counts.Trees++
		m.tellProgress()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// measure measures one tree.
func (m *measuring) measure(ctx context.Context, crashes int) error {
	r := m.newRound(ctx)
	defer r.cancel()
	if err := r.start(); err != nil {
		return err
	}
	err := r.crashAll(crashes)
	if err == errStopped {
		err = nil // run tells of it
	}
	return errors.Join(err, r.stop(ctx))
}

func (m *measuring) timeOver() bool { return m.options.For > 0 && m.clock.now() >= m.options.For }

func (m *measuring) tellProgress() {
	m.options.Progress(Progress{
		Crashes: m.counts.Crashes, OfCrashes: m.options.Crashes,
		Stops: m.counts.Trees, OfStops: m.options.Trees,
	})
}

// crashAll makes victims crash, so many in all.
func (r *round) crashAll(crashes int) error {
	if len(r.victims) == 0 {
		return nil
	}
	for done := 0; done < crashes && !r.timeOver(); {
		n := min(r.options.Burst, crashes-done)
		b := newBurst(r.clock, r.choose(n), r.fail)
		full, err := r.strike(b)
		r.counts.Full += full
		done += r.record(b)
		r.tellProgress()
		if err != nil {
			return err
		}
		if r.options.Pause > 0 && done < crashes {
			pause := time.NewTimer(r.options.Pause)
			err := r.await(nil, pause.C, "")
			pause.Stop()
			var over *lateError
			if !errors.As(err, &over) {
				return err
			}
		}
	}
	return nil
}

// choose gives n different victims.
func (r *round) choose(n int) []*victim {
	for i := range n {
		j := i + r.random.IntN(len(r.victims)-i)
		r.victims[i], r.victims[j] = r.victims[j], r.victims[i]
	}
	return slices.Clone(r.victims[:n])
}

// record takes what was measured of a burst, and says how many crashes there were.
func (r *round) record(b *burst) (crashes int) {
	for _, c := range b.crashes {
		at, crashed := c.at.get()
		if !crashed {
			continue
		}
		if ready, set := c.ready.get(); set {
			crashes++
			r.counts.Crashes++
			r.ready.Add(at, ready-at)
		}
		if handled, set := c.handled.get(); set {
			r.handled.Add(at, handled-at)
		}
	}
	return crashes
}

// endedEarly is the error of a tree that has ended by itself.
func endedEarly(err error) error {
	if err == nil {
		return errors.New("the tree has ended by itself")
	}
	return fmt.Errorf("the tree has ended by itself: %w", err)
}
