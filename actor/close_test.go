package actor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// closing makes a server whose Close tells the journal the reason and the state,
// and then does what it is to do.
func closing(j *journal, then func(context.Context) error) *actor.Server[state] {
	return actor.NewServer("s", openState, actor.ServerOptions[state]{
		Close: func(ctx context.Context, s *state, reason exit.Reason) error {
			j.add("close: %v with %d", reason, s.n)
			return then(ctx)
		},
	})
}

func nothing(context.Context) error { return nil }

func TestS152_CleanupRunsWhateverTheEnd(t *testing.T) {
	for _, test := range []struct {
		name  string
		end   func(t *testing.T, tree *supervisor.Supervisor, s *actor.Server[state])
		want  string
		exits string
	}{
		{"on purpose", func(t *testing.T, _ *supervisor.Supervisor, s *actor.Server[state]) { cast(t, s, give(0, exit.Normal)) },
			"close: normal with 2", "normal"},
		{"panic", func(t *testing.T, _ *supervisor.Supervisor, s *actor.Server[state]) { cast(t, s, crash) },
			"close: panic: boom with 2", "panic: boom"},
		{"goexit", func(t *testing.T, _ *supervisor.Supervisor, s *actor.Server[state]) {
			cast(t, s, func(context.Context, *state) (int, error) { runtime.Goexit(); return 0, nil })
		}, "close: goroutine left by runtime.Goexit with 2", "goroutine left by runtime.Goexit"},
		{"stop", func(t *testing.T, tree *supervisor.Supervisor, _ *actor.Server[state]) {
			if err := tree.TerminateChild(t.Context(), "s"); err != nil {
				t.Error(err)
			}
		}, "close: shutdown with 2", ""},
		{"kill", func(t *testing.T, tree *supervisor.Supervisor, s *actor.Server[state]) {
			cast(t, s, func(ctx context.Context, s *state) (int, error) { <-ctx.Done(); s.n = 9; return 0, nil })
			synctest.Wait()
			if err := tree.TerminateChild(t.Context(), "s"); err != nil {
				t.Error(err)
			}
		}, "close: shutdown with 9", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				s := closing(&j, nothing)
				tree, kept := plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)}, s)
				cast(t, s, next, next)
				synctest.Wait()
				test.end(t, tree, s)
				synctest.Wait()
				check(t, "journal", j.take(), test.want)
				check(t, "exits", kept.exits(), test.exits)
			})
		})
	}
}

// S153: what goes wrong in the cleanup is the reason of the end.
func TestS153_CleanupThatFailsReplacesTheReason(t *testing.T) {
	for _, test := range []struct {
		name  string
		end   do
		close func(context.Context) error
		want  string
	}{
		{"nothing", give(0, exit.Killed), nothing, "killed"},
		{"error", give(0, exit.Normal), fails, "bad"},
		{"panic", give(0, exit.Normal), func(context.Context) error { panic("in close") }, "panic: in close"},
		{"goexit", give(0, exit.Normal), goexits, "goroutine left by runtime.Goexit"},
		{"reason", give(0, exit.Normal), func(context.Context) error { return exit.ShutdownFor(errBad) }, "shutdown: bad"},
		{"error after a panic", crash, fails, "bad"},
		{"panic after a panic", crash, func(context.Context) error { panic("in close") }, "panic: in close"},
		{"nothing after a panic", crash, nothing, "panic: boom"},
		{"error after a goexit, which cannot be replaced", func(context.Context, *state) (int, error) { runtime.Goexit(); return 0, nil },
			fails, "goroutine left by runtime.Goexit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				s := closing(&j, test.close)
				_, kept := plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)}, s)
				cast(t, s, test.end)
				synctest.Wait()
				check(t, "exits", kept.exits(), test.want)
			})
		})
	}
}

func TestS153_CleanupThatFailsAtTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := closing(&j, fails)
		tree, kept := plant(t, s)
		if err := tree.TerminateChild(t.Context(), "s"); err != nil {
			t.Errorf("TerminateChild: got %v, want nil: the stop goes on (S87)", err)
		}
		stops := eventsOf[tracing.Terminated](kept)
		if len(stops) != 1 || stops[0].Reason.Error() != "bad" {
			t.Errorf("got %v, want one stop with the reason of the cleanup", stops)
		}
	})
}

