package tracing_test

import (
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// read is all that C delivers until it is closed.
func read(s *tracing.Subscription) (lines []string) {
	for e := range s.C {
		lines = append(lines, e.String())
	}
	return lines
}

func TestSubscriptionTellsOfLossesInPlace(t *testing.T) {
	tr := tracing.New(tracing.Options{})
	s := tr.Subscribe(2)
	emit := func(path string) { tr.Life(path, "", nil).Emit(tracing.Started{}) }

	for _, path := range []string{"a", "b", "lost", "lost"} {
		emit(path)
	}
	check(t, "first", (<-s.C).String(), "a started in 0s")
	for _, path := range []string{"c", "lost", "lost", "lost"} {
		emit(path)
	}
	s.Close()
	s.Close()
	emit("too late")

	checkList(t, "rest", read(s), []string{
		"b started in 0s", "missed 2 events", "c started in 0s", "missed 3 events",
	})
}

func TestSubscriptionHasADefaultBuffer(t *testing.T) {
	for _, buffer := range []int{0, -1} {
		tr := tracing.New(tracing.Options{})
		s := tr.Subscribe(buffer)
		for range 65 {
			tr.Life("a", "", nil).Emit(tracing.Started{})
		}
		s.Close()
		lines := read(s)
		check(t, "events and a loss", len(lines), 65)
		check(t, "last", lines[64], "missed 1 event")
	}
}

func TestSubscriptionsAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := tracing.New(tracing.Options{})
		slow, fast := tr.Subscribe(1), tr.Subscribe(10)
		life := tr.Life("a", "", nil)
		for range 3 {
			life.Emit(tracing.Started{})
		}
		slow.Close()
		time.Sleep(time.Minute)
		life.Emit(tracing.Started{})
		fast.Close()

		var times []time.Time
		for e := range slow.C {
			times = append(times, e.Where().Time)
		}
		check(t, "slow", len(times), 2)
		check(t, "time of the loss", times[1], time.Now().Add(-time.Minute))
		check(t, "fast", len(read(fast)), 4)
	})
}

// Whatever the order of emitting, reading and closing: nothing blocks, events
// come in order, and what was read and missed is what was emitted.
func TestSubscriptionConserves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := tracing.New(tracing.Options{})
		life := tr.Life("a", "", nil)
		s := tr.Subscribe(rapid.IntRange(1, 4).Draw(t, "buffer"))
		emitted, accounted := 0, 0
		take := func(e tracing.Event) {
			if m, missed := e.(tracing.Missed); missed {
				if m.Count < 1 {
					t.Fatalf("a report of %d losses", m.Count)
				}
				accounted += m.Count
				return
			}
			accounted++
			if got := e.Where().Incarnation; got != accounted {
				t.Fatalf("got event %d where %d is accounted for", got, accounted)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"emit": func(*rapid.T) {
				emitted++
				life.Emit(tracing.Started{Head: tracing.Head{Incarnation: emitted}})
			},
			"read": func(*rapid.T) {
				select {
				case e := <-s.C:
					take(e)
				default:
				}
			},
		})
		s.Close()
		for e := range s.C {
			take(e)
		}
		if accounted != emitted {
			t.Fatalf("read and missed: got %d, want %d", accounted, emitted)
		}
	})
}

func TestSubscriptionConservesUnderConcurrency(t *testing.T) {
	const emitters, each = 4, 2000
	tr := tracing.New(tracing.Options{})
	s := tr.Subscribe(8)

	var emitting, reading sync.WaitGroup
	accounted, last := 0, map[string]int{}
	reading.Go(func() {
		for e := range s.C {
			if m, missed := e.(tracing.Missed); missed {
				accounted += m.Count
				continue
			}
			accounted++
			h := e.Where()
			if h.Incarnation <= last[h.Path] {
				t.Errorf("order of %s: got %d after %d", h.Path, h.Incarnation, last[h.Path])
			}
			last[h.Path] = h.Incarnation
		}
	})
	for i := range emitters {
		life := tr.Life(string(rune('a'+i)), "", nil)
		emitting.Go(func() {
			for n := range each {
				life.Emit(tracing.Started{Head: tracing.Head{Incarnation: n + 1}})
			}
		})
	}
	emitting.Wait()
	s.Close()
	reading.Wait()
	check(t, "read and missed", accounted, emitters*each)
}

func TestSubscriptionsCloseWhileEventsAreEmitted(t *testing.T) {
	tr := tracing.New(tracing.Options{})
	life := tr.Life("a", "", nil)
	stop := make(chan struct{})
	var emitting, subscribing sync.WaitGroup
	for range 2 {
		emitting.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					life.Emit(tracing.Started{})
				}
			}
		})
	}
	for range 4 {
		subscribing.Go(func() {
			for range 200 {
				s := tr.Subscribe(1)
				var closing sync.WaitGroup
				closing.Go(s.Close)
				closing.Go(s.Close)
				for range s.C { // ends, so it was closed
				}
				closing.Wait()
			}
		})
	}
	subscribing.Wait()
	close(stop)
	emitting.Wait()
}

// What is not wanted takes no place, and is not missed.
func TestSubscriptionToSomeTypesOfEvent(t *testing.T) {
	tr := tracing.New(tracing.Options{})
	life := tr.Life("a", "", nil)
	letters := tr.Subscribe(2, tracing.DeadLetter{})
	two := tr.Subscribe(10, &tracing.Started{}, nil, tracing.Returned{}) // a pointer is taken as the value
	all := tr.Subscribe(100, nil)
	emit := func(events ...tracing.Event) {
		for _, e := range events {
			life.Emit(e)
			life.Emit(tracing.AutoShutdown{Child: "noise"})
		}
	}
	emit(tracing.Started{}, tracing.DeadLetter{Why: "1"}, tracing.DeadLetter{Why: "2"}, tracing.Started{},
		tracing.DeadLetter{Why: "3"}, tracing.Returned{Reason: exit.Normal}, &tracing.DeadLetter{Why: "4"})
	for _, s := range []*tracing.Subscription{letters, two, all} {
		s.Close()
	}
	checkList(t, "letters", read(letters), []string{"a dead letter: <nil>: 1", "a dead letter: <nil>: 2", "missed 2 events"})
	checkList(t, "two types", read(two), []string{"a started in 0s", "a started in 0s", "a returned after it was abandoned: normal"})
	check(t, "all", len(read(all)), 14)
}

func TestSubscriptionToSomeTypesCostsNothingForOthers(t *testing.T) {
	tr := tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)})
	life := tr.Life("a", "", nil)
	e := tracing.Event(tracing.Started{Head: tracing.Head{Time: time.Now(), Path: "a"}})
	emit := func() { life.Emit(e) }
	without := testing.AllocsPerRun(100, emit)
	letters := tr.Subscribe(1, tracing.DeadLetter{})
	defer letters.Close()
	check(t, "allocations of another event", testing.AllocsPerRun(100, emit), without)
}

func TestSubscriptionWithoutBounds(t *testing.T) {
	s := tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler)}).Subscribe(math.MaxInt)
	if got := cap(s.C); got < 1<<20 || got > 1<<20+2 {
		t.Errorf("buffer: got %d, want %d and room for two reports", got, 1<<20)
	}
	s.Close()
}

func TestSubscriptionThatNobodyHasMade(t *testing.T) {
	s := new(tracing.Subscription)
	s.Close()
	s.Close()
}
