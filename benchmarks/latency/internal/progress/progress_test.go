package progress_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/benchmarks/latency/internal/progress"
	"github.com/coppice-go/coppice/benchmarks/stopwatch"
)

// serve serves for some time, in which one more crash comes each 0.9 s, and gives
// what was written.
func serve(t *testing.T, terminal bool, crashes int, lasting time.Duration) string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		shown := progress.New(&out, terminal)
		ctx, cancel := context.WithTimeout(t.Context(), lasting)
		defer cancel()
		go func() {
			for i := range crashes {
				shown.Set(stopwatch.Progress{Crashes: i + 1, OfCrashes: 10, Stops: 1, OfStops: 2})
				time.Sleep(900 * time.Millisecond)
			}
		}()
		shown.Serve(ctx)
	})
	return out.String()
}

func TestLines(t *testing.T) {
	got := serve(t, false, 8, 2*progress.LineEvery+time.Second/2)
	want := "6 of 10 crashes, 1 of 2 stops\n8 of 10 crashes, 1 of 2 stops\n"
	if got != want {
		t.Errorf("got lines\n%s, want\n%s", got, want)
	}
}

func TestBar(t *testing.T) {
	got := serve(t, true, 4, 4500*time.Millisecond)
	if !strings.Contains(got, "(5/12)") || !strings.Contains(got, "4 crashes, 1 stops") || !strings.HasSuffix(got, "\n") {
		t.Errorf("got bar %q, want it at 5 of 12", got)
	}
}

func TestNothingIsShownBeforeAnythingHappens(t *testing.T) {
	if got := serve(t, true, 0, time.Second); got != "\n" {
		t.Errorf("got bar %q, want none", got)
	}
	if got := serve(t, false, 0, time.Minute); got != "" {
		t.Errorf("got lines %q, want none", got)
	}
}

func TestAClosedTerminalIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, terminal := range []bool{false, true} {
		shown := progress.New(closed{}, terminal)
		shown.Set(stopwatch.Progress{Crashes: 1, OfCrashes: 1})
		shown.Serve(ctx)
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }
