package supervisor

import "github.com/coppice-go/coppice/internal/frames"

// deep says whether a goroutine that has just begun should be given the stack that it
// will need. Each begins with two kilobytes, and the runtime copies them into a larger
// piece of memory when they are not enough, as for a panic with all its deferred calls.
// To copy an empty stack costs a fifth of copying a full one. Most children never crash,
// and in a storm each does once: so it is for those which have twice, and may go on.
// They get four kilobytes, because the room below does not fit into two.
//
// A panic in a small handler fits into two; then even an empty copy costs more than it
// saves, a tenth of a restart. So it is for where panics usually come from further in,
// and for where somebody hears of the message that was in hand: a sink, or a log with
// all levels, is called on top of all that has ended, with what it needs itself.
func (r *runner) deep() bool {
	return r.cell.Number() > 2 && (r.heard || frames.Asked() > shallow)
}

// shallow are the frames of a panic in a handler itself: that one, the mailbox's, and
// two of the recovery.
const shallow = 4

// deepen gives it. The fewer frames stand below, the better: each is looked up.
//
//go:noinline
func deepen(at int) byte {
	var room [1536]byte
	return room[at%2] // which nobody but the compiler knows to be zero
}
