package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/coppice-go/coppice/examples/codesearch/internal/chaos"
	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
	"github.com/coppice-go/coppice/examples/codesearch/internal/pipeline"
	"github.com/coppice-go/coppice/examples/codesearch/internal/verify"
)

// run is one run that indexes.
type run struct {
	options
	place
	streams Streams
	indexer Indexer

	problems problems
	chaos    *chaos.Chaos
	outcome  outcome
}

// outcome is what can be said about a run at its end.
type outcome struct {
	report   pipeline.Report
	faults   chaos.Faults
	stats    index.Stats
	verified bool // or else verdict means nothing
	verdict  verify.Verdict
	took     time.Duration
}

func (r *run) index(ctx context.Context) (status int) {
	start := time.Now()
	if r.rate > 0 {
		r.chaos, _ = chaos.New(r.rate, r.seed) // the rate has been checked
		fmt.Fprintf(r.streams.Err, "chaos: rate %v, -seed %d\n", r.rate, r.seed)
	}
	lock, err := index.Acquire(ctx, r.database)
	if err != nil {
		return r.fail(err)
	}
	defer func() {
		if err := lock.Release(); err != nil {
			status = r.fail(err)
		}
	}()
	if err := r.prepare(ctx); err != nil {
		return r.fail(err)
	}
	var failure error
	r.outcome.report, failure = r.indexer(ctx, r.config())
	r.problems.print(r.streams.Err)

	failure = errors.Join(failure, r.examine(ctx))
	r.outcome.faults = r.chaos.Faults()
	r.outcome.took = time.Since(start)
	return r.conclude(ctx, failure)
}

// prepare makes sure that there is an index of this tree, before anything is
// started that would need it.
func (r *run) prepare(ctx context.Context) error {
	if r.fresh {
		if err := index.Discard(r.database); err != nil {
			return err
		}
	}
	opened, err := index.Open(ctx, r.database, r.root)
	if err != nil {
		return err
	}
	return errors.Join(opened.SetComplete(ctx, false), opened.Close())
}

func (r *run) config() pipeline.Config {
	return pipeline.Config{
		Root:     r.root,
		Tree:     os.DirFS(r.root),
		Database: r.database,
		Workers:  r.workers,
		Chaos:    r.chaos,
		Progress: r.streams.Err,
		Terminal: r.streams.Terminal,
		Problem:  r.problems.add,
	}
}

// examine looks at what is stored in the end, also after an interruption, and
// verifies it if that was asked for and there is a whole index. A verification
// that is interrupted is no failure, it has just not taken place.
func (r *run) examine(ctx context.Context) (err error) {
	stored, err := index.OpenExisting(context.WithoutCancel(ctx), r.database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stored.Close()) }()
	r.outcome.stats, err = stored.Stats(context.WithoutCancel(ctx))
	if err != nil || !r.verify || !r.outcome.report.Complete {
		return err
	}
	fmt.Fprintln(r.streams.Err, "verifying the index with an independent pass")
	r.outcome.verdict, err = verify.Compare(ctx, os.DirFS(r.root), stored)
	r.outcome.verified = err == nil
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (r *run) fail(err error) int {
	return r.streams.fail(Failed, fmt.Errorf("%w%s", err, remedy(err, r.place)))
}

// maxProblems is how many problems are printed in full.
const maxProblems = 20

// problems collects what cannot be indexed, to print it when no progress bar
// is in the way.
type problems struct {
	mu    sync.Mutex
	first []error
	count int
}

func (p *problems) add(problem error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	if len(p.first) < maxProblems {
		p.first = append(p.first, problem)
	}
}
