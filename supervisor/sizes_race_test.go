//go:build race

package supervisor_test

// See sizes_norace_test.go. The race detector makes everything ten times as slow;
// what it is there for, races, shows among a few as well.
const (
	crowd  = 2_000
	many   = 2_000
	storms = 40
	uses   = 8
	step   = 3
)

// raced says whether the race detector is there, which allocates too.
const raced = true
