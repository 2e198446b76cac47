package actor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// abandoning is a tree in which a server is stopped together with a sibling and
// has a second for it. The server counts on across its incarnations.
type abandoning struct {
	s     *actor.Server[state]
	tree  *supervisor.Supervisor
	kept  *recorder
	crash chan struct{} // of the sibling
}

func plantAbandoning(t *testing.T, options actor.ServerOptions[state], others ...supervisor.Child) *abandoning {
	a := &abandoning{crash: make(chan struct{})}
	a.s = actor.NewServer("s", func(ctx context.Context) (*state, error) {
		return &state{n: 100 * incarnation.From(ctx).Number()}, nil
	}, options)
	children := append(others, within(time.Second, a.s), crashing(a.crash))
	a.tree, a.kept = plantWith(t, supervisor.Policy{Strategy: strategy.RestForOne, Restarts: strategy.Unlimited},
		supervisor.New("inner", supervisor.Policy{Strategy: strategy.OneForAll}, children...))
	return a
}

// abandon makes the sibling crash and waits until the server, which must be
// stuck, has a successor.
func (a *abandoning) abandon(t *testing.T) {
	t.Helper()
	synctest.Wait()
	a.crash <- struct{}{}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	if got := len(eventsOf[tracing.Abandoned](a.kept)); got != 1 {
		t.Fatalf("Abandoned: got %d events, want 1", got)
	}
}

// Whatever an abandoned handler does in the end has no effect: the caller has
// heard at once, the successor lives on with the whole queue.
func TestS194_AbandonedHandlerHasNoEffect(t *testing.T) {
	for _, test := range []struct {
		name   string
		ending do
	}{
		{"value", give(1, nil)},
		{"error", give(0, errBad)},
		{"panic", crash},
		{"goexit", func(context.Context, *state) (int, error) { runtime.Goexit(); return 0, nil }},
		{"end on purpose", give(0, exit.Normal)},
		{"after the reply", give(1, actor.AfterReply(exit.Killed))},
		{"defer", func(ctx context.Context, _ *state) (int, error) {
			reply, err := actor.Defer[int](ctx)
			if err == nil && reply.Give(1, nil) {
				return 0, errors.New("the reply of an abandoned handler was taken")
			}
			return 0, err
		}},
	} {
		for _, called := range []bool{true, false} {
			t.Run(fmt.Sprint(test.name, ", called ", called), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					closed := 0
					a := plantAbandoning(t, actor.ServerOptions[state]{
						Options: actor.Options{Retries: 3},
						Close:   func(context.Context, *state, exit.Reason) error { closed++; return nil },
					})
					release := make(chan struct{})
					stuck := do(func(ctx context.Context, s *state) (int, error) { <-release; return test.ending(ctx, s) })
					outcome := make(chan string, 1)
					if called {
						go func() { outcome <- answer(actor.Call(t.Context(), a.s, stuck)) }()
					} else {
						cast(t, a.s, stuck)
					}
					synctest.Wait()
					queued := make(chan string, 3)
					for range 3 {
						go func() { queued <- answer(actor.Call(t.Context(), a.s, next)) }()
						synctest.Wait()
					}
					a.abandon(t)
					if called {
						check(t, "outcome", <-outcome, "0, tree/inner/s: callee ended before it replied: killed")
					}
					outcomes := []string{<-queued, <-queued, <-queued}
					slices.Sort(outcomes)
					check(t, "queued", fmt.Sprint(outcomes), "[201, <nil> 202, <nil> 203, <nil>]")
					letters := eventsOf[tracing.DeadLetter](a.kept)
					if len(letters) != 1 || letters[0].Why != "in hand of an abandoned incarnation" {
						t.Errorf("dead letters: got %v, want one", letters)
					}
					synctest.Wait()
					check(t, "Stats", a.s.Stats(), mailbox.Stats{Handled: 3, Dead: 1})

					close(release)
					synctest.Wait()
					check(t, "returned", len(eventsOf[tracing.Returned](a.kept)), 1)
					check(t, "exits: that of the sibling alone", a.kept.exits(), "bad")
					check(t, "casts that failed", len(eventsOf[tracing.CastFailed](a.kept)), 0)
					check(t, "dead letters", len(eventsOf[tracing.DeadLetter](a.kept)), 1)
					check(t, "closed", closed, 0)
					n, err := actor.Call(t.Context(), a.s, next)
					check(t, "the successor", answer(n, err), "204, <nil>")
					synctest.Wait()
					check(t, "Stats", a.s.Stats(), mailbox.Stats{Handled: 4, Dead: 1})
					if err := a.tree.Stop(context.Background()); err != nil {
						t.Errorf("Stop: got %v, want nil: everything has returned", err)
					}
				})
			})
		}
	}
}

