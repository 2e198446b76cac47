package tracing

import (
	"fmt"
	"strconv"

	"github.com/coppice-go/coppice/exit"
)

// name is the child and its incarnation: bank/accounts/alice#2.
func (h Head) name() string {
	if h.Incarnation == 0 {
		return h.Path
	}
	return h.Path + "#" + strconv.Itoa(h.Incarnation)
}

// text is what a reason or an error says, also if its Error method panics.
func text(err error) string { return (&exit.Failure{Err: err}).Error() }

// messageType is the type of a message, also of one that was redacted.
func messageType(message any) string {
	if r, ok := message.(removed); ok {
		return r.kind
	}
	return fmt.Sprintf("%T", message)
}

// String is "bank/alice#1 started in 2ms".
func (e Started) String() string { return fmt.Sprintf("%s started in %v", e.name(), e.Took) }

// String is "bank/alice#1 failed to start after 2ms: no such table".
func (e StartFailed) String() string {
	return fmt.Sprintf("%s failed to start after %v: %v", e.name(), e.Took, e.Reason)
}

// String is "bank/alice#1 exited after 3s: panic: negative deposit".
func (e Exited) String() string {
	return fmt.Sprintf("%s exited after %v: %v", e.name(), e.Lived, e.Reason)
}

// String is "bank/alice#1 stopped in 2ms: shutdown".
func (e Terminated) String() string {
	how := "stopped"
	if e.Overdue {
		how = "was overdue and stopped"
	}
	return fmt.Sprintf("%s %s in %v: %v", e.name(), how, e.Took, e.Reason)
}

// String is "bank/alice#1 restarts in 10ms, attempt 1: panic: negative deposit".
func (e Restarting) String() string {
	return fmt.Sprintf("%s %s: %v", e.name(), e.plan(), e.Reason)
}

// plan is what is going to happen.
func (e Restarting) plan() string {
	when := "at once"
	if e.Delay > 0 {
		when = "in " + e.Delay.String()
	}
	return fmt.Sprintf("restarts %s, attempt %d", when, e.Attempt)
}

// String is "bank/alice#2 restarted in 2ms, attempt 1: panic: negative deposit".
func (e Restarted) String() string {
	return fmt.Sprintf("%s restarted in %v, attempt %d: %v", e.name(), e.Took, e.Attempt, e.Reason)
}

// String is `bank#1 gave up on "alice" (too many restarts): panic: negative deposit`.
func (e GaveUp) String() string {
	return fmt.Sprintf("%s gave up on %q (%s): %v", e.name(), e.Child, e.why(), e.Reason)
}

// String is `bank#1 shuts itself down after the end of "alice": normal`.
func (e AutoShutdown) String() string {
	return fmt.Sprintf("%s shuts itself down after the end of %q: %v", e.name(), e.Child, e.Reason)
}

// String is "bank/alice#1 abandoned after 5s".
func (e Abandoned) String() string { return fmt.Sprintf("%s abandoned after %v", e.name(), e.Waited) }

// String is "bank/alice#1 returned after it was abandoned: normal".
func (e Returned) String() string {
	return fmt.Sprintf("%s returned after it was abandoned: %v", e.name(), e.Reason)
}

// String is "bank/alice#1 stuck with a message in hand for at least 3s, 5 waiting".
func (e Stuck) String() string {
	text := fmt.Sprintf("%s stuck %s for at least %v", e.name(), e.Doing, e.For)
	if e.Waiting > 0 {
		text += fmt.Sprintf(", %d waiting", e.Waiting)
	}
	return text
}

// String is "bank/alice#1 no longer stuck with a message in hand, after at least 5s".
func (e Unstuck) String() string {
	return fmt.Sprintf("%s no longer stuck %s, after at least %v", e.name(), e.Doing, e.For)
}

// String is "bank/alice#1 dead letter: main.Deposit: overflow".
func (e DeadLetter) String() string {
	return fmt.Sprintf("%s dead letter: %s: %s", e.name(), messageType(e.Message), e.Why)
}

// String is "bank/alice#1 cast failed: main.Deposit: no such account".
func (e CastFailed) String() string {
	return fmt.Sprintf("%s cast failed: %s: %v", e.name(), messageType(e.Message), e.Err)
}

// String is "missed 3 events".
func (e Missed) String() string {
	if e.Count == 1 {
		return "missed 1 event"
	}
	return fmt.Sprintf("missed %d events", e.Count)
}
