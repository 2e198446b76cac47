package supervisor

import (
	"context"
	"errors"
	"testing"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
)

// Nobody joins when the last has left: whoever was told of the end was told the
// truth.
func TestNobodyJoinsAfterTheEnd(t *testing.T) {
	c := &crew{present: 1}
	if !c.join() {
		t.Fatal("join: got refused, want it to succeed")
	}
	if last := c.end(over, exit.Normal, false); last || !c.join() {
		t.Errorf("with one left: got last %v, or refused", last)
	}
	if _, last := c.leave(exit.Normal, false); last {
		t.Error("first of two to leave: got that it was the last")
	}
	if _, last := c.leave(exit.Normal, false); !last {
		t.Error("last to leave: got that it was not")
	}
	for name, c := range map[string]*crew{"left": c, "disbanded": disbanded} {
		if c.join() {
			t.Errorf("%s: got joined, want refused", name)
		}
	}
}

// Only the first failure of what was running is news: an actor that has ended is
// told to end no more, which would leave a poke in the mailbox.
func TestNewsOfAFailure(t *testing.T) {
	failure := exit.Of(errors.New("boom"))
	running := &crew{present: 3}
	ended := &crew{present: 3}
	ended.end(over, exit.Normal, false)
	for _, test := range []struct {
		name  string
		crew  *crew
		fails bool
		want  bool
	}{
		{"no failure", running, false, false},
		{"the first", running, true, true},
		{"the second", &crew{present: 2, failure: failure}, true, false},
		{"after the end", ended, true, false},
	} {
		if got, _ := test.crew.leave(failure, test.fails); got != test.want {
			t.Errorf("%s: got news %v, want %v", test.name, got, test.want)
		}
	}
}

// The supervisor gives up an incarnation that was given up with the supervisor.
func TestAbandonedTwice(t *testing.T) {
	tree := newTree(t.Context(), nil)
	r := newRunner(&above{t.Context(), tree, nil}, &member{}, incarnation.NewScope("root/c"), 1, incarnation.Terms{})
	for i, want := range []bool{true, false} {
		if got := tree.abandon(r, overdue{}); got != want {
			t.Errorf("abandon, time %d: got %v, want %v", i+1, got, want)
		}
		if len(tree.stillThere(false)) != 1 {
			t.Errorf("abandon, time %d: got it listed no more", i+1)
		}
	}
	tree.returned(r, exit.Killed)
	if tree.abandon(r, overdue{}) || len(tree.stillThere(false)) != 0 {
		t.Error("abandon after the return: got it listed, want not")
	}
}

// A report, or an Exclusive supervisor, may look just while an incarnation is
// being abandoned that has ended, or has come back from an abandonment.
func TestWhatHasEndedIsNotLostWhileItIsAbandoned(t *testing.T) {
	for name, end := range map[string]func(*tree, *runner){
		"ended": func(_ *tree, r *runner) { r.cell.End(exit.Normal) },
		"returned": func(tree *tree, r *runner) {
			tree.abandon(r, overdue{})
			tree.returned(r, exit.Normal)
			tree.done(r)
		},
	} {
		tree := newTree(t.Context(), nil)
		r := newRunner(&above{t.Context(), tree, nil}, &member{}, incarnation.NewScope("root/c"), 1, incarnation.Terms{})
		looks := false
		lost := 0
		r.cell.Attach(func() incarnation.Hooks {
			return killed{kill: func() { looks, lost = true, len(tree.stillThere(true)) }}
		})
		end(tree, r)
		if name == "returned" { // its contexts are dead, so nobody is called: look at what is in between by hand
			tree.list(r, overdue{})
			looks, lost = true, len(tree.stillThere(true))
		}
		tree.abandon(r, overdue{})
		if !looks || lost != 0 {
			t.Errorf("%s: got %d lost meanwhile (looked: %t), want 0", name, lost, looks)
		}
	}
}

type killed struct {
	incarnation.NoHooks
	kill func()
}

func (k killed) Kill() { k.kill() }

// Where goroutines wait long for their turn, the shutdown time may be over before
// an incarnation has begun. Its Start would run beside that of its successor.
func TestS194_AbandonedBeforeItBegins(t *testing.T) {
	tree, began, notified := newTree(t.Context(), nil), false, false
	child := starts{Func("c", nil), func() { began = true }}
	r := newRunner(&above{t.Context(), tree, func(*runner) { notified = true }}, &member{child: child}, incarnation.NewScope("root/c"), 1, incarnation.Terms{})
	tree.abandon(r, overdue{})
	r.start()
	if began || notified || len(tree.stillThere(true)) != 0 {
		t.Errorf("got started %t, told of %t, %d lost; want none of these", began, notified, len(tree.stillThere(true)))
	}
}

// starts is a child that tells when it is started.
type starts struct {
	Child
	begin func()
}

func (s starts) Start(context.Context) (func() error, error) {
	s.begin()
	return nil, nil
}
