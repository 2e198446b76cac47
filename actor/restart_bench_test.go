package actor_test

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// A restart is told to whoever listens. What that costs besides, each kind of listener
// shows beside nobody; what is left is what it would cost by hand.

// listener is who hears of restarts.
type listener struct {
	name    string
	options tracing.Options
}

// deaf is a log handler that is asked to write everything, and writes nothing.
type deaf struct{ slog.Handler }

func (deaf) Enabled(context.Context, slog.Level) bool { return true }

func listeners() []listener {
	silent := slog.New(slog.DiscardHandler)
	return []listener{
		{"nobody", tracing.Options{Logger: silent}},
		{"sink", tracing.Options{Logger: silent, Sinks: []tracing.Sink{func(tracing.Event) {}}}},
		{"handler", tracing.Options{Logger: slog.New(deaf{slog.DiscardHandler})}},
		{"text", tracing.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}},
		{"json", tracing.Options{Logger: slog.New(slog.NewJSONHandler(io.Discard, nil))}},
	}
}

// restarter gives what makes an actor crash with a message in hand, and returns when
// its next incarnation opens.
func restarter(tb testing.TB, options tracing.Options) func() {
	tb.Helper()
	open := make(chan struct{}, 1)
	a := actor.New("crasher", func(context.Context) (actor.Behavior[*ping], error) {
		open <- struct{}{}
		return actor.Behavior[*ping]{Receive: func(context.Context, *ping) error { panic("told to") }}, nil
	})
	policy := supervisor.Policy{Restarts: strategy.Unlimited, Tracing: tracing.New(options)}
	tree := supervisor.New("tree", policy, a)
	if _, err := tree.Start(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := tree.Stop(context.Background()); err != nil {
			tb.Fatal(err)
		}
	})
	<-open
	p := new(ping)
	return func() {
		if err := a.Send(context.Background(), p); err != nil {
			tb.Fatal(err)
		}
		<-open
	}
}

// BenchmarkRestart is a crash and what follows, until the next incarnation opens.
func BenchmarkRestart(b *testing.B) {
	b.Run("impl=raw", func(b *testing.B) {
		messages, open := make(chan *ping, 1), make(chan struct{}, 1)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for again := true; again; {
				open <- struct{}{}
				func() {
					defer func() { _ = recover() }()
					for range messages {
						panic("told to")
					}
					again = false
				}()
			}
		}()
		<-open
		p := new(ping)
		b.ReportAllocs()
		for b.Loop() {
			messages <- p
			<-open
		}
		b.StopTimer()
		close(messages)
		<-ended
	})
	for _, to := range listeners() {
		b.Run("impl=actor/to="+to.name, func(b *testing.B) {
			restart := restarter(b, to.options)
			b.ReportAllocs()
			for b.Loop() {
				restart()
			}
			b.StopTimer()
		})
	}
}

// All of nobody's are there: of the next incarnation and its end, of two goroutines and
// the labels of both, of the crash and its record. Who hears has one for each event, with
// what an event says of the message that was lost. From the hundredth incarnation on each
// label has one more, as numbers of two digits have none.
func TestAllocationsOfARestart(t *testing.T) {
	if notUsedAgain != 0 || testing.CoverMode() != "" {
		t.Skip("the race detector and the counters of coverage allocate too")
	}
	for settle, n := restarter(t, listeners()[0].options), 0; n < 500; n++ {
		settle() // after tests whose panics were deep, more is asked for until it is known better
	}
	want := map[string]float64{"nobody": 15, "sink": 21, "handler": 31, "text": 18, "json": 18}
	for _, to := range listeners() {
		restart := restarter(t, to.options)
		if got := testing.AllocsPerRun(90, restart); got > want[to.name] {
			t.Errorf("heard by %s: got %v allocations, want at most %v", to.name, got, want[to.name])
		}
	}
}
