package supervisor_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Whoever asks for a name that is taken changes nothing: neither the child
// behind it nor how it is looked after.
func TestS100_TheGivenSpecNeverReplacesTheStoredOne(t *testing.T) {
	for _, test := range []struct {
		name   string
		before func(b *bed, c *child)
		want   error
	}{
		{"running", func(*bed, *child) {}, supervisor.ErrAlreadyStarted},
		{"restarting", func(_ *bed, c *child) { c.crash() }, supervisor.ErrAlreadyPresent},
		{"no process", func(b *bed, _ *child) {
			checkError(b.t, "terminate", b.root.TerminateChild(b.t.Context(), "c"), "")
		}, supervisor.ErrAlreadyPresent},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, other := named("c"), named("c")
				b := start(t, supervisor.Policy{Backoff: strategy.Constant(time.Minute)}, supervisor.Spec{Child: c, Restart: strategy.Transient})
				test.before(b, c)
				err := b.root.StartChild(t.Context(), supervisor.Spec{Child: other, Restart: strategy.Temporary, Backoff: strategy.Constant(0)})
				if !errors.Is(err, test.want) {
					t.Errorf("start: got %v, want %v", err, test.want)
				}
				_ = b.root.RestartChild(t.Context(), "c") // it has no process
				time.Sleep(time.Hour)
				b.take()
				c.crash()
				time.Sleep(time.Minute)
				synctest.Wait()
				b.want(t, "exit c: boom", "restarting c in 1m0s", "restart c")
				check(t, "starts of the other", other.starts.Load(), 0)
				b.stopInOrder()
			})
		})
	}
}
