package actortest

import (
	"context"
	"time"

	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/supervisor"
)

// rush is how many messages at one moment of virtual time show that it stands
// still.
const rush = 100_000

// beginLoad has the load begin, if there is one that has not.
func (s *stage) beginLoad() {
	if s.load == nil || s.loaded != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	s.unload = cancel
	s.mu.Unlock()
	s.loaded = background(func() error { s.load(ctx, s.given); return nil })
}

// endLoad ends the load, if there is one.
func (s *stage) endLoad() {
	if s.loaded == nil {
		return
	}
	s.unload()
	if _, came := within(s.loaded); !came {
		s.complain("Load has not returned %v after its ctx has ended", patience)
	}
	s.loaded = nil
}

// pace is called with each message. A load that lets no time pass would keep the
// test waiting for ever: it is ended.
func (s *stage) pace(*incarnation.Cell, any) error {
	now := time.Now()
	s.mu.Lock()
	if !now.Equal(s.moment) {
		s.moment, s.messages = now, 0
	}
	s.messages++
	ends, unload := s.messages == rush && s.unload != nil, s.unload
	s.rushed = s.rushed || ends
	s.mu.Unlock()
	if ends {
		s.complain("Load lets no time pass: %d messages have come at one moment; it must sleep between them", rush)
		unload()
	}
	return nil
}

// hasRushed says whether the load was ended because it lets no time pass. Then no
// more scenarios are played: where it only gets errors it would not be found out.
func (s *stage) hasRushed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rushed
}

// takesMessages says whether a child that is up is an actor or server, or a
// supervisor with one below it. What is hidden inside of a child cannot be seen.
func takesMessages(child supervisor.Child) bool {
	switch c := incarnation.Inside(inside(child)).(type) {
	case interface{ Stats() mailbox.Stats }:
		return true
	case interface {
		Snapshot() supervisor.Snapshot
		ChildSpec(name string) (supervisor.Spec, error)
	}:
		for _, below := range c.Snapshot().Children {
			if spec, err := c.ChildSpec(below.Name); err == nil && takesMessages(spec.Child) {
				return true
			}
		}
	}
	return false
}
