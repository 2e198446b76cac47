package actortest_test

import (
	"context"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/actortest"
	"github.com/coppice-go/coppice/supervisor"
)

// forgets is a child that leaves a goroutine behind, started with a bare go.
func forgets(name string, let <-chan struct{}) supervisor.Child {
	return supervisor.Func(name, func(ctx context.Context) error {
		go forgotten(let)
		<-ctx.Done()
		return nil
	})
}

func forgotten(let <-chan struct{}) { <-let }

func TestLeaksAreFoundInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		server := actor.NewServer("server", openCounter)
		other, _ := plant(t, forgets("f", let))
		tree, _ := plant(t, forgets("g", let), supervisor.New("inner", supervisor.Policy{}, forgets("f", let), server))
		if _, err := actor.Call(t.Context(), server, starts(func() { forgotten(let) })); err != nil {
			t.Error(err)
		}

		if leaks := actortest.Leaks(tree); leaks != nil {
			t.Errorf("while the tree runs: got %v, want none", leaks)
		}
		if err := tree.Stop(t.Context()); err != nil {
			t.Errorf("Stop: got %v, want nil: it knows nothing of bare goroutines", err)
		}
		var paths []string
		for _, leak := range actortest.Leaks(tree) {
			paths = append(paths, leak.Path)
			if !strings.Contains(leak.Stack, "actortest_test.forgotten") || leak.Incarnation != 1 {
				t.Errorf("got %+v, want the first incarnation in forgotten", leak)
			}
		}
		check(t, "leaks", strings.Join(paths, " "), "tree/g tree/inner/f tree/inner/server")
		close(let)
		actortest.NoLeaks(t, tree)
		if err := other.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		actortest.NoLeaks(t, other)
	})
}

// starts is a message whose handler starts a goroutine.
type starts func()

func (s starts) Handle(context.Context, *counter) (int, error) {
	go s()
	return 0, nil
}

func TestLeaksAreFoundOutsideABubble(t *testing.T) {
	let := make(chan struct{})
	tree := supervisor.New("tree", supervisor.Policy{}, forgets("f", let))
	if leaks := actortest.Leaks(tree); leaks != nil {
		t.Errorf("of a tree that was never started: got %v", leaks)
	}
	if _, err := tree.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if leaks := actortest.Leaks(tree); leaks != nil {
		t.Errorf("while the tree runs: got %v, want none", leaks)
	}
	if err := tree.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	leaks := actortest.Leaks(tree)
	if len(leaks) != 1 || !strings.HasPrefix(leaks[0].String(), "goroutines are left of tree/f (incarnation 1):\n\tgithub.com/coppice-go/coppice/actortest_test.forgotten") {
		t.Errorf("got %v, want one", leaks)
	}
	close(let)
	actortest.NoLeaks(t, tree)
}

func TestNoLeaksFailsTheTest(t *testing.T) {
	let := make(chan struct{})
	tree := supervisor.New("tree", supervisor.Policy{}, forgets("f", let))
	if _, err := tree.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tree.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := &listener{TB: t}
	actortest.NoLeaks(told, tree)
	check(t, "errors", len(told.lines), 1)
	check(t, "error", strings.HasPrefix(told.lines[0], "goroutines are left of tree/f"), true)
	close(let)
	actortest.NoLeaks(t, tree)
}

// A forgotten Stop must not pass for a tree without leaks.
func TestNoLeaksFailsTheTestOfATreeThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		tree := supervisor.New("tree", supervisor.Policy{}, supervisor.Factory("f", func(context.Context) (slow, error) {
			<-open
			return slow{}, nil
		}))
		noLeaks := func(when, want string) {
			t.Helper()
			synctest.Wait()
			told := &listener{TB: t}
			actortest.NoLeaks(told, tree)
			check(t, when, strings.Join(told.lines, "\n"), want)
		}
		noLeaks("before", "")
		go func() { _, _ = tree.Start(context.Background()) }()
		noLeaks("while it starts", "the tree is still starting: stop it first")
		close(open)
		noLeaks("while it runs", "the tree is still running: stop it first")
		go func() { _ = tree.Stop(context.Background()) }()
		noLeaks("while it stops", "the tree is still stopping: stop it first")
		if err := tree.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		noLeaks("after", "")
	})
}

// Where the runtime proves leaks, those of a running tree are found too.
func TestWhatIsBlockedForEver(t *testing.T) {
	if pprof.Lookup("goroutineleak") == nil {
		t.Skip("this runtime has no profile goroutineleak: GOEXPERIMENT=goroutineleakprofile")
	}
	if !played(t) { // in a process of its own: such a goroutine stays
		output := play(t, "TestWhatIsBlockedForEver")
		for _, want := range []string{"goroutines are blocked for ever of tree/f (incarnation 1):", "actortest_test.forgotten"} {
			if !strings.Contains(output, want) {
				t.Errorf("got %s\nwant %q in it", output, want)
			}
		}
		return
	}
	tree := supervisor.New("tree", supervisor.Policy{}, supervisor.Func("f", func(ctx context.Context) error {
		go forgotten(make(chan struct{}))
		<-ctx.Done()
		return nil
	}))
	if _, err := tree.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 1000 { // until the goroutine has come so far
		if actortest.Leaks(tree) != nil {
			break
		}
	}
	for _, leak := range actortest.Leaks(tree) {
		t.Error(leak)
	}
}
