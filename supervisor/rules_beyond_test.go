package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// count is a message that says how often the incarnation's state was counted.
type count struct{}

func (count) Handle(_ context.Context, n *int) (int, error) { *n++; return *n, nil }

// hang is a message whose handler does not end before released is closed.
type hang struct{ released chan struct{} }

func (h hang) Handle(context.Context, *int) (int, error) { <-h.released; return 0, nil }

// fall is a message whose handler crashes.
type fall struct{}

func (fall) Handle(context.Context, *int) (int, error) { panic("fall") }

// The address is the child's: who has it reaches whichever incarnation runs, and
// what the dead and the abandoned ones had in hand has failed.
func TestS195_TheAddressFollowsTheChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := actor.NewServer("server", func(context.Context) (*int, error) { return new(int), nil })
		b := start(t, supervisor.Policy{}, server)
		ask := func(want int) {
			t.Helper()
			got, err := actor.Call(t.Context(), server, count{})
			check(t, "count", got, want)
			checkError(t, "call", err, "")
		}
		fails := func(call func() (int, error), want string, is exit.Reason) {
			t.Helper()
			_, err := call()
			checkError(t, "call", err, want)
			var failed *actor.SendError
			if is != nil && (!errors.As(err, &failed) || failed.Reason != is) {
				t.Errorf("call: got %v, want one with reason %v", err, is)
			}
		}
		ask(1)
		ask(2)
		fails(func() (int, error) { return actor.Call(t.Context(), server, fall{}) },
			"root/server: callee ended before it replied: panic: fall", nil)
		ask(1) // by the successor

		released := make(chan struct{})
		hanging := make(chan func() (int, error), 1)
		go func() {
			n, err := actor.Call(t.Context(), server, hang{released})
			hanging <- func() (int, error) { return n, err }
		}()
		synctest.Wait()
		checkError(t, "terminate", b.root.TerminateChild(t.Context(), "server"), "") // it is abandoned
		fails(<-hanging, "root/server: callee ended before it replied: killed", exit.Killed)
		fails(func() (int, error) { return actor.Call(t.Context(), server, count{}) },
			"root/server: no such process: not started, or gone for good", nil)
		checkError(t, "restart", b.root.RestartChild(t.Context(), "server"), "")
		ask(1)
		close(released)
		synctest.Wait()
		ask(2)
		b.stopInOrder()
	})
}

// twice is a call that is answered twice: at once, or when somebody says so.
type twice struct{ later chan struct{} }

func (m twice) Handle(ctx context.Context, _ *int) (int, error) {
	reply, err := actor.Defer[int](ctx)
	if err != nil {
		return 0, err
	}
	answer := func() {
		reply.Give(1, nil)
		reply.Give(2, nil)
		reply.Give(3, errBoom)
	}
	if m.later == nil {
		answer()
		return 0, nil
	}
	go func() {
		<-m.later
		answer()
	}()
	return 0, nil
}

func TestS203_SecondRepliesReachNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := actor.NewServer("server", func(context.Context) (*int, error) { return new(int), nil })
		b := start(t, supervisor.Policy{}, server)
		for i := range 10 {
			later := make(chan struct{})
			close(later)
			for _, message := range []twice{{nil}, {later}} {
				got, err := actor.Call(context.Background(), server, message)
				check(t, "answer", got, 1)
				checkError(t, "call", err, "")
			}
			synctest.Wait()
			got, err := actor.Call(context.Background(), server, count{}) // of the same type, by the same caller
			check(t, "the next answer", got, i+1)
			checkError(t, "call", err, "")
		}
		b.stopInOrder()
	})
}

