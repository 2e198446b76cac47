// Compare measures Coppice beside raw Go and suture, and beside its peers:
//
//	go run ./benchmarks/compare
//	go run ./benchmarks/compare -short
//	go run ./benchmarks/compare -json -only send-1-1,call
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/coppice-go/coppice/benchmarks/compare/internal/cli"
)

func main() {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // which nohup lets go on
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, stop) // a second ^C kills at once

	streams := cli.Streams{Out: os.Stdout, Err: os.Stderr, Terminal: term.IsTerminal(int(os.Stderr.Fd()))}
	os.Exit(cli.Run(ctx, os.Args[1:], streams))
}
