package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// administrator asks random things of random supervisors until the end.
func (s *soak) administrator(n int) {
	dice := s.dice("administrator", uint64(n))
	for !s.over.Load() {
		s.gate.RLock()
		ctx, cancel := context.Background(), func() {}
		if dice.IntN(3) == 0 {
			ctx, cancel = context.WithTimeout(ctx, s.random(dice, 5*time.Millisecond))
		}
		s.administer(ctx, dice, nil)
		cancel()
		s.gate.RUnlock()
		s.until(s.random(dice, time.Millisecond))
	}
}

// administer does one thing. from is the handler it is asked from, if any: then
// it has a deadline, because two supervisors may wait for each other's.
func (s *soak) administer(ctx context.Context, dice *rand.Rand, from *host) {
	s.figures.admin.Add(1)
	b := s.forest.branches[dice.IntN(len(s.forest.branches))]
	if from != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.random(dice, 5*time.Millisecond))
		defer cancel()
		if dice.IntN(8) == 0 {
			s.stopFromInside(ctx, from)
			return
		}
	}
	switch {
	case dice.IntN(3) == 0:
		s.look(b, dice)
	case b.dynamic != nil:
		s.changeDynamic(ctx, b, dice)
	default:
		s.changeStatic(ctx, b, dice)
	}
}

// stopFromInside asks a tree to stop from inside, which is refused.
func (s *soak) stopFromInside(ctx context.Context, from *host) {
	var refusal *supervisor.ChildError
	if err := from.child.tree.root.Stop(ctx); !errors.As(err, &refusal) {
		s.violation("%s: Stop from inside: %v", from.name, err)
	}
}

// look only looks.
func (s *soak) look(b *branch, dice *rand.Rand) {
	var snapshot supervisor.Snapshot
	if b.dynamic != nil {
		snapshot = b.dynamic.Snapshot()
		for _, name := range b.dynamic.Children() {
			_, err := b.dynamic.ChildSpec(name)
			s.checkAdmin("find", err)
		}
	} else {
		snapshot = b.static.Snapshot()
		for _, child := range snapshot.Children {
			_, err := b.static.ChildSpec(child.Name)
			s.checkAdmin("find", err)
		}
	}
	if c := snapshot.Count(); c.Active > c.Specs || c.Workers+c.Supervisors != c.Specs {
		s.violation("%s counts %+v", b.name, c)
	}
	for path, below := range snapshot.All() {
		if below.Path != path || below.Incarnation < 0 {
			s.violation("%s: a snapshot shows %+v at %s", b.name, below, path)
		}
	}
	if dice.IntN(8) > 0 {
		return
	}
	subscription := s.tracing.Subscribe(dice.IntN(100))
	for range dice.IntN(10) {
		select {
		case <-subscription.C:
		default:
		}
	}
	subscription.Close()
	for range subscription.C { // which is closed
	}
}

func (s *soak) changeDynamic(ctx context.Context, b *branch, dice *rand.Rand) {
	names := b.dynamic.Children()
	if len(names) > 0 && (dice.IntN(3) == 0 || s.forest.crowded()) {
		s.checkAdmin("terminate", b.dynamic.TerminateChild(ctx, names[dice.IntN(len(names))]))
		return
	}
	if s.forest.crowded() {
		return
	}
	l := s.newExtra(b, dice)
	name, err := b.dynamic.StartChild(ctx, randomSpec(l.child, dice))
	if err == nil && b.tree.unheard {
		s.figures.replies.Add(1)
	}
	if name != "" && err == nil && !s.lives.hasBeenUp(l.child) {
		s.violation("%s says that %s is up, whose Start has not returned", b.name, name)
	}
	s.added(l, err)
}

func (s *soak) newExtra(b *branch, dice *rand.Rand) *leaf {
	l := s.newLeaf(b.tree, fmt.Sprintf("x%d", s.figures.extras.Add(1)), b.exclusive, dice)
	l.extra = true
	return l
}

// added makes a leaf one to send to, unless it surely was not started. Even if
// its start has failed there may be messages later, if it is tried again.
func (s *soak) added(l *leaf, err error) {
	s.checkAdmin("start", err)
	if err == nil {
		s.forest.add(l)
	}
}

// changeStatic prefers what is stopped, or else the forest would wither.
func (s *soak) changeStatic(ctx context.Context, b *branch, dice *rand.Rand) {
	children := b.static.Snapshot().Children
	if dice.IntN(10) == 0 && !s.forest.crowded() && b.static != b.tree.root {
		l := s.newExtra(b, dice)
		s.added(l, b.static.StartChild(ctx, randomSpec(l.child, dice)))
		return
	}
	if len(children) == 0 {
		return
	}
	child := children[dice.IntN(len(children))]
	for _, c := range children {
		if c.State == supervisor.Stopped && dice.IntN(2) == 0 {
			child = c
		}
	}
	switch {
	case child.State == supervisor.Stopped && dice.IntN(30) == 0:
		s.checkAdmin("delete", b.static.DeleteChild(ctx, child.Name))
	case child.State == supervisor.Stopped || dice.IntN(8) == 0:
		s.checkAdmin("restart", b.static.RestartChild(ctx, child.Name))
	case child.Supervisor && dice.IntN(4) > 0: // takes much along
	default:
		s.checkAdmin("terminate", b.static.TerminateChild(ctx, child.Name))
	}
}

// checkAdmin checks the error of an administration call.
func (s *soak) checkAdmin(op string, err error) {
	if err == nil {
		return
	}
	var refusal *supervisor.ChildError
	if !errors.As(err, &refusal) || refusal.Op != op && (op != "restart" || refusal.Op != "start") || refusal.Path == "" {
		s.violation("%s fails with %T: %v", op, err, err)
		return
	}
	s.figures.refusals.Add(1)
}
