package chaos_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// branch is a supervisor of the forest.
type branch struct {
	tree      *tree
	name      string
	exclusive bool
	static    *supervisor.Supervisor // one of the two
	dynamic   *supervisor.Dynamic
}

// tree is a root with everything below it.
type tree struct {
	name     string
	root     *supervisor.Supervisor
	unheard  bool    // nobody listens to what it tells
	leaves   []*leaf // those it was constructed with
	branches []*branch

	run string // the latest, as the labels of its goroutines tell; guarded by lives
}

// forest are the trees, and where messages can go.
type forest struct {
	trees       []*tree
	branches    []*branch
	supervisors map[string]bool // paths

	mu     sync.RWMutex
	leaves []*leaf // those that were added while it runs come last
	fixed  int     // how many of them were not
}

// plant makes random trees with so many leaves in all.
func (s *soak) plant(leaves int) {
	s.forest = &forest{supervisors: make(map[string]bool)}
	dice := s.dice("forest", 0)
	unheard := dice.IntN(2) // one of the first two, and of each four
	for n := 0; leaves > 0; n++ {
		t := &tree{name: fmt.Sprintf("tree%d", n), unheard: n%4 == unheard}
		size := min(leaves, 60+dice.IntN(140))
		leaves -= size
		policy := supervisor.Policy{Restarts: strategy.Unlimited, Tracing: s.tracing}
		if t.unheard { // then a child of a Dynamic replies by itself
			policy.Tracing = tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})
		}
		if n%2 == 1 { // gives up now and then, and has to be started again
			policy.Restarts, policy.Within = 40, time.Second
		}
		var children []supervisor.Child
		for size > 0 {
			children = append(children, s.grow(t, t.name, len(children), 1, &size, dice))
		}
		s.forest.supervisors[t.name] = true
		t.root = supervisor.New(t.name, policy, children...)
		t.branches = append(t.branches, &branch{tree: t, name: t.name, static: t.root})
		s.forest.trees = append(s.forest.trees, t)
		s.forest.branches = append(s.forest.branches, t.branches...)
		s.forest.leaves = append(s.forest.leaves, t.leaves...)
	}
	s.forest.fixed = len(s.forest.leaves)
}

// grow makes a random supervisor with what is below it, as the child of another.
func (s *soak) grow(t *tree, above string, position, depth int, size *int, dice *rand.Rand) supervisor.Child {
	name := fmt.Sprintf("s%d", position)
	path := above + "/" + name
	s.forest.supervisors[path] = true
	policy := supervisor.Policy{
		Restarts:  strategy.Unlimited,
		Backoff:   randomBackoff(dice),
		Exclusive: dice.IntN(4) == 0,
		Watch:     randomWatch(dice),
	}
	if dice.IntN(3) == 0 { // gives up now and then
		policy.Restarts, policy.Within = 2+dice.IntN(10), time.Duration(20+dice.IntN(100))*time.Millisecond
	}
	spec := supervisor.Spec{}
	if dice.IntN(12) == 0 {
		spec.Restart = strategy.Transient
	}
	if dice.IntN(6) == 0 {
		spec.Shutdown = supervisor.Timeout(time.Duration(30+dice.IntN(200)) * time.Millisecond)
	}
	b := &branch{tree: t, name: path, exclusive: policy.Exclusive}
	t.branches = append(t.branches, b)
	static := 5 // among so many one is dynamic; more where those take ways of their own
	if t.unheard {
		static = 2
	}
	if (depth > 1 || t.unheard) && dice.IntN(static) == 0 {
		policy.MaxChildren = 30
		b.dynamic = supervisor.NewDynamic(name, policy)
		b.exclusive = false // a child started by hand is always another
		spec.Child = b.dynamic
		return spec
	}
	policy.Strategy = strategy.Strategy(dice.IntN(3))
	if dice.IntN(5) == 0 {
		policy.AutoShutdown = strategy.AutoShutdown(1 + dice.IntN(2))
	}
	var children []supervisor.Child
	for n := 2 + dice.IntN(8); n > 0 && *size > 0; n-- {
		if depth < 5 && dice.IntN(4) == 0 {
			children = append(children, s.grow(t, path, len(children), depth+1, size, dice))
			continue
		}
		*size--
		l := s.newLeaf(t, fmt.Sprintf("a%d", len(t.leaves)), b.exclusive, dice)
		t.leaves = append(t.leaves, l)
		leaf := randomSpec(l.child, dice)
		leaf.Significant = policy.AutoShutdown != strategy.Never && leaf.Restart != strategy.Permanent
		children = append(children, leaf)
	}
	b.static = supervisor.New(name, policy, children...)
	spec.Child = b.static
	return spec
}

func randomSpec(child supervisor.Child, dice *rand.Rand) supervisor.Spec {
	spec := supervisor.Spec{Child: child, Backoff: randomBackoff(dice)}
	switch n := dice.IntN(100); {
	case n < 15:
		spec.Restart = strategy.Transient
	case n < 18:
		spec.Restart = strategy.Temporary
	}
	switch n := dice.IntN(100); {
	case n < 3:
		spec.Shutdown = supervisor.Infinity
	case n < 6:
		spec.Shutdown = supervisor.BrutalKill
	case n < 9:
		spec.Shutdown = supervisor.Timeout(0)
	default:
		spec.Shutdown = supervisor.Timeout(time.Duration(1+dice.IntN(20)) * time.Millisecond)
	}
	return spec
}

func randomBackoff(dice *rand.Rand) strategy.Backoff {
	switch dice.IntN(6) {
	case 0:
		return strategy.Constant(time.Duration(dice.IntN(3)) * time.Millisecond)
	case 1:
		return strategy.Exponential(time.Millisecond, 8*time.Millisecond)
	}
	return nil
}

func (f *forest) isSupervisor(path string) bool { return f.supervisors[path] }

// random is a leaf to send to.
func (f *forest) random(dice *rand.Rand) *leaf {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.leaves[dice.IntN(len(f.leaves))]
}

// all are the leaves now.
func (f *forest) all() []*leaf {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return slices.Clone(f.leaves)
}

// add adds a leaf, if there are not too many.
func (f *forest) add(l *leaf) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaves = append(f.leaves, l)
}

// crowded says whether there are enough leaves that were added.
func (f *forest) crowded() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return len(f.leaves) > f.fixed+f.fixed/5
}

// remove takes leaves out that are gone.
func (f *forest) remove(gone map[*leaf]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaves = slices.DeleteFunc(f.leaves, func(l *leaf) bool { return gone[l] })
}
