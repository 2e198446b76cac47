package chaos_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/coppice-go/coppice/mailbox"
)

// figures are counted while the soak runs.
type figures struct {
	incarnations, crashes, restarts, startsFailed, givenUp, autoShutdowns atomic.Uint64 // of children, as events tell
	abandoned, returned, castsFailed                                      atomic.Uint64
	letters                                                               [whys]atomic.Uint64

	batches, hangs, fenced, admin, refusals, extras atomic.Uint64
	starts, failedStarts, stops, treesGaveUp, stuck atomic.Uint64
	replies                                         atomic.Uint64 // to starts in unheard Dynamics

	books      sums // of leaves that are gone
	unheard    sums // of those of unheard trees
	alive      int
	quiets     int
	alives     int // the fewest in a quiet moment
	heaps      []uint64
	goroutines []int
}

// report are the figures at the end of a soak.
type report struct {
	Seed                                                      uint64
	Seconds                                                   float64
	Trees, Supervisors, Actors, Added                         int
	Accepted, Refused, Handled, Batches                       uint64
	Unheard, Replies                                          uint64
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

// of are the sums to which a leaf's book adds.
func (f *figures) of(l *leaf) *sums {
	if l.ledger.unheard {
		return &f.unheard
	}
	return &f.books
}

// total is what all books add up to, those of unheard trees apart.
func (s *soak) total() (books, unheard sums) {
	f := figures{books: s.figures.books, unheard: s.figures.unheard}
	for _, l := range s.forest.all() {
		if l.ledger != nil {
			f.of(l).add(l.ledger.sum())
		}
	}
	return f.books, f.unheard
}

// compare checks that the sink has seen just the dead letters of the books, and
// that each abandonment has ended in a return.
func (s *soak) compare() {
	f := &s.figures
	books, _ := s.total()
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
	f := &s.figures
	books, unheard := s.total()
	r := report{
		Unheard: unheard.accepted, Replies: f.replies.Load(),
		Seed: s.seed, Trees: len(s.forest.trees), Supervisors: len(s.forest.branches), Actors: s.forest.fixed, Added: int(f.extras.Load()),
		Accepted: books.accepted, Refused: books.refused, Handled: books.handled, Batches: f.batches.Load(),
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

// String is the report for people; the file of -chaos.json has all figures.
func (r report) String() string {
	var text strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&text, "\n"+format, args...) }
	letters := uint64(0)
	for _, n := range r.DeadLetters {
		letters += n
	}
	line("%.0f s: %d trees, %d supervisors, %d actors, %d more by hand", r.Seconds, r.Trees, r.Supervisors, r.Actors, r.Added)
	line("messages: %d accepted = %d handled + %d dead letters, each known to its sender; %d refused", r.Accepted, r.Handled, letters, r.Refused)
	line("in trees to which nobody listens: %d more accepted, %d children added", r.Unheard, r.Replies)
	line("batches: %d accepted, of 2 to %d messages", r.Batches, mostInBatch)
	line("dead letters: %s", counts(r.DeadLetters))
	line("calls, each with one outcome: %s", counts(r.Calls))
	line("lives: %d incarnations, %d crashes, %d restarts, %d starts failed, %d supervisors gave up", r.Incarnations, r.Crashes, r.Restarts, r.FailedStarts, r.GaveUp)
	line("abandoned: %d, all have come back; %d times one tried to send, and was refused", r.Abandoned, r.FencedTries)
	line("by hand: %d requests done, %d refused; %d starts and %d stops of trees", r.Administration, r.AdministrationRefused, r.TreeStarts, r.TreeStops)
	line("looked at in %d quiet moments, heap then %s", r.QuietMoments, span(r.HeapsWhenQuiet))
	line("goroutines: %d before, up to %d at work, %d after; heap: %s before, %s after", r.GoroutinesBefore, r.GoroutinesAtWork, r.GoroutinesAfter, megabytes(r.HeapBefore), megabytes(r.HeapAfter))
	return text.String()
}

// counts is a map as text, the most first.
func counts(m map[string]uint64) string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, m[name])
	}
	return strings.Join(names, ", ")
}

func span(heaps []uint64) string {
	if len(heaps) == 0 {
		return "not seen"
	}
	return megabytes(slices.Min(heaps)) + " to " + megabytes(slices.Max(heaps))
}

func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func (r report) write(file string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
