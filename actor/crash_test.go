package actor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// crashes are those that the tree has told of, as "number: in hand, waiting:
// reason", and checks that it remembers the same.
func crashes(t *testing.T, tree *supervisor.Supervisor, kept *recorder) string {
	t.Helper()
	var all []string
	told, known := eventsOf[tracing.Crash](kept), tree.Crashes()
	check(t, "crashes that the tree remembers", len(known), len(told))
	for i, c := range told {
		if i < len(known) {
			check(t, "what it remembers", known[i].String(), c.String())
		}
		check(t, "the type", c.MessageType, strings.TrimPrefix(fmt.Sprintf("%T", c.Message), "<nil>"))
		all = append(all, fmt.Sprintf("%d: %v, %d: %v", c.Incarnation, c.Message, c.Waiting, c.Reason))
	}
	return strings.Join(all, "; ")
}

// What was in hand, and how much waited behind it, for each kind of handler and
// each way to crash.
func TestCrashTellsWhatWasInHand(t *testing.T) {
	for _, how := range []struct {
		name   string
		f      func(context.Context) error
		reason string
		after  string // when Close panics too (S153)
	}{
		{"error", fails, "bad", "panic: in Close"},
		{"panic", panics, "panic: boom", "panic: in Close"},
		{"Goexit", goexits, "goroutine left by runtime.Goexit", "goroutine left by runtime.Goexit"},
	} {
		receive := func(crash int) func(*int) (actor.Behavior[int], error) {
			return func(tries *int) (actor.Behavior[int], error) {
				return actor.Behavior[int]{Receive: func(ctx context.Context, n int) error {
					if n == 1 {
						time.Sleep(time.Second) // the others come meanwhile
					}
					if n == crash && *tries > 0 {
						*tries--
						return how.f(ctx)
					}
					return nil
				}}, nil
			}
		}
		loop := func(done bool) func(*int) (actor.Behavior[int], error) {
			return func(tries *int) (actor.Behavior[int], error) {
				return actor.Behavior[int]{Loop: func(ctx context.Context, in *mailbox.Inbox[int]) error {
					for {
						select {
						case e := <-in.C:
							n, ok := in.Open(e)
							if n == 1 {
								time.Sleep(time.Second)
							}
							if done {
								in.Done()
							}
							if ok && n == 2 && *tries > 0 {
								*tries--
								return how.f(ctx)
							}
						case <-ctx.Done():
							return nil
						}
					}
				}}, nil
			}
		}
		for _, test := range []struct {
			name    string
			retries int
			tries   int
			open    func(tries *int) (actor.Behavior[int], error) // tries is how often it is to crash
			want    string
		}{
			{"Receive", 0, 1, receive(2), "1: 2, 3: " + how.reason},
			{"Receive, retried", 1, 2, receive(2), "1: 2, 3: " + how.reason + "; 2: 2, 3: " + how.reason},
			{"Loop", 0, 1, loop(false), "1: 2, 3: " + how.reason},
			{"Loop that was done with it", 0, 1, loop(true), "1: <nil>, 3: " + how.reason},
			{"Continue", 0, 1, func(tries *int) (actor.Behavior[int], error) {
				b, err := receive(-1)(tries)
				b.Continue = func(ctx context.Context) error {
					if *tries > 0 {
						*tries--
						time.Sleep(time.Second)
						return how.f(ctx)
					}
					return nil
				}
				return b, err
			}, "1: <nil>, 5: " + how.reason},
			{"open", 0, 2, func(tries *int) (actor.Behavior[int], error) {
				b, _ := receive(2)(tries)
				if *tries == 1 { // the second time
					*tries--
					return b, how.f(context.Background())
				}
				return b, nil
			}, "1: 2, 3: " + how.reason + "; 2: <nil>, 3: " + how.reason},
			{"Close", 0, 1, func(tries *int) (actor.Behavior[int], error) {
				b, err := receive(-1)(tries)
				first, plain := *tries > 0, b.Receive
				b.Receive = func(ctx context.Context, n int) error {
					if n == 2 && first {
						return exit.Shutdown // on purpose: the message is handled
					}
					return plain(ctx, n)
				}
				b.Close = func(ctx context.Context, _ exit.Reason) error {
					if first {
						*tries--
						return how.f(ctx)
					}
					return nil
				}
				return b, err
			}, "1: <nil>, 3: " + how.reason},
			{"Close after a crash", 0, 1, func(tries *int) (actor.Behavior[int], error) {
				first := *tries > 0
				b, err := receive(2)(tries)
				b.Close = func(ctx context.Context, _ exit.Reason) error {
					if first {
						panic("in Close")
					}
					return nil
				}
				return b, err
			}, "1: 2, 3: " + how.after},
		} {
			t.Run(test.name+"/"+how.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					tries := test.tries
					a := actor.New("a", func(context.Context) (actor.Behavior[int], error) { return test.open(&tries) },
						actor.Options{Retries: test.retries})
					tree, kept := plantWith(t, supervisor.Policy{Restarts: strategy.Unlimited, Backoff: strategy.Constant(time.Minute)}, a)
					var sent sends
					sent.send(t, a, 1, 2, 3, 4, 5)
					time.Sleep(time.Hour)
					check(t, "crashes", crashes(t, tree, kept), test.want)
					sent.conserved(t, a.Stats())
				})
			})
		}
	}
}

