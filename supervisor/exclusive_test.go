package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

const occupied = "an abandoned incarnation of it is still there"

// stuckOnce is a child whose first incarnation does not end before released is
// closed.
func stuckOnce(name string, released chan struct{}) *child {
	c := named(name)
	c.onStop = func(ctx context.Context) error {
		if c.starts.Load() == 1 {
			<-released
		}
		return ctx.Err()
	}
	return c
}

// A victim of a group restart is abandoned, and is to be started again.
func TestS196_RestartBesideAnAbandonedIncarnation(t *testing.T) {
	for _, test := range []struct {
		name      string
		exclusive bool
		backoff   time.Duration
		returns   time.Duration // when the abandoned one does
		want      []string
	}{
		{"start anyway", false, 0, time.Minute, []string{"0s exit a: boom", "0s restarting a",
			"0s stop z", "5s abandon stuck", "5s restart a", "5s restart stuck", "5s restart z", "1m0s return stuck: shutdown: sibling \"a\" ended: boom"}},
		{"escalate", true, 0, time.Minute, []string{"0s exit a: boom", "0s restarting a",
			"0s stop z", "5s abandon stuck", "5s root gave up on stuck: " + occupied,
			"5s exit root: root gave up: \"stuck\" cannot be restarted (" + occupied + "): shutdown: sibling \"a\" ended: boom",
			"1m0s return stuck: shutdown: sibling \"a\" ended: boom"}},
		{"it returns during the delay", true, time.Minute, 10 * time.Second, []string{"0s exit a: boom", "0s restarting a in 1m0s",
			"0s stop z", "5s abandon stuck", "10s return stuck: shutdown: sibling \"a\" ended: boom", "1m5s restart a", "1m5s restart stuck", "1m5s restart z"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				released := make(chan struct{})
				time.AfterFunc(test.returns, func() { close(released) })
				a, stuck := named("a"), stuckOnce("stuck", released)
				b := start(t, supervisor.Policy{Strategy: strategy.OneForAll, Exclusive: test.exclusive, Backoff: strategy.Constant(test.backoff)},
					a, stuck, named("z"))
				a.crash()
				time.Sleep(time.Hour)
				b.wantAt(t, test.want...)
				if test.name != "escalate" {
					check(t, "states", b.states(), "a stuck z")
					b.stopInOrder()
					return
				}
				err := b.wait()
				var gaveUp *exit.GaveUp
				if !errors.As(err, &gaveUp) || !errors.Is(err, supervisor.ErrAbandoned) {
					t.Fatalf("wait: got %v, want an *exit.GaveUp with ErrAbandoned", err)
				}
				check(t, "child", gaveUp.Child, "stuck")
				check(t, "why", gaveUp.Why, supervisor.ErrAbandoned)
				checkList(t, "report", summary(t, err), []string{"root/stuck (incarnation 1), stuck in run for at least 5s"})
				check(t, "starts of the one that is stuck", stuck.starts.Load(), 1)
			})
		})
	}
}

func TestS196_StartByHandBesideAnAbandonedIncarnation(t *testing.T) {
	for _, exclusive := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			released := make(chan struct{})
			stuck := stuckOnce("stuck", released)
			b := start(t, supervisor.Policy{Exclusive: exclusive, Restarts: strategy.NoRestarts}, named("a"), stuck)
			refused := ""
			if exclusive {
				refused = "start root/stuck: " + occupied
			}
			checkError(t, "terminate", b.root.TerminateChild(ctx, "stuck"), "")
			b.want(t, "abandon stuck")
			err := b.root.RestartChild(ctx, "stuck")
			checkError(t, "restart", err, refused)
			check(t, "is ErrAbandoned", errors.Is(err, supervisor.ErrAbandoned), exclusive)
			if !exclusive {
				b.want(t, "start stuck")
				close(released)
				synctest.Wait()
				b.stopInOrder()
				return
			}
			b.want(t, "fail stuck: "+occupied)
			check(t, "states", b.states(), "a stuck:stopped")
			checkError(t, "delete", b.root.DeleteChild(ctx, "stuck"), "")
			checkError(t, "start", b.root.StartChild(ctx, named("stuck")), refused) // the path counts
			b.want(t, "fail stuck: "+occupied)
			check(t, "states", b.states(), "a")
			checkError(t, "start of another", b.root.StartChild(ctx, supervisor.New("sub", supervisor.Policy{Exclusive: true}, named("stuck"))), "")
			b.want(t, "start sub/stuck", "start sub")

			close(released)
			synctest.Wait()
			b.want(t, "return stuck: shutdown")
			checkError(t, "start", b.root.StartChild(ctx, stuck), "")
			checkError(t, "terminate", b.root.TerminateChild(ctx, "stuck"), "")
			checkError(t, "restart", b.root.RestartChild(ctx, "stuck"), "")
			check(t, "states", b.states(), "a sub sub/stuck stuck")
			b.stopInOrder()
		})
	}
}

