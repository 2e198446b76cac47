package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/coppice-go/coppice/actor"
)

// quiet makes a quiet moment and checks everything in it.
//
// Senders, administrators and keepers stop at a gate, and what hangs is released.
// The moment is quiet when everything that is known to have begun is over by its
// own account: every message that was accepted has a fate, every incarnation that
// has ended or was abandoned is told of, every deferred answer is given and every
// goroutine that was to end has ended. None of that is asked for again and again:
// the books count what is open and tell when nothing is (but of trees to which nobody
// listens it is asked, see comeBack). What only the runtime
// knows, that a mailbox is empty behind messages whose callers have left, is
// shown by one more message to each, and by its account, which has to agree with
// the books: soon, because a receiver counts a message as handled a little after
// the handler has entered it.
func (s *soak) quiet() {
	s.release()
	locked := make(chan struct{})
	go func() { s.gate.Lock(); close(locked) }()
	timer := time.NewTimer(s.patience)
	defer timer.Stop()
	select {
	case <-locked:
	case <-timer.C:
		s.stuckAt("the senders do not come to rest")
	}
	s.check()
	s.reload()
	s.gate.Unlock()
}

// check waits until it is quiet, and checks.
func (s *soak) check() {
	s.settle()
	behind, gone := s.barrier()
	s.settle()
	for _, l := range s.forest.all() {
		if l.ledger != nil {
			s.agree(l, behind[l])
		}
	}
	s.figures.alive = s.lives.settle()
	for _, l := range s.forest.all() {
		if l.ledger == nil {
			continue
		}
		l.ledger.forget()
		if gone[l] {
			s.figures.of(l).add(l.ledger.sum())
		}
	}
	s.forest.remove(gone)
	if s.figures.quiets++; !s.finishing() && (s.figures.quiets == 1 || s.figures.alive < s.figures.alives) {
		s.figures.alives = s.figures.alive
	}
	runtime.GC()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	s.figures.heaps = append(s.figures.heaps, memory.HeapAlloc)
	s.figures.goroutines = append(s.figures.goroutines, runtime.NumGoroutine())
}

// settle waits until nothing is open.
func (s *soak) settle() {
	for {
		for _, open := range []*tally{s.unsettled, s.work, s.untold} {
			if !open.wait(s.patience) {
				s.stuckAt("it does not become quiet: %d messages without a fate, %d answers or goroutines to come, %d ends untold",
					s.unsettled.n.Load(), s.work.n.Load(), s.untold.n.Load())
			}
		}
		s.comeBack()
		if s.unsettled.n.Load() == 0 && s.work.n.Load() == 0 && s.untold.n.Load() == 0 {
			return
		}
	}
}

// barrier sends one more message to each leaf. It tells who has it, behind all
// others, and what was added and is gone.
func (s *soak) barrier() (behind, gone map[*leaf]bool) {
	behind, gone = make(map[*leaf]bool), make(map[*leaf]bool)
	for _, l := range s.forest.all() {
		if l.ledger == nil {
			if l.extra && !s.lives.alive(l.child) {
				gone[l] = true
			}
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), s.patience)
		id, epoch := l.ledger.open(bySend)
		err := l.send(ctx, message{to: l, id: id})
		v := accepted
		if err != nil {
			v = refused
		}
		l.ledger.close(id, epoch, v, noCall)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			s.stuckAt("%s takes nothing: %v", l.name, err)
		}
		behind[l] = err == nil
		gone[l] = l.extra && errors.Is(err, actor.ErrNoProc)
	}
	return behind, gone
}

// agree checks that a mailbox's own account is that of the books. In hand there
// can be the message of the barrier, and nothing before it.
func (s *soak) agree(l *leaf, behind bool) {
	inHand := uint64(0)
	if behind {
		inHand = 1
	}
	end := time.NewTimer(s.patience)
	defer end.Stop()
	for {
		account, book := l.stats(), l.ledger.sum()
		if account.Waiting == 0 && account.InHand <= inHand && l.ledger.fits(account, book) {
			return
		}
		again := time.NewTimer(time.Millisecond)
		select {
		case <-again.C:
		case <-end.C:
			s.stuckAt("%s: its account (%v) does not become that of the books: %d accepted, perhaps %d more, %d handled, %d dead letters",
				l.name, account, book.accepted, book.unsure, book.handled, book.letters())
		}
	}
}

// stuckAt is a violation after which nothing can go on.
func (s *soak) stuckAt(format string, args ...any) {
	s.violation(format, args...)
	stacks := make([]byte, 1<<24)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var text strings.Builder
	s.describe(&text)
	file := filepath.Join(os.TempDir(), fmt.Sprintf("chaos-%d.txt", s.seed))
	if err := os.WriteFile(file, []byte(text.String()+"\n"+string(stacks)), 0o644); err != nil {
		file = err.Error()
	}
	panic(fmt.Sprintf("violation: seed %d: nothing goes on; what is open, the trees and all stacks are in %s", s.seed, file))
}

// describe lists what is open.
func (s *soak) describe(text *strings.Builder) {
	n := 0
	for _, l := range s.forest.all() {
		if l.ledger == nil {
			continue
		}
		l.ledger.mu.Lock()
		for i := range l.ledger.entries {
			if e := &l.ledger.entries[i]; !e.settled() && n < 20 {
				n++
				fmt.Fprintf(text, "%s: message %d: %v\n", l.name, l.ledger.base+uint64(i), e)
			}
		}
		l.ledger.mu.Unlock()
	}
	s.lives.mu.Lock()
	defer s.lives.mu.Unlock()
	for _, all := range s.lives.all {
		for _, l := range all {
			if l.unsettled {
				fmt.Fprintf(text, "%v: an event has to come\n%s", l, s.lives.traced(l.path))
			}
		}
	}
	for _, t := range s.forest.trees {
		fmt.Fprintf(text, "%v\n", t.root.Snapshot())
	}
}
