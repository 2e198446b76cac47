// Package coppice is Coppice as its users get it: every default, with a log that
// nobody reads.
package coppice

import (
	"context"
	"log/slog"
	"strconv"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/benchmarks/compare/internal/bench"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// Contender is Coppice.
var Contender = bench.Contender{
	Name:        "coppice",
	About:       "every default, with mailboxes of 64, a budget of a million restarts, a log that discards everything, and no sinks: the history of crashes, ordered stop, panics caught with their stacks are on, but no text is made of a crash and no event told. (With a sink that does nothing a restart takes some 0.7 µs more, with a slog.TextHandler to io.Discard some 5.) Idle actors are below one Dynamic, all others below a Supervisor. Those that hibernate have handled a message each, and have given their goroutines back after 1 ms. An actor of Coppice has neither goroutine nor channel before its first message; raw's and suture's have both.",
	Send:        send,
	Cast:        cast,
	Batch:       batch,
	Paced:       paced,
	Call:        call,
	CallLooking: looking,
	Ring:        ring,
	Idle:        func() (func(int) error, bench.Stop, error) { return dynamic(options, false) },
	Warm:        func() (func(int) error, bench.Stop, error) { return dynamic(options, true) },
	Hibernated:  func() (func(int) error, bench.Stop, error) { return dynamic(hibernating, true) },
	Crashes:     crashes,
	Tree:        tree,
}

var options = actor.Options{Mailbox: mailbox.Options{Capacity: bench.Capacity}}

// policy has room for all restarts that there will be, and counts them.
var policy = supervisor.Policy{Restarts: 1_000_000}

// rootPolicy is that of a root: the events of the whole tree go where its own go.
func rootPolicy() supervisor.Policy {
	p := policy
	p.Tracing = tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})
	return p
}

// plant starts a tree, and gives what stops it.
func plant(root interface {
	supervisor.Child
	Stop(context.Context) error
}) (bench.Stop, error) {
	if _, err := root.Start(context.Background()); err != nil {
		return nil, err
	}
	return func() error { return root.Stop(context.Background()) }, nil
}

// named makes an actor, with its number as its name, whose incarnations do what
// receive says.
func named[M any](number int, receive func(ctx context.Context, m M) error) *actor.Actor[M] {
	return actor.New(strconv.Itoa(number), func(context.Context) (actor.Behavior[M], error) {
		return actor.Behavior[M]{Receive: receive}, nil
	}, options)
}

// all makes actors of the numbers below n, and starts them below one supervisor.
func all[M any](n int, makes func(number int) *actor.Actor[M]) ([]*actor.Actor[M], bench.Stop, error) {
	actors, children := make([]*actor.Actor[M], n), make([]supervisor.Child, n)
	for i := range actors {
		actors[i] = makes(i)
		children[i] = actors[i]
	}
	stop, err := plant(supervisor.New("bench", rootPolicy(), children...))
	return actors, stop, err
}
