package chaos_test

import (
	"encoding/json"
	"os"
	"sync/atomic"

	"github.com/coppice-go/coppice/mailbox"
)

// figures are counted while the soak runs.
type figures struct {
	incarnations, crashes, restarts, startsFailed, givenUp, autoShutdowns atomic.Uint64 // of children, as events tell
	abandoned, returned, castsFailed                                      atomic.Uint64
	letters                                                               [whys]atomic.Uint64

	hangs, fenced, admin, refusals, extras          atomic.Uint64
	starts, failedStarts, stops, treesGaveUp, stuck atomic.Uint64

	books      sums // of leaves that are gone
	alive      int
	quiets     int
	alives     int // the fewest in a quiet moment
	heaps      []uint64
	goroutines []int
}

// report is the line of figures at the end of a soak.
type report struct {
	Seed                                                      uint64
	Seconds                                                   float64
	Trees, Supervisors, Actors, Added                         int
	Accepted, Refused, Handled                                uint64
	DeadLetters, Calls                                        map[string]uint64
	Incarnations, Crashes, Restarts, FailedStarts             uint64
	Hangs, Abandoned, FencedTries                             uint64
	Administration, AdministrationRefused                     uint64
	GaveUp, AutoShutdowns, TreeStarts, TreeStops, TreesGaveUp uint64
	Stuck                                                     uint64
	StuckWhileAlive                                           int
	QuietMoments, Alive                                       int
	GoroutinesBefore, GoroutinesAtWork, GoroutinesAfter       int
	HeapBefore, HeapAfter                                     uint64
	HeapsWhenQuiet                                            []uint64
}

// total is what all books add up to.
func (s *soak) total() sums {
	total := s.figures.books
	for _, l := range s.forest.all() {
		if l.ledger != nil {
			total.add(l.ledger.sum())
		}
	}
	return total
}

// compare checks that the sink has seen just the dead letters of the books, and
// that each abandonment has ended in a return.
func (s *soak) compare() {
	f, books := &s.figures, s.total()
	for why, want := range books.dead {
		if got := f.letters[why].Load(); got != want {
			s.violation("%v: the sink has seen %d dead letters, the books have %d", mailbox.Why(why), got, want)
		}
	}
	if books.accepted != books.handled+books.letters() {
		s.violation("%d accepted, but %d handled and %d dead letters", books.accepted, books.handled, books.letters())
	}
	if got, want := f.returned.Load(), f.abandoned.Load(); got != want {
		s.violation("%d incarnations were abandoned, %d have returned", want, got)
	}
}

func (s *soak) report() report {
	f, books := &s.figures, s.total()
	r := report{
		Seed: s.seed, Trees: len(s.forest.trees), Supervisors: len(s.forest.branches), Actors: s.forest.fixed, Added: int(f.extras.Load()),
		Accepted: books.accepted, Refused: books.refused, Handled: books.handled,
		DeadLetters: make(map[string]uint64), Calls: make(map[string]uint64),
		Incarnations: f.incarnations.Load(), Crashes: f.crashes.Load(), Restarts: f.restarts.Load(), FailedStarts: f.startsFailed.Load(),
		Hangs: f.hangs.Load(), Abandoned: f.abandoned.Load(), FencedTries: f.fenced.Load(),
		Administration: f.admin.Load(), AdministrationRefused: f.refusals.Load(),
		GaveUp: f.givenUp.Load(), AutoShutdowns: f.autoShutdowns.Load(),
		TreeStarts: f.starts.Load(), TreeStops: f.stops.Load(), TreesGaveUp: f.treesGaveUp.Load(), Stuck: f.stuck.Load(), StuckWhileAlive: s.stuck.count(),
		QuietMoments: f.quiets, Alive: f.alives, HeapsWhenQuiet: f.heaps,
	}
	for i, n := range books.dead {
		r.DeadLetters[mailbox.Why(i).String()] = n
	}
	for i, n := range books.calls[1:] {
		r.Calls[outcomeNames[i+1]] = n
	}
	for _, n := range f.goroutines {
		r.GoroutinesAtWork = max(r.GoroutinesAtWork, n)
	}
	return r
}

func (r report) String() string {
	text, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (r report) write(file string) error {
	return os.WriteFile(file, []byte(r.String()+"\n"), 0o644)
}
