package actor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func TestReceiveHandlesMessagesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var sent sends
		a := numbers(&j, actor.Options{}, nil)
		tree, _ := plant(t, a)
		sent.send(t, a, 1, 2, 3)
		synctest.Wait()
		sent.conserved(t, a.Stats())
		if err := tree.Stop(context.Background()); err != nil {
			t.Errorf("Stop: got %v, want nil", err)
		}
		check(t, "journal", j.take(), "open 1, 1:1, 1:2, 1:3, close 1: shutdown")
		check(t, "Stats", a.Stats(), mailbox.Stats{Handled: 3})
	})
}

// An incarnation's state is what open allocates, so nothing of it survives.
func TestStateIsFreshInEachIncarnation(t *testing.T) {
	for name, ending := range map[string]func(context.Context) error{
		"error": fails, "panic": panics, "S3 goexit": goexits,
		"reason": func(context.Context) error { return exit.Normal },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
					sum := 0
					return actor.Behavior[int]{Receive: func(ctx context.Context, n int) error {
						if n == 0 {
							return ending(ctx)
						}
						sum += n
						j.add("%d", sum)
						return nil
					}}, nil
				})
				plant(t, a)
				var sent sends
				sent.send(t, a, 1, 2, 0, 5, 6)
				synctest.Wait()
				check(t, "sums", j.take(), "1, 3, 5, 11")
				sent.conserved(t, a.Stats())
			})
		})
	}
}

func TestS3_ReasonOfTheEnd(t *testing.T) {
	for _, test := range []struct {
		name   string
		ending func(context.Context) error
		want   string
		dead   string // letters
	}{
		{"error", fails, "bad", "1: in hand at a crash"},
		{"panic", panics, "panic: boom", "1: in hand at a crash"},
		{"panic with a reason", func(context.Context) error { panic(exit.Normal) }, "panic: normal", "1: in hand at a crash"},
		{"goexit", goexits, "goroutine left by runtime.Goexit", "1: in hand at a crash"},
		{"on purpose", func(context.Context) error { return exit.ShutdownFor(errBad) }, "shutdown: bad", ""},
		{"on purpose, abnormal", func(context.Context) error { return exit.Killed }, "killed", ""},
		{"wrapped reason", func(context.Context) error { return fmt.Errorf("w: %w", exit.Normal) }, "w: normal", "1: in hand at a crash"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{1: test.ending})
				_, kept := plant(t, a)
				var sent sends
				sent.send(t, a, 1)
				synctest.Wait()
				check(t, "journal", j.take(), "open 1, 1:1, close 1: "+test.want+", open 2")
				check(t, "exits", kept.exits(), test.want)
				check(t, "dead letters", kept.deadLetters(), test.dead)
				sent.conserved(t, a.Stats())
			})
		})
	}
}

// A Goexit goes on after a panic on its way out was recovered: Close, which comes in
// between, hears of the panic, and the supervisor of the Goexit.
func TestPanicOnTheWayOutOfGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{1: func(ctx context.Context) error {
			defer func() { _ = panics(ctx) }()
			return goexits(ctx)
		}})
		_, kept := plant(t, a)
		var sent sends
		sent.send(t, a, 1)
		synctest.Wait()
		check(t, "journal", j.take(), "open 1, 1:1, close 1: panic: boom, open 2")
		check(t, "exits", kept.exits(), "goroutine left by runtime.Goexit")
		check(t, "dead letters", kept.deadLetters(), "1: in hand at a crash")
		sent.conserved(t, a.Stats())
	})
}

func TestLoopOpensEnvelopesAndSelectsBesideThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ticks := make(chan int)
		a := actor.New("a", func(context.Context) (actor.Behavior[string], error) {
			return actor.Behavior[string]{Loop: func(ctx context.Context, in *mailbox.Inbox[string]) error {
				for {
					select {
					case e := <-in.C:
						if m, ok := in.Open(e); ok {
							j.add("got %s", m)
						}
					case n := <-ticks:
						j.add("tick %d", n)
					case <-ctx.Done():
						for m := range in.Rest() {
							j.add("rest %s", m)
						}
						return context.Cause(ctx)
					}
				}
			}}, nil
		})
		tree, kept := plant(t, a)
		for _, m := range []string{"a", "b"} {
			if err := a.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		check(t, "Stats with b in hand", a.Stats(), mailbox.Stats{Handled: 1, InHand: 1})
		ticks <- 1
		synctest.Wait()
		check(t, "journal", j.take(), "got a, got b, tick 1")
		if err := tree.Stop(context.Background()); err != nil {
			t.Errorf("Stop: got %v, want nil", err)
		}
		check(t, "Stats", a.Stats(), mailbox.Stats{Handled: 2})
		check(t, "dead letters", kept.deadLetters(), "")
	})
}

