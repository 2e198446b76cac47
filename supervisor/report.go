package supervisor

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/stacks"
)

// StopError lists what did not end when a tree was stopped, over the whole tree.
// The goroutines are still there; what they do has no effect on the tree any
// more, except for messages that they send with contexts which do not come from
// it, or were detached with context.WithoutCancel.
type StopError struct {
	Stuck []Stuck // by path
}

// Stuck is an incarnation that would not end.
type Stuck struct {
	Path        string
	Incarnation int
	InStart     bool          // its Start has not returned
	Message     string        // type of the message in hand; empty if there is none, or the child is no actor
	Waiting     int           // messages that waited behind it
	Since       time.Duration // it has been busy with the same thing for at least this long before it was abandoned
	Goroutines  int           // that have not returned: its own, and those of [Go]
	Stack       string        // of these, with an empty line between different ones; empty if there were too many goroutines to look (200,000)
}

// Error names everything that is stuck, with the stacks.
func (e *StopError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d did not stop:", len(e.Stuck))
	for _, s := range e.Stuck {
		fmt.Fprintf(&text, "\n%v", s)
		if s.Stack != "" {
			text.WriteString("\n\t" + strings.ReplaceAll(strings.TrimRight(s.Stack, "\n"), "\n", "\n\t"))
		}
	}
	return text.String()
}

// String is one line without the stack.
func (s Stuck) String() string {
	text := fmt.Sprintf("%s (incarnation %d)", s.Path, s.Incarnation)
	switch {
	case s.InStart:
		text += ", stuck in Start"
	case s.Message != "":
		text += ", stuck in a " + s.Message
	default:
		text += ", stuck"
	}
	if s.Since > 0 {
		text += fmt.Sprintf(" for at least %v", s.Since)
	}
	if s.Goroutines > 1 {
		text += fmt.Sprintf(", %d goroutines", s.Goroutines)
	}
	if s.Waiting > 0 {
		text += fmt.Sprintf(", %d messages waiting", s.Waiting)
	}
	return text
}

// mostStacks is above how many goroutines no stacks are taken: a profile of a
// million takes ten seconds.
const mostStacks = 200_000

// report says what of a tree is still there. It takes at most one profile.
func report(t *tree) error {
	var stuck []Stuck
	for r, known := range t.lost() {
		stuck = append(stuck, Stuck{
			Path:        r.cell.Scope().Path(),
			Incarnation: r.cell.Number(),
			InStart:     r.cell.Starting(),
			Message:     r.cell.Holding().Message,
			Waiting:     known.waiting,
			Since:       known.busy,
			Goroutines:  max(1, r.present()), // it may be on its way out, in a sink
		})
	}
	if len(stuck) == 0 {
		return nil
	}
	if runtime.NumGoroutine() <= mostStacks {
		found := stacks.Of(t.id, "goroutine")
		for i, s := range stuck {
			stuck[i].Stack = found[stacks.Incarnation{Path: s.Path, Number: s.Incarnation}]
		}
	}
	slices.SortFunc(stuck, func(a, b Stuck) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return a.Incarnation - b.Incarnation
	})
	return &StopError{Stuck: stuck}
}
