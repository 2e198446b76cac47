package stacks_test

import (
	"context"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/internal/stacks"
)

// lingers is what the goroutines of the tests are found in.
func lingers(release <-chan struct{}) { <-release }

func TestStacksAreFoundByTreeAndIncarnation(t *testing.T) {
	release, ended, started := make(chan struct{}), make(chan struct{}), make(chan struct{})
	labelled := func(tree, path string, number int, beside int) {
		for range beside {
			go pprof.Do(context.Background(), stacks.Labels(tree, path, number), func(context.Context) {
				started <- struct{}{}
				lingers(release)
				ended <- struct{}{}
			})
			<-started
		}
	}
	odd := `bank/"quoted", {braces}: and spaces`
	labelled("t1", "bank/alice", 1, 1)
	labelled("t1", "bank/alice", 2, 3)
	labelled("t1", odd, 1, 1)
	labelled("t2", "bank/bob", 1, 1)
	found := stacks.Of("t1", "goroutine")
	close(release)
	for range 6 {
		<-ended
	}

	for at, want := range map[stacks.Incarnation]string{
		{Path: "bank/alice", Number: 1}: "stacks_test.lingers",
		{Path: "bank/alice", Number: 2}: "stacks_test.lingers",
		{Path: odd, Number: 1}:          "stacks_test.lingers",
	} {
		if got := found[at]; !strings.Contains(got, want) {
			t.Errorf("%v: got the stack %q, want one with %s", at, got, want)
		}
	}
	if got := found[stacks.Incarnation{Path: "bank/alice", Number: 2}]; !strings.Contains(got, "goroutines:") {
		t.Errorf("three goroutines: got %q, want their number", got)
	}
	if len(found) != 3 {
		t.Errorf("got %d incarnations, want 3: that of another tree is none: %v", len(found), found)
	}
}

func TestProfileThatIsNotOffered(t *testing.T) {
	if found := stacks.Of("t1", "no such profile"); found != nil {
		t.Errorf("got %v, want nothing", found)
	}
}

// What other goroutines are called keeps nobody from being found.
func TestHugeLabelsOfOthers(t *testing.T) {
	release, ended, started := make(chan struct{}), make(chan struct{}), make(chan struct{})
	for _, labels := range []pprof.LabelSet{
		pprof.Labels("a huge one", strings.Repeat("x", 1<<21)),
		pprof.Labels("text", "# labels: {\"coppice.tree\":\"t3\"}\n\n1 @ 0x0\n"),
		stacks.Labels("t3", "bank/alice", 1),
		pprof.Labels("a huge one", strings.Repeat("y", 1<<21)),
	} {
		go pprof.Do(context.Background(), labels, func(context.Context) {
			started <- struct{}{}
			lingers(release)
			ended <- struct{}{}
		})
		<-started
	}
	found := stacks.Of("t3", "goroutine")
	close(release)
	for range 4 {
		<-ended
	}
	if got := found[stacks.Incarnation{Path: "bank/alice", Number: 1}]; len(found) != 1 || !strings.Contains(got, "stacks_test.lingers") {
		t.Errorf("got %v, want the stack of bank/alice alone", found)
	}
}
