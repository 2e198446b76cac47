package supervisor

import (
	"errors"
	"time"
)

// Watch tells when a child counts as stuck although it is alive. Each limit is
// one of its own; 0 means that there is none. Crossing one is a [tracing.Stuck]
// event, with the path and the stack of the child, and nothing else: nobody is
// stopped. A [tracing.Unstuck] follows when it has moved on. Until then a snapshot
// shows the child as stuck.
//
// A supervisor looks at its children from time to time, four times in each limit
// but not more often than every millisecond. So Message and Queue are never told
// too early, and at most a quarter of the limit too late; Start is told in time.
// What a look sees is compared by sequence numbers: messages cost nothing more,
// and no goroutine is needed; a look takes some hundred nanoseconds for each child.
// One that has news takes a profile of all goroutines, for the stacks, unless there
// are more than 200,000.
//
// A child is watched as long as it is there, also while it is being stopped, which
// with [Infinity] may be long. Not seen are:
//
//   - messages of a child that is no actor: it has none. For a supervisor as a
//     child only Start has a meaning; the children below have their own limits.
//   - senders that wait for room: their messages are not in the mailbox yet, that of
//     an unbuffered one never is. Envelopes that a loop has taken and not opened.
//   - anything while the supervisor is itself held up by code of the user on its
//     own goroutine: a sink, a log handler, a backoff. It looks again afterwards.
//   - the root: no supervisor is above it.
//
// The successor of a supervisor that was abandoned begins to look anew: it may
// tell once more of messages that wait.
type Watch struct {
	// Start is how long Start may take, of a supervisor the start of everything
	// below it.
	Start time.Duration

	// Message is how long an actor may have one message in hand, or be in its
	// Continue or its Close. A loop has its message in hand until it opens the next
	// or says Done. A Close that follows a crash has no other limit: as in OTP the
	// supervisor hears of the crash, and restarts, when it has returned.
	Message time.Duration

	// Queue is how old the head of an actor's mailbox may grow: how long the
	// message may have waited that is handled next. It waits on while the actor
	// restarts, in its backoff too. Not for a mailbox that is Unbuffered.
	Queue time.Duration
}

// check says what is wrong with the limits, all of it. field is where they stand.
func (w Watch) check(field string) error {
	negative := func(name string, limit time.Duration) error {
		if limit >= 0 {
			return nil
		}
		return faultOf(field+"."+name, "%v is negative", limit)
	}
	return errors.Join(negative("Start", w.Start), negative("Message", w.Message), negative("Queue", w.Queue))
}
