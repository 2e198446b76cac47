package actortest

import (
	"context"
	"fmt"
	"testing"

	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/supervisor"
)

func (all complaints) texts() (texts []string) {
	for _, complaint := range all {
		texts = append(texts, complaint.String())
	}
	return texts
}

// Told is what a Run says of scenarios with these complaints, in turn.
func Told(scenarios [][]string) (lines []string) {
	told := told{}
	for i, texts := range scenarios {
		var all complaints
		for _, text := range texts {
			all.add(text, 1)
		}
		for _, complaint := range all {
			lines = append(lines, told.of(complaint, fmt.Sprint("scenario ", i+1)))
		}
	}
	return lines
}

// Complaints plays the scenarios of Run and gives what it would fail with, by
// scenario. make also gives what lets go of all that the child keeps, at the end
// of the bubble.
func Complaints(t *testing.T, o Options, make func() (child supervisor.Child, release func())) map[string][]string {
	found := map[string][]string{}
	for _, s := range o.scenarios() {
		over := false
		bubble(t, func(t *testing.T) {
			child, release := make()
			c := &script{child: child, load: o.Load}
			complaints := s.complaints(c)
			over = c.over
			release()
			stragglers()
			if complaints != nil {
				found[s.name] = complaints.texts()
			}
		})
		if over {
			break
		}
	}
	return found
}

// StressComplaints is what Stress would fail with. make is that of Complaints.
func StressComplaints(t *testing.T, seed uint64, load func(context.Context, supervisor.Child), make func() (child supervisor.Child, release func())) (complaints []string) {
	bubble(t, func(t *testing.T) {
		var releases []func()
		all := stress(func() supervisor.Child {
			child, release := make()
			releases = append(releases, release)
			return child
		}, load, seed)
		complaints = all.texts()
		for _, release := range releases {
			release()
		}
		stragglers()
	})
	return complaints
}

// BeginTwice is what is complained of when a child begins again while an
// incarnation of it is there, which may have been abandoned.
func BeginTwice(abandoned bool) []string {
	var s stage
	_, w := watchChild(supervisor.Func("f", nil), s.complain)
	for number := range 2 {
		cell := incarnation.New(context.Background(), incarnation.NewScope("f"), number+1, incarnation.Terms{})
		w.begin(cell)
		if abandoned {
			cell.Abandon()
		}
	}
	return s.complained().texts()
}

// Complain complains of an error which does something, that may complain as well,
// when it is asked for its text. It gives all complaints.
func Complain(do func(complain func())) []string {
	var s stage
	s.complain("%v", texted(func() string {
		do(func() { s.complain("inner") })
		return "outer"
	}))
	return s.complained().texts()
}

type texted func() string

func (t texted) Error() string { return t() }