// The ctx of the cleanup is that of the work: alive when the stop is asked, and
// dead when the time is over.
func TestContextOfTheCleanup(t *testing.T) {
	for _, test := range []struct {
		name   string
		before time.Duration // of the ten seconds, that a message takes
		want   string
	}{
		{"in time", 0, "canceled after 9s: killed"},
		{"late", 5 * time.Second, "canceled after 4s: killed"},
		{"too late", 9 * time.Second, "canceled after 0s: killed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				s := closing(new(journal), func(ctx context.Context) error {
					start := time.Now()
					<-ctx.Done()
					j.add("canceled after %v: %v", time.Since(start), context.Cause(ctx))
					return nil
				})
				tree, _ := plant(t, within(10*time.Second, s))
				cast(t, s, func(context.Context, *state) (int, error) { time.Sleep(test.before); return 0, nil })
				synctest.Wait()
				if err := tree.TerminateChild(t.Context(), "s"); err != nil {
					t.Error(err)
				}
				check(t, "journal", j.take(), test.want)
			})
		})
	}
}

// After a crash nobody hurries the cleanup.
func TestContextOfTheCleanupAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := closing(&j, func(ctx context.Context) error { j.add("%v %s", ctx.Err(), actor.Path(ctx)); return nil })
		plant(t, s)
		cast(t, s, crash)
		synctest.Wait()
		check(t, "journal", j.take(), "close: panic: boom with 0, <nil> tree/s")
	})
}

// S150: the cleanup runs to its end, then the reply is sent.
func TestS150_ReplyAfterCleanup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name   string
			reason exit.Reason
			exit   string
		}{
			{"nil is normal", nil, "normal"},
			{"shutdown", exit.ShutdownFor(errBad), "shutdown: bad"},
			{"abnormal", exit.Killed, "killed"},
			{"nil inside", (*exit.Failure)(nil), "<nil>"},
		} {
			var j journal
			s := closing(&j, func(context.Context) error { time.Sleep(time.Second); j.add("closed"); return nil })
			tree, kept := plantWith(t, supervisor.Policy{Backoff: strategy.Constant(time.Hour)}, s)
			start := time.Now()
			n, err := actor.Call(t.Context(), s, do(func(context.Context, *state) (int, error) { return 5, actor.AfterReply(test.reason) }))
			j.add("answered")
			check(t, test.name, answer(n, err), "5, <nil>")
			check(t, test.name+", after", time.Since(start), time.Second)
			synctest.Wait()
			check(t, test.name, j.take(), "close: "+test.exit+" with 0, closed, answered")
			check(t, test.name, kept.exits(), test.exit)
			if err := tree.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
}

// If the cleanup fails there is no reply: the caller hears why.
func TestS150_CleanupThatFailsBeforeTheReply(t *testing.T) {
	for _, test := range []struct {
		name  string
		close func(context.Context) error
		want  string
	}{
		{"error", fails, "bad"},
		{"panic", panics, "panic: boom"},
		{"goexit", goexits, "goroutine left by runtime.Goexit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := closing(new(journal), test.close)
				plant(t, s)
				n, err := actor.Call(t.Context(), s, give(5, actor.AfterReply(nil)))
				check(t, "outcome", answer(n, err), "0, tree/s: callee ended before it replied: "+test.want)
				if !errors.Is(err, actor.ErrEnded) {
					t.Errorf("got %v, want %v", err, actor.ErrEnded)
				}
			})
		})
	}
}