// The acts, as the children see them, and the events that tell of them.
func TestS198_EventsComeInTheOrderOfTheActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		var b *bed
		acts := func(c *child) *child {
			then := c.onStart
			c.onStart = func(ctx context.Context, n int) error {
				b.add("(" + c.name + " begins)")
				if then != nil {
					return then(ctx, n)
				}
				return nil
			}
			c.onStop = func(ctx context.Context) error {
				b.add("(" + c.name + " is asked)")
				return ctx.Err()
			}
			return c
		}
		a, c, stuck := named("a"), named("c"), named("stuck")
		c.onStart = failingStarts(2)
		acts(a)
		acts(c)
		acts(stuck)
		stuck.onStop = func(context.Context) error {
			if stuck.starts.Load() == 1 {
				b.add("(stuck is asked)")
				<-released
			}
			return nil
		}
		b = newBed(t, supervisor.Policy{Strategy: strategy.RestForOne, Restarts: 2, Within: time.Hour, Backoff: strategy.Constant(time.Second)},
			a, c, supervisor.Spec{Child: stuck, Shutdown: supervisor.BrutalKill})
		b.wait, _ = b.root.Start(context.Background())
		b.want(t, "(a begins)", "start a", "(c begins)", "start c", "(stuck begins)", "start stuck", "start root")
		c.crash()
		time.Sleep(time.Minute)
		close(released)
		synctest.Wait()
		b.want(t, "exit c: boom", "restarting c in 1s", "(stuck is asked)", "abandon stuck",
			"(c begins)", "fail c: start 2 failed", "restarting c in 1s",
			"(c begins)", "restart c", "(stuck begins)", "restart stuck", "return stuck: normal")
		checkError(t, "terminate", b.root.TerminateChild(t.Context(), "a"), "")
		checkError(t, "restart", b.root.RestartChild(t.Context(), "a"), "")
		b.want(t, "(a is asked)", "stop a", "(a begins)", "start a")
		stuck.crash()
		cause := gaveUpCause("root", "stuck")
		b.want(t, "exit stuck: boom", "root gave up on stuck", "(c is asked)", "stop c: "+cause,
			"(a is asked)", "stop a: "+cause, "exit root: "+gaveUpText("root", "stuck"))
		checkError(t, "wait", b.wait(), gaveUpText("root", "stuck"))
	})
}

// doubling is a BackOff whose delays are 1 s, 2 s, 4 s, and so on.
type doubling struct{ next time.Duration }

func (d *doubling) Reset() { d.next = time.Second }

func (d *doubling) NextBackOff() time.Duration {
	d.next *= 2
	return d.next / 2
}

func TestS191_DelaysGrowUntilTheChildIsHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const healthy = time.Minute
		c, other := named("c"), named("other")
		c.onStart = failingStarts(4)
		b := start(t, supervisor.Policy{Backoff: func() backoff.BackOff { return new(doubling) }, Healthy: healthy, Restarts: strategy.Unlimited}, c, other)
		for _, test := range []struct {
			lives  time.Duration
			delays []time.Duration // until it is up again
		}{
			{0, []time.Duration{time.Second}},
			{healthy - 1, []time.Duration{2 * time.Second}},
			{0, []time.Duration{4 * time.Second, 8 * time.Second}}, // a start fails
			{healthy, []time.Duration{time.Second}},
			{healthy - 1, []time.Duration{2 * time.Second}},
		} {
			time.Sleep(test.lives)
			c.crash()
			want := []string{"exit c: boom"}
			for i, delay := range test.delays {
				if i > 0 {
					want = append(want, "fail c: start 4 failed")
				}
				want = append(want, "restarting c in "+delay.String())
				time.Sleep(delay)
				synctest.Wait()
			}
			b.want(t, append(want, "restart c")...)
		}
		other.crash() // each child has delays of its own
		b.want(t, "exit other: boom", "restarting other in 1s")
		b.stopInOrder()
	})
}

// Ten years of backoff, intensity, health and shutdown pass in virtual time, to
// the nanosecond.
func TestS200_TimeIsThatOfTheBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const year = 365 * 24 * time.Hour
		c := named("c")
		c.onStop = func(context.Context) error { time.Sleep(3 * year); return nil }
		b := start(t, supervisor.Policy{Backoff: strategy.Constant(year), Healthy: 2 * year, Restarts: 2, Within: 4 * year},
			supervisor.Spec{Child: c, Shutdown: supervisor.Timeout(4 * year)})
		attempts := func() (all []int) {
			for _, r := range b.root.Snapshot().Children[0].Restarts {
				all = append(all, r.Attempt)
			}
			return all
		}
		c.crash()
		time.Sleep(2*year + 1) // up for a year and a nanosecond
		c.crash()
		time.Sleep(3 * year) // up for two years
		c.crash()            // the first restart has left the window
		got := attempts()
		if len(got) != 3 || got[0] != 1 || got[1] != 2 || got[2] != 1 {
			t.Errorf("attempts: got %v, want 1, 2, 1", got)
		}
		time.Sleep(2 * year)
		b.stopInOrder()
		b.wantAt(t, "0s exit c: boom", "0s restarting c in 8760h0m0s", "8760h0m0s restart c",
			"17520h0m0.000000001s exit c: boom", "17520h0m0.000000001s restarting c in 8760h0m0s", "26280h0m0.000000001s restart c",
			"43800h0m0.000000001s exit c: boom", "43800h0m0.000000001s restarting c in 8760h0m0s", "52560h0m0.000000001s restart c",
			"87600h0m0.000000001s stop c: normal", "87600h0m0.000000001s stop root")
	})
}
