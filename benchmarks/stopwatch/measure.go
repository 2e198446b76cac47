package stopwatch

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
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
	message                 recorder
	slowReady, slowStopped  slowest
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
	r.failure = r.crashAll(crashes)
	if r.failure == errStopped {
		r.failure = nil // run tells of it
	}
	return errors.Join(r.failure, r.stop(ctx))
}

func (m *measuring) timeOver() bool { return m.options.For > 0 && m.clock.now() >= m.options.For }

func (m *measuring) tellProgress() {
	m.options.Progress(Progress{
		Crashes: m.counts.Crashes, OfCrashes: m.options.Crashes,
		Stops: m.counts.Trees, OfStops: m.options.Trees,
	})
}
