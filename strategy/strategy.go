// Package strategy decides what a supervisor does when a child ends: which
// children a restart covers ([Strategy]), whether there is one at all
// ([Restart]), when there have been too many ([Window]), how long to wait before
// the next ([Backoff], [Delays]), and whether the supervisor itself is done
// ([AutoShutdown]).
//
// It only decides. It starts no goroutine, takes no lock and waits for nothing;
// time comes in as an argument. The one thing in it that runs code of the user
// is [Delays], which guards it.
package strategy

import "fmt"

// Strategy says which children are restarted together when one of them has to
// be restarted. The zero value is [OneForOne].
type Strategy uint8

const (
	// OneForOne restarts only the child that ended (S35). It is the default.
	OneForOne Strategy = iota

	// OneForAll restarts all children (S36): none of them makes sense without
	// the others.
	OneForAll

	// RestForOne restarts the child that ended and those started after it
	// (S36): each child may depend on those before it.
	RestForOne
)

// Span is the half-open range [lo, hi) of children, counted in start order from
// 0, that a restart of child failed out of n covers (S35, S36). The caller
// stops the range backwards, without the failed child itself, and starts it
// forwards (S37, S38); it needs no case analysis.
//
// Span expects 0 <= failed < n. A Strategy that is not [Strategy.Valid] covers
// the failed child only.
func (s Strategy) Span(failed, n int) (lo, hi int) {
	switch s {
	case OneForAll:
		return 0, n
	case RestForOne:
		return failed, n
	}
	return failed, failed + 1
}

// Valid reports whether s is one of the constants of this package.
func (s Strategy) Valid() bool { return s <= RestForOne }

// String is OTP's name of the strategy, such as "rest_for_one".
func (s Strategy) String() string {
	switch s {
	case OneForOne:
		return "one_for_one"
	case OneForAll:
		return "one_for_all"
	case RestForOne:
		return "rest_for_one"
	}
	return fmt.Sprintf("strategy(%d)", uint8(s))
}