// What an abandoned handler sends with its ctx is refused.
func TestS194_AbandonedHandlerCanSendNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		target, to := actor.NewServer("target", openState), numbers(new(journal), actor.Options{}, nil)
		a := plantAbandoning(t, actor.ServerOptions[state]{})
		plant(t, target, to)
		release := make(chan struct{})
		cast(t, a.s, func(ctx context.Context, _ *state) (int, error) {
			<-release
			j.add("%v", to.Send(ctx, 1))
			j.add("%v", actor.Cast(ctx, target, next))
			_, err := actor.Call(ctx, target, next)
			j.add("%v", err)
			j.add("%v", actor.Cast(ctx, a.s, next)) // its successor
			return 0, nil
		})
		a.abandon(t)
		close(release)
		synctest.Wait()
		const refused = "send: context canceled: killed"
		check(t, "errors", j.take(), fmt.Sprintf("tree/numbers: %s, tree/target: %s, tree/target: %s, tree/inner/s: %s",
			refused, refused, refused, refused))
		check(t, "Stats", target.Stats(), mailbox.Stats{})
		n, err := actor.Call(t.Context(), a.s, next)
		check(t, "the successor", answer(n, err), "201, <nil>")
	})
}

// Answers that an abandoned incarnation has deferred are given by nobody.
func TestS194_DeferredAnswersOfAnAbandonedIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := plantAbandoning(t, actor.ServerOptions[state]{})
		release := make(chan struct{})
		replies := make(chan actor.Reply[int], 1)
		outcome := make(chan string, 1)
		go func() { outcome <- answer(actor.Call(t.Context(), a.s, deferring(replies))) }()
		synctest.Wait()
		cast(t, a.s, busy(release, 0))
		a.abandon(t)
		check(t, "outcome", <-outcome, "0, tree/inner/s: callee ended before it replied: killed")
		check(t, "Give", (<-replies).Give(1, nil), false)
		close(release)
		synctest.Wait()
	})
}

// An incarnation that is abandoned while it opens never gets at the mailbox,
// which its successor has by then; what it has opened is closed.
func TestS16_AbandonedWhileItOpens(t *testing.T) {
	for name, late := range map[string]func(context.Context) error{
		"success": nothing, "error": fails, "panic": panics, "goexit": goexits,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				release := make(chan struct{})
				opened := 0
				s := actor.NewServer("s", func(ctx context.Context) (*state, error) {
					if opened++; opened == 2 {
						<-release
						return &state{n: 1000}, late(ctx)
					}
					return &state{n: 100 * opened}, nil
				}, actor.ServerOptions[state]{Close: func(_ context.Context, s *state, reason exit.Reason) error {
					j.add("close %d: %v", s.n, reason)
					return nil
				}})
				sibling := make(chan struct{})
				tree, kept := plantWith(t, supervisor.Policy{Strategy: strategy.OneForAll},
					supervisor.New("inner", supervisor.Policy{}, within(time.Second, s)), crashing(sibling))
				cast(t, s, crash, next)
				synctest.Wait() // in the second open
				sibling <- struct{}{}
				time.Sleep(2 * time.Second)
				n, err := actor.Call(t.Context(), s, next)
				check(t, "the successor has the queue", answer(n, err), "302, <nil>")
				check(t, "journal", j.take(), "close 100: panic: boom")

				close(release)
				synctest.Wait()
				want := ""
				if name == "success" {
					want = "close 1000: killed"
				}
				check(t, "journal", j.take(), want)
				n, err = actor.Call(t.Context(), s, next)
				check(t, "the successor still has it", answer(n, err), "303, <nil>")
				synctest.Wait()
				check(t, "Stats", s.Stats(), mailbox.Stats{Handled: 3, Dead: 1})
				check(t, "returned", len(eventsOf[tracing.Returned](kept)), 1)
				if err := tree.Stop(context.Background()); err != nil {
					t.Errorf("Stop: got %v, want nil", err)
				}
			})
		})
	}
}

