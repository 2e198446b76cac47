package cli_test

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/cli"
)

// TestMain is also the main of the processes that the tests start: the command
// runs itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "measure" {
		os.Exit(cli.Run(context.Background(), os.Args[1:], cli.Streams{Out: os.Stdout, Err: os.Stderr}))
	}
	// With the race detector each process would wait for a second at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
