package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/examples/codesearch/internal/progress"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// pipeline is one run: the actors, which know each other's addresses from the
// beginning, and the ledger of what is under way.
//
//	codesearch          one_for_one
//	├── progress
//	└── index           rest_for_one
//	    ├── store       has the database
//	    ├── indexer     collects what was parsed into batches
//	    ├── parsers     Dynamic: one parser for each worker
//	    └── walker      finds the files and hands them to the parsers
//
// Backpressure goes the other way: the store takes one batch at a time, so the
// indexer's mailbox fills, then those of the parsers, and then the walker waits.
type pipeline struct {
	Config
	ledger  *ledger
	store   *actor.Server[shelf]
	indexer *actor.Actor[update]
	pool    *supervisor.Dynamic
	parsers []*actor.Actor[*job]

	restarts    atomic.Int64
	deadLetters atomic.Int64
}

func newPipeline(cfg Config) *pipeline {
	p := &pipeline{Config: cfg, ledger: newLedger()}
	p.store = actor.NewServer("store", p.openShelf, actor.ServerOptions[shelf]{
		Options: actor.Options{Mailbox: mailbox.Options{Capacity: 1}},
		Close:   closeShelf,
	})
	p.indexer = actor.New("indexer", p.openBatch)
	// Each file is tried a limited number of times, and that limits the restarts.
	p.pool = supervisor.NewDynamic("parsers", supervisor.Policy{Restarts: strategy.Unlimited})
	for range cfg.Workers {
		p.parsers = append(p.parsers, actor.New("parser", p.openParser, actor.Options{
			Mailbox: mailbox.Options{Capacity: 4},
			// A file whose parser crashed is given to the next one, until chaos
			// has lost its patience; then it is a dead letter and a problem.
			Retries: attempts,
		}))
	}
	return p
}

func (p *pipeline) tree() *supervisor.Supervisor {
	index := supervisor.New("index", supervisor.Policy{Strategy: strategy.RestForOne},
		p.store,
		p.indexer,
		p.pool,
		supervisor.Spec{
			Child:   supervisor.Func("walker", p.walk),
			Restart: strategy.Transient,
		},
	)
	show := progress.New(p.Progress, p.Terminal, p.snapshot)
	children := []supervisor.Child{supervisor.Func("progress", show.Serve), index}
	if p.Progress == nil {
		children = children[1:]
	}
	return supervisor.New("codesearch", supervisor.Policy{Tracing: p.tracing()}, children...)
}

func (p *pipeline) tracing() *tracing.Tracing {
	options := tracing.Options{Sinks: []tracing.Sink{p.count}}
	if p.Chaos != nil {
		options.Logger = slog.New(slog.DiscardHandler) // crashes are what was asked for
	}
	return tracing.New(options)
}

// count keeps the numbers of the report. It also settles the files that nobody
// will parse.
func (p *pipeline) count(event tracing.Event) {
	switch event := event.(type) {
	case tracing.Restarting:
		p.restarts.Add(1)
	case tracing.DeadLetter:
		p.deadLetters.Add(1)
		if job, ok := event.Message.(*job); ok && job.hopeless() {
			p.Problem(job.problem())
			p.ledger.settle(job.file.Path, given{})
		}
	}
}

func (p *pipeline) snapshot() progress.Snapshot {
	s := p.ledger.progress()
	s.Faults = p.Chaos.Faults().Total()
	s.Restarts = int(p.restarts.Load())
	return s
}

// patience is how long a stop may take before what is left of it is killed and
// reported. An orderly one needs a fraction of it.
const patience = 30 * time.Second

// Index brings the index up to date with its tree. When ctx ends it drains in
// order: the walker stops, the parsers parse what they were given, the indexer
// stores it, the store closes. What was stored stays.
//
// The error is what went wrong beyond the problems of single files: a write
// that cannot succeed, a *[exit.GaveUp], a *[supervisor.StopError]. The Report
// is valid with an error, too.
func Index(ctx context.Context, cfg Config) (Report, error) {
	p := newPipeline(cfg)
	tree := p.tree()
	wait, err := tree.Start(context.WithoutCancel(ctx))
	if err != nil {
		return p.report(), err
	}
	ended := make(chan error, 1)
	go func() { ended <- wait() }()
	select {
	case err = <-ended: // it gave up
		return p.report(), errors.Join(p.ledger.failure(), err)
	case <-p.ledger.over:
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err = tree.Stop(limit)
	<-ended
	return p.report(), errors.Join(p.ledger.failure(), err)
}

func (p *pipeline) report() Report {
	r := p.ledger.report()
	r.Restarts = int(p.restarts.Load())
	r.DeadLetters = int(p.deadLetters.Load())
	return r
}