// A loop that is abandoned gets nothing more from its inbox.
func TestS194_AbandonedLoopGetsNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		release := make(chan struct{})
		a := actor.New("a", func(ctx context.Context) (actor.Behavior[int], error) {
			life := incarnation.From(ctx).Number()
			return actor.Behavior[int]{Loop: func(ctx context.Context, in *mailbox.Inbox[int]) error {
				for {
					select {
					case e := <-in.C:
						n, ok := in.Open(e)
						j.add("%d:%d %t", life, n, ok)
						if n == 0 {
							<-release
							for n := range in.Rest() {
								j.add("stolen %d", n)
							}
							select {
							case e := <-in.C:
								if n, ok := in.Open(e); ok {
									j.add("stolen %d", n)
								}
							default:
							}
							return errBad
						}
					case <-ctx.Done():
						return nil
					}
				}
			}}, nil
		})
		crash := make(chan struct{})
		tree, kept := plantWith(t, supervisor.Policy{Strategy: strategy.OneForAll}, within(time.Second, a), crashing(crash))
		var sent sends
		sent.send(t, a, 1, 0, 2, 3)
		synctest.Wait()
		crash <- struct{}{}
		time.Sleep(2 * time.Second)
		close(release)
		synctest.Wait()
		sent.send(t, a, 4)
		synctest.Wait()
		check(t, "journal", j.take(), "1:1 true, 1:0 true, 2:2 true, 2:3 true, 2:4 true")
		check(t, "dead letters", kept.deadLetters(), "0: in hand of an abandoned incarnation")
		sent.conserved(t, a.Stats())
		if err := tree.Stop(context.Background()); err != nil {
			t.Errorf("Stop: got %v, want nil", err)
		}
	})
}

// Every message arrives once or is a dead letter, while senders go on and the
// actor is abandoned.
func TestS194_NothingIsLostOrDoubledAtAnAbandonment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const senders, each = 4, 200
		handled := make([]int, senders*each)
		release, crash := make(chan struct{}), make(chan struct{})
		a := actor.New("a", func(ctx context.Context) (actor.Behavior[int], error) {
			first := incarnation.From(ctx).Number() == 1
			return actor.Behavior[int]{Receive: func(_ context.Context, n int) error {
				if first && n == each/2 {
					<-release
					return nil
				}
				handled[n]++
				return nil
			}}, nil
		}, actor.Options{Mailbox: mailbox.Options{Capacity: 3}})
		tree, kept := plantWith(t, supervisor.Policy{Strategy: strategy.OneForAll}, within(time.Second, a), crashing(crash))
		for s := range senders {
			go func() {
				for n := range each {
					if err := a.Send(t.Context(), s*each+n); err != nil {
						t.Errorf("Send: %v", err)
					}
				}
			}()
		}
		synctest.Wait() // stuck, and the mailbox is full
		crash <- struct{}{}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		close(release)
		synctest.Wait()
		if err := tree.Stop(context.Background()); err != nil {
			t.Errorf("Stop: got %v, want nil", err)
		}
		letters := eventsOf[tracing.DeadLetter](kept)
		for _, letter := range letters {
			handled[letter.Message.(int)]++
		}
		for n, times := range handled {
			if times != 1 {
				t.Errorf("message %d: handled or buried %d times, want once", n, times)
			}
		}
		sent := sends{accepted: senders * each}
		sent.conserved(t, a.Stats())
		check(t, "Dead", int(a.Stats().Dead), len(letters))
	})
}
