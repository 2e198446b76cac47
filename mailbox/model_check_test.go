package mailbox_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/internal/testhelp"
	"github.com/coppice-go/coppice/mailbox"
)

// What is seen of a mailbox, beside what the model says may be seen.

// seen is what can be seen of a mailbox at a quiet moment.
type seen struct {
	stats       mailbox.Stats
	left        uint64 // the queue
	fates       [64]mailbox.Why
	woken, here int8
}

func (m *model) look() seen {
	s := seen{fates: m.fates, woken: m.woken, here: m.here, left: uint64(m.left)}
	s.stats.Handled = uint64(m.handled)
	for _, why := range m.fates {
		if why != 0 {
			s.stats.Dead++
		}
	}
	var places uint64
	if m.current >= 0 {
		b := &m.boxes.all[m.current]
		places = b.depth()
		for _, l := range b.letters.list() {
			s.stats.Waiting += uint64(l.more)
		}
	}
	for _, e := range m.ends.list() { // what the loop has got and not opened is not unpacked yet
		s.stats.Waiting += uint64(e.taken.more)
		if e.poked && e.box == m.current && places > 0 {
			places--
		}
	}
	s.stats.Waiting += places + uint64(m.held.size())
	if m.ends.n > 0 {
		e := m.ends.all[m.ends.n-1]
		if !e.frozen {
			s.stats.Waiting += uint64(e.left.size())
		}
		if e.hand != none {
			s.stats.InHand = 1
		}
	}
	return s
}

// check compares what is seen with what may be.
func (r *rig) check() (fault string) {
	r.together()
	possible := testhelp.Settle(r.states, model.steps)
	r.mu.Lock()
	results := r.results
	r.results = make(map[int8]result)
	got := seen{fates: r.fates, woken: r.woken, here: r.here}
	r.mu.Unlock()
	got.stats = r.box.Stats()
	got.left, _ = r.box.Queue()
	if fault := r.hear(got.stats, results); fault != "" {
		return fault
	}
	r.states = make(map[model]bool)
	for m := range possible {
		agrees := m.look() == got
		for _, c := range m.callers.list() {
			if c.result.text == "" {
				c.result = result{} // what it has given is not seen yet
			}
			agrees = agrees && results[c.id] == c.result
		}
		if agrees {
			m.callers.remove(func(c caller) bool { return c.result.text != "" })
			r.states[m] = true
		}
	}
	for id := range results {
		delete(r.hangUp, id)
		delete(r.calls, id)
	}
	if len(r.states) > 0 {
		return ""
	}
	wants := make(map[string]bool)
	for m := range possible {
		want := "want " + m.look().String()
		for _, c := range m.callers.list() {
			want += fmt.Sprintf(" %d:%v", c.id, c.result)
		}
		wants[want] = true
	}
	return fmt.Sprintf(" got %v %v\n%s", got, results, strings.Join(slices.Sorted(maps.Keys(wants)), "\n"))
}

func (s seen) String() string {
	text := fmt.Sprintf("%+v left %d, woken %d, %d of them here, dead", s.stats, s.left, s.woken, s.here)
	for message, why := range s.fates {
		if why != 0 {
			text += fmt.Sprintf(" %d: %v", message, why-1)
		}
	}
	return text
}

func (c caller) String() string {
	return fmt.Sprintf("%s(%d %d %v)", [...]string{"send", "next", "serve", "rest", "done", "skip", "crash", "end", "park", "take", "copy", "begin", "stop", "freeze", "seal", "close", "open", "renew", "receive", "hang up", "owner", "control"}[c.what], c.message, c.size, c.drain)
}
