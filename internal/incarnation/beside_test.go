package incarnation_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
)

// The context of a goroutine beside the incarnation's own has the values of one
// context and the end of another.
func TestBeside(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(*incarnation.Cell, context.CancelCauseFunc)
		want error
	}{
		{"not", func(*incarnation.Cell, context.CancelCauseFunc) {}, nil},
		{"asked to stop", func(c *incarnation.Cell, _ context.CancelCauseFunc) { c.Stop(exit.Shutdown, true) }, exit.Shutdown},
		{"killed", func(c *incarnation.Cell, _ context.CancelCauseFunc) { c.Kill(exit.Killed) }, exit.Killed},
		{"run is over", func(c *incarnation.Cell, _ context.CancelCauseFunc) { c.Finish(exit.Normal) }, exit.Normal},
		{"ended", func(c *incarnation.Cell, _ context.CancelCauseFunc) { c.End(exit.Goexit) }, exit.Goexit},
		{"abandoned", func(c *incarnation.Cell, _ context.CancelCauseFunc) { c.Abandon() }, exit.Killed},
		{"ended itself", func(_ *incarnation.Cell, end context.CancelCauseFunc) { end(errOwn) }, errOwn},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCell(context.WithValue(t.Context(), testKey{"tree"}, "tree"))
			values, cancel := context.WithTimeout(context.WithValue(c.Work(), testKey{"message"}, "message"), time.Hour)
			ctx, end := c.Beside(values)
			defer end(nil)
			cancel() // ends nothing
			before := runtime.NumGoroutine()
			derived, stop := context.WithCancel(ctx)
			defer stop()
			if got := runtime.NumGoroutine(); got > before {
				t.Errorf("goroutines for a derived context: got %d, want none", got-before)
			}
			test.end(c, end)
			for what, ctx := range map[string]context.Context{"itself": ctx, "derived": derived} {
				_, limited := ctx.Deadline()
				got := fmt.Sprint(limited, closed(ctx.Done()), ctx.Err(), context.Cause(ctx), ctx.Value(testKey{"tree"}), ctx.Value(testKey{"message"}))
				var err error
				if test.want != nil {
					err = context.Canceled
				}
				check(t, what, got, fmt.Sprint(false, err != nil, err, test.want, "tree", "message"))
				check(t, what+": cell", incarnation.From(ctx), c)
			}
			check(t, "its end is not that of the incarnation", c.Err() != nil, test.want != nil && !errors.Is(test.want, errOwn))
		})
	}
}

// A goroutine beside that of its incarnation does not hold it up by waiting.
func TestOwn(t *testing.T) {
	c := newCell(t.Context())
	ctx, end := c.Beside(c.Work())
	defer end(nil)
	again, endAgain := c.Beside(ctx)
	defer endAgain(nil)
	below := incarnation.New(ctx, incarnation.NewScope("root/child/grandchild"), 1, incarnation.Terms{})
	belowBeside, endBelow := below.Beside(below)
	defer endBelow(nil)
	for _, test := range []struct {
		name string
		ctx  context.Context
		want *incarnation.Cell
	}{
		{"none", t.Context(), nil},
		{"the incarnation's", c, c},
		{"for its work", c.Work(), c},
		{"beside", ctx, nil},
		{"beside that", again, nil},
		{"derived", context.WithValue(ctx, testKey{"key"}, 1), nil},
		{"an incarnation below", below, below},
		{"work below", below.Work(), below},
		{"beside that one below", belowBeside, nil},
	} {
		check(t, test.name, incarnation.Own(test.ctx), test.want)
	}
}
