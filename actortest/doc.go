// Package actortest proves of your children what Coppice proves of itself: that
// nothing of them is lost, stuck or leaked, whatever happens to them.
//
// Everything here works in a testing/synctest bubble, in which a week of crash
// loops takes a fraction of a second; [Run] and [Stress] make their own.
//
// # A child passes, or is told why not
//
// [Run] starts and stops a child at every point of its life, and crashes it there;
// [Stress] does the same at random from several goroutines:
//
//	func TestLedger(t *testing.T) {
//		actortest.Run(t, func() supervisor.Child { return newLedger() })
//	}
//
//	func TestLedgerUnderStress(t *testing.T) {
//		actortest.Stress(t, func() supervisor.Child { return newLedger() })
//	}
//
// A child that does not pass reads what it has done and what it should do: "it must
// return nil or what ctx says when it is asked to stop, but returned an error:
// connection closed". Give an actor or server an [Options.Load], so that it also
// crashes with a message in hand; for a tree, let make give a struct in which the
// load finds the addresses:
//
//	type app struct {
//		*supervisor.Supervisor
//		orders *actor.Server[Orders]
//	}
//
// # Faults
//
// An [Injector] makes things go wrong in a child, or in every actor below a
// supervisor, at the k-th message or at a rate:
//
//	in := actortest.NewInjector(t, 0, actortest.Fault{Kind: actortest.Panic, Rate: 0.01})
//	tree := supervisor.New("bank", policy, in.Child(accounts), teller)
//
// A whole tree gets a supervisor above it: supervisor.New("test", policy,
// in.Child(tree)). A test whose injector never struck has proved nothing: it fails,
// and says why. A rate that had occasions, and no luck, is only logged.
//
// A test that fails tells its seed. With that in the environment, as
// ACTORTEST_SEED, messages with the same numbers crash again: they depend on the
// seed and the path of the actor. With one sender they are the same messages; with
// several the scheduler still decides which message has that number.
//
// # Leaks
//
// [NoLeaks] fails a test if a goroutine of a tree is still there after its stop,
// also one that a child has started with a bare go statement, of which
// [supervisor.Supervisor.Stop] cannot know:
//
//	if err := tree.Stop(ctx); err != nil {
//		t.Error(err)
//	}
//	actortest.NoLeaks(t, tree)
//
// # Standing in
//
// A [Probe] stands in for an actor of plain values:
//
//	mailer := actortest.StartProbe[Mail](t, "mailer")
//	shop := newShop(mailer.Actor)
//	…
//	mailer.Expect(time.Second, Mail{To: "ada"})
//
// A server stands in for itself: its messages carry their handlers, so give the
// code under test a server of the same type whose open makes a state for the test:
// with a fake connection inside, or one that records.
//
// # Bubbles
//
// In a bubble use the t of the bubble: then clean-up runs before its end. End the
// test with the Stop of each tree that it has started. A child in a bubble must not
// wait for the world outside, such as a network connection (net.Pipe is fine) or a
// channel of a package variable: time would stand still. A panic in a goroutine
// that was started with a bare go ends the test program, as ever.
package actortest
