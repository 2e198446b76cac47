package cli_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/coppice-go/coppice/examples/codesearch/internal/chaos"
	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
	"github.com/coppice-go/coppice/examples/codesearch/internal/pipeline"
	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
)

// sequential is an Indexer that does one thing after the other: what the
// pipeline has to do, without the pipeline.
func sequential(ctx context.Context, cfg pipeline.Config) (report pipeline.Report, err error) {
	stored, err := index.Open(context.WithoutCancel(ctx), cfg.Database, cfg.Root)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, stored.Close()) }()
	gone, err := stored.Known(context.WithoutCancel(ctx))
	if err != nil {
		return report, err
	}
	const batchSize = 64
	var batch []source.Parsed
	var touched []source.File
	for file, err := range source.Files(cfg.Tree) {
		if ctx.Err() != nil {
			return report, stored.Put(context.WithoutCancel(ctx), batch)
		}
		if err != nil {
			cfg.Problem(err)
			continue
		}
		stamp, known := gone[file.Path]
		if known && stamp.Matches(file) {
			delete(gone, file.Path)
			report.Unchanged++
			continue
		}
		report.Restarts += survive(ctx, cfg.Chaos, file.Path)
		content, err := source.Read(cfg.Tree, file)
		if err != nil {
			cfg.Problem(err) // what is stored of it, if anything, is not what it is now
			continue
		}
		delete(gone, file.Path)
		if known && stamp.Hash == content.Hash {
			touched = append(touched, file)
			report.Unchanged++
			continue
		}
		batch = append(batch, content.Parse())
		report.Stored++
		if len(batch) == batchSize {
			if err := stored.Put(ctx, batch); err != nil {
				return report, err
			}
			batch = batch[:0]
		}
	}
	report.Removed = len(gone)
	err = errors.Join(
		stored.Put(ctx, batch),
		stored.Touch(ctx, touched),
		stored.Remove(ctx, slices.Collect(maps.Keys(gone))),
		stored.SetComplete(ctx, true))
	report.Complete = err == nil
	return report, err
}

// survive lets chaos strike until it no longer does, and counts.
func survive(ctx context.Context, c *chaos.Chaos, where string) (restarts int) {
	for {
		struck := make(chan bool, 1)
		go func() {
			survived := false
			defer func() {
				_ = recover()
				struck <- !survived
			}()
			limited, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			survived = c.Strike(limited, where) == nil
		}()
		if !<-struck {
			return restarts
		}
		restarts++
	}
}
