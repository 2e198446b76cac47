package actor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// A dead letter names the incarnation that had the message in hand, also when a
// successor is there already.
func TestDeadLetterNamesTheIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		release := make(chan struct{})
		a := numbers(&j, actor.Options{Mailbox: mailbox.Options{Capacity: 1, Overflow: mailbox.DropNewest}}, map[int]func(context.Context) error{
			1: fails, 3: until(release),
		})
		crash := make(chan struct{})
		tree, kept := plantWith(t, supervisor.Policy{Strategy: strategy.OneForAll, Restarts: strategy.Unlimited}, within(time.Second, a), crashing(crash))
		var sent sends
		sent.send(t, a, 1)
		synctest.Wait()
		sent.send(t, a, 1)
		synctest.Wait()
		sent.send(t, a, 3)
		synctest.Wait()
		sent.send(t, a, 4, 5) // 5 finds no room
		crash <- struct{}{}   // 3 is stuck
		time.Sleep(time.Minute)
		close(release)
		synctest.Wait()
		if err := tree.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		var got []string
		for _, letter := range eventsOf[tracing.DeadLetter](kept) {
			got = append(got, letter.String())
		}
		check(t, "dead letters", fmt.Sprint(got), "[tree/numbers#1 dead letter: int: in hand at a crash"+
			" tree/numbers#2 dead letter: int: in hand at a crash"+
			" tree/numbers dead letter: int: overflow"+
			" tree/numbers#3 dead letter: int: in hand of an abandoned incarnation]")
		sent.conserved(t, a.Stats())
	})
}

// The messages of calls that nobody waits for any more, and of casts that failed,
// name it too.
func TestOtherLettersNameTheIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := actor.NewServer("s", openState)
		_, kept := plant(t, s)
		cast(t, s, crash, busy(release, 0))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := actor.Call(ctx, s, next)
		check(t, "the caller leaves", errors.Is(err, context.DeadlineExceeded), true)
		close(release)
		cast(t, s, give(0, errBad))
		synctest.Wait()
		letters := eventsOf[tracing.DeadLetter](kept)
		check(t, "dead letters", len(letters), 2)
		check(t, "caller gone", letters[1].String(), "tree/s#2 dead letter: actor_test.do: caller gone")
		failed := eventsOf[tracing.CastFailed](kept)
		check(t, "casts that failed", fmt.Sprint(failed), "[tree/s#2 cast failed: actor_test.do: bad]")
	})
}

// What was a call is handled, and nobody hears the answer; the caller has had
// one outcome already.
func TestResendOfACallAnswersNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := actor.NewServer("s", openState)
		_, kept := plant(t, s)
		tries, answers := 0, 0
		message := do(func(context.Context, *state) (int, error) {
			if tries++; tries == 1 {
				panic("boom")
			}
			return tries, nil
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, err := actor.Call(t.Context(), s, message)
			answers++
			check(t, "outcome", errors.Is(err, actor.ErrEnded), true)
		}()
		<-done
		synctest.Wait()
		letters := eventsOf[tracing.DeadLetter](kept)
		check(t, "dead letters", len(letters), 1)
		for range 2 { // it may be called again
			if err := letters[0].Resend(t.Context()); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		check(t, "handled", tries, 3)
		check(t, "answers", answers, 1)
		check(t, "dead letters", len(eventsOf[tracing.DeadLetter](kept)), 1)
	})
}

// Resend in a sink waits like any send, on a goroutine that others wait for: it
// has the time that its ctx gives it.
func TestResendInASinkIsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var outcomes journal
		sink := func(e tracing.Event) {
			if letter, ok := e.(tracing.DeadLetter); ok && letter.Why == "in hand at a crash" {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				err := letter.Resend(ctx)
				outcomes.add("%v", errors.Is(err, context.DeadlineExceeded))
			}
		}
		a := numbers(&j, actor.Options{Mailbox: mailbox.Options{Capacity: 1}}, map[int]func(context.Context) error{
			1: func(context.Context) error { time.Sleep(time.Second); return errBad },
		})
		plantWith(t, supervisor.Policy{Tracing: quiet(sink)}, a)
		var sent sends
		sent.send(t, a, 1, 2) // the mailbox is full when 1 crashes
		time.Sleep(time.Minute)
		check(t, "outcomes", outcomes.take(), "true")
		check(t, "what happened", j.take(), "open 1, 1:1, close 1: bad, open 2, 2:2")
	})
}

// A letter whose contents were hidden still sends the real ones.
func TestResendOfARedactedLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		kept := new(recorder)
		failed := false
		a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{
			4711: func(context.Context) error {
				if failed {
					return nil
				}
				failed = true
				return errors.New("bad 4711")
			},
		})
		tree, _ := plantWith(t, supervisor.Policy{Tracing: tracing.New(tracing.Options{
			Logger: slog.New(slog.DiscardHandler), Sinks: []tracing.Sink{kept.sink}, Redact: tracing.Redacted,
		})}, a)
		var sent sends
		sent.send(t, a, 4711)
		synctest.Wait()
		letters := eventsOf[tracing.DeadLetter](kept)
		check(t, "dead letters", fmt.Sprint(letters), "[tree/numbers#1 dead letter: int: in hand at a crash]")
		check(t, "message", fmt.Sprint(letters[0].Message), "redacted int")
		check(t, "message of the crash", fmt.Sprint(tree.Crashes()[0].Message), "redacted int")
		check(t, "crashes", fmt.Sprint(tree.Crashes()), "[tree/numbers#1 crashed after 0s with a int in hand: redacted *errors.errorString; restarts at once, attempt 1]")
		j.take()
		if err := letters[0].Resend(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		check(t, "what happened", j.take(), "2:4711")
	})
}
