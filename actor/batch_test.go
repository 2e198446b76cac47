package actor_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// sendAll sends a batch that is accepted.
func (s *sends) sendAll(t testing.TB, a *actor.Actor[int], numbers ...int) {
	t.Helper()
	if err := a.SendAll(t.Context(), numbers); err != nil {
		t.Errorf("SendAll(%v): got %v, want it accepted", numbers, err)
		return
	}
	s.accepted += uint64(len(numbers))
}

// Whatever one message of a batch does to its actor, the others are handled.
func TestABatchGoesOnInTheNextIncarnation(t *testing.T) {
	for _, test := range []struct {
		name    string
		retries int
		two     func(context.Context) error // what the handler of 2 does
		journal string
		dead    string
	}{
		{"an error", 0, fails, "open 1, 1:1, 1:2, close 1: bad, open 2, 2:3, 2:4, close 2: shutdown", "2: in hand at a crash"},
		{"a Goexit", 0, goexits, "open 1, 1:1, 1:2, close 1: goroutine left by runtime.Goexit, open 2, 2:3, 2:4, close 2: shutdown", "2: in hand at a crash"},
		{"retries", 1, fails, "open 1, 1:1, 1:2, close 1: bad, open 2, 2:2, close 2: bad, open 3, 3:3, 3:4, close 3: shutdown", "2: in hand at a crash"},
		{"an end on purpose", 0, func(context.Context) error { return exit.Normal }, "open 1, 1:1, 1:2, close 1: normal, open 2, 2:3, 2:4, close 2: shutdown", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := numbers(&j, actor.Options{Retries: test.retries}, map[int]func(context.Context) error{2: test.two})
				tree, kept := plant(t, a)
				var sent sends
				sent.sendAll(t, a, 1, 2, 3)
				sent.send(t, a, 4)
				synctest.Wait()
				if err := tree.Stop(context.Background()); err != nil {
					t.Error(err)
				}
				check(t, "journal", j.take(), test.journal)
				check(t, "dead letters", kept.deadLetters(), test.dead)
				sent.conserved(t, a.Stats())
			})
		})
	}
}

func TestStopInABatch(t *testing.T) {
	for _, test := range []struct {
		drain   mailbox.Drain
		journal string
		dead    string
	}{
		{mailbox.DrainAll, "open 1, 1:1, 1:2, 1:3, 1:4, close 1: shutdown", ""},
		{mailbox.FinishInHand, "open 1, 1:1, close 1: shutdown", "2: discarded, 3: discarded, 4: discarded"},
		{mailbox.Discard, "open 1, 1:1, close 1: shutdown", "2: discarded, 3: discarded, 4: discarded"},
	} {
		t.Run(test.drain.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := numbers(&j, actor.Options{Mailbox: mailbox.Options{Drain: test.drain}}, map[int]func(context.Context) error{
					1: func(context.Context) error { time.Sleep(time.Second); return nil },
				})
				tree, kept := plant(t, a)
				var sent sends
				sent.sendAll(t, a, 1, 2, 3)
				sent.send(t, a, 4)
				synctest.Wait()
				check(t, "account", a.Stats(), mailbox.Stats{InHand: 1, Waiting: 3})
				if err := tree.Stop(context.Background()); err != nil {
					t.Error(err)
				}
				check(t, "journal", j.take(), test.journal)
				check(t, "dead letters", kept.deadLetters(), test.dead)
				sent.conserved(t, a.Stats())
			})
		})
	}
}

// A batch whose time is over in the middle becomes dead letters, but for what was
// handled.
func TestADrainOfABatchThatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		slow := func(ctx context.Context) error { time.Sleep(600 * time.Millisecond); return nil }
		a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{1: slow, 2: slow, 3: slow, 4: slow})
		tree, kept := plant(t, within(time.Second, a))
		var sent sends
		sent.sendAll(t, a, 1, 2, 3, 4)
		synctest.Wait()
		err := tree.Stop(context.Background())
		time.Sleep(time.Second) // until an abandoned handler has returned
		check(t, "journal", j.take(), "open 1, 1:1, 1:2")
		check(t, "dead letters", kept.deadLetters(), "2: in hand of an abandoned incarnation, 3: discarded, 4: discarded")
		if stuck := new(supervisor.StopError); !errors.As(err, &stuck) {
			t.Errorf("Stop: got %v, want a %T", err, stuck)
		}
		sent.conserved(t, a.Stats())
	})
}