// A dead letter that nobody would hear of is no event, but it is counted.
func TestCrashThatNobodyHearsOfIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(ctx context.Context, n int) error {
				if n == 2 || n == 4 {
					return panics(ctx)
				}
				return nil
			}}, nil
		})
		tree := supervisor.New("tree", supervisor.Policy{Tracing: tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})}, a)
		wait, err := tree.Start(t.Context())
		check(t, "start", err, nil)
		check(t, "send", a.Send(t.Context(), 1), nil)
		check(t, "send all", a.SendAll(t.Context(), []int{2, 3, 4, 5}), nil)
		synctest.Wait()
		check(t, "account", a.Stats(), mailbox.Stats{Handled: 3, Dead: 2})
		check(t, "stop", tree.Stop(t.Context()), nil)
		check(t, "wait", wait(), nil)
	})
}

// What is done on purpose, or handled to the end, was not lost.
func TestCrashWithoutAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{
			1: func(ctx context.Context) error { // finished, although a goroutine has failed meanwhile
				err := supervisor.Go(ctx, fails)
				time.Sleep(time.Second)
				return err
			},
			3: func(context.Context) error { return exit.Killed }, // a reason that the handler chose
		})
		tree, kept := plant(t, a)
		var sent sends
		sent.send(t, a, 1, 2, 3, 4)
		time.Sleep(time.Minute)
		check(t, "crashes", crashes(t, tree, kept), "1: <nil>, 3: bad; 2: <nil>, 1: killed")
		check(t, "dead letters", kept.deadLetters(), "")
	})
}

// The message is the one that the user has sent, whatever carries it.
func TestCrashOfAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		tree, kept := plant(t, s)
		_, err := actor.Call(t.Context(), s, fragile{1})
		check(t, "outcome", fmt.Sprint(err), "tree/s: callee ended before it replied: panic: fragile")
		if err := actor.Cast(t.Context(), s, fragile{2}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		check(t, "crashes", crashes(t, tree, kept), "1: {1}, 0: panic: fragile; 2: {2}, 0: panic: fragile")
		check(t, "type", tree.Crashes()[1].MessageType, "actor_test.fragile")
	})
}

// fragile is a message that crashes its server.
type fragile struct{ N int }

func (fragile) Handle(context.Context, *state) (int, error) { panic("fragile") }

