package stopwatch

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// MostSlow is how many children a report names as the slowest of a kind.
const MostSlow = 10

// Slow is one of the children that took longest, with its worst time of all trees.
type Slow struct {
	Path      string        `json:"path"`
	Took      time.Duration `json:"took_ns"`
	Abandoned bool          `json:"abandoned,omitempty"` // in a stop: it did not end, and this is how long it was waited for
}

// slowest are the slowest so far, the first most.
type slowest []Slow

// add is cheap for what is not among them.
func (s *slowest) add(one Slow) {
	all := *s
	if one.Took <= 0 || len(all) == MostSlow && one.Took <= all[MostSlow-1].Took {
		return
	}
	if i := slices.IndexFunc(all, func(other Slow) bool { return other.Path == one.Path }); i >= 0 {
		if one.Took <= all[i].Took {
			return
		}
		all = slices.Delete(all, i, i+1)
	}
	at, _ := slices.BinarySearchFunc(all, one, func(a, b Slow) int {
		return cmp.Or(cmp.Compare(b.Took, a.Took), cmp.Compare(a.Path, b.Path))
	})
	all = slices.Insert(all, at, one)
	*s = all[:min(len(all), MostSlow)]
}

func (s *slowest) merge(other slowest) {
	for _, one := range other {
		s.add(one)
	}
}

// String is the first three, for people.
func (s slowest) String() string {
	var text []string
	for _, one := range s[:min(len(s), 3)] {
		line := one.Path + " " + Short(one.Took)
		if one.Abandoned {
			line += " (abandoned)"
		}
		text = append(text, line)
	}
	return strings.Join(text, ", ")
}

// stops is who was stopped in one tree, and how long that took.
type stops struct {
	mu      sync.Mutex
	slowest slowest
	above   map[string]bool // paths of supervisors whose children have ended
	latest  string          // of these
	closed  bool
}

// add is told each end in a stop. A supervisor takes the time of its children, which
// have ended before, and is left out.
func (s *stops) add(one Slow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if above := one.Path[:max(0, strings.LastIndexByte(one.Path, '/'))]; above != s.latest {
		if s.above == nil {
			s.above = make(map[string]bool)
		}
		s.above[above], s.latest = true, above
	}
	if !s.above[one.Path] {
		s.slowest.add(one)
	}
}

// close gives the slowest. What comes later has no effect on them.
func (s *stops) close() slowest {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.slowest
}
