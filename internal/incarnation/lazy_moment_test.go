package incarnation_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/internal/incarnation"
)

// interrupted is a context at which something happens when somebody is about to hang
// something on it, or has just heard from it whether it has ended.
type interrupted struct {
	context.Context
	at, heard func()
}

func (i *interrupted) Done() <-chan struct{} {
	if at := i.at; at != nil {
		i.at = nil
		at()
	}
	return i.Context.Done()
}

func (i *interrupted) Err() error {
	err := i.Context.Err()
	if heard := i.heard; heard != nil {
		i.heard = nil
		heard()
	}
	return err
}

// Who ends it has looked whether the parent has ended, and nobody had asked for more.
// Now somebody does, or that ends.
func TestLazyIsLookedAtWhileItEnds(t *testing.T) {
	for look := range looks {
		t.Run(look, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(t.Context())
				defer cancel()
				above := &interrupted{Context: parent}
				s := lazy(above)
				later := func() string { return "" }
				above.heard = func() { later = looks[look](s) }
				s.cancel(errOwn)

				want := standard(parent)
				before := looks[look](want)
				want.cancel(errOwn)
				check(t, "state", state(s)+", "+later(), state(want)+", "+before())
			})
		})
	}
}

func TestParentEndsWhileALazyEnds(t *testing.T) {
	for name, ask := range map[string]func(subject) error{
		"Err": func(s subject) error { return s.Err() },
		"Done": func(s subject) error {
			<-s.Done()
			return s.Err()
		},
		"context.Cause": func(s subject) error { return context.Cause(s) },
		"Cause":         func(s subject) error { return s.Context.(*incarnation.Lazy).Cause() },
		"child": func(s subject) error {
			child, cancel := context.WithCancelCause(s)
			defer cancel(errSecond)
			return context.Cause(child)
		},
	} {
		parent, cancel := context.WithDeadlineCause(t.Context(), time.Now().Add(-time.Second), errAbove)
		defer cancel()
		above := &interrupted{Context: context.Background()}
		s := lazy(above)
		var first error
		above.heard = func() {
			above.Context = parent
			first = ask(s)
		}
		s.cancel(errOwn)
		check(t, name+" heard then", ask(s), first)
		check(t, name+": error in the end", s.Err(), context.DeadlineExceeded)
		check(t, name+": cause in the end", context.Cause(s), errAbove)
	}
}

// counted is a context that counts what hangs on it.
type counted struct {
	interrupted
	hooks int
}

func (c *counted) Value(any) any { return nil } // so that it is asked itself

func (c *counted) AfterFunc(f func()) (stop func() bool) {
	c.hooks++
	unhook := context.AfterFunc(c.Context, f)
	return func() bool {
		c.hooks--
		return unhook()
	}
}

// The real context that came too late is let go of, and nothing hangs on the parent.
func TestLazyThatEndsWhileItIsAskedForDoneLeavesItsParent(t *testing.T) {
	above := &counted{interrupted: interrupted{Context: t.Context()}}
	s := lazy(above)
	above.at = func() { s.cancel(errOwn) }
	check(t, "done", closed(s.Done()), true)
	check(t, "cause", context.Cause(s), errOwn)
	check(t, "hooks", above.hooks, 0)

	s = lazy(above)
	s.Done()
	check(t, "hooks before the end", above.hooks, 1)
	s.cancel(errOwn)
	check(t, "hooks after the end", above.hooks, 0)
}

// Who asks for Done may come between the end, of which somebody has heard, and that of
// the parent. Everybody hears of the first.
func TestLazyEndsWhileItIsAskedForDone(t *testing.T) {
	for _, heard := range []func(subject) string{
		func(s subject) string { return fmt.Sprint(s.Err(), ", ", context.Cause(s)) },
		func(s subject) string { return fmt.Sprint(s.Err(), ", ", s.Context.(*incarnation.Lazy).Cause()) },
	} {
		parent, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		above := &interrupted{Context: context.Background()}
		s := lazy(above)
		first := ""
		above.at = func() {
			s.cancel(errOwn)
			first = heard(s)
			above.Context = parent
		}
		check(t, "done", closed(s.Done()), true)
		check(t, "heard first", first, "context canceled, own")
		check(t, "heard then", heard(s), first)
		check(t, "cause in the end", context.Cause(s), errOwn)
	}
}
