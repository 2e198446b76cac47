package progress_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/examples/codesearch/internal/progress"
)

// serve serves for some time and gives what was written. Each reading of the
// state finds one more file done.
func serve(t *testing.T, terminal bool, files int, lasting time.Duration) string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		state := progress.Snapshot{Files: files, Declarations: 20}
		shown := progress.New(&out, terminal, func() progress.Snapshot {
			state.Done++
			return state
		})
		ctx, cancel := context.WithTimeout(t.Context(), lasting)
		defer cancel()
		if err := shown.Serve(ctx); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return out.String()
}

func TestLines(t *testing.T) {
	got := serve(t, false, 9, 2*progress.LineEvery+time.Second)
	want := "1 of 9 files, 20 declarations\n2 of 9 files, 20 declarations\n3 of 9 files, 20 declarations\n"
	if got != want {
		t.Errorf("lines:\n%s\nwant:\n%s", got, want)
	}
}

func TestBar(t *testing.T) {
	got := serve(t, true, 3, 10*progress.RedrawEvery) // more than there are files
	if !strings.Contains(got, "(1/3)") || !strings.Contains(got, "100%") || !strings.Contains(got, "20 declarations") || !strings.HasSuffix(got, "\n") {
		t.Errorf("bar: %q", got)
	}
	if got := serve(t, true, 0, time.Second); got != "\n" {
		t.Errorf("bar without files: %q", got)
	}
}

func TestFaultsAreShownIfThereAreAny(t *testing.T) {
	for _, test := range []struct {
		state progress.Snapshot
		want  string
	}{
		{progress.Snapshot{}, "0 of 0 files, 0 declarations\n"},
		{progress.Snapshot{Files: 3, Done: 2, Declarations: 5, Faults: 1, Restarts: 4}, "2 of 3 files, 5 declarations, 1 faults, 4 restarts\n"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out bytes.Buffer
		shown := progress.New(&out, false, func() progress.Snapshot { return test.state })
		for range 2 { // and may be served again
			out.Reset()
			if err := shown.Serve(ctx); err != nil || out.String() != test.want {
				t.Errorf("got %q, %v, want %q", out.String(), err, test.want)
			}
		}
	}
}

func TestAClosedTerminalIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, terminal := range []bool{false, true} {
		shown := progress.New(closed{}, terminal, func() progress.Snapshot { return progress.Snapshot{Files: 1} })
		if err := shown.Serve(ctx); err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }
