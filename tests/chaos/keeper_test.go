package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/supervisor"
)

// keeper starts a tree, stops it after a while in one of several ways, and
// starts it again; also when it has ended by itself.
func (s *soak) keeper(t *tree) {
	dice := s.dice(t.name, 0)
	for !s.finishing() {
		s.gate.RLock()
		ctx, cancel := context.WithCancel(context.Background())
		s.lives.newRun(t)
		wait, err := t.root.Start(ctx)
		s.figures.starts.Add(1)
		if err != nil { // something would not open, say
			s.figures.failedStarts.Add(1)
			s.ended(t, err, true)
		}
		s.gate.RUnlock()
		if err == nil {
			s.keep(t, dice, wait, cancel)
		}
		cancel()
	}
}

func (s *soak) keep(t *tree, dice *rand.Rand, wait func() error, cancel context.CancelFunc) {
	ended := make(chan error, 1)
	go func() { ended <- wait() }()
	timer := time.NewTimer(500*time.Millisecond + s.random(dice, 5*time.Second))
	defer timer.Stop()
	select {
	case err := <-ended:
		s.gate.RLock()
		s.gaveUp(t, err)
		s.ended(t, err, false)
		s.gate.RUnlock()
		return
	case <-timer.C:
	case <-s.finish:
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	// It may have ended by itself, before a quiet moment that was waited for here.
	justNow := t.root.Snapshot().State != supervisor.Stopped
	s.figures.stops.Add(1)
	var err error
	switch dice.IntN(4) {
	case 0: // by the end of the ctx of its life
		cancel()
	case 1: // and kill what is left after a short while, or at once
		ctx, cancel := context.WithTimeout(context.Background(), s.random(dice, 5*time.Millisecond))
		err = s.stop(t, ctx)
		cancel()
	default:
		err = s.stop(t, context.Background())
	}
	if e := <-ended; err == nil {
		err = e
	}
	s.ended(t, err, justNow)
}

// stop stops a tree twice at once. Both hear the same; but if one of them comes to run
// only when the stop is over, it looks again, and names at most what the other does.
func (s *soak) stop(t *tree, ctx context.Context) error {
	var second error
	var both sync.WaitGroup
	both.Go(func() { second = t.root.Stop(ctx) })
	first := t.root.Stop(ctx)
	both.Wait()
	if len(stuckIn(first)) < len(stuckIn(second)) {
		first, second = second, first
	}
	if first != second && !within(stuckIn(second), stuckIn(first)) { //nolint:errorlint // the very same report
		s.violation("%s: two stops hear %v and %v", t.name, first, second)
	}
	if stuck := new(supervisor.StopError); first != nil && !errors.As(first, &stuck) {
		s.violation("%s: Stop: %v", t.name, first)
	}
	return first
}

// stuckIn are the incarnations that a stop names.
func stuckIn(err error) (names []string) {
	if report := new(supervisor.StopError); errors.As(err, &report) {
		for _, stuck := range report.Stuck {
			names = append(names, fmt.Sprint(stuck.Path, " ", stuck.Incarnation))
		}
	}
	return names
}

func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(all, name) })
}

// gaveUp checks why a tree has ended by itself.
func (s *soak) gaveUp(t *tree, err error) {
	var reason *exit.GaveUp
	if !errors.As(err, &reason) {
		s.violation("%s ended by itself: %v", t.name, err)
		return
	}
	s.figures.treesGaveUp.Add(1)
}

// ended checks what must hold when a tree has ended: the report lists exactly
// what is still there, whoever has waited for one of its leaves comes back, and
// nobody waits for one any more. justNow says that no quiet moment can have come
// since the report was made, after which what it lists may be over and forgotten.
func (s *soak) ended(t *tree, err error, justNow bool) {
	run := s.lives.runOf(t)
	there := s.lives.there(run)
	listed := make(map[incarnationKey]bool)
	if stuck := (*supervisor.StopError)(nil); errors.As(err, &stuck) {
		s.figures.stuck.Add(uint64(len(stuck.Stuck)))
		for _, one := range stuck.Stuck {
			key := incarnationKey{one.Path, one.Incarnation}
			listed[key] = true
			// One that is in Start may not have come to run.
			if justNow && one.In != supervisor.InStart && !s.forest.isSupervisor(one.Path) && !s.lives.knows(key, run) {
				s.violation("%s: the report lists %v, which is not there; of it there was %s", t.name, one, s.lives.of(key))
			}
		}
	}
	for key := range there {
		if !listed[key] {
			s.violation("%s has ended, %v is there, and the report does not list it: %v", t.name, key, err)
		}
	}
	for _, l := range s.forest.all() {
		if l.child.tree != t || l.ledger == nil {
			continue
		}
		if n := l.ledger.drain(s.patience); n > 0 {
			s.stuckAt("%s has ended, and %d still wait for %s", t.name, n, l.name)
		}
		id, epoch := l.ledger.open(bySend)
		v := refused
		if err := l.send(context.Background(), message{to: l, id: id}); !errors.Is(err, actor.ErrNoProc) {
			s.violation("%s has ended, and a send to %s gives %v (it is there: %t)", t.name, l.name, err, s.lives.alive(l.child))
			if err == nil {
				v = accepted
			}
		}
		l.ledger.close(id, epoch, v, noCall)
	}
}
