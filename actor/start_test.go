package actor_test

import (
	"context"
	"errors"
	"fmt"
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

func TestCheckTellsAllFaultsAtOnce(t *testing.T) {
	open := func(context.Context) (actor.Behavior[int], error) { return actor.Behavior[int]{}, nil }
	for _, test := range []struct {
		name  string
		child interface{ Check() error }
		want  string // lines, joined by "; "
	}{
		{"right", actor.New("a", open), ""},
		{"right server", actor.NewServer("s", openState), ""},
		{"nil open", actor.New[int]("a", nil), "open: nil"},
		{"nil open of a server", actor.NewServer[state]("s", nil), "open: nil"},
		{"two options", actor.New("a", open, actor.Options{}, actor.Options{}), "options: 2 values, at most one is taken"},
		{"two options of a server", actor.NewServer("s", openState, actor.ServerOptions[state]{}, actor.ServerOptions[state]{}),
			"options: 2 values, at most one is taken"},
		{"fresh and retries", actor.New("a", open, actor.Options{Retries: 1, Mailbox: mailbox.Options{Fresh: true}}),
			"Retries: a Fresh mailbox keeps no message for the next incarnation"},
		{"unbuffered and parking", actor.New("a", open, actor.Options{ParkAfter: 1, Mailbox: mailbox.Options{Capacity: mailbox.Unbuffered}}),
			"ParkAfter: an unbuffered mailbox needs a receiver that waits"},
		{"everything", actor.New[int]("a", nil, actor.Options{
			Mailbox:        mailbox.Options{Capacity: -7, Overflow: 9, Drain: 9},
			Retries:        -1,
			ParkAfter:      -time.Second,
			HandlerTimeout: -time.Second,
		}), "Mailbox: Capacity: -7 is negative; Mailbox: Overflow: overflow(9) is neither Block, Reject, DropNewest nor DropOldest; " +
			"Mailbox: Drain: drain(9) is neither DrainAll, FinishInHand nor Discard; " +
			"Retries: -1 is negative; ParkAfter: -1s is negative; HandlerTimeout: -1s is negative; open: nil"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := test.child.Check(); err != nil {
				got = strings.ReplaceAll(err.Error(), "\n", "; ")
			}
			check(t, "Check", got, test.want)
		})
	}
}

// A supervisor asks before it starts anything, and says whose fault it is.
func TestS10_FaultsStartNothing(t *testing.T) {
	var j journal
	right := numbers(&j, actor.Options{}, nil)
	tree := supervisor.New("tree", supervisor.Policy{}, right, actor.New[int]("wrong", nil, actor.Options{Retries: -1}))
	_, err := tree.Start(t.Context())
	for _, want := range []string{`child 2 "wrong"`, "Retries: -1 is negative", "open: nil"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start: got %v, want %q in it", err, want)
		}
	}
	check(t, "journal", j.take(), "")
}

func TestBehaviorThatCannotBe(t *testing.T) {
	receive := func(context.Context, int) error { return nil }
	loop := func(context.Context, *mailbox.Inbox[int]) error { return nil }
	for _, test := range []struct {
		name     string
		behavior actor.Behavior[int]
		options  actor.Options
		want     string
	}{
		{"neither", actor.Behavior[int]{}, actor.Options{}, "start tree/a: Behavior: exactly one of Receive and Loop must be set"},
		{"both", actor.Behavior[int]{Receive: receive, Loop: loop}, actor.Options{},
			"start tree/a: Behavior: exactly one of Receive and Loop must be set"},
		{"loop and retries", actor.Behavior[int]{Loop: loop}, actor.Options{Retries: 1},
			"start tree/a: Retries: a Loop takes its messages itself and cannot be given one again"},
		{"loop and parking", actor.Behavior[int]{Loop: loop}, actor.Options{ParkAfter: 1},
			"start tree/a: ParkAfter: a Loop keeps its goroutine"},
	} {
		t.Run(test.name, func(t *testing.T) {
			open := func(context.Context) (actor.Behavior[int], error) { return test.behavior, nil }
			a := actor.New("a", open, test.options)
			_, err := supervisor.New("tree", supervisor.Policy{Tracing: quiet()}, a).Start(t.Context())
			check(t, "Start", fmt.Sprint(err), test.want)
			if err := a.Send(t.Context(), 1); !errors.Is(err, actor.ErrNoProc) {
				t.Errorf("Send: got %v, want %v", err, actor.ErrNoProc)
			}
		})
	}
}