func TestS196_StartWithTheSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		stuck, trigger := stuckOnce("stuck", released), named("trigger")
		sub := supervisor.New("sub", supervisor.Policy{Exclusive: true, Restarts: strategy.NoRestarts}, named("first"), stuck, trigger)
		b := start(t, supervisor.Policy{Restarts: 2, Within: time.Hour, Backoff: strategy.Constant(time.Second)}, sub)
		trigger.crash() // sub gives up, and abandons stuck; root restarts it
		time.Sleep(5*time.Second + 500*time.Millisecond)
		b.take()
		time.Sleep(time.Second)
		b.wantAt(t, "6s start sub/first", "6s fail sub/stuck: "+occupied, "6s stop sub/first",
			"6s fail sub: start root/sub/stuck: "+occupied, "6s restarting sub in 1s") // a failed start like any other
		close(released)
		time.Sleep(time.Minute)
		b.wantAt(t, "6.5s return sub/stuck: "+gaveUpCause("root/sub", "trigger"), "7s start sub/first", "7s start sub/stuck", "7s start sub/trigger", "7s restart sub")
		check(t, "states", b.states(), "sub sub/first sub/stuck sub/trigger")
		b.stopInOrder()
	})
}

// As long as it is there, the failed starts use up the intensity of the one above.
func TestS196_Escalates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		a, stuck := named("a"), stuckOnce("stuck", released)
		sub := supervisor.New("sub", supervisor.Policy{Exclusive: true, Strategy: strategy.RestForOne}, a, stuck)
		b := start(t, supervisor.Policy{Restarts: 2}, sub)
		a.crash()
		err := b.wait()
		var gaveUp *exit.GaveUp
		if !errors.As(err, &gaveUp) || gaveUp.Supervisor != "root" || !errors.Is(err, supervisor.ErrAbandoned) {
			t.Errorf("wait: got %v, want that root gave up because of ErrAbandoned", err)
		}
		check(t, "starts of the one that is stuck", stuck.starts.Load(), 1)
		check(t, "starts of a", a.starts.Load(), 1+2)
		close(released)
	})
}

// What a stop has left behind is still there when the tree is run again.
func TestS196_TheSameTreeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		stuck := stuckOnce("stuck", released)
		b := start(t, supervisor.Policy{Exclusive: true}, named("a"), stuck)
		reported(t, b.stop())
		b.take()
		for range 2 {
			err := b.root.Run(t.Context())
			checkError(t, "run again", err, "start root/stuck: "+occupied)
			if !errors.Is(err, supervisor.ErrAbandoned) {
				t.Errorf("errors.Is(%v, ErrAbandoned): got false, want true", err)
			}
			b.want(t, "start a", "fail stuck: "+occupied, "stop a", "fail root: start root/stuck: "+occupied)
		}
		close(released)
		synctest.Wait()
		b.want(t, "return stuck: shutdown")
		wait, err := b.root.Start(context.Background())
		checkError(t, "start", err, "")
		b.wait = wait
		check(t, "states", b.states(), "a stuck")
		b.stopInOrder()
	})
}

func TestS196_InADynamic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		b, pool := startDynamic(t, supervisor.Policy{Exclusive: true})
		stuck := stuckOnce("stuck", released)
		name := added(t, pool, stuck)
		checkError(t, "terminate", pool.TerminateChild(t.Context(), name), "")
		check(t, "name", added(t, pool, stuck), "stuck#2") // another child: each has a name of its own
		b.take()
		close(released)
		synctest.Wait()
		b.want(t, "return pool/stuck#1: shutdown")
		b.stopInOrder()
	})
}

// A supervisor that is asked to stop does not give up any more.
func TestS196_StopComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		a, stuck := named("a"), stuckOnce("stuck", released)
		b := start(t, supervisor.Policy{Strategy: strategy.OneForAll, Exclusive: true}, stuck, a)
		a.crash()
		time.Sleep(time.Second)
		err := b.root.Stop(t.Context())
		b.wantAt(t, "0s exit a: boom", "0s restarting a", "5s abandon stuck", "5s stop root")
		checkList(t, "report", summary(t, err), []string{"root/stuck (incarnation 1), stuck in run for at least 5s"})
		checkError(t, "wait", b.wait(), reportText(err))
		close(released)
	})
}
