package supervisor_test

import (
	"context"
	"fmt"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestSnapshotGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crashed, again, ended, waits := named("crashed"), named("again"), named("ended"), named("waits")
		busy := actor.New("busy", func(context.Context) (actor.Behavior[int], error) {
			return actor.Behavior[int]{Receive: func(context.Context, int) error { time.Sleep(time.Hour); return nil }}, nil
		})
		slow := named("slow")
		slow.onStart = func(ctx context.Context, _ int) error { <-ctx.Done(); return nil }
		late := supervisor.New("late", supervisor.Policy{}, slow, supervisor.New("below", supervisor.Policy{}, named("deep")))
		pool := supervisor.NewDynamic("pool", supervisor.Policy{})
		b := newBed(t, supervisor.Policy{}, crashed,
			supervisor.New("sub", supervisor.Policy{}, again, supervisor.Spec{Child: ended, Restart: strategy.Transient}),
			supervisor.Spec{Child: waits, Backoff: strategy.Constant(time.Hour)},
			busy, pool)
		const stopped = `root stopped
  crashed stopped
  sub stopped
    again stopped
    ended stopped
  waits stopped
  busy stopped
  pool stopped
`
		golden(t, "before", b.root.Snapshot(), stopped)

		b.wait, _ = b.root.Start(context.Background())
		crashed.crash()
		again.end(panics("oops"))
		again.end(returns(nil))
		ended.end(returns(nil))
		waits.crash()
		added(t, pool, named("user"))
		for n := range 3 {
			checkError(t, "send", busy.Send(t.Context(), n), "")
		}
		go b.root.StartChild(t.Context(), late)
		synctest.Wait()
		golden(t, "running", b.root.Snapshot(), `root running
  crashed running, incarnation 2, last ended: boom
  sub running
    again running, incarnation 3, last ended: normal
    ended stopped, ended: normal
  waits restarting (delay 1h0m0s), last ended: boom
  busy running, busy, 2 waiting
  pool running
    user#1 running
  late starting
    slow starting
    below stopped
      deep stopped
`)
		golden(t, "a nested one", late.Snapshot(), `late starting
  slow starting
  below stopped
    deep stopped
`)
		var paths []string
		for path, s := range b.root.Snapshot().All() {
			check(t, "path", s.Path, path)
			paths = append(paths, path)
		}
		checkList(t, "paths of All", paths, []string{
			"root", "root/crashed", "root/sub", "root/sub/again", "root/sub/ended", "root/waits", "root/busy",
			"root/pool", "root/pool/user#1", "root/late", "root/late/slow", "root/late/below", "root/late/below/deep",
		})
		for path := range b.root.Snapshot().All() { // it can be left, at any level
			if path == "root/sub/again" {
				break
			}
		}
		stopping := make(chan error)
		go func() { stopping <- b.root.Stop(context.Background()) }()
		synctest.Wait()
		snapshot := b.root.Snapshot() // never waits, also while the supervisor does
		check(t, "state", snapshot.State, supervisor.Stopping)
		check(t, "state of busy", snapshot.Children[3].State, supervisor.Stopping)
		reported(t, <-stopping)
		if b.wait() == nil {
			t.Error("wait: got nil, want a report of busy")
		}
		golden(t, "after", b.root.Snapshot(), `root stopped, ended: shutdown
  crashed stopped, incarnation 2, ended: shutdown
  sub stopped, ended: shutdown
    again stopped, incarnation 3, ended: shutdown
    ended stopped, ended: normal
  waits stopped, ended: boom
  busy stopped, 1 abandoned, still there, ended: killed
  pool stopped, ended: shutdown
    user#1 stopped, ended: shutdown
`)
		time.Sleep(3 * time.Hour)
	})
}

func golden(t *testing.T, when string, s supervisor.Snapshot, want string) {
	t.Helper()
	if got := s.String(); got != want {
		t.Errorf("%s:\n got:\n%s\nwant:\n%s", when, got, want)
	}
}

func TestSnapshotHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		c.onStart = failingStarts(5)
		b := start(t, supervisor.Policy{Restarts: strategy.Unlimited, Backoff: strategy.Constant(time.Second)}, c)
		for i := range 12 {
			c.end(returns(fmt.Errorf("crash %d", i)))
			time.Sleep(3 * time.Second)
		}
		s := b.root.Snapshot().Children[0]
		check(t, "incarnation", s.Incarnation, 14)
		check(t, "reason", s.Reason.Error(), "crash 11")
		check(t, "restarts kept", len(s.Restarts), 8)
		for i, r := range s.Restarts {
			check(t, "reason", r.Reason.Error(), fmt.Sprintf("crash %d", i+4))
			check(t, "delay", r.Delay, time.Second)
			check(t, "at", r.Time.Sub(b.began), time.Duration(i+4)*3*time.Second)
			check(t, "attempt", r.Attempt, i+4+2) // with the failed start, and never healthy
		}
		kept := slices.Clone(s.Restarts)
		c.crash()
		if !slices.Equal(s.Restarts, kept) {
			t.Error("a snapshot changed")
		}
		b.stopInOrder()
	})
}

