package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// The goroutine of an abandoned incarnation comes back while its abandonment is
// still being dealt with: that is told after the abandonment all the same.
func TestS193_ReturnIsToldAfterTheAbandonment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var mu sync.Mutex
		var told []string
		stuck := actor.New("stuck", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(context.Context, int) error { <-release; return nil }}, nil
		})
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
			switch e.(type) {
			case tracing.DeadLetter:
				close(release)
				time.Sleep(time.Second) // it comes back now
			case tracing.Abandoned, tracing.Returned:
				mu.Lock()
				told = append(told, e.String())
				mu.Unlock()
			}
		})}, supervisor.Spec{Child: stuck, Shutdown: supervisor.Timeout(time.Second)})
		if _, err := root.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := stuck.Send(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		checkError(t, "stop", root.Stop(t.Context()), "") // it is back by then
		checkList(t, "events", told, []string{
			"root/stuck#1 abandoned after 1s",
			"root/stuck#1 returned after it was abandoned: shutdown",
		})
	})
}

// A sink that leaves by Goexit ends the supervisor, in the middle of a request.
func TestS111_RequestInProgressWhenTheSupervisorEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
			if started, ok := e.(tracing.Started); ok && started.Path == "root/late" {
				runtime.Goexit()
			}
		})})
		if _, err := root.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := root.StartChild(context.Background(), named("late"))
		if !errors.Is(err, supervisor.ErrNotRunning) {
			t.Errorf("start: got %v, want %v", err, supervisor.ErrNotRunning)
		}
		checkError(t, "stop", root.Stop(t.Context()), "")
	})
}

// panicking is a server whose Serve panics once its Shutdown is running.
type panicking struct{ shutting, release chan struct{} }

func (p panicking) Serve(net.Listener) error { <-p.shutting; panic("oops") }

func (p panicking) Shutdown(context.Context) error { close(p.shutting); <-p.release; return nil }

func TestNothingOfAServerOutlivesItsIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := panicking{make(chan struct{}), make(chan struct{})}
		web := supervisor.Serve("web",
			func(context.Context) (net.Listener, error) { return newPipes(), nil },
			func() panicking { return server })
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet()}, web)
		if _, err := root.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		go func() {
			time.Sleep(time.Second)
			close(server.release)
		}()
		checkError(t, "stop", root.Stop(t.Context()), "")
		check(t, "time of the stop", time.Since(begun), time.Second)
	})
}

func TestAlreadyStartedIsOneError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := actor.NewServer("server", idle)
		pool := supervisor.NewDynamic("pool", supervisor.Policy{})
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet()}, server, pool)
		if _, err := root.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := pool.StartChild(t.Context(), server)
		if !errors.Is(err, supervisor.ErrAlreadyStarted) || !errors.Is(err, actor.ErrAlreadyStarted) {
			t.Errorf("start: got %v, want %v", err, supervisor.ErrAlreadyStarted)
		}
		checkError(t, "stop", root.Stop(t.Context()), "")
	})
}

// What follows a crash may end the program: its line is in the log by then.
func TestTheLogTellsOfACrashBeforeWhatFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		c := named("c")
		c.onStart = func(_ context.Context, n int) error {
			lines = append(lines, fmt.Sprintf("start %d", n))
			return nil
		}
		root := supervisor.New("root", supervisor.Policy{Restarts: 1, Tracing: tracing.New(tracing.Options{
			Logger: slog.New(journal{lines: &lines}),
		})}, c)
		over := make(chan struct{})
		go func() {
			defer close(over)
			_ = root.Run(context.Background())
			lines = append(lines, "Run is over")
		}()
		synctest.Wait()
		c.crash()
		c.crash()
		<-over
		checkList(t, "log", lines, []string{
			"start 1", "ERROR child crashed",
			"start 2", "ERROR child crashed", "ERROR supervisor gave up",
			"Run is over",
		})
	})
}
