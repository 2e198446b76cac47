//go:build race

package mailbox_test

// See sizes_norace_test.go. The race detector makes everything ten times as slow;
// what it is there for, races, shows in a few rounds.
const (
	rounds = 100
	moves  = 4_000
)
