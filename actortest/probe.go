package actortest

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// Probe stands in for an actor in a test: it keeps what it is sent, in order, for
// the test to wait for and to look at. What was kept stays over all its
// incarnations.
//
// It is a child for the supervisor under test, and where the code under test wants
// an address its field Actor is one. Its methods may be called concurrently, but
// those that can end the test, Await, Expect and Silent, only on the test's own
// goroutine, like t.Fatal.
//
// For a server no probe is needed: its messages carry their handlers, so a server
// with another state stands in for it. See the examples.
type Probe[M any] struct {
	// Actor is the address. It accepts messages as soon as it runs.
	*actor.Actor[M]

	t testing.TB

	mu       sync.Mutex
	received []M
	awaited  int // of these
	failures []error
	news     chan struct{} // closed when something is received
}

// NewProbe makes a probe that a supervisor of the test starts. In a bubble t is
// the bubble's.
func NewProbe[M any](t testing.TB, name string, options ...actor.Options) *Probe[M] {
	p := &Probe[M]{t: t, news: make(chan struct{})}
	p.Actor = actor.New(name, func(context.Context) (actor.Behavior[M], error) {
		return actor.Behavior[M]{Receive: p.receive}, nil
	}, options...)
	return p
}

// StartProbe is NewProbe with a tree of its own, which restarts it whenever it
// fails, and is stopped at the end of t: in a bubble at its end, since t is the
// bubble's.
func StartProbe[M any](t testing.TB, name string, options ...actor.Options) *Probe[M] {
	t.Helper()
	p := NewProbe[M](t, name, options...)
	tree := supervisor.New("probe", supervisor.Policy{
		Restarts: strategy.Unlimited,
		Tracing:  tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)}),
	}, p)
	if _, err := tree.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *Probe[M]) receive(_ context.Context, message M) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.received = append(p.received, message)
	close(p.news)
	p.news = make(chan struct{})
	if len(p.failures) == 0 {
		return nil
	}
	err := p.failures[0]
	p.failures = p.failures[1:]
	return err
}

// FailNext makes the next message a crash with this error, which is not nil: it is
// kept like any other, and then the probe fails, and is restarted or not. Several
// calls are for several messages.
func (p *Probe[M]) FailNext(err error) {
	p.t.Helper()
	if err == nil {
		p.t.Error("FailNext: a nil error is no failure")
		err = errors.New("nil")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures = append(p.failures, err)
}

// All are the messages that have come, whether or not they were awaited, in the
// order in which they arrived: for one sender the order in which it sent them.
func (p *Probe[M]) All() []M {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.received)
}

// Await gives the next message that has not been awaited. If there is none it
// waits for it; if none comes within the limit, the test ends as by t.Fatal.
func (p *Probe[M]) Await(limit time.Duration) M {
	p.t.Helper()
	message, came := p.next(limit)
	if !came {
		p.t.Fatalf("%s: no message within %v; so far: %v", p, limit, p.All())
	}
	return message
}

// Expect awaits these messages, in this order and with nothing in between, all
// within the limit. They are compared as by reflect.DeepEqual. Otherwise the test
// ends as by t.Fatal.
func (p *Probe[M]) Expect(limit time.Duration, want ...M) {
	p.t.Helper()
	end := time.Now().Add(limit)
	for i, message := range want {
		got, came := p.next(time.Until(end))
		switch {
		case !came:
			p.t.Fatalf("%s: message %d of %d has not come within %v: got %v, want %v", p, i+1, len(want), limit, p.All(), want)
		case !reflect.DeepEqual(got, message):
			p.t.Fatalf("%s: message %d of %d: got %v, want %v; so far: %v", p, i+1, len(want), got, message, p.All())
		}
	}
}

// Silent waits for this time, in which no message may come, and none may be there
// that was not awaited. Otherwise the test ends as by t.Fatal.
func (p *Probe[M]) Silent(d time.Duration) {
	p.t.Helper()
	if message, came := p.next(d); came {
		p.t.Fatalf("%s: got %v, want no message for %v", p, message, d)
	}
}

// next takes the next message that has not been awaited.
func (p *Probe[M]) next(limit time.Duration) (message M, came bool) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		p.mu.Lock()
		if p.awaited < len(p.received) {
			message = p.received[p.awaited]
			p.awaited++
			p.mu.Unlock()
			return message, true
		}
		news := p.news
		p.mu.Unlock()
		select {
		case <-news:
		case <-timer.C:
			return message, false
		}
	}
}
