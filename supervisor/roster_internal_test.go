package supervisor

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Whoever asks may give any name.
func TestRosterFindsNamesOnly(t *testing.T) {
	for _, dynamic := range []bool{false, true} {
		r := newRoster(dynamic)
		m := memberAt("pool/a#b#17")
		r.add(m)
		for name, want := range map[string]*member{
			"a#b#17": m,
			"a#b#1":  nil, "a#b#017": nil, "b#17": nil, "#17": nil, "17": nil, "a#b#": nil, "": nil,
			"a#b#33": nil, "a#b#-17": nil, "a#b#18446744073709551633": nil, "a#b#17 ": nil, "a#b#x": nil,
		} {
			if got := r.find(name); got != want {
				t.Errorf("dynamic %t, %q: got %v, want %v", dynamic, name, got, want)
			}
		}
	}
}

// A Dynamic's children come and go in any order, and no page stays behind.
func TestRosterOfChildrenThatComeAndGo(t *testing.T) {
	r := newRoster(true)
	var there []*member
	for number := range 2000 {
		m := memberAt(fmt.Sprint("pool/c#", number+1))
		r.add(m)
		there = append(there, m)
		for len(there) > rand.IntN(100) {
			i := rand.IntN(len(there))
			gone := there[i]
			there[i] = there[len(there)-1]
			there = there[:len(there)-1]
			r.remove(gone)
			if r.find(gone.name()) != nil {
				t.Fatalf("%s: found, want it gone", gone.name())
			}
		}
		for _, m := range there {
			if r.find(m.name()) != m {
				t.Fatalf("%s: not found", m.name())
			}
		}
	}
	for _, m := range there {
		r.remove(m)
	}
	if len(r.pages) != 0 {
		t.Errorf("pages: got %d, want none", len(r.pages))
	}
}

func memberAt(path string) *member {
	m := new(member)
	m.first.Init(path)
	return m
}
