package pipeline

import (
	"context"
	"errors"

	"github.com/coppice-go/coppice/examples/codesearch/internal/index"
	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
	"github.com/coppice-go/coppice/exit"
)

// shelf is the state of the store: the open database, which nobody else writes.
type shelf struct{ index *index.Index }

func (p *pipeline) openShelf(ctx context.Context) (*shelf, error) {
	opened, err := index.Open(ctx, p.Database, p.Root)
	if err != nil {
		return nil, err
	}
	return &shelf{opened}, nil
}

func closeShelf(_ context.Context, s *shelf, _ exit.Reason) error { return s.index.Close() }

// put stores a batch in one transaction.
type put struct{ parsed []source.Parsed }

func (m put) Handle(ctx context.Context, s *shelf) (none struct{}, err error) {
	return none, s.index.Put(ctx, m.parsed)
}

// touch notes that files have changed in time only.
type touch struct{ files []source.File }

func (m touch) Handle(ctx context.Context, s *shelf) (none struct{}, err error) {
	return none, s.index.Touch(ctx, m.files)
}

// known asks what is stored.
type known struct{}

func (known) Handle(ctx context.Context, s *shelf) (map[string]index.Stamp, error) {
	return s.index.Known(ctx)
}

// conclude forgets the files that are gone and notes that the rest is complete.
type conclude struct{ gone []string }

func (m conclude) Handle(ctx context.Context, s *shelf) (none struct{}, err error) {
	if err := s.index.Remove(ctx, m.gone); err != nil {
		return none, err
	}
	return none, s.index.SetComplete(ctx, true)
}

// hopeless tells an error of the database that will be the same after a restart.
func hopeless(err error) bool {
	return errors.Is(err, index.ErrFull) || errors.Is(err, index.ErrDamaged) || errors.Is(err, index.ErrUnwritable)
}
