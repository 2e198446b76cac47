// Package supervisor is an Erlang-style supervision tree: supervisors start
// their children in order, restart those that end, and stop them in reverse
// order, with a report of whatever would not stop.
//
//	bank := supervisor.New("bank", supervisor.Policy{Strategy: strategy.RestForOne},
//		supervisor.New("accounts", supervisor.Policy{}, alice, bob),
//		supervisor.Func("teller", serve),
//	)
//	err := bank.Run(ctx)
//
// A child is anything with the two methods of [Child]: a [Func], a server made
// with [Serve], a service made by a [Factory], an actor of package actor, and a
// [Supervisor] or [Dynamic] itself. A [Spec] around it says how it is looked
// after.
//
// # Restarts
//
// A child that ends is restarted by its spec's restart type, with the siblings
// that the supervisor's strategy takes along. Restarts are limited: with more
// than [Policy].Restarts within a period the supervisor gives up, stops its
// other children and ends, which the supervisor above deals with as with any
// end. A child that does not start again is tried again, within the same limit.
// While a child waits for its backoff the supervisor serves everything else.
//
// A supervisor may also end because it is done: see [Policy].AutoShutdown.
//
// # Stopping
//
// A stop asks the children one after the other, last first, each with its own
// [Shutdown] time. Contexts end with a cause: context.Cause gives an
// [exit.Reason]. Go cannot kill a goroutine. One that does not end in time is
// abandoned: its effects on the tree are cut off, and it is listed, with its
// stack, in the [*StopError] of Run and Stop. Abandoned tells at any time which of
// them are still there.
//
// # Stuck while alive
//
// A [Watch] gives a child limits: for its start, for a message in hand, for the
// age of the messages that wait. Crossing one is an event with the child's stack;
// nothing is stopped.
//
// # Goroutines of a child
//
// A child that needs more goroutines starts them with [Go]: they end with it, it
// fails with them, and it is over when all have returned. A panic in one that a
// go statement has started ends the program, as anywhere.
//
// # What a supervisor cannot do
//
// Panics in goroutines that were not started with [Go], fatal errors of the Go
// runtime and os.Exit end the program, whoever supervises (S197). What to do
// instead is in docs/unsupervised.md.
//
// # Time
//
// The package uses the clock of package time only, waits only on channels, and
// has no goroutine of its own outside a running tree, so everything works in a
// testing/synctest bubble.
package supervisor
