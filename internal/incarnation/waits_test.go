package incarnation_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/internal/incarnation"
)

// server is a child that can be called, in its n-th incarnation.
type server struct {
	cell *incarnation.Cell
	at   atomic.Pointer[incarnation.Scope]
}

func newServer(name string, number int) *server {
	s := new(server)
	scope := incarnation.NewScope(name)
	scope.Callable()
	s.cell = incarnation.New(context.Background(), scope, number, incarnation.Terms{})
	s.at.Store(scope)
	return s
}

// successor is the next incarnation of the same child.
func (s *server) successor() *server {
	next := &server{cell: incarnation.New(context.Background(), s.cell.Scope(), s.cell.Number()+1, incarnation.Terms{})}
	next.at.Store(s.cell.Scope())
	return next
}

// request is a call of the own goroutine unless it says otherwise.
type request struct {
	beside bool
	over   atomic.Bool
	looked func() // is called at each look whether it is pending
	asked  func()
}

func (r *request) Pending() bool {
	defer func() {
		if r.looked != nil {
			r.looked()
		}
	}()
	return !r.over.Load()
}

func (r *request) Own() bool { return !r.beside }

func (r *request) Ask() {
	if r.asked != nil {
		r.asked()
	}
}

// waits begins a wait and gives it with the way round.
func (s *server) waits(to *server, r *request) (*incarnation.Wait, string) {
	w := &incarnation.Wait{Cell: s.cell}
	return w, strings.Join(w.Begin(context.Background(), &to.at, r), " ")
}

func (s *server) checkLeft(t *testing.T, want bool) {
	t.Helper()
	check(t, s.cell.Scope().Path()+" has a wait", s.cell.Scope().Waiting(), want)
}

func TestWayRound(t *testing.T) {
	a, b, c := newServer("a", 1), newServer("b", 1), newServer("c", 1)
	ab, way := a.waits(b, new(request))
	check(t, "a waits for b", way, "")
	bc, way := b.waits(c, new(request))
	check(t, "b waits for c", way, "")
	ab.Tell()
	bc.Tell()
	ca, way := c.waits(a, new(request))
	check(t, "c waits for a", way, "c a b c")
	ca.End()
	cb, way := c.waits(b, new(request))
	check(t, "c waits for b", way, "c b c")
	cb.End()
	// d comes upon a round that is not its own.
	d := newServer("d", 1)
	_, way = c.waits(b, &request{beside: true})
	check(t, "a goroutine beside c waits for b", way, "")
	dd, way := d.waits(d, new(request))
	check(t, "d waits for itself", way, "d d")
	for _, w := range []*incarnation.Wait{ab, bc, dd} {
		w.End()
		w.End()
	}
	for _, s := range []*server{a, b, c, d} {
		s.checkLeft(t, false)
	}
}

// A round of others that has not been refused yet holds nobody up.
func TestWayIntoARoundOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := []*server{newServer("a", 1), newServer("b", 1), newServer("c", 1)}
		var waits []*incarnation.Wait
		for i, s := range all {
			w := &incarnation.Wait{Cell: s.cell}
			waits = append(waits, w)
			go w.Begin(t.Context(), &all[(i+1)%len(all)].at, new(request)) // c waits until a and b have told
			synctest.Wait()
		}
		d := newServer("d", 1)
		w, way := d.waits(all[0], new(request))
		check(t, "d waits for a", way, "")
		for _, w := range append(waits, w) {
			w.Tell()
			w.End()
		}
		synctest.Wait()
	})
}

// Each edge was there when it was looked at, but not all at one moment.
func TestAWayThatHasChangedIsNone(t *testing.T) {
	a, b, c := newServer("a", 1), newServer("b", 1), newServer("c", 1)
	answered := new(request)
	bc, _ := b.waits(c, answered)
	bc.Tell()
	ca, _ := c.waits(a, new(request))
	ca.Tell()
	answered.looked = func() { answered.over.Store(true) } // c has answered b before it waits for a
	ab, way := a.waits(b, new(request))
	check(t, "a waits for b", way, "")
	for _, w := range []*incarnation.Wait{ab, bc, ca} {
		w.End()
	}
}

