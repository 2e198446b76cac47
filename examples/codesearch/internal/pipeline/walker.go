package pipeline

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
)

// walk finds the files, hands those that are new or have changed to the
// parsers, and concludes when all of them are stored. It can begin again at any
// time: what is stored is not done twice.
func (p *pipeline) walk(ctx context.Context) error {
	if err := p.hire(ctx); err != nil {
		return err
	}
	stored, err := actor.Call(ctx, p.store, known{})
	if err != nil {
		return err
	}
	files := p.find()
	p.ledger.expect(len(files))
	gone := maps.Clone(stored)
	for _, file := range files {
		stamp, known := stored[file.Path]
		if known && stamp.Matches(file) {
			delete(gone, file.Path)
			p.ledger.unchanged(file.Path)
			continue
		}
		p.ledger.begin(file.Path)
		if err := p.idlest().Send(ctx, &job{file: file, stored: stamp, known: known}); err != nil {
			return err
		}
	}
	select {
	case <-p.ledger.allSettled():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.ledger.keepStored(gone)
	if _, err := actor.Call(ctx, p.store, conclude{slices.Collect(maps.Keys(gone))}); err != nil {
		return err
	}
	p.ledger.complete(len(gone))
	return nil
}

// find lists the files before the first is handed out, so that the progress has
// an end to be measured by. The walk takes a hundredth of the work.
func (p *pipeline) find() (files []source.File) {
	for file, err := range source.Files(p.Tree) {
		if err != nil {
			p.Problem(err)
			continue
		}
		files = append(files, file)
	}
	return files
}

// hire fills the pool. After a restart of the walker alone the parsers are
// still there.
func (p *pipeline) hire(ctx context.Context) error {
	for _, parser := range p.parsers {
		if _, err := p.pool.StartChild(ctx, parser); err != nil && !errors.Is(err, actor.ErrAlreadyStarted) {
			return err
		}
	}
	return nil
}

// idlest is the parser with the shortest queue.
func (p *pipeline) idlest() *actor.Actor[*job] {
	return slices.MinFunc(p.parsers, func(a, b *actor.Actor[*job]) int {
		return cmp.Compare(a.Stats().Waiting+a.Stats().InHand, b.Stats().Waiting+b.Stats().InHand)
	})
}
