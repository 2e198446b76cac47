package supervisor_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// errand is a message that keeps the account of itself.
type errand struct {
	id              int
	takes           time.Duration
	crashes         bool
	sent, at, until time.Time // when it was accepted, begun, and not in hand any more; at is zero if it never was
	gone            time.Time // dead without having been begun
}

// errands are what a random program sends to an actor, and what the actor tells.
type errands struct {
	t     *testing.T
	mu    sync.Mutex
	all   []*errand
	stuck []tracing.Stuck
	over  []tracing.Unstuck
}

func (es *errands) Receive(_ context.Context, e *errand) error {
	es.note(&e.at)
	time.Sleep(e.takes)
	es.note(&e.until)
	if e.crashes {
		return errBoom
	}
	return nil
}

func (es *errands) note(at *time.Time) {
	es.mu.Lock()
	*at = time.Now()
	es.mu.Unlock()
}

func (es *errands) sink(e tracing.Event) {
	es.mu.Lock()
	defer es.mu.Unlock()
	switch e := e.(type) {
	case tracing.Stuck:
		es.stuck = append(es.stuck, e)
	case tracing.Unstuck:
		es.over = append(es.over, e)
	case tracing.DeadLetter:
		if m := e.Message.(*errand); m.at.IsZero() {
			m.gone = time.Now()
		}
	}
}

// What is told is what has happened, within what the documentation of Watch says:
// never before the limit, at most a quarter of it late, once for each message.
func TestWatchTellsWhatHasHappened(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits := supervisor.Watch{
			Message: time.Duration(rapid.IntRange(200, 4000).Draw(rt, "message limit")) * time.Millisecond,
			Queue:   time.Duration(rapid.IntRange(200, 4000).Draw(rt, "queue limit")) * time.Millisecond,
		}
		options := actor.Options{
			Mailbox: mailbox.Options{
				Capacity: rapid.IntRange(1, 6).Draw(rt, "capacity"),
				Overflow: rapid.SampledFrom([]mailbox.Overflow{mailbox.Reject, mailbox.DropNewest, mailbox.DropOldest}).Draw(rt, "overflow"),
			},
			ParkAfter: time.Duration(rapid.IntRange(0, 1000).Draw(rt, "park after")) * time.Millisecond,
		}
		backoff := strategy.Constant(time.Duration(rapid.IntRange(0, 5000).Draw(rt, "backoff")) * time.Millisecond)
		type step struct {
			pause time.Duration
			e     *errand
		}
		steps := make([]step, rapid.IntRange(1, 20).Draw(rt, "steps"))
		for i := range steps {
			steps[i] = step{
				pause: time.Duration(rapid.IntRange(0, 3_000_000).Draw(rt, "pause")) * time.Microsecond,
				e: &errand{
					id:      i,
					takes:   time.Duration(rapid.IntRange(0, 6_000_000).Draw(rt, "takes")) * time.Microsecond,
					crashes: rapid.IntRange(0, 9).Draw(rt, "crashes") == 0,
				},
			}
		}
		var wrong string
		synctest.Test(t, func(t *testing.T) {
			es := &errands{t: t}
			a := actor.New("a", func(context.Context) (actor.Behavior[*errand], error) {
				return actor.Behavior[*errand]{Receive: es.Receive}, nil
			}, options)
			root := supervisor.New("root", supervisor.Policy{
				Restarts: strategy.Unlimited, Backoff: backoff, Watch: limits, Tracing: quiet(es.sink),
			}, a)
			if _, err := root.Start(context.Background()); err != nil {
				t.Error(err)
				return
			}
			for _, s := range steps {
				time.Sleep(s.pause)
				s.e.sent = time.Now() // before the actor has it
				if a.Send(context.Background(), s.e) == nil {
					es.all = append(es.all, s.e)
				}
			}
			synctest.Wait() // else what is on its way counts nowhere
			for s := a.Stats(); s.Waiting+s.InHand > 0; s = a.Stats() {
				time.Sleep(time.Second)
				synctest.Wait()
			}
			time.Sleep(3 * time.Second) // for the last look
			synctest.Wait()
			wrong = es.judge(limits)
			check(t, "stop", root.Stop(context.Background()), nil)
		})
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// late is how late a look may be.
func late(limit time.Duration) time.Duration {
	return max(limit/4, time.Millisecond) + time.Millisecond
}

// judge compares the story with the account.
func (es *errands) judge(limits supervisor.Watch) string {
	var wrong []string
	fault := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	told := map[*errand]int{}
	for _, s := range es.stuck {
		at := s.Time
		switch s.Doing {
		case tracing.StuckWithMessage:
			for _, e := range es.all {
				if !e.at.IsZero() && !e.at.After(at) && !e.until.Before(at) {
					told[e]++
					if age := at.Sub(e.at); age < limits.Message || s.For > age {
						fault("%v: message %d has been in hand for %v", s, e.id, age)
					}
				}
			}
		case tracing.StuckInQueue:
			if age := es.headAge(at); age < limits.Queue || s.For > age {
				fault("%v at %v: the head is %v old", s, at, age)
			}
		}
	}
	for _, e := range es.all {
		took := e.until.Sub(e.at)
		switch n := told[e]; {
		case n > 1:
			fault("message %d, %v: told %d times", e.id, took, n)
		case n == 0 && took >= limits.Message+late(limits.Message):
			fault("message %d, %v: not told", e.id, took)
		}
	}
	return strings.Join(append(wrong, es.judgeQueue(limits.Queue)...), "\n")
}

// headAge is how long the oldest message that waits at this moment has waited.
func (es *errands) headAge(at time.Time) (age time.Duration) {
	for _, e := range es.all {
		if !e.sent.After(at) && !es.leaves(e).Before(at) {
			age = max(age, at.Sub(e.sent))
		}
	}
	return age
}

// leaves is when a message has left the mailbox.
func (es *errands) leaves(e *errand) time.Time {
	if e.at.IsZero() {
		return e.gone
	}
	return e.at
}

// judgeQueue wants a message that has waited for too long to lie in a time that is
// told, from a Stuck to the Unstuck.
func (es *errands) judgeQueue(limit time.Duration) (wrong []string) {
	var from, to []time.Time
	for _, s := range es.stuck {
		if s.Doing == tracing.StuckInQueue {
			from = append(from, s.Time)
		}
	}
	for _, u := range es.over {
		if u.Doing == tracing.StuckInQueue {
			to = append(to, u.Time)
		}
	}
	if len(from) != len(to) {
		return []string{fmt.Sprintf("queue: %d times stuck, %d times over", len(from), len(to))}
	}
	for _, e := range es.all {
		over := e.sent.Add(limit + late(limit))
		if !over.Before(es.leaves(e)) {
			continue
		}
		seen := false
		for i := range from {
			seen = seen || !from[i].After(over) && !to[i].Before(over)
		}
		if !seen {
			wrong = append(wrong, fmt.Sprintf("message %d has waited for %v: not told", e.id, es.leaves(e).Sub(e.sent)))
		}
	}
	return wrong
}
