package actor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// What waits in a Fresh mailbox when the next incarnation begins is lost, but its
// server is not gone: callers hear that it has ended, and no reason, whichever way the
// incarnations before have ended. Each restart comes after ten seconds.
func TestS8S146_CallsInAFreshMailboxHearThatTheServerEnded(t *testing.T) {
	const ended = "0, %s: callee ended before it replied after %v"
	for _, test := range []struct {
		name    string
		drain   mailbox.Drain
		end     do   // of the message in hand; nil if that is stuck until the incarnation is abandoned
		sibling bool // a sibling before it crashes, which takes it along; else what is in hand ends it
		nested  bool // under a supervisor that gives up, and is restarted
		failing int  // the number of an incarnation that does not open
		first   time.Duration
		second  time.Duration // later than the first by as much as it has begun later
	}{
		{name: "crash", end: crash, first: 10 * time.Second, second: 8 * time.Second},
		{name: "end on purpose", end: give(0, exit.Shutdown), first: 10 * time.Second, second: 8 * time.Second},
		{name: "group restart", end: next, sibling: true, first: 10 * time.Second, second: 8 * time.Second},
		{name: "group restart, finish in hand", drain: mailbox.FinishInHand, end: next, sibling: true, first: 10 * time.Second, second: 8 * time.Second},
		{name: "group restart, discard", drain: mailbox.Discard, end: next, sibling: true, first: 10 * time.Second, second: 8 * time.Second},
		{name: "abandoned, and comes back in the backoff", sibling: true, first: 11 * time.Second, second: 9 * time.Second},
		{name: "restart of the supervisor above", end: crash, nested: true, first: 10 * time.Second, second: 8 * time.Second},
		{name: "a start fails", end: crash, failing: 2, first: 10 * time.Second, second: 8 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := actor.NewServer("s", func(ctx context.Context) (*state, error) {
					if incarnation.From(ctx).Number() == test.failing {
						return nil, errBad
					}
					return new(state), nil
				}, actor.ServerOptions[state]{Options: actor.Options{Mailbox: mailbox.Options{Drain: test.drain, Fresh: true}}})
				var child supervisor.Child = within(time.Second, s)
				if test.nested {
					child = supervisor.New("parent", supervisor.Policy{Restarts: strategy.NoRestarts}, s)
				}
				kill, gate := make(chan struct{}), make(chan struct{})
				_, kept := plantWith(t, supervisor.Policy{
					Strategy: strategy.RestForOne, Restarts: strategy.Unlimited, Backoff: strategy.Constant(10 * time.Second),
				}, crashing(kill), child)

				call := func(outcome chan<- string) {
					start := time.Now()
					n, err := actor.Call(t.Context(), s, next)
					outcome <- fmt.Sprintf("%s after %v", answer(n, err), time.Since(start))
					var send *actor.SendError
					if !errors.As(err, &send) || !errors.Is(err, actor.ErrEnded) || errors.Is(err, actor.ErrNoProc) || send.Reason != nil {
						t.Errorf("got %#v, want a *SendError of %v without a reason", err, actor.ErrEnded)
					}
				}
				cast(t, s, func(ctx context.Context, s *state) (int, error) {
					<-gate
					if test.end == nil {
						return 0, nil
					}
					return test.end(ctx, s)
				})
				synctest.Wait()
				cast(t, s, next)
				first, second, third := make(chan string, 1), make(chan string, 1), make(chan string, 1)
				go call(first)
				synctest.Wait()
				if test.sibling {
					kill <- struct{}{}
					synctest.Wait()
				}
				if test.end != nil {
					close(gate)
				}
				time.Sleep(2 * time.Second) // in backoff
				if test.end == nil {
					close(gate)
					synctest.Wait()
				}
				go call(second)
				time.Sleep(10 * time.Second) // restarted, or not
				check(t, "the first", <-first, fmt.Sprintf(ended, s, test.first))
				check(t, "the second", <-second, fmt.Sprintf(ended, s, test.second))
				if test.failing > 0 {
					go call(third)
					time.Sleep(10 * time.Second)
					check(t, "the third", <-third, fmt.Sprintf(ended, s, 8*time.Second))
				}
				n, err := actor.Call(t.Context(), s, next)
				check(t, "a call after that", answer(n, err), "1, <nil>")
				whys := make(map[string]int)
				for _, letter := range eventsOf[tracing.DeadLetter](kept) {
					whys[letter.Why]++
				}
				want := 3
				if test.failing > 0 {
					want = 4
				}
				check(t, "dead letters that had waited", whys["waiting at a restart"], want)
				check(t, "casts that failed", len(eventsOf[tracing.CastFailed](kept)), 0)
				got := s.Stats()
				check(t, "Stats", got.Handled+got.Dead, uint64(want+2))
				check(t, "Stats", got.InHand+got.Waiting, 0)
			})
		})
	}
}

func TestS8_TheSpanOfACallInAFreshMailboxSaysThatTheServerEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState, actor.ServerOptions[state]{
			Options: actor.Options{Mailbox: mailbox.Options{Fresh: true}},
		})
		tr := plantTraced(t, supervisor.Policy{Backoff: strategy.Constant(time.Second)}, s)
		cast(t, s, crash)
		synctest.Wait()
		ctx, end := tr.request(t)
		defer end()
		_, _ = actor.Call(ctx, s, next)
		status := tr.span(t, "call tree/s").Status
		check(t, "code", status.Code, codes.Error)
		check(t, "description", status.Description, "tree/s: callee ended before it replied")
	})
}
