package supervisor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func TestWatchOfTheHeadOfAMailbox(t *testing.T) {
	for _, test := range []struct {
		name    string
		options mailbox.Options
		do      func(t *testing.T, a *actor.Actor[nap])
		want    []string
	}{
		{"an actor that is busy, but in time", mailbox.Options{}, func(t *testing.T, a *actor.Actor[nap]) {
			for range 100 {
				send(t, a, second, second, second)
				time.Sleep(3 * second)
			}
		}, nil},
		{"one that cannot keep up", mailbox.Options{}, func(t *testing.T, a *actor.Actor[nap]) {
			send(t, a, second, second, second, second, second, second, second)
			time.Sleep(time.Minute)
		}, []string{
			"5s root/a#1 stuck with a message waiting for at least 4s, 2 waiting",
			"7s root/a#1 no longer stuck with a message waiting, after at least 5s",
		}},
		{"one that waits behind another", mailbox.Options{}, func(t *testing.T, a *actor.Actor[nap]) {
			send(t, a, 10*second+1)
			time.Sleep(second / 2)
			send(t, a, 0)
			time.Sleep(time.Minute)
		}, []string{
			"5s root/a#1 stuck with a message waiting for at least 4s, 1 waiting",
			"11s root/a#1 no longer stuck with a message waiting, after at least 9s",
		}},
		{"one old head after the other", mailbox.Options{}, func(t *testing.T, a *actor.Actor[nap]) {
			for range 8 {
				send(t, a, 7*second)
				time.Sleep(second)
			}
			time.Sleep(time.Minute)
		}, []string{
			"6s root/a#1 stuck with a message waiting for at least 4s, 5 waiting",
			"50s root/a#1 no longer stuck with a message waiting, after at least 39s",
		}},
		{"the oldest is replaced in time", mailbox.Options{Capacity: 2, Overflow: mailbox.DropOldest}, func(t *testing.T, a *actor.Actor[nap]) {
			send(t, a, 30*second)
			for range 30 {
				send(t, a, 0)
				time.Sleep(second)
			}
		}, nil},
		{"the newest is dropped", mailbox.Options{Capacity: 2, Overflow: mailbox.DropNewest}, func(t *testing.T, a *actor.Actor[nap]) {
			send(t, a, 30*second+1)
			for range 30 {
				send(t, a, 0)
				time.Sleep(second)
			}
			time.Sleep(2 * second)
		}, []string{
			"5s root/a#1 stuck with a message waiting for at least 4s, 2 waiting",
			"31s root/a#1 no longer stuck with a message waiting, after at least 29s",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := sleeper("a", actor.Options{Mailbox: test.options})
				b := start(t, supervisor.Policy{Watch: supervisor.Watch{Queue: napLimit}}, a)
				time.Sleep(time.Nanosecond) // not at the same moment as the looks
				test.do(t, a)
				var got []string
				for _, l := range b.take() {
					if strings.Contains(l.text, "stuck") {
						got = append(got, fmt.Sprintf("%v %s", l.at, l.text))
					}
				}
				checkList(t, "events", got, test.want)
				b.stopInOrder()
			})
		})
	}
}

// A mailbox belongs to the child: its head waits on while there is no incarnation.
func TestWatchOfAMailboxWhileTheActorRestarts(t *testing.T) {
	for _, failing := range []bool{false, true} {
		t.Run(fmt.Sprint("failing ", failing), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opened := 0
				a := actor.New("a", func(context.Context) (actor.Behavior[nap], error) {
					if opened++; failing && opened == 2 {
						return actor.Behavior[nap]{}, errBoom
					}
					return actor.Behavior[nap]{Receive: func(_ context.Context, n nap) error { return n.take() }}, nil
				})
				stacks := 0
				var b recorder
				b.root, b.began = "root", time.Now()
				root := supervisor.New("root", supervisor.Policy{
					Backoff: strategy.Constant(10 * second), Watch: supervisor.Watch{Queue: napLimit},
					Tracing: quiet(b.sink, func(e tracing.Event) {
						if e, ok := e.(tracing.Stuck); ok && e.Stack != "" {
							stacks++
						}
					}),
				}, a)
				_, err := root.Start(context.Background())
				checkError(t, "start", err, "")
				b.take()
				send(t, a, -2*second-1, 0)
				time.Sleep(time.Minute)
				want := []string{
					"2.000000001s root/a#1 dead letter: supervisor_test.nap: in hand at a crash",
					"2.000000001s exit a: boom",
					"2.000000001s restarting a in 10s",
					"5s root/a#1 stuck with a message waiting for at least 4s, 1 waiting",
					"12.000000001s restart a",
					"13s root/a#2 no longer stuck with a message waiting, after at least 11s",
				}
				if failing {
					want = append(want[:4],
						"12.000000001s fail a: boom",
						"12.000000001s restarting a in 10s",
						"22.000000001s restart a",
						"23s root/a#3 no longer stuck with a message waiting, after at least 21s",
					)
				}
				b.wantAt(t, want...)
				check(t, "stacks of nobody", stacks, 0)
				check(t, "stop", root.Stop(context.Background()), nil)
			})
		})
	}
}

func TestWatchOfAMailboxWhileTheSupervisorRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := sleeper("a"), named("c")
		sub := supervisor.New("sub", supervisor.Policy{Restarts: strategy.NoRestarts, Watch: supervisor.Watch{Queue: napLimit}}, a, c)
		b := start(t, supervisor.Policy{Backoff: strategy.Constant(10 * second)}, sub)
		time.Sleep(time.Nanosecond)
		send(t, a, 3*second, 10*second+1, 0)
		time.Sleep(second)
		c.crash() // sub gives up, a finishes what it has in hand, and sub is gone for 10 s
		time.Sleep(time.Minute)
		var got []string
		for _, l := range b.take() {
			if strings.Contains(l.text, "stuck") || strings.HasPrefix(l.text, "start") || strings.HasPrefix(l.text, "restart ") {
				got = append(got, fmt.Sprintf("%v %s", l.at, l.text))
			}
		}
		checkList(t, "events", got, []string{
			"13.000000001s start sub/a",
			"13.000000001s start sub/c",
			"13.000000001s restart sub",
			"14.000000001s root/sub/a#2 stuck with a message waiting for at least 13.000000001s, 1 waiting",
			"24.000000001s root/sub/a#2 no longer stuck with a message waiting, after at least 22.000000001s",
		})
		b.stopInOrder()
	})
}

// Another life of a child is another story.
func TestWatchOfAMailboxThatIsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := sleeper("a")
		b := start(t, supervisor.Policy{}, supervisor.Spec{Child: a, Shutdown: supervisor.Timeout(0), Watch: &supervisor.Watch{Queue: napLimit}})
		time.Sleep(time.Nanosecond)
		send(t, a, 5*second+second/2, 0)
		time.Sleep(5*second + second/4)
		check(t, "terminate", b.root.TerminateChild(t.Context(), "a"), nil)
		check(t, "restart", b.root.RestartChild(t.Context(), "a"), nil)
		time.Sleep(time.Minute)
		var got []string
		for _, l := range b.take() {
			if strings.Contains(l.text, "stuck") {
				got = append(got, fmt.Sprintf("%v %s", l.at, l.text))
			}
		}
		checkList(t, "events", got, []string{"5s root/a#1 stuck with a message waiting for at least 4s, 1 waiting"})
		b.stopInOrder()
	})
}