// A child that hangs while it winds down has a message in hand when it is given
// up: the failure of its goroutine is the crash.
func TestCrashOfAnActorThatIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		release := make(chan struct{})
		a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{
			1: func(ctx context.Context) error {
				if err := supervisor.Go(ctx, fails); err != nil {
					return err
				}
				<-release
				return nil
			},
		})
		tree, kept := plant(t, within(time.Second, a))
		var sent sends
		sent.send(t, a, 1, 2, 3)
		time.Sleep(time.Minute)
		check(t, "crashes", crashes(t, tree, kept), "1: 1, 2: bad")
		close(release)
		synctest.Wait()
		check(t, "crashes when it has returned", len(tree.Crashes()), 1)
		sent.conserved(t, a.Stats())
	})
}

// A crash whose Close never returns is told by whoever abandons the incarnation:
// once, with the message that was in hand, whatever Close says in the end. Until
// a stop nobody does, but a watch tells.
func TestCrashThatHangsInItsClose(t *testing.T) {
	for _, how := range []struct {
		name   string
		f      func(context.Context) error
		reason string
	}{
		{"error", fails, "bad"},
		{"panic", panics, "panic: boom"},
		{"Goexit", goexits, "goroutine left by runtime.Goexit"},
	} {
		for _, test := range []struct {
			name     string
			shutdown time.Duration
			wait     time.Duration // before the stop
		}{
			{"before a stop", time.Second, time.Hour},
			{"in a stop", time.Minute, 500 * time.Millisecond},
		} {
			t.Run(how.name+" "+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					release := make(chan struct{})
					a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
						return actor.Behavior[int]{
							Receive: func(ctx context.Context, n int) error {
								time.Sleep(time.Second)
								return how.f(ctx)
							},
							Close: func(context.Context, exit.Reason) error { <-release; return errors.New("late") },
						}, nil
					}, actor.Options{})
					tree, kept := plant(t, supervisor.Spec{Child: a, Shutdown: supervisor.Timeout(test.shutdown), Watch: &supervisor.Watch{Message: 5 * time.Second}})
					var sent sends
					sent.send(t, a, 1, 2)
					time.Sleep(test.wait)
					check(t, "crashes before the stop", crashes(t, tree, kept), "")
					stuck := eventsOf[tracing.Stuck](kept)
					check(t, "told by the watch", len(stuck) == 1, test.wait > time.Minute)
					if len(stuck) == 1 {
						check(t, "its stack names Close", strings.Contains(stuck[0].Stack, "TestCrashThatHangsInItsClose"), true)
					}
					err := tree.Stop(t.Context())
					check(t, "the stop reports it", err != nil, true)
					check(t, "crashes", crashes(t, tree, kept), "1: 1, 1: "+how.reason)
					for _, c := range tree.Crashes() {
						check(t, "decision", c.Decision, tracing.Stop)
					}
					close(release)
					synctest.Wait()
					check(t, "crashes when it has returned", len(eventsOf[tracing.Crash](kept)), 1)
					check(t, "returns", len(eventsOf[tracing.Returned](kept)), 1)
					sent.conserved(t, a.Stats())
				})
			})
		}
	}
}

// The traces: that of the child's lives, and that of the request in hand.
func TestTracesOfACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		tr := plantTraced(t, supervisor.Policy{}, s)
		ctx, end := tr.request(t)
		_, _ = actor.Call(ctx, s, fragile{1})
		end()
		synctest.Wait()
		if err := tr.tree.TerminateChild(t.Context(), "s"); err != nil {
			t.Error(err)
		}
		crashes := tr.tree.Crashes()
		check(t, "crashes", len(crashes), 1)
		check(t, "trace of the child", crashes[0].TraceID, tr.span(t, "start tree/s").SpanContext.TraceID().String())
		check(t, "trace of the message", crashes[0].MessageTraceID, tr.span(t, "request").SpanContext.TraceID().String())
	})
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		tree, _ := plant(t, s)
		if err := actor.Cast(t.Context(), s, fragile{1}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		crash := tree.Crashes()[0]
		check(t, "traces without a tracer", crash.TraceID+crash.MessageTraceID, "")
	})
}
