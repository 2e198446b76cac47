package supervisor_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coppice-go/coppice/internal/testhelp"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// edge is a transition of the diagram in docs/lifecycle.md.
type edge = [2]supervisor.State

var arrow = regexp.MustCompile(`(?m)^ +(\S+) --> (\S+?)(?::|$)`)

// drawn are the transitions that the diagram has.
var drawn = sync.OnceValue(func() map[edge]bool {
	text, err := os.ReadFile("../docs/lifecycle.md")
	if err != nil {
		panic(err)
	}
	_, diagram, _ := strings.Cut(string(text), "stateDiagram-v2")
	diagram, _, _ = strings.Cut(diagram, "```")
	edges := make(map[edge]bool)
	for _, match := range arrow.FindAllStringSubmatch(diagram, -1) {
		edges[edge{supervisor.State(match[1]), supervisor.State(match[2])}] = true
	}
	return edges
})

// The diagram in docs/lifecycle.md and the model have the same transitions.
func TestTheDiagramOfALifeIsTheModel(t *testing.T) {
	made := make(map[edge]bool)
	r := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		s := &setting{strategy: strategy.Strategy(r.IntN(3)), delayed: r.IntN(2) == 0, edges: made}
		for i := range s.restart {
			s.restart[i] = strategy.Restart(r.IntN(3))
		}
		wander(newModel(s), r)
	}
	for _, e := range slices.SortedFunc(maps.Keys(drawn()), compareEdges) {
		if !made[e] {
			t.Errorf("the diagram has %s --> %s, which the model never does", e[0], e[1])
		}
	}
	for _, e := range slices.SortedFunc(maps.Keys(made), compareEdges) {
		if !drawn()[e] {
			t.Errorf("the model does %s --> %s, which the diagram does not have", e[0], e[1])
		}
	}
}

func compareEdges(a, b edge) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }

// wander lets anything happen to the model, and follows one of its states.
func wander(m model, r *rand.Rand) {
	for id := range int8(25) {
		for m = range testhelp.Settle(map[model]bool{m: true}, model.steps) {
			break
		}
		kid := int8(r.IntN(kids))
		k := m.kids[kid]
		quiet := []string{"", "", "", "script", "stubborn", "release", "time"}[r.IntN(7)]
		if quiet == "" {
			what := onCrash + input(r.IntN(int(onDelete)+1))
			if (what == onStop || what == onKill) && r.IntN(4) > 0 {
				what = onStart
			}
			if m.calls.n < 4 {
				m.calls.add(call{id: id, what: what, kid: kid, serial: k.serial})
			}
			continue
		}
		for m = range calm(map[model]bool{m: true}, act{quiet: quiet, kid: kid, as: outcome(r.IntN(4))}) {
			break
		}
		m.calls.remove(func(c call) bool { return c.result != "" })
	}
}

// words are what the transitions of the diagram have to tell: the events of each,
// in order. A transition that is not here tells nothing.
var words = map[edge][]string{
	{supervisor.Starting, supervisor.Running}:    {"started", "restarted"},
	{supervisor.Starting, supervisor.Stopped}:    {"", "start failed"},
	{supervisor.Starting, gone}:                  {"start failed"},
	{supervisor.Starting, supervisor.Restarting}: {"start failed", "start failed, restarting"}, // it may be called off before
	{supervisor.Running, supervisor.Restarting}:  {"exited, restarting"},
	{supervisor.Running, supervisor.Stopped}:     {"exited"},
	{supervisor.Stopping, supervisor.Restarting}: {"exited, restarting", "abandoned, exited, restarting"},
	{supervisor.Stopping, supervisor.Stopped}:    {"terminated", "abandoned", "exited", "abandoned, exited"},
}

// name is an event in a word, empty if it tells of something else.
func name(e tracing.Event) string {
	switch e.(type) {
	case tracing.Started:
		return "started"
	case tracing.StartFailed:
		return "start failed"
	case tracing.Exited:
		return "exited"
	case tracing.Terminated:
		return "terminated"
	case tracing.Restarting:
		return "restarting"
	case tracing.Restarted:
		return "restarted"
	case tracing.Abandoned:
		return "abandoned"
	}
	return ""
}

// spot is where in the diagram a child may be: in a state, or on the way to one
// with something still to be told.
type spot struct {
	state supervisor.State
	rest  string
}

// on are the spots that can be reached without an event.
func on(from map[spot]bool) map[spot]bool {
	reached := maps.Clone(from)
	todo := slices.Collect(maps.Keys(from))
	for len(todo) > 0 {
		p := todo[0]
		todo = todo[1:]
		if p.rest != "" {
			continue
		}
		for e := range drawn() {
			if e[0] != p.state {
				continue
			}
			says, ok := words[e]
			if !ok {
				says = []string{""}
			}
			for _, word := range says {
				if next := (spot{e[1], word}); !reached[next] {
					reached[next] = true
					todo = append(todo, next)
				}
			}
		}
	}
	return reached
}

// story checks that the events of each child are a path through the diagram. It is
// a sink.
type story struct {
	mu       sync.Mutex
	children map[string]*course
	wrong    []string
}

// course is the story of one child.
type course struct {
	spots map[spot]bool
	told  []string
	up    int         // the incarnation that is, 0 for none
	given int         // the one that was, when it was abandoned
	lost  map[int]int // abandoned incarnations that have not returned, by number
}

// follows says whether an event is of an incarnation of which it can be.
func (p *course) follows(event string, n int) bool {
	up, given := p.up, p.given
	switch event {
	case "started", "restarted":
		p.up, p.given = n, 0
		return up == 0
	case "exited":
		p.up, p.given = 0, 0
		return n == up || n == given
	case "terminated", "abandoned":
		p.up, p.given = 0, 0
		if event == "abandoned" {
			p.given = up
		}
		return n == up || up == 0 // it was not up yet
	}
	return true
}

func (s *story) sink(e tracing.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	head := e.Where()
	p := s.children[head.Path]
	if p == nil {
		p = &course{spots: map[spot]bool{{outside, ""}: true}, lost: make(map[int]int)}
		if s.children == nil {
			s.children = make(map[string]*course)
		}
		s.children[head.Path] = p
	}
	p.told = append(p.told, strings.Fields(fmt.Sprintf("%T", e))[0])
	switch e.(type) {
	case tracing.Abandoned:
		p.lost[head.Incarnation]++
	case tracing.Returned:
		if p.lost[head.Incarnation]--; p.lost[head.Incarnation] < 0 {
			s.wrong = append(s.wrong, fmt.Sprintf("%s: incarnation %d has returned, but was not abandoned", head.Path, head.Incarnation))
		}
	}
	event := name(e)
	if event == "" {
		return
	}
	if !p.follows(event, head.Incarnation) {
		s.wrong = append(s.wrong, fmt.Sprintf("%s: incarnation %d cannot have %s: %v", head.Path, head.Incarnation, event, p.told))
	}
	next := make(map[spot]bool)
	for at := range on(p.spots) {
		if first, rest, _ := strings.Cut(at.rest, ", "); first == event {
			next[spot{at.state, rest}] = true
		}
	}
	if p.spots = next; len(next) == 0 {
		s.wrong = append(s.wrong, fmt.Sprintf("%s: no path through the diagram tells %v", head.Path, p.told))
	}
}

// faults are what was wrong so far.
func (s *story) faults() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.wrong, "\n")
}