// A failed init: nothing to clean up, an error, no process (S13, S144).
func TestS144_OpenThatFails(t *testing.T) {
	for _, test := range []struct {
		name string
		open func(context.Context) error
		want string
	}{
		{"error", fails, "bad"},
		{"S13 clean reason", func(context.Context) error { return exit.Normal }, "normal"},
		{"panic", panics, "panic: boom"},
		{"goexit", goexits, "goroutine left by runtime.Goexit"},
		{"no state", func(context.Context) error { return nil }, "open: neither a state nor an error"},
	} {
		t.Run(test.name, func(t *testing.T) {
			closed := false
			s := actor.NewServer("s", func(ctx context.Context) (*state, error) { return nil, test.open(ctx) },
				actor.ServerOptions[state]{Close: func(context.Context, *state, exit.Reason) error {
					closed = true
					return nil
				}})
			_, err := supervisor.New("tree", supervisor.Policy{Tracing: quiet()}, s).Start(t.Context())
			check(t, "Start", fmt.Sprint(err), "start tree/s: "+test.want)
			check(t, "closed", closed, false)
			_, err = actor.Call(t.Context(), s, next)
			check(t, "Call", fmt.Sprint(err), "tree/s: no such process: not started, or gone for good")
		})
	}
}

// A restart that fails to open is tried again, and meanwhile messages wait.
func TestS65_OpenThatFailsAtARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		s := actor.NewServer("s", func(context.Context) (*state, error) {
			if opened++; opened == 2 || opened == 3 {
				return nil, errBad
			}
			return new(state), nil
		})
		_, kept := plantWith(t, supervisor.Policy{Restarts: strategy.Unlimited, Backoff: strategy.Constant(time.Second)}, s)
		start := time.Now()
		if err := actor.Cast(t.Context(), s, crash); err != nil {
			t.Error(err)
		}
		n, err := actor.Call(t.Context(), s, next)
		check(t, "Call", answer(n, err), "1, <nil>")
		check(t, "after", time.Since(start), 3*time.Second)
		check(t, "failed starts", len(eventsOf[tracing.StartFailed](kept)), 2)
	})
}

func TestS14_IgnoreIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ignore := false
		release := make(chan struct{})
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			if ignore {
				return actor.Behavior[int]{}, actor.Ignore
			}
			return actor.Behavior[int]{Receive: func(context.Context, int) error { <-release; return errBad }}, nil
		})
		tree, kept := plant(t, a)
		// At a restart: what waits becomes dead letters, the place stays.
		ignore = true
		var sent sends
		sent.send(t, a, 1, 2)
		close(release)
		synctest.Wait()
		check(t, "dead letters", kept.deadLetters(), "1: in hand at a crash, 2: discarded")
		check(t, "Send", fmt.Sprint(a.Send(t.Context(), 3)), "tree/a: no such process: not started, or gone for good")
		sent.conserved(t, a.Stats())

		// By hand, first still declining.
		if err := tree.RestartChild(t.Context(), "a"); err != nil {
			t.Errorf("RestartChild: got %v, want nil", err)
		}
		check(t, "Send", fmt.Sprint(a.Send(t.Context(), 3)), "tree/a: no such process: not started, or gone for good")
		ignore = false
		if err := tree.RestartChild(t.Context(), "a"); err != nil {
			t.Errorf("RestartChild: got %v, want nil", err)
		}
		check(t, "Send", fmt.Sprint(a.Send(t.Context(), 4)), "<nil>")
	})
}

