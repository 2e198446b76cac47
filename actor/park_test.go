package actor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
)

// ofActors is in the labels of the goroutines of all children of the tree.
const ofActors = `"coppice.path":"tree/`

func TestParkedActorsHaveNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count = 100
		var actors []*actor.Actor[int]
		var children []supervisor.Child
		sums := make([]int, count)
		for i := range count {
			a := actor.New(fmt.Sprint("a", i), func(context.Context) (actor.Behavior[int], error) {
				sum := 0 // the state stays while it is parked
				return actor.Behavior[int]{Receive: func(_ context.Context, n int) error {
					sum += n
					sums[i] = sum
					return nil
				}}, nil
			}, actor.Options{ParkAfter: time.Second})
			actors, children = append(actors, a), append(children, a)
		}
		tree, _ := plant(t, children...)
		var sent sends
		synctest.Wait()
		checkGoroutines(t, "before the first message", ofActors, 0)
		for i, a := range actors {
			sent.send(t, a, i)
		}
		synctest.Wait()
		checkGoroutines(t, "of the tree", ofActors, count)
		time.Sleep(time.Second - 1)
		synctest.Wait()
		checkGoroutines(t, "before the time", ofActors, count)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		checkGoroutines(t, "after it", ofActors, 0)

		for range 3 {
			for i, a := range actors {
				sent.send(t, a, i)
			}
			synctest.Wait()
			checkGoroutines(t, "when woken", ofActors, count)
			time.Sleep(2 * time.Second)
			synctest.Wait()
			checkGoroutines(t, "when parked again", ofActors, 0)
		}
		for i, sum := range sums {
			check(t, "sum", sum, 4*i)
		}
		if err := tree.Stop(context.Background()); err != nil {
			t.Errorf("Stop: got %v, want nil", err)
		}
		var all mailbox.Stats
		for _, a := range actors {
			all.Handled += a.Stats().Handled
		}
		sent.conserved(t, all)
	})
}

func TestMessagesKeepAnActorFromParking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		a := numbers(&j, actor.Options{ParkAfter: time.Second}, nil)
		plant(t, a)
		for n := range 5 {
			time.Sleep(time.Second - 1)
			if err := a.Send(t.Context(), n); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		checkGoroutines(t, "of the tree", ofActors, 1)
	})
}

func TestWhatHappensToAParkedActor(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(t *testing.T, tree *supervisor.Supervisor, a *actor.Actor[int])
		want string
	}{
		{"stop", func(t *testing.T, tree *supervisor.Supervisor, _ *actor.Actor[int]) {
			start := time.Now()
			if err := tree.Stop(context.Background()); err != nil {
				t.Errorf("Stop: got %v, want nil", err)
			}
			check(t, "took", time.Since(start), 0)
		}, "open 1, 1:1, close 1: shutdown"},
		{"kill", func(t *testing.T, tree *supervisor.Supervisor, _ *actor.Actor[int]) {
			if err := tree.TerminateChild(t.Context(), "numbers"); err != nil {
				t.Error(err)
			}
		}, "open 1, 1:1, close 1: killed"},
		{"terminate, restart", func(t *testing.T, tree *supervisor.Supervisor, a *actor.Actor[int]) {
			if err := tree.TerminateChild(t.Context(), "numbers"); err != nil {
				t.Error(err)
			}
			if err := tree.RestartChild(t.Context(), "numbers"); err != nil {
				t.Error(err)
			}
			if err := a.Send(t.Context(), 2); err != nil {
				t.Error(err)
			}
		}, "open 1, 1:1, close 1: shutdown, open 2, 2:2"},
		{"crash", func(t *testing.T, _ *supervisor.Supervisor, a *actor.Actor[int]) {
			for _, n := range []int{2, 0, 3} {
				if err := a.Send(t.Context(), n); err != nil {
					t.Error(err)
				}
			}
		}, "open 1, 1:1, 1:2, 1:0, close 1: panic: boom, open 2, 2:3"},
		{"goexit", func(t *testing.T, _ *supervisor.Supervisor, a *actor.Actor[int]) {
			if err := a.Send(t.Context(), -1); err != nil {
				t.Error(err)
			}
		}, "open 1, 1:1, 1:-1, close 1: goroutine left by runtime.Goexit, open 2"},
		{"end on purpose", func(t *testing.T, _ *supervisor.Supervisor, a *actor.Actor[int]) {
			if err := a.Send(t.Context(), -2); err != nil {
				t.Error(err)
			}
		}, "open 1, 1:1, 1:-2, close 1: normal, open 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				a := numbers(&j, actor.Options{ParkAfter: time.Second}, map[int]func(context.Context) error{
					0: panics, -1: goexits, -2: func(context.Context) error { return exit.Normal },
				})
				spec := supervisor.Spec{Child: a}
				if test.name == "kill" {
					spec.Shutdown = supervisor.BrutalKill
				}
				tree, _ := plant(t, spec)
				if err := a.Send(t.Context(), 1); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				checkGoroutines(t, "of the tree", ofActors, 0)
				test.do(t, tree, a)
				synctest.Wait()
				check(t, "journal", j.take(), test.want)
			})
		})
	}
}