// The successor of an abandoned incarnation goes on with the batch.
func TestS194_ABatchAfterAnAbandonment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		release, crash := make(chan struct{}), make(chan struct{})
		a := numbers(&j, actor.Options{}, map[int]func(context.Context) error{2: until(release)})
		tree, kept := plantWith(t, supervisor.Policy{Strategy: strategy.OneForAll, Restarts: strategy.Unlimited},
			within(time.Second, a), crashing(crash))
		var sent sends
		sent.sendAll(t, a, 1, 2, 3, 4)
		sent.send(t, a, 5)
		synctest.Wait()
		crash <- struct{}{}
		time.Sleep(time.Minute)
		close(release)
		synctest.Wait()
		_ = tree.Stop(context.Background())
		check(t, "journal", firstLines(j.take(), "open 1, 1:1, 1:2, open 2, 2:3, 2:4, 2:5"), "open 1, 1:1, 1:2, open 2, 2:3, 2:4, 2:5")
		check(t, "dead letters", kept.deadLetters(), "2: in hand of an abandoned incarnation")
		sent.conserved(t, a.Stats())
	})
}

// firstLines is as much of a text as another has.
func firstLines(text, as string) string { return text[:min(len(text), len(as))] }

func TestS8_ABatchInAFreshMailbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := numbers(&j, actor.Options{Mailbox: mailbox.Options{Fresh: true}}, map[int]func(context.Context) error{2: fails})
		_, kept := plant(t, a)
		var sent sends
		sent.sendAll(t, a, 1, 2, 3, 4)
		synctest.Wait()
		check(t, "journal", j.take(), "open 1, 1:1, 1:2, close 1: bad, open 2")
		check(t, "dead letters", kept.deadLetters(), "2: in hand at a crash, 3: waiting at a restart, 4: waiting at a restart")
		sent.conserved(t, a.Stats())
	})
}

// Each letter of a batch can be sent again by itself.
func TestResendOfALetterOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		release := make(chan struct{})
		a := numbers(&j, actor.Options{Mailbox: mailbox.Options{Capacity: 1, Overflow: mailbox.DropNewest}},
			map[int]func(context.Context) error{0: until(release)})
		_, kept := plant(t, a)
		var sent sends
		sent.send(t, a, 0)
		synctest.Wait()
		sent.sendAll(t, a, 1, 2)
		sent.sendAll(t, a, 3, 4)
		close(release)
		synctest.Wait()
		letters := eventsOf[tracing.DeadLetter](kept)
		check(t, "dead letters", kept.deadLetters(), "3: overflow, 4: overflow")
		if err := letters[1].Resend(t.Context()); err != nil {
			t.Error(err)
		}
		sent.accepted++
		synctest.Wait()
		check(t, "journal", j.take(), "open 1, 1:0, 1:1, 1:2, 1:4")
		sent.conserved(t, a.Stats())
	})
}

// A batch is nothing special for an actor that has given its goroutine back, or that
// has an unbuffered mailbox, nor for one that is not there.
func TestABatchOfEachKindOfActor(t *testing.T) {
	for name, options := range map[string]actor.Options{
		"parked":     {ParkAfter: time.Second},
		"unbuffered": {Mailbox: mailbox.Options{Capacity: mailbox.Unbuffered}},
		"limited":    {HandlerTimeout: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := numbers(&j, options, map[int]func(context.Context) error{5: fails})
				err := a.SendAll(t.Context(), []int{1, 2})
				if send := new(actor.SendError); !errors.As(err, &send) || !errors.Is(err, actor.ErrNoProc) {
					t.Errorf("before the start: got %v, want %v", err, actor.ErrNoProc)
				}
				check(t, "an empty batch", a.SendAll(t.Context(), nil), nil)
				plant(t, a)
				var sent sends
				sent.sendAll(t, a, 1, 2)
				time.Sleep(time.Minute)
				sent.sendAll(t, a, 3, 4, 5, 6)
				sent.sendAll(t, a, 7, 8)
				time.Sleep(time.Minute)
				check(t, "journal", j.take(), "open 1, 1:1, 1:2, 1:3, 1:4, 1:5, close 1: bad, open 2, 2:6, 2:7, 2:8")
				sent.conserved(t, a.Stats())
			})
		})
	}
}

// A loop gets the messages of a batch one by one, also after it has crashed.
func TestALoopAndBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		lives := 0
		a := actor.New("loop", func(context.Context) (actor.Behavior[int], error) {
			lives++
			life := lives
			return actor.Behavior[int]{Loop: func(ctx context.Context, in *mailbox.Inbox[int]) error {
				for {
					select {
					case e := <-in.C:
						n, ok := in.Open(e)
						if !ok {
							continue
						}
						j.add("%d:%d", life, n)
						if n == 2 {
							return errBad
						}
						if n == 4 {
							in.Done()
							return errBad
						}
					case <-ctx.Done():
						for n := range in.Rest() {
							j.add("%d:rest %d", life, n)
						}
						return nil
					}
				}
			}}, nil
		})
		tree, kept := plant(t, a)
		var sent sends
		sent.sendAll(t, a, 1, 2, 3, 4, 5)
		sent.send(t, a, 6)
		synctest.Wait()
		sent.send(t, a, 7)
		synctest.Wait()
		if err := tree.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		check(t, "journal", j.take(), "1:1, 1:2, 2:3, 2:4, 3:5, 3:6, 3:7")
		check(t, "dead letters", kept.deadLetters(), "2: in hand at a crash")
		sent.conserved(t, a.Stats())
	})
}

