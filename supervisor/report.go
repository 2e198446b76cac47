package supervisor

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/internal/incarnation"
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
	In          Phase         // what it is stuck in
	Message     string        // type of the message in hand; empty if there is none, or it could not be asked for because a sink blocks
	Waiting     int           // messages that waited behind it when it was abandoned
	Since       time.Duration // it has been busy with the same thing for at least this long; 0 if that is not known
	Goroutines  int           // that have not returned: its own, and those of [Go]
	Stack       string        // of these and of others that they have started, with an empty line between different ones; empty if nobody has looked, or there were too many goroutines (200,000)
}

// Phase is what an incarnation is stuck in.
type Phase string

// The phases of an incarnation.
const (
	InStart    Phase = "Start"    // its Start has not returned: the open of an actor, or that of a supervisor's children
	InContinue Phase = "Continue" // what an actor does between its Start and its first message
	InMessage  Phase = "message"  // the handler of a message; a loop of the user's has one in hand until it takes the next
	InClose    Phase = "Close"    // the cleanup of an actor
	InRun      Phase = "run"      // anything else in what Start has returned: a function, a loop without a message, a supervisor that waits for a sink
	InGo       Phase = "Go"       // only goroutines of [Go] are left
)

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
	text := fmt.Sprintf("%s (incarnation %d), stuck ", s.Path, s.Incarnation)
	switch {
	case s.In == InGo:
		text += "in a goroutine of supervisor.Go"
	case s.In != InMessage:
		text += "in " + string(s.In)
	case s.Message == "":
		text += "with a message in hand"
	default:
		text += "with a " + s.Message + " in hand"
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

// overdue is what was known of an incarnation when it was abandoned.
type overdue struct {
	waiting int               // messages
	phase   incarnation.Phase // in which it was
	since   time.Time         // it has had the same thing in hand from then on at least
}

// overdueNow is what can be known of an incarnation at one moment.
func overdueNow(r *runner) overdue {
	hand := r.cell.Holding()
	known := overdue{waiting: hand.Depth, phase: hand.Phase, since: time.Now()}
	switch {
	case hand.Phase == incarnation.Starting:
		known.since = r.began.time()
	case !hand.Since.IsZero():
		known.since = hand.Since
	}
	return known
}

// overdue is what is known of an incarnation that was asked to stop and has not
// ended.
func (r *runner) overdue() overdue {
	hand, known := r.cell.Holding(), overdueNow(r)
	if same(r.stop.before, hand) {
		known.since = earlier(known.since, r.stop.since)
	}
	if r.ownReturned() {
		known.since = earlier(known.since, r.stop.asked)
	}
	known.since = earlier(known.since, r.member.watched.busySince(r, hand))
	return known
}

// notice remembers what a member that is going to be stopped, if it is there, has
// in hand, and since when at least. A message that was noticed before counts from
// then on; what has none, such as a function, from when it was asked.
func (m *member) notice(now time.Time) {
	r := m.current
	if r == nil {
		return
	}
	s, hand := r.stopping(), r.cell.Holding()
	if s.since.IsZero() || !hand.Busy || !same(s.before, hand) {
		s.before, s.since = hand, earlier(now, m.watched.busySince(r, hand))
	}
}

// noticeBusy is notice for what has a message in hand now, for when the others of a
// crowd are asked before it.
func (m *member) noticeBusy() {
	if r := m.current; r != nil && r.cell.Holding().Busy {
		m.notice(time.Now())
	}
}

// same says whether an incarnation has had the same thing in hand at two moments.
func same(a, b incarnation.Hand) bool {
	return a.Phase == b.Phase && a.Begun == b.Begun && a.Busy == b.Busy
}

// stuck describes an incarnation as it is now, without its stack.
func (r *runner) stuck(known overdue) Stuck {
	hand := r.cell.Holding()
	s := Stuck{
		Path:        r.cell.Scope().Path(),
		Incarnation: r.cell.Number(),
		In:          phaseOf(hand),
		Message:     hand.Message,
		Waiting:     known.waiting,
		Goroutines:  max(1, r.present()), // it may be on its way out, in a sink
	}
	switch {
	case r.ownReturned():
		s.In, s.Message = InGo, ""
		s.Since = time.Since(known.since)
	case hand.Phase == known.phase:
		s.Since = time.Since(known.since)
	case !hand.Since.IsZero(): // it goes on with something else
		s.Since = time.Since(hand.Since)
	}
	return s
}

func phaseOf(hand incarnation.Hand) Phase {
	switch {
	case hand.Phase == incarnation.Starting:
		return InStart
	case hand.Phase == incarnation.Continuing:
		return InContinue
	case hand.Phase == incarnation.Closing:
		return InClose
	case hand.Busy:
		return InMessage
	}
	return InRun
}

// mostStacks is above how many goroutines no stacks are taken: a profile of a
// million takes ten seconds.
const mostStacks = 200_000

// report says what of a tree is still there: nil or a *StopError. It takes one
// profile if anything is.
func report(t *tree) error {
	t.awaitReturns()
	stuck := t.stuck(true)
	if len(stuck) == 0 {
		return nil
	}
	if runtime.NumGoroutine() <= mostStacks {
		found := stacks.Of(t.id, "goroutine")
		for i, s := range stuck {
			stuck[i].Stack = found[stacks.Incarnation{Path: s.Path, Number: s.Incarnation}]
		}
	}
	return &StopError{Stuck: stuck}
}

// stuck describes what of a tree is still there, by path; with telling also what
// has come back and tells of it.
func (t *tree) stuck(telling bool) (list []Stuck) {
	for r, known := range t.stillThere(telling) {
		list = append(list, r.stuck(known))
	}
	slices.SortFunc(list, byPath)
	return list
}

func byPath(a, b Stuck) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), a.Incarnation-b.Incarnation)
}

// Abandoned lists the incarnations of the supervisor and of everything below it
// that were abandoned and are still there, by path: what earlier restarts and
// stops could not wait for, also in earlier runs of the tree. An entry goes when
// all goroutines of its incarnation have returned (S193).
//
// It does not wait and takes no profile, so that it can be asked often: the
// entries have no stacks. A goroutine profile has them: the goroutines carry the
// labels coppice.path and coppice.incarnation.
func (n *node) Abandoned() (list []Stuck) {
	tree, path := n.place()
	for ; tree != nil; tree = tree.before {
		for _, s := range tree.stuck(false) {
			if s.Path == path || strings.HasPrefix(s.Path, path+"/") {
				list = append(list, s)
			}
		}
	}
	slices.SortStableFunc(list, byPath)
	return list
}