// A cleanup that never ends: the caller hears when the server is abandoned.
func TestS150_AbandonedInTheCleanup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := closing(new(journal), until(release))
		tree, _ := plant(t, within(time.Second, s))
		start := time.Now()
		outcome := make(chan string)
		go func() {
			n, err := actor.Call(t.Context(), s, give(5, actor.AfterReply(nil)))
			outcome <- fmt.Sprintf("%s after %v", answer(n, err), time.Since(start))
		}()
		synctest.Wait()
		if err := tree.TerminateChild(t.Context(), "s"); err != nil {
			t.Error(err)
		}
		check(t, "outcome", <-outcome, "0, tree/s: callee ended before it replied: killed after 1s")
		close(release)
		synctest.Wait()
	})
}

// In a cast AfterReply is an end on purpose; in an actor, which answers nobody,
// it is an error like any other.
func TestAfterReplyWithoutACaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		a := numbers(new(journal), actor.Options{}, map[int]func(context.Context) error{
			1: func(context.Context) error { return actor.AfterReply(exit.Normal) },
		})
		_, kept := plant(t, s, a)
		cast(t, s, give(0, actor.AfterReply(exit.Killed)))
		synctest.Wait()
		if err := a.Send(t.Context(), 1); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		check(t, "exits", kept.exits(), "killed, after the reply: normal")
	})
}

// A call that is answered by AfterReply is the stop that its caller waits for:
// the answer says that the server has cleaned up and ends with that reason. What
// follows is its restart type's, and where it is gone there is nobody to stop.
func TestS156_StopThatItsCallerWaitsFor(t *testing.T) {
	for _, test := range []struct {
		restart strategy.Restart
		reason  exit.Reason
		gone    bool
	}{
		{strategy.Permanent, exit.Normal, false},
		{strategy.Transient, exit.Normal, true},
		{strategy.Transient, exit.ShutdownFor(errBad), true},
		{strategy.Transient, exit.Killed, false},
		{strategy.Temporary, exit.Killed, true},
	} {
		t.Run(fmt.Sprint(test.restart, " ", test.reason), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				s := closing(&j, func(context.Context) error { time.Sleep(time.Second); return nil })
				_, kept := plant(t, supervisor.Spec{Child: s, Restart: test.restart})
				cast(t, s, next, next)
				start := time.Now()
				stop := give(5, actor.AfterReply(test.reason))
				n, err := actor.Call(t.Context(), s, stop)
				check(t, "outcome", answer(n, err), "5, <nil>")
				check(t, "after", time.Since(start), time.Second)
				check(t, "journal", j.take(), fmt.Sprintf("close: %v with 2", test.reason))
				synctest.Wait()
				check(t, "exits", kept.exits(), test.reason.Error())
				want := "1, <nil>" // of a fresh state
				if test.gone {
					want = "0, tree/s: no such process: not started, or gone for good"
				}
				n, err = actor.Call(t.Context(), s, next)
				check(t, "afterwards", answer(n, err), want)
				n, err = actor.Call(t.Context(), s, stop)
				if !test.gone {
					want = "5, <nil>"
				}
				check(t, "stopped again", answer(n, err), want)
			})
		})
	}
}

// It fails with the reason of another end, or when its caller has waited for
// long enough; then the server ends all the same.
func TestS156_StopThatFails(t *testing.T) {
	for _, test := range []struct {
		name  string
		stop  do
		close func(context.Context) error
		want  string
		exits string
	}{
		{"another end", crash, nothing, "0, tree/s: callee ended before it replied: panic: boom", "panic: boom"},
		{"another end in the cleanup", give(5, actor.AfterReply(nil)), fails, "0, tree/s: callee ended before it replied: bad", "bad"},
		{"too slow", give(5, actor.AfterReply(nil)), func(context.Context) error { time.Sleep(time.Minute); return nil },
			"0, tree/s: context deadline exceeded", "normal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := closing(new(journal), test.close)
				_, kept := plant(t, supervisor.Spec{Child: s, Restart: strategy.Temporary})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				n, err := actor.Call(ctx, s, test.stop)
				check(t, "outcome", answer(n, err), test.want)
				time.Sleep(time.Hour)
				check(t, "exits", kept.exits(), test.exits)
				n, err = actor.Call(t.Context(), s, next)
				check(t, "afterwards", answer(n, err), "0, tree/s: no such process: not started, or gone for good")
			})
		})
	}
}