// Snapshots are taken while everything changes; this is for the race detector.
func TestSnapshotsAreSafeAtAnyTime(t *testing.T) {
	pool := supervisor.NewDynamic("pool", supervisor.Policy{Restarts: strategy.Unlimited})
	flaky := named("flaky")
	flaky.onStart = func(_ context.Context, n int) error {
		if n > 1 && n%3 == 0 {
			return errBoom
		}
		return nil
	}
	root := supervisor.New("root", supervisor.Policy{Strategy: strategy.OneForAll, Restarts: strategy.Unlimited, Tracing: quiet()}, flaky, pool)
	wait, err := root.Start(context.Background())
	if err != nil {
		t.Fatalf("start: got %v, want nil", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = root.Snapshot().String()
			_, _ = pool.Children(), pool.String()
		}
	}()
	for range 100 {
		flaky.ends <- returns(errBoom)
		_, _ = pool.StartChild(ctx, named("x"))
	}
	checkError(t, "stop", root.Stop(context.Background()), "")
	checkError(t, "wait", wait(), "")
	cancel()
	<-done
}

func TestSnapshotNamesTheTreeOfItsGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := supervisor.New("inner", supervisor.Policy{}, labelled())
		root := supervisor.New("root", supervisor.Policy{Tracing: quiet()}, labelled(), inner)
		check(t, "before", root.Snapshot().Tree, "")
		var trees []string
		for range 2 {
			if _, err := root.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			tree := root.Snapshot().Tree
			trees = append(trees, tree)
			check(t, "of a supervisor below", inner.Snapshot().Tree, tree)
			check(t, "in the labels of goroutines", len(goroutinesOf(t, tree)), 2+2*2) // supervisors; children, each with a goroutine
			checkError(t, "stop", root.Stop(t.Context()), "")
			check(t, "after the end", root.Snapshot().Tree, tree)
			check(t, "goroutines after the end", len(goroutinesOf(t, tree)), 0)
		}
		if trees[0] == trees[1] {
			t.Errorf("two lives of a tree: got %q for both, want different ones", trees[0])
		}
	})
}

// labelled is a child with a goroutine of its own.
func labelled() supervisor.Child {
	return supervisor.Func("f", func(ctx context.Context) error {
		done := make(chan struct{})
		go func() {
			defer close(done)
			<-ctx.Done()
		}()
		<-done
		return nil
	})
}

// goroutinesOf gives the labels of the goroutines of a tree, one text for each
// goroutine.
func goroutinesOf(t *testing.T, tree string) (all []string) {
	t.Helper()
	synctest.Wait()
	var profile strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	for group := range strings.SplitSeq(profile.String(), "\n\n") {
		if !strings.Contains(group, fmt.Sprintf("%q:%q", "coppice.tree", tree)) {
			continue
		}
		count, _, _ := strings.Cut(group, " @ ")
		n, err := strconv.Atoi(count[strings.LastIndexByte(count, '\n')+1:])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, slices.Repeat([]string{group}, n)...)
	}
	return all
}

// A child that was abandoned is not just stopped, or running: a snapshot counts
// what is still there, until it has returned.
func TestSnapshotCountsTheAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		c := named("c")
		stuck := func(name string) supervisor.Spec {
			child := named(name)
			child.onStop = ignoresCtxUntil(released)
			return supervisor.Spec{Child: child, Shutdown: supervisor.BrutalKill}
		}
		sub := supervisor.New("sub", supervisor.Policy{Strategy: strategy.OneForAll}, c, stuck("stuck"))
		b := start(t, supervisor.Policy{}, sub)
		count := func() string {
			var found []string
			for path, s := range b.root.Snapshot().All() {
				if s.Abandoned > 0 {
					found = append(found, fmt.Sprintf("%s %d", path, s.Abandoned))
				}
			}
			return strings.Join(found, ", ")
		}
		check(t, "before", count(), "")
		c.crash()
		time.Sleep(time.Minute)
		check(t, "after a restart", count(), "root/sub/stuck 1")
		check(t, "what it says", strings.Contains(b.root.Snapshot().String(), "stuck running, incarnation 2, 1 abandoned, still there"), true)
		check(t, "below", sub.Snapshot().Children[1].Abandoned, 1)
		check(t, "the stop reports it", b.stop() != nil, true)
		check(t, "after a stop", count(), "root/sub/stuck 2")
		close(released)
		synctest.Wait()
		check(t, "when it has returned", count(), "")
	})
}