// Senders of batches and of single messages, an actor that crashes at some of them,
// and a stop in between: each message that was accepted is handled or dead, once, and
// those of one sender come in order.
func TestBatchesOfManySendersAreConserved(t *testing.T) {
	for seed := range 24 {
		synctest.Test(t, func(t *testing.T) { conserveBatches(t, seed) })
	}
}

func conserveBatches(t *testing.T, seed int) {
	const senders, each = 6, 120
	var settled [senders * each]atomic.Int32
	last := make([]int, senders)
	options := actor.Options{Retries: seed % 3, Mailbox: mailbox.Options{Capacity: 1 + seed%4, Overflow: mailbox.Overflow(seed % 4)}}
	a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
		return actor.Behavior[int]{Receive: func(_ context.Context, n int) error {
			sender := n / each
			if n < last[sender] {
				t.Errorf("seed %d: got %d after %d", seed, n, last[sender])
			}
			last[sender] = n
			if n%7 == seed%7 {
				return errBad
			}
			settled[n].Add(1)
			return nil
		}}, nil
	}, options)
	tree, _ := plantWith(t, supervisor.Policy{Restarts: strategy.Unlimited, Tracing: quiet(func(e tracing.Event) {
		if letter, ok := e.(tracing.DeadLetter); ok {
			settled[letter.Message.(int)].Add(1)
		}
	})}, a)
	var accepted [senders * each]bool
	var sending sync.WaitGroup
	for sender := range senders {
		sending.Go(func() {
			for n := sender * each; n < (sender+1)*each; {
				batch := []int{n}
				for len(batch) < 1+(n*(seed+3))%9 && n+len(batch) < (sender+1)*each {
					batch = append(batch, n+len(batch))
				}
				if a.SendAll(t.Context(), batch) == nil {
					for _, m := range batch {
						accepted[m] = true
					}
				}
				n += len(batch)
			}
		})
	}
	if seed%2 == 1 {
		_ = tree.Stop(context.Background())
	}
	sending.Wait()
	_ = tree.Stop(context.Background())
	want := uint64(0)
	for n := range accepted {
		got := settled[n].Load()
		if accepted[n] {
			want++
		}
		if (got == 1) != accepted[n] || got > 1 {
			t.Errorf("seed %d: message %d, accepted %v: settled %d times", seed, n, accepted[n], got)
		}
	}
	if s := a.Stats(); s.Handled+s.Dead != want || s.InHand+s.Waiting != 0 {
		t.Errorf("seed %d: got %+v, want %d in all", seed, s, want)
	}
}

// A batch has one span, and each message one that is linked to it.
func TestTracesOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(_ context.Context, n int) error {
				if n == 2 {
					return errBad
				}
				return nil
			}}, nil
		})
		tr := plantTraced(t, supervisor.Policy{Restarts: strategy.Unlimited}, a)
		ctx, end := tr.request(t)
		if err := a.SendAll(ctx, []int{1, 2, 3}); err != nil {
			t.Error(err)
		}
		end()
		sent := tr.span(t, "send tree/a")
		checkParent(t, "send", sent, tr.span(t, "request"))
		check(t, "messages in the batch", attribute(sent, "messaging.batch.message_count"), "3")
		processed := tr.spans("process tree/a")
		check(t, "processed", len(processed), 3)
		for _, span := range processed {
			checkParent(t, "process", span, sent)
			check(t, "links", fmt.Sprint(links(span)), fmt.Sprint([]trace.SpanID{sent.SpanContext.SpanID()}))
			check(t, "messages that are processed", attribute(span, "messaging.batch.message_count"), "")
		}

		ctx, end = tr.request(t)
		if err := a.SendAll(ctx, []int{4}); err != nil {
			t.Error(err)
		}
		end()
		alone := tr.spans("send tree/a")[1]
		check(t, "a message alone is no batch", attribute(alone, "messaging.batch.message_count"), "")
	})
}

// A batch that is ready costs its sender and its receiver no allocation.
func TestAllocationsOfABatch(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	handled := make(chan struct{})
	a := actor.New("a", func(context.Context) (actor.Behavior[*ping], error) {
		return actor.Behavior[*ping]{Receive: func(_ context.Context, p *ping) error {
			if p.handled != nil {
				p.handled <- struct{}{}
			}
			return nil
		}}, nil
	})
	plant(t, a)
	batch := make([]*ping, 64) // written to by nobody, so it can be sent again and again
	for i := range batch {
		batch[i] = new(ping)
	}
	batch[len(batch)-1].handled = handled
	f := func() { _ = a.SendAll(ctx, batch); <-handled }
	f()
	if got := testing.AllocsPerRun(200, f); got > notUsedAgain {
		t.Errorf("got %v allocations, want at most %v", got, notUsedAgain)
	}
}
