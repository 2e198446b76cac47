package chaos_test

import (
	"slices"
	"time"

	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
)

// To some trees nobody listens: then the runtime makes no events, and takes shorter
// ways, such as that of a child which replies by itself to whoever has started it. What
// is held against the events elsewhere is held there against what can be asked for:
// lists of what was abandoned, and the mailboxes' accounts, between the least and the
// most that senders and handlers know of.

// comeBack waits until nothing is there any more of what unheard trees have given up or
// asked to stop. It is for a moment in which nothing hangs.
func (s *soak) comeBack() {
	s.soon(func() bool { return s.lives.leaving() == nil }, func() {
		s.stuckAt("%v was asked to stop, and does not end", s.lives.leaving())
	})
	for _, t := range s.forest.trees {
		if t.unheard {
			s.soon(func() bool { return len(t.root.Abandoned()) == 0 }, func() {
				s.stuckAt("%s was abandoned, and does not return: %v", t.name, t.root.Abandoned())
			})
		}
	}
}

// soon looks again and again whether something has come about.
func (s *soak) soon(about func() bool, otherwise func()) {
	for end := time.Now().Add(s.patience); !about(); {
		if time.Now().After(end) {
			otherwise()
		}
		<-time.After(time.Millisecond)
	}
}

// leaving is an incarnation of an unheard tree that has not ended although it was asked
// to, nil if there is none.
func (w *lives) leaving() *life {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, all := range w.all {
		for _, l := range all {
			if l.present > 0 && l.lost() {
				return l
			}
		}
	}
	return nil
}

// listed says whether the runtime lists the incarnation among those that it has
// abandoned and that are still there.
func (l *life) listed() bool {
	return slices.ContainsFunc(l.of.tree.root.Abandoned(), func(one supervisor.Stuck) bool {
		return one.Path == l.path && one.Incarnation == l.number
	})
}

// fits says whether the account of a mailbox in which nothing waits is that of the book.
// A message that was handled when its incarnation had been abandoned is a dead letter,
// of which an unheard book does not know.
func (l *ledger) fits(account mailbox.Stats, book sums) bool {
	handled, all := account.Handled+account.InHand, account.Handled+account.InHand+account.Dead
	if l.unheard {
		return handled <= book.handled && book.handled <= all && book.accepted <= all && all <= book.accepted+book.unsure
	}
	return account.Dead == book.letters() && handled == book.accepted-account.Dead
}
