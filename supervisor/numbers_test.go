package supervisor_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Path and number name one incarnation of a tree, also when a child that was
// forgotten comes back beside what it has left behind: by hand, with another
// incarnation of its supervisor, or with a new life of that.
func TestS193_NumbersTellSuccessorsFromAbandonedIncarnations(t *testing.T) {
	const again = 2 // times that it is left behind
	for _, test := range []struct {
		name  string
		fixed bool // the child belongs to its supervisor
		renew func(t *testing.T, b *bed, sub *supervisor.Supervisor, other *child)
	}{
		{"deleted", false, func(t *testing.T, _ *bed, sub *supervisor.Supervisor, _ *child) {
			checkError(t, "terminate", sub.TerminateChild(t.Context(), "c"), "")
			checkError(t, "delete", sub.DeleteChild(t.Context(), "c"), "")
		}},
		{"supervisor restarted", false, func(_ *testing.T, _ *bed, _ *supervisor.Supervisor, other *child) {
			other.crash() // which makes sub give up
		}},
		{"supervisor started by hand", true, func(t *testing.T, b *bed, _ *supervisor.Supervisor, _ *child) {
			checkError(t, "terminate", b.root.TerminateChild(t.Context(), "sub"), "")
			checkError(t, "restart", b.root.RestartChild(t.Context(), "sub"), "")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				c, other := named("c"), named("other")
				c.onStop = ignoresCtxUntil(released)
				stays := supervisor.Spec{Child: c, Shutdown: supervisor.Timeout(time.Second)}
				children := []supervisor.Child{other}
				if test.fixed {
					children = append(children, stays)
				}
				sub := supervisor.New("sub", supervisor.Policy{Restarts: strategy.NoRestarts}, children...)
				b := start(t, supervisor.Policy{}, sub)
				for range again {
					if !test.fixed {
						checkError(t, "add", sub.StartChild(t.Context(), stays), "")
					}
					test.renew(t, b, sub, other)
					time.Sleep(time.Minute)
				}
				var got []string
				for _, s := range b.root.Abandoned() {
					got = append(got, fmt.Sprintf("%s#%d", s.Path, s.Incarnation))
				}
				checkList(t, "abandoned", got, []string{"root/sub/c#1", "root/sub/c#2"})

				var report *supervisor.StopError
				if err := b.stop(); !errors.As(err, &report) {
					t.Fatalf("stop: got %v, want a StopError", err)
				}
				for _, s := range report.Stuck {
					check(t, fmt.Sprintf("stack of %s#%d is there", s.Path, s.Incarnation), s.Stack != "", true)
				}
				close(released)
				synctest.Wait()
				checkError(t, "stop", b.root.Stop(t.Context()), "")
			})
		})
	}
}