// What a loop leaves in the mailbox when the stop is asked is not lost: it can
// be drained with Rest, and otherwise becomes dead letters.
func TestS154_LoopDrainsWithRest(t *testing.T) {
	for _, test := range []struct {
		name  string
		rest  int // how many it takes
		stats mailbox.Stats
		dead  string
	}{
		{"all", 9, mailbox.Stats{Handled: 4}, ""},
		{"some", 2, mailbox.Stats{Handled: 3, Dead: 1}, "4: discarded"},
		{"none", 0, mailbox.Stats{Handled: 1, Dead: 3}, "2: discarded, 3: discarded, 4: discarded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
					return actor.Behavior[int]{Loop: func(ctx context.Context, in *mailbox.Inbox[int]) error {
						in.Open(<-in.C)
						<-ctx.Done()
						left := test.rest
						if left == 0 {
							return nil
						}
						for range in.Rest() {
							if left--; left == 0 {
								break
							}
						}
						return nil
					}}, nil
				})
				tree, kept := plant(t, a)
				var sent sends
				sent.send(t, a, 1, 2, 3, 4)
				synctest.Wait()
				if err := tree.Stop(context.Background()); err != nil {
					t.Errorf("Stop: got %v, want nil", err)
				}
				check(t, "Stats", a.Stats(), test.stats)
				check(t, "dead letters", kept.deadLetters(), test.dead)
				sent.conserved(t, a.Stats())
			})
		})
	}
}

// A loop has in hand what it has opened last.
func TestLoopThatCrashesLosesWhatItHasInHand(t *testing.T) {
	for _, test := range []struct {
		name   string
		ending func(context.Context) error
		dead   string
	}{
		{"error", fails, "1: in hand at a crash"},
		{"panic", panics, "1: in hand at a crash"},
		{"goexit", goexits, "1: in hand at a crash"},
		{"nil", func(context.Context) error { return nil }, ""},
		{"reason", func(context.Context) error { return exit.Killed }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
					return actor.Behavior[int]{Loop: func(ctx context.Context, in *mailbox.Inbox[int]) error {
						for {
							select {
							case e := <-in.C:
								n, _ := in.Open(e)
								j.add("%d", n)
								if n == 1 {
									return test.ending(ctx)
								}
							case <-ctx.Done():
								return nil
							}
						}
					}}, nil
				})
				_, kept := plant(t, a)
				var sent sends
				sent.send(t, a, 1, 2)
				synctest.Wait()
				check(t, "journal", j.take(), "1, 2")
				check(t, "dead letters", kept.deadLetters(), test.dead)
				sent.conserved(t, a.Stats())
			})
		})
	}
}

func TestLoopThatIsDoneWithAMessageDoesNotLoseIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Loop: func(_ context.Context, in *mailbox.Inbox[int]) error {
				in.Open(<-in.C)
				in.Done()
				return errors.New("after the work")
			}}, nil
		})
		_, kept := plant(t, a)
		var sent sends
		sent.send(t, a, 1, 2)
		synctest.Wait()
		check(t, "dead letters", kept.deadLetters(), "")
		sent.conserved(t, a.Stats())
	})
}

func TestPathAndSelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		look := func(ctx context.Context, who string) {
			a, isActor := actor.Self[*actor.Actor[int]](ctx)
			s, isServer := actor.Self[*actor.Server[state]](ctx)
			target, isTarget := actor.Self[actor.Target[state]](ctx)
			j.add("%s: %s %t %v %t %v %t %v", who, actor.Path(ctx), isActor, a, isServer, s, isTarget, target)
		}
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(ctx context.Context, _ int) error {
				look(ctx, "actor")
				return nil
			}}, nil
		})
		s := actor.NewServer("s", openState)
		check(t, "names", fmt.Sprint(a.Name(), s.Name()), "as")
		check(t, "before", fmt.Sprint(a, a.Path(), s, s.Path()), "aass")

		tree, _ := plant(t, supervisor.New("inner", supervisor.Policy{}, a, s))
		check(t, "names in the tree", fmt.Sprint(a.Name(), s.Name()), "as")
		check(t, "in the tree", fmt.Sprintf("%v %s %v %s", a, a.Path(), s, s.Path()), "tree/inner/a tree/inner/a tree/inner/s tree/inner/s")
		if err := a.Send(t.Context(), 1); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		check(t, "actor", j.take(), "actor: tree/inner/a true tree/inner/a false <nil> false <nil>")
		look2 := do(func(ctx context.Context, _ *state) (int, error) { look(ctx, "server"); return 0, nil })
		if _, err := actor.Call(t.Context(), s, look2); err != nil {
			t.Error(err)
		}
		check(t, "server", j.take(), "server: tree/inner/s false <nil> true tree/inner/s true tree/inner/s")
		look(t.Context(), "test")
		check(t, "outside", j.take(), "test:  false <nil> false <nil> false <nil>")

		if err := tree.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		check(t, "after", fmt.Sprint(a, s), "a s")
	})
}

func TestS86_ReturningTheCauseIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := numbers(&j, actor.Options{Mailbox: mailbox.Options{Drain: mailbox.Discard}}, map[int]func(context.Context) error{
			1: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		})
		tree, kept := plant(t, a)
		var sent sends
		sent.send(t, a, 1)
		synctest.Wait()
		if err := tree.Stop(context.Background()); err != nil {
			t.Errorf("Stop: got %v, want nil", err)
		}
		for _, e := range eventsOf[tracing.Terminated](kept) {
			if !errors.Is(e.Reason, exit.Shutdown) || e.Overdue {
				t.Errorf("got %v, want an orderly shutdown", e)
			}
		}
		sent.conserved(t, a.Stats())
	})
}
