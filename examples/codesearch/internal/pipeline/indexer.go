package pipeline

import (
	"context"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/examples/codesearch/internal/source"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
)

// update is what is to become of one file in the index.
type update struct {
	parsed source.Parsed
	same   bool // the content is what is stored; only note the new size and time
}

// The indexer stores a batch when it is full, or when nothing more has come for
// a moment: one transaction for each file would take twice the time.
const (
	batchSize  = 64
	flushAfter = 20 * time.Millisecond
)

// batch is the state of the indexer: what was parsed and is not stored yet. If
// the indexer crashes it is lost, and the walker, which restarts with it, finds
// these files again.
type batch struct {
	*pipeline
	updates []update
}

func (p *pipeline) openBatch(context.Context) (actor.Behavior[update], error) {
	b := &batch{pipeline: p}
	return actor.Behavior[update]{Loop: b.loop, Close: b.close}, nil
}

func (b *batch) loop(ctx context.Context, in *mailbox.Inbox[update]) error {
	idle := time.NewTimer(flushAfter)
	defer idle.Stop()
	for {
		select {
		case envelope := <-in.C:
			if u, ok := in.Open(envelope); ok {
				b.updates = append(b.updates, u)
				idle.Reset(flushAfter)
			}
			if len(b.updates) < batchSize {
				continue
			}
		case <-idle.C:
			idle.Reset(flushAfter)
		case <-ctx.Done():
			for u := range in.Rest() {
				b.updates = append(b.updates, u)
			}
			return context.Cause(ctx)
		}
		err := b.flush(ctx)
		if hopeless(err) { // a restart would meet the same error
			b.ledger.fail(err)
			b.updates = nil
			<-ctx.Done()
			return context.Cause(ctx)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// close stores what was collected when the stop came.
func (b *batch) close(ctx context.Context, reason exit.Reason) error {
	if !reason.Clean() {
		return nil
	}
	err := b.flush(ctx)
	if err != nil {
		b.ledger.fail(err)
	}
	return err
}

// flush stores the batch. The store does it in one transaction, so that nothing
// is ever half-written.
func (b *batch) flush(ctx context.Context) error {
	if len(b.updates) == 0 {
		return nil
	}
	var parsed []source.Parsed
	var same []source.File
	for _, u := range b.updates {
		if u.same {
			same = append(same, u.parsed.File)
		} else {
			parsed = append(parsed, u.parsed)
		}
	}
	if len(parsed) > 0 {
		if _, err := actor.Call(ctx, b.store, put{parsed}); err != nil {
			return err
		}
	}
	if len(same) > 0 {
		if _, err := actor.Call(ctx, b.store, touch{same}); err != nil {
			return err
		}
	}
	for _, u := range b.updates {
		b.ledger.settle(u.parsed.Path, given{stored: !u.same, unchanged: u.same, declarations: len(u.parsed.Declarations)})
	}
	b.updates = b.updates[:0]
	return nil
}
