package testhelp

import (
	"context"
	"runtime"
	"testing"
)

// Ways are the ways of EndsOnce.
const Ways = 4

// EndsOnce waits for the end of ctx, in one of several ways, and asks again and again
// how it has ended: that never changes, and Done is closed by then.
func EndsOnce(t *testing.T, ctx context.Context, way int) {
	var done <-chan struct{}
	switch way {
	case 0:
		<-ctx.Done()
	case 1: // Done is there before it is closed
		done = ctx.Done()
		fallthrough
	case 2:
		for ctx.Err() == nil {
			runtime.Gosched()
		}
	case 3:
		for context.Cause(ctx) == nil {
			runtime.Gosched()
		}
	}
	if way == 1 {
		select {
		case <-done:
		default:
			t.Error("Err is there and Done is not closed")
		}
	}
	err, cause := ctx.Err(), context.Cause(ctx)
	for range 10 {
		if gotErr, got := ctx.Err(), context.Cause(ctx); err == nil || gotErr != err || got != cause {
			t.Errorf("got %v, %v, want %v, %v as before", gotErr, got, err, cause)
		}
		runtime.Gosched()
	}
}
