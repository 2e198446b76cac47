// Package testhelp is what the tests of several rooms share. Nothing else imports it;
// nor do the tests in the folder tests, which know only what users know.
package testhelp

import (
	"maps"
	"slices"
)

// Settle lets every state in which a model may be go on, by each of its steps, until
// nothing more happens. It gives the states in which it may be then.
func Settle[M comparable](from map[M]bool, steps func(M) []M) map[M]bool {
	seen, quiet := maps.Clone(from), make(map[M]bool)
	todo := slices.Collect(maps.Keys(from))
	for len(todo) > 0 {
		m := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		next := steps(m)
		if len(next) == 0 {
			quiet[m] = true
		}
		for _, n := range next {
			if !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		}
	}
	return quiet
}

// Each changes all states.
func Each[M comparable](states map[M]bool, change func(*M)) map[M]bool {
	changed := make(map[M]bool)
	for m := range states {
		change(&m)
		changed[m] = true
	}
	return changed
}
