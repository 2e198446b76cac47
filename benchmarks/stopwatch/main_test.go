package stopwatch_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/benchmarks/stopwatch"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter is the state of the servers under test.
type counter struct{}

func open(context.Context) (*counter, error) { return new(counter), nil }

// policy is one for trees that crash all the time.
func policy(events *tracing.Tracing, backoff time.Duration) supervisor.Policy {
	return supervisor.Policy{Tracing: events, Restarts: strategy.Unlimited, Backoff: strategy.Constant(backoff)}
}

// stubborn is a server that takes its time when it is stopped in order, whatever
// its ctx says.
func stubborn(name string, linger time.Duration, released <-chan struct{}) *actor.Server[counter] {
	return actor.NewServer(name, open, actor.ServerOptions[counter]{
		Close: func(_ context.Context, _ *counter, reason exit.Reason) error {
			if !reason.Clean() {
				return nil
			}
			select {
			case <-time.After(linger):
			case <-released:
			}
			return nil
		},
	})
}

// pair is a tree of two servers.
func pair(backoff time.Duration) func(events *tracing.Tracing) stopwatch.Tree {
	return func(events *tracing.Tracing) stopwatch.Tree {
		a, b := actor.NewServer("a", open), actor.NewServer("b", open)
		return stopwatch.Tree{
			Root:    supervisor.New("tree", policy(events, backoff), a, b),
			Victims: []stopwatch.Victim{stopwatch.Server(a), stopwatch.Server(b)},
		}
	}
}
