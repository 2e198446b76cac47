package supervisor_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// Twenty stuck ones among a crowd, for real: all are found, within the shutdown
// time and what it takes to stop the crowd and to look once.
func TestS193_StuckInACrowd(t *testing.T) {
	if testing.Short() {
		t.Skip("a crowd takes its time")
	}
	for _, test := range []struct {
		name      string
		elsewhere bool // the crowd is in another tree, and its goroutines are there when the profile is taken
	}{
		{"of the same tree", false},
		{"of another tree", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			const shutdown = 200 * time.Millisecond
			released := make(chan struct{})
			returns, begun := make(chan struct{}, 20), make(chan struct{}, 20)
			healthy := supervisor.NewDynamic("healthy", supervisor.Policy{Tracing: quiet()})
			pool := supervisor.NewDynamic("pool", supervisor.Policy{})
			children := []supervisor.Child{pool}
			if !test.elsewhere {
				children = append(children, healthy)
			}
			root := supervisor.New("root", supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
				if _, ok := e.(tracing.Returned); ok {
					returns <- struct{}{}
				}
			})}, children...)
			for _, tree := range []interface {
				Start(context.Context) (func() error, error)
			}{root, healthy} {
				if tree != supervisor.Child(healthy) || test.elsewhere {
					if _, err := tree.Start(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
			}
			for range crowd {
				added(t, healthy, actor.NewServer("server", idle))
			}
			for range cap(returns) {
				a := receiving("stuck", func(context.Context, int) error {
					begun <- struct{}{}
					stuckInReceive(released)
					return nil
				})
				added(t, pool, supervisor.Spec{Child: a, Shutdown: supervisor.Timeout(shutdown)})
				sent(t, a, 1)()
			}
			for range cap(begun) {
				<-begun
			}

			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			stuck := reported(t, root.Stop(context.Background()))
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			t.Logf("%d healthy, %d stuck: stopped %v after the shutdown time, %d MB allocated", crowd, len(stuck),
				(took - shutdown).Round(time.Millisecond), (after.TotalAlloc-before.TotalAlloc)>>20)
			if len(stuck) != cap(returns) {
				close(released)
				t.Fatalf("stuck: got %d, want %d", len(stuck), cap(returns))
			}
			for _, s := range stuck {
				if s.In != supervisor.InMessage || s.Message != "int" || !strings.Contains(s.Stack, "stuckInReceive") {
					t.Errorf("report: got %v, want it stuck in an int, with its stack", s)
				}
			}
			if took < shutdown || took > shutdown+30*time.Second {
				t.Errorf("stop: took %v, want the shutdown time and a little", took)
			}
			check(t, "abandoned", len(root.Abandoned()), cap(returns))
			close(released)
			for range cap(returns) {
				<-returns
			}
			check(t, "abandoned after the return", len(root.Abandoned()), 0)
			checkError(t, "stop after the return", root.Stop(context.Background()), "")
			checkError(t, "stop of the others", healthy.Stop(context.Background()), "")
		})
	}
}
