package pipeline

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/examples/codesearch/internal/chaos"
	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
)

// job is one file to be parsed.
type job struct {
	file   source.File
	stored index.Stamp // the zero stamp if it is not stored
	known  bool
	tries  atomic.Int32
}

// attempts is how often a file is tried again after its parser has crashed.
const attempts = chaos.Patience

func (j *job) hopeless() bool { return j.tries.Load() > attempts }

func (j *job) problem() error {
	return fmt.Errorf("%s: its parser crashed %d times", j.file.Path, j.tries.Load())
}

// hangLimit is how long a parser that chaos lets hang may do so.
const hangLimit = 50 * time.Millisecond

func (p *pipeline) openParser(context.Context) (actor.Behavior[*job], error) {
	return actor.Behavior[*job]{Receive: p.parse}, nil
}

// parse reads and parses one file and passes the result on. Nothing is written
// before the very end, so it can be done again after a crash at any point.
func (p *pipeline) parse(ctx context.Context, j *job) error {
	j.tries.Add(1)
	if err := p.strike(ctx, j.file.Path); err != nil {
		return err
	}
	content, err := source.Read(p.Tree, j.file)
	if err != nil {
		p.Problem(err) // what is stored of it, if anything, is not what it is now
		p.ledger.settle(j.file.Path, given{})
		return nil
	}
	if j.known && j.stored.Hash == content.Hash {
		return p.indexer.Send(ctx, update{parsed: source.Parsed{File: j.file}, same: true})
	}
	return p.indexer.Send(ctx, update{parsed: content.Parse()})
}

func (p *pipeline) strike(ctx context.Context, path string) error {
	if p.Chaos == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, hangLimit)
	defer cancel()
	return p.Chaos.Strike(ctx, path)
}