// The goroutine that a message wakes is started by the sender, whose labels it
// must not have.
func TestParkedActorKeepsItsLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var j journal
		a := numbers(&j, actor.Options{ParkAfter: time.Second}, map[int]func(context.Context) error{1: until(release)})
		plant(t, a)
		time.Sleep(time.Second)
		synctest.Wait()
		pprof.Do(t.Context(), pprof.Labels("who", "sender"), func(ctx context.Context) {
			if err := a.Send(ctx, 1); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		var profile bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			t.Fatal(err)
		}
		close(release)
		found := ""
		for line := range strings.Lines(profile.String()) {
			if strings.Contains(line, `"coppice.path":"tree/numbers"`) {
				found += line
			}
		}
		if strings.Count(found, "\n") != 1 || strings.Contains(found, "sender") || !strings.Contains(found, `"coppice.incarnation":"1"`) {
			t.Errorf("labels of the actor's goroutine: got %q, want one line with its path and incarnation", found)
		}
	})
}

// The messages of many senders wake the actor again and again, none gets lost.
func TestParkingUnderLoad(t *testing.T) {
	const senders, each = 8, 300
	handled := make(chan int, senders*each)
	a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
		return actor.Behavior[int]{Receive: func(_ context.Context, n int) error { handled <- n; return nil }}, nil
	}, actor.Options{ParkAfter: 1, Mailbox: mailbox.Options{Capacity: 1}}) // a nanosecond
	tree, _ := plant(t, a)
	for s := range senders {
		go func() {
			for n := range each {
				if err := a.Send(context.Background(), s*each+n); err != nil {
					t.Errorf("Send: %v", err)
				}
				runtime.Gosched()
			}
		}()
	}
	last := make([]int, senders)
	for range senders * each {
		n := <-handled
		if s := n / each; n%each < last[s] {
			t.Errorf("sender %d: got %d after %d, want them in order", s, n%each, last[s])
		} else {
			last[s] = n % each
		}
	}
	if err := tree.Stop(context.Background()); err != nil {
		t.Errorf("Stop: got %v, want nil", err)
	}
	check(t, "Stats", a.Stats(), mailbox.Stats{Handled: senders * each})
}

// The cleanup of an actor that is parked when it is stopped is its own affair: the
// supervisor does not wait in it, nor leave with it.
func TestCloseOfAParkedActor(t *testing.T) {
	for name, test := range map[string]struct {
		close func(ctx context.Context)
		took  time.Duration
	}{
		"returns":           {func(context.Context) {}, 0},
		"waits for its ctx": {func(ctx context.Context) { <-ctx.Done() }, 4500 * time.Millisecond},
		"leaves":            {func(context.Context) { runtime.Goexit() }, 0},
		"panics":            {func(context.Context) { panic("close") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				closed := 0
				a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
					return actor.Behavior[int]{
						Receive: func(context.Context, int) error { return nil },
						Close: func(ctx context.Context, _ exit.Reason) error {
							closed++
							test.close(ctx)
							return nil
						},
					}, nil
				})
				tree, _ := plant(t, a)
				synctest.Wait()
				checkGoroutines(t, "of the tree", ofActors, 0)
				began := time.Now()
				check(t, "stop", tree.Stop(context.Background()), nil)
				check(t, "took", time.Since(began), test.took)
				check(t, "closed", closed, 1)
			})
		})
	}
}

// after is a child of the user's that does something when the one inside has ended.
type after struct {
	supervisor.Child
	do func()
}

func (a *after) Start(ctx context.Context) (func() error, error) {
	run, err := a.Child.Start(ctx)
	return func() error {
		err := run()
		if ctx.Err() != nil {
			a.do()
		}
		return err
	}, err
}

// wrapping is a child of the user's that does not hand on what the one inside returns
// as it is.
type wrapping struct{ supervisor.Child }

func (w wrapping) Start(ctx context.Context) (func() error, error) {
	run, err := w.Child.Start(ctx)
	return func() error { return fmt.Errorf("wrapped: %w", run()) }, err
}

// Whoever wraps what an actor returns that parks is told what is wrong.
func TestParkingThatIsWrapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(context.Context, int) error { return nil }}, nil
		}, actor.Options{ParkAfter: time.Second})
		tree, _ := plantWith(t, supervisor.Policy{}, wrapping{a})
		time.Sleep(time.Minute)
		crashes := tree.Crashes()
		if len(crashes) == 0 {
			t.Fatal("no crash")
		}
		want := "wrapped: parked: what stands around an actor must return what its run function has returned as it is (see Options.ParkAfter)"
		check(t, "reason", fmt.Sprint(crashes[0].Reason), want)
	})
}

// What stands around a parked actor is the user's as well: the supervisor does not
// run it in the actor's place.
func TestWhatStandsAroundAParkedActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := actor.New("a", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(context.Context, int) error { return nil }}, nil
		}, actor.Options{ParkAfter: time.Second})
		tree, _ := plant(t, within(10*time.Second, &after{a, func() { time.Sleep(time.Hour) }}))
		time.Sleep(2 * time.Second)
		checkGoroutines(t, "of the tree", ofActors, 0)
		began := time.Now()
		var stuck *supervisor.StopError
		if err := tree.Stop(context.Background()); !errors.As(err, &stuck) || len(stuck.Stuck) != 1 {
			t.Errorf("stop: got %v, want one that is stuck", err)
		}
		check(t, "took", time.Since(began), 10*time.Second)
		time.Sleep(time.Hour)
	})
}
