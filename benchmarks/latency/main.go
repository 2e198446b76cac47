// Latency measures how long a supervision tree of a given shape takes to restart
// what has crashed, and to stop:
//
//	go run ./benchmarks/latency
//	go run ./benchmarks/latency -depth 3 -fanout 10 -strategy rest_for_one -load 10000 -html report.html
//	go run ./benchmarks/latency -tree tree.json -json after.json -compare before.json -limit ready.p99=10%
//
// Your own tree is measured by a call of package stopwatch.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/coppice-go/coppice/benchmarks/latency/internal/cli"
	"github.com/coppice-go/coppice/benchmarks/stopwatch"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second ^C kills at once

	streams := cli.Streams{Out: os.Stdout, Err: os.Stderr, Terminal: term.IsTerminal(int(os.Stderr.Fd()))}
	os.Exit(cli.Run(ctx, os.Args[1:], streams, stopwatch.Measure))
}
