package supervisor_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// What is remembered has a bound, and a child in a crash loop leaves room for
// the others.
func TestCrashesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const others = 60
		children := []supervisor.Child{named("loop"), named("rare")}
		for i := range others {
			children = append(children, named(fmt.Sprintf("c%02d", i)))
		}
		b := start(t, supervisor.Policy{Restarts: strategy.Unlimited}, children...)
		children[1].(*child).crash()
		for range 100 {
			children[0].(*child).crash()
		}
		crashes := b.root.Crashes()
		check(t, "crashes", len(crashes), 1+supervisor.KeptCrashesPerChild)
		check(t, "oldest", crashes[0].Path, "root/rare")
		check(t, "first of the loop", crashes[1].Incarnation, 101-supervisor.KeptCrashesPerChild)
		for _, c := range children[2:] {
			c.(*child).crash()
		}
		crashes = b.root.Crashes()
		check(t, "crashes", len(crashes), supervisor.KeptCrashes)
		check(t, "oldest", fmt.Sprint(crashes[0].Path, "#", crashes[0].Incarnation), "root/loop#97")
		check(t, "latest", crashes[len(crashes)-1].Path, "root/c59")
		b.stopInOrder()
	})
}

// What is given out belongs to who has asked: nobody else sees what becomes of it.
func TestCrashesAreCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := named("c")
		b := start(t, supervisor.Policy{}, c)
		c.crash()
		c.crash()
		look := func() string {
			crashes := b.root.Crashes()
			return fmt.Sprintf("%d %d %s", crashes[1].Restarts[0].Attempt, b.root.Snapshot().Children[0].Restarts[0].Attempt, crashes[0].Path)
		}
		for range 2 {
			check(t, "attempt, the same in a snapshot, path", look(), "1 1 root/c")
			crashes := b.root.Crashes()
			crashes[1].Restarts[0].Attempt, crashes[0].Path = 17, "nobody"
		}
		b.stopInOrder()
	})
}

// Each supervisor knows what is below it, during the run, after the end, and
// until the tree is started again.
func TestWhoRemembersWhichCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c, d := named("a"), named("c"), named("d")
		sub, subway, pool := supervisor.New("sub", supervisor.Policy{}, a), supervisor.New("subway", supervisor.Policy{}, c), supervisor.NewDynamic("pool", supervisor.Policy{})
		b := newBed(t, supervisor.Policy{}, sub, subway, pool)
		check(t, "before the start", len(b.root.Crashes())+len(sub.Crashes()), 0)
		wait, err := b.root.Start(context.Background())
		checkError(t, "start", err, "")
		_, err = pool.StartChild(t.Context(), d)
		checkError(t, "start", err, "")
		a.crash()
		c.crash()
		d.crash()
		look := func(when string) {
			t.Helper()
			for _, s := range []struct {
				crashes []tracing.Crash
				want    string
			}{
				{b.root.Crashes(), "root/sub/a root/subway/c root/pool/d#1"},
				{sub.Crashes(), "root/sub/a"}, {subway.Crashes(), "root/subway/c"}, {pool.Crashes(), "root/pool/d#1"},
			} {
				var paths []string
				for _, c := range s.crashes {
					paths = append(paths, c.Path)
				}
				check(t, when, strings.Join(paths, " "), s.want)
			}
		}
		look("during the run")
		checkError(t, "stop", b.root.Stop(t.Context()), "")
		checkError(t, "wait", wait(), "")
		look("after the end")
		_, err = b.root.Start(context.Background())
		checkError(t, "start", err, "")
		check(t, "started again", len(b.root.Crashes())+len(sub.Crashes()), 0)
		checkError(t, "stop", b.root.Stop(t.Context()), "")
	})
}

// A start that is refused because the supervisor has its place already changes
// nothing of what it says about that.
func TestRefusedStartLeavesTheRecordAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := named("a")
		sub := supervisor.New("sub", supervisor.Policy{}, a)
		b := start(t, supervisor.Policy{}, sub)
		a.end(func() error { return errBoom })
		crashes := func() string { return fmt.Sprint(sub.Crashes()) }
		want := crashes()
		b.take()

		checkError(t, "run", sub.Run(t.Context()), "start root/sub: already started")
		check(t, "crashes after its own run", crashes(), want)
		other := newBed(t, supervisor.Policy{}, sub)
		checkError(t, "another tree", other.root.Run(t.Context()), "start root/sub: start root/sub: already started")
		check(t, "crashes after another tree", crashes(), want)
		check(t, "events", len(b.take()), 0)
		b.stopInOrder()
		check(t, "crashes after the end", crashes(), want)
		check(t, "reason", sub.Snapshot().Reason, nil)
	})
}
