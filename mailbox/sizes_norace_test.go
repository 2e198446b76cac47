//go:build !race

package mailbox_test

const (
	// rounds is how often each trial is run with each shape of mailbox: a thousand
	// times and more with each capacity, and with each policy.
	rounds = 500

	// moves is how many messages of each sender move while others look on.
	moves = 20_000
)