func TestS14_IgnoreAtTheFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := func(context.Context) (*state, error) { return nil, actor.Ignore }
		s := actor.NewServer("s", open)
		plant(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := actor.Call(ctx, s, next)
		check(t, "Call", fmt.Sprint(err), "tree/s: no such process: not started, or gone for good")
	})
}

func TestOneActorInTwoPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		first, _ := plant(t, supervisor.New("inner", supervisor.Policy{}, s))

		second := supervisor.New("second", supervisor.Policy{Tracing: quiet()}, s)
		_, err := second.Start(t.Context())
		check(t, "Start", fmt.Sprint(err), "start second/s: already started as tree/inner/s")
		if !errors.Is(err, actor.ErrAlreadyStarted) {
			t.Errorf("got %v, want %v", err, actor.ErrAlreadyStarted)
		}
		// The first place is none the worse for it.
		n, err := actor.Call(t.Context(), s, next)
		check(t, "Call", answer(n, err), "1, <nil>")

		if err := first.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if _, err := second.Start(t.Context()); err != nil {
			t.Errorf("Start when the place is free: got %v, want nil", err)
		}
		n, err = actor.Call(t.Context(), s, next)
		check(t, "Call", answer(n, err), "1, <nil>")
		check(t, "path", s.Path(), "second/s")
		if err := second.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestStartWithoutASupervisor(t *testing.T) {
	a := numbers(new(journal), actor.Options{}, nil)
	for name, start := range map[string]func(context.Context) (func() error, error){
		"numbers": a.Start, "s": actor.NewServer("s", openState).Start,
	} {
		_, err := start(t.Context())
		check(t, "Start", fmt.Sprint(err), name+": an actor is started by a supervisor")
		check(t, "is ErrUnsupervised", errors.Is(err, actor.ErrUnsupervised), true)
	}
}

// A handler's ctx belongs to the actor that runs: it starts no other.
func TestStartInAHandlerIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := actor.NewServer("other", func(context.Context) (*int, error) { return new(int), nil })
		refused := make(chan error, 1)
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(ctx context.Context, _ int) error {
				_, err := other.Start(ctx)
				refused <- err
				return nil
			}}, nil
		})
		tree, _ := plant(t, a)
		var sent sends
		sent.send(t, a, 1)
		err := <-refused
		check(t, "Start", fmt.Sprint(err), "other: an actor is started by a supervisor: this ctx is that of tree/a, which runs already")
		check(t, "is ErrUnsupervised", errors.Is(err, actor.ErrUnsupervised), true)
		if err := tree.Stop(t.Context()); err != nil {
			t.Errorf("Stop: got %v, want nil", err)
		}
	})
}

// The ctx of open is that of its own actor, whose start is refused if open gives it to
// another one. What open has made is closed again.
func TestOpenThatStartsAnotherActorWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		other := numbers(new(journal), actor.Options{}, nil)
		a := actor.New("a", func(ctx context.Context) (actor.Behavior[int], error) {
			if _, err := other.Start(ctx); err != nil {
				t.Errorf("start of the other: got %v, want nil", err)
			}
			return actor.Behavior[int]{
				Receive: func(context.Context, int) error { return nil },
				Close:   func(context.Context, exit.Reason) error { j.add("closed"); return nil },
			}, nil
		})
		_, err := supervisor.New("tree", supervisor.Policy{Tracing: quiet()}, a).Start(t.Context())
		if !errors.Is(err, actor.ErrUnsupervised) || !strings.HasSuffix(err.Error(), "an actor is started by a supervisor: another one was started with this ctx, that of tree/a") {
			t.Errorf("got %v, want that another one was started with this ctx", err)
		}
		check(t, "journal", j.take(), "closed")
		for _, a := range []*actor.Actor[int]{a, other} {
			if err := a.Send(t.Context(), 1); !errors.Is(err, actor.ErrNoProc) {
				t.Errorf("send to %s: got %v, want %v", a, err, actor.ErrNoProc)
			}
		}
	})
}

