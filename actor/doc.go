// Package actor has the two kinds of child that receive messages.
//
// A [Server] has a state and takes messages that carry their own handlers.
// [Call] sends one and waits for its answer, [Cast] does not wait. It is what
// to begin with: OTP's gen_server, with every type checked.
//
//	type Account struct{ cents int }
//
//	type Deposit struct{ Cents int }
//
//	func (d Deposit) Handle(_ context.Context, a *Account) (int, error) {
//		a.cents += d.Cents
//		return a.cents, nil
//	}
//
//	alice := actor.NewServer("alice", func(context.Context) (*Account, error) { return new(Account), nil })
//	// …alice is a child of a supervisor that is running…
//	cents, err := actor.Call(ctx, alice, Deposit{500})
//
// An [Actor] takes plain values of one type, for streams: nothing is boxed and
// nothing allocated. Its [Behavior] is a function for each message, or a loop of
// the user's own that selects on the channel beside others.
//
// Both are started by a supervisor, and both are their own address: send to the
// value that New or NewServer gave, from anywhere, whichever incarnation is
// running. A message that was accepted is handled, or becomes a dead letter
// with a reason; [Actor.Stats] counts.
//
// # Starting
//
// The supervisor waits for open, and starts the next child when it has returned.
// What takes its time, and has to be done before the first message, belongs into
// Continue ([Behavior], [ServerOptions]), for which nobody waits.
//
// # Failure
//
// A panic, [runtime.Goexit] and an error of Receive are crashes. The message in
// hand becomes a dead letter, or is tried again ([Options].Retries); its caller
// hears at once, by a [*SendError] with the reason. What waits is kept for the
// next incarnation, whose state is fresh. An error of a server's handler is no
// crash: it is the answer.
//
// A handler ends its actor on purpose by returning an [exit.Reason], or
// [AfterReply] to answer first.
//
// # Contexts
//
// A handler's ctx has the values of the tree. It ends when nine tenths of the
// shutdown time are over (the rest, a second at most, is the grace), and for a
// call also when the caller's does. Pass it on: [Path] and
// [Self] find the actor in it, traces follow it, and an incarnation that was
// abandoned can send nothing more with it. A goroutine that a handler starts with
// it and supervisor.Go belongs to the actor, however long the handler or its
// caller stays.
//
// The rules S1 to S205 that comments and tests quote are those of docs/otp.md.
package actor
