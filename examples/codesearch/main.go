// Codesearch indexes the declarations and doc comments of a tree of Go files
// in a supervised pipeline, and answers questions from the index:
//
//	go run ./examples/codesearch
//	go run ./examples/codesearch -q "ServeMux pattern"
//	go run ./examples/codesearch -json -verify -chaos 0.05
//
// Without a tree it takes the source of the Go toolchain, which is on every
// machine that can run it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/coppice-go/coppice/examples/codesearch/internal/cli"
	"github.com/coppice-go/coppice/examples/codesearch/internal/pipeline"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second ^C kills at once

	streams := cli.Streams{Out: os.Stdout, Err: os.Stderr, Terminal: term.IsTerminal(int(os.Stderr.Fd()))}
	os.Exit(cli.Run(ctx, os.Args[1:], streams, pipeline.Index))
}
