package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/tracing"
)

// After two billion restarts the number of the incarnation stays where it is.
func TestNumberOfAnIncarnationDoesNotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		die := make(chan error)
		child := Func("c", func(ctx context.Context) error {
			select {
			case err := <-die:
				return err
			case <-ctx.Done():
				return nil
			}
		})
		s := New("s", Policy{Restarts: strategy.Unlimited, Tracing: tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})}, child)
		if _, err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.loop.Load().members[0].number = math.MaxInt32 - 1
		for range 3 {
			die <- errors.New("boom")
			synctest.Wait()
			c := s.Snapshot().Children[0]
			if c.Incarnation != math.MaxInt32 || c.State != Running {
				t.Errorf("got incarnation %d, %s, want %d, running", c.Incarnation, c.State, math.MaxInt32)
			}
		}
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stop: got %v, want nil", err)
		}
	})
}