// What makes no sense is a failed start, at a restart as well.
func TestS157_OpenThatGivesNonsense(t *testing.T) {
	receive := func(context.Context, int) error { return nil }
	loop := func(ctx context.Context, _ *mailbox.Inbox[int]) error { <-ctx.Done(); return nil }
	behavior := func(nonsense actor.Behavior[int]) func(opened *int) supervisor.Child {
		return func(opened *int) supervisor.Child {
			return actor.New("a", func(context.Context) (actor.Behavior[int], error) {
				if *opened++; *opened == 2 {
					return nonsense, nil
				}
				return actor.Behavior[int]{Receive: func(context.Context, int) error { return errBad }}, nil
			})
		}
	}
	for _, test := range []struct {
		name string
		make func(opened *int) supervisor.Child
		want string
	}{
		{"neither state nor error", func(opened *int) supervisor.Child {
			return actor.NewServer("a", func(context.Context) (*state, error) {
				if *opened++; *opened == 2 {
					return nil, nil
				}
				return new(state), nil
			})
		}, "open: neither a state nor an error"},
		{"neither Receive nor Loop", behavior(actor.Behavior[int]{}), "Behavior: exactly one of Receive and Loop must be set"},
		{"both", behavior(actor.Behavior[int]{Receive: receive, Loop: loop}), "Behavior: exactly one of Receive and Loop must be set"},
		{"Loop and HandlerTimeout", func(opened *int) supervisor.Child {
			return actor.New("a", func(context.Context) (actor.Behavior[int], error) {
				if *opened++; *opened == 2 {
					return actor.Behavior[int]{Loop: loop}, nil
				}
				return actor.Behavior[int]{Receive: func(context.Context, int) error { return errBad }}, nil
			}, actor.Options{HandlerTimeout: time.Second})
		}, "HandlerTimeout: a Loop takes its messages itself and has one ctx for all"},
		{"Loop and Continue", behavior(actor.Behavior[int]{Loop: loop, Continue: nothing}), "Continue: a Loop begins with its own work"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opened := 1 // so that the first start is the one
				_, err := supervisor.New("tree", supervisor.Policy{Tracing: quiet()}, test.make(&opened)).Start(t.Context())
				check(t, "Start", fmt.Sprint(err), "start tree/a: "+test.want)

				opened = 0
				child := test.make(&opened)
				_, kept := plant(t, child)
				switch a := child.(type) {
				case *actor.Actor[int]:
					err = a.Send(t.Context(), 1)
				case *actor.Server[state]:
					err = actor.Cast(t.Context(), a, crash)
				}
				if err != nil {
					t.Error(err)
				}
				synctest.Wait()
				check(t, "opened", opened, 3)
				failed := eventsOf[tracing.StartFailed](kept)
				if len(failed) != 1 || failed[0].Reason.Error() != test.want {
					t.Errorf("failed starts: got %v, want one: %s", failed, test.want)
				}
			})
		})
	}
}

// What only a server's handler may return is an error like any other elsewhere.
func TestS157_CallbackThatReturnsNonsense(t *testing.T) {
	for _, nonsense := range []error{actor.AfterReply(nil), actor.Continue(nothing), actor.Ignore} {
		gives := func(context.Context) error { return nonsense }
		for name, behavior := range map[string]actor.Behavior[int]{
			"Receive":  {Receive: func(ctx context.Context, _ int) error { return gives(ctx) }},
			"Loop":     {Loop: func(ctx context.Context, in *mailbox.Inbox[int]) error { <-in.C; return gives(ctx) }},
			"Continue": {Continue: gives, Receive: func(context.Context, int) error { return nil }},
			"Close": {
				Receive: func(context.Context, int) error { return exit.Normal },
				Close:   func(ctx context.Context, _ exit.Reason) error { return gives(ctx) },
			},
		} {
			t.Run(fmt.Sprintf("%s: %v", name, nonsense), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := actor.New("a", func(context.Context) (actor.Behavior[int], error) { return behavior, nil })
					_, kept := plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)}, a)
					if err := a.Send(t.Context(), 1); err != nil {
						t.Error(err)
					}
					synctest.Wait()
					check(t, "exits", kept.exits(), nonsense.Error())
				})
			})
		}
	}
}