// Who has not told is asked; what is not the own goroutine's does not count.
func TestWhoHasNotToldIsAsked(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(b *server, w *incarnation.Wait, r *request)
		want string
	}{
		{"own", func(_ *server, w *incarnation.Wait, _ *request) { w.Tell() }, "a b a"},
		{"beside", func(_ *server, w *incarnation.Wait, r *request) { r.beside = true; w.Tell() }, ""},
		{"over meanwhile", func(_ *server, w *incarnation.Wait, _ *request) { w.End() }, ""},
		{"the own goroutine takes its place", func(b *server, _ *incarnation.Wait, _ *request) {
			w, _ := b.waits(newServer("c", 1), new(request))
			w.End()
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newServer("a", 1), newServer("b", 1)
				asked := make(chan struct{}, 1)
				r := &request{asked: func() { asked <- struct{}{} }}
				ba, _ := b.waits(a, r)
				defer ba.End()
				way := make(chan string)
				go func() {
					w, got := a.waits(b, new(request))
					w.End()
					way <- got
				}()
				synctest.Wait()
				<-asked
				test.do(b, ba, r)
				check(t, "way", <-way, test.want)
				a.checkLeft(t, false)
			})
		})
	}
}

// Whoever has told a moment before it was asked has seen nobody to tell, and is not
// asked any more: who asks must look again.
func TestWhoHasToldMeanwhileIsNotAsked(t *testing.T) {
	for name, tell := range map[string]func(*incarnation.Wait){
		"own":  func(w *incarnation.Wait) { w.Tell() },
		"over": (*incarnation.Wait).End,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // else it would hang
				a, b := newServer("a", 1), newServer("b", 1)
				w, _ := a.waits(b, &request{asked: func() { t.Error("asked: got one that has told, want none") }})
				defer w.End()
				tell(w)
				w.Asks(context.Background())
			})
		})
	}
}

// Whose ctx ends while it asks does not wait for the answer.
func TestWhoAsksUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newServer("a", 1), newServer("b", 1)
		ba, _ := b.waits(a, new(request))
		defer ba.End()
		ctx, cancel := context.WithCancel(t.Context())
		way := make(chan []string)
		go func() {
			w := &incarnation.Wait{Cell: a.cell}
			defer w.End()
			way <- w.Begin(ctx, &b.at, new(request))
		}()
		synctest.Wait()
		cancel()
		check(t, "way", len(<-way), 0)
	})
}

// There is one own goroutine: it takes the place of whoever has it.
func TestTheOwnGoroutineTakesThePlace(t *testing.T) {
	a, b := newServer("a", 1), newServer("b", 1)
	first, _ := a.waits(b, &request{beside: true})
	a.checkLeft(t, true)
	second, _ := a.waits(b, &request{beside: true})
	own, _ := a.waits(b, new(request))
	first.End() // of somebody who has lost the place
	second.End()
	a.checkLeft(t, true)
	ba, way := b.waits(a, new(request))
	check(t, "way", way, "b a b")
	own.End()
	ba.End()
	a.checkLeft(t, false)
}

// What an abandoned incarnation waits for does not count, and does not take the
// place of its successor's.
func TestWaitOfAnAbandonedIncarnation(t *testing.T) {
	a, b := newServer("a", 1), newServer("b", 1)
	old, _ := a.waits(b, new(request))
	old.Tell()
	check(t, "waits", a.cell.Waits(), true)
	a.cell.Abandon()
	check(t, "abandoned, waits", a.cell.Waits(), false)
	ba, way := b.waits(a, new(request))
	check(t, "way to the abandoned one", way, "")
	ba.Tell()
	next := a.successor()
	own, way := next.waits(b, &request{})
	check(t, "way of the successor", way, "a b a")
	late, way := a.waits(b, new(request))
	check(t, "way of the abandoned one", way, "")
	old.End()
	late.End()
	next.checkLeft(t, true)
	own.End()
	ba.End()
	next.checkLeft(t, false)
}

// A child that nobody can call is no part of this, nor one that is not there.
func TestWhoIsNotCalled(t *testing.T) {
	c := newCell(t.Context())
	check(t, "a function waits", c.Waits(), false)
	a, b := newServer("a", 1), newServer("b", 1)
	ba, _ := b.waits(a, new(request))
	b.at.Store(nil)
	w, way := a.waits(b, new(request))
	check(t, "way to one that is gone", way, "")
	w.End()
	ba.End()
}
