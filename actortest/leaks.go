package actortest

import (
	"bytes"
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/internal/stacks"
	"github.com/coppice-go/coppice/supervisor"
)

// Tree is a supervisor that is or was the root of a tree.
type Tree interface {
	Snapshot() supervisor.Snapshot
}

// Leak is what is left of one incarnation: goroutines of its own, and those that
// it has started in whatever way.
type Leak struct {
	Path        string
	Incarnation int
	Stack       string // of all of them, with an empty line between different ones

	// Forever says that the runtime has proved that some of them can never go
	// on, which it tries only with the profile goroutineleak.
	Forever bool
}

// String names the incarnation, with the stacks.
func (l Leak) String() string {
	text := "goroutines are left of"
	if l.Forever {
		text = "goroutines are blocked for ever of"
	}
	return fmt.Sprintf("%s %s (incarnation %d):\n\t%s", text, l.Path, l.Incarnation,
		strings.ReplaceAll(strings.TrimRight(l.Stack, "\n"), "\n", "\n\t"))
}

// Leaks finds the goroutines of a tree that has ended: all that carry its pprof
// labels (see [supervisor.Supervisor.Snapshot]), which a goroutine has from the
// one that started it. It gives them by path, and nothing if there are none. One
// that is on its very last steps is given a moment.
//
// Of a tree that is running, goroutines are leaks only if the runtime has proved
// that they can never go on. It offers that, as the profile goroutineleak, to
// programs built with GOEXPERIMENT=goroutineleakprofile. In a synctest bubble that
// profile is not read: with Go 1.26 a bubble in which it has found something never
// comes to rest again.
//
// In a bubble Leaks waits as synctest.Wait does, and must not be called by two
// goroutines at once. It stops the world for a moment. Of a tree that was started
// again it sees the latest life only.
func Leaks(tree Tree) []Leak {
	snapshot := tree.Snapshot()
	if snapshot.Tree == "" {
		return nil
	}
	var forever map[stacks.Incarnation]string
	patience := lastSteps
	if bubbled() {
		synctest.Wait()
		patience = 0
	} else {
		forever = stacks.Of(snapshot.Tree, "goroutineleak")
	}
	left := forever
	if snapshot.State == supervisor.Stopped {
		left = remaining(snapshot.Tree, patience)
	}
	var leaks []Leak
	for of, stack := range left {
		leaks = append(leaks, Leak{Path: of.Path, Incarnation: of.Number, Stack: stack, Forever: forever[of] != ""})
	}
	slices.SortFunc(leaks, func(a, b Leak) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Incarnation, b.Incarnation))
	})
	return leaks
}

// NoLeaks fails the test for each of [Leaks]. Call it when the tree has been
// stopped, in a bubble or elsewhere: of one that has not, which would prove
// nothing, it fails the test as well.
func NoLeaks(t testing.TB, tree Tree) {
	t.Helper()
	if state := tree.Snapshot().State; state != supervisor.Stopped {
		t.Errorf("the tree is still %v: stop it first", state)
	}
	for _, leak := range Leaks(tree) {
		t.Errorf("%v", leak)
	}
}

// lastSteps is how long those that have only to return are given for it: far more
// than that takes, on a machine that has much else to do.
const lastSteps = 500 * time.Millisecond

// remaining are the goroutines of a tree that stay. It looks at them again and
// again, because nothing tells when a goroutine has returned.
func remaining(tree string, patience time.Duration) (left map[stacks.Incarnation]string) {
	for began := time.Now(); ; runtime.Gosched() {
		left = stacks.Of(tree, "goroutine")
		if len(left) == 0 || time.Since(began) >= patience {
			return left
		}
	}
}

// bubbled says whether the calling goroutine is in a synctest bubble: the first
// line of its stack names that.
func bubbled() bool {
	var stack [128]byte
	line, _, _ := bytes.Cut(stack[:runtime.Stack(stack[:], false)], []byte("\n"))
	return bytes.Contains(line, []byte("synctest bubble"))
}
