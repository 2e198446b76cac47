package exit

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coppice-go/coppice/internal/frames"
)

// How the stack of a panic is taken down. Go walks it frame by frame, a tenth of a
// microsecond each, to the end of the goroutine, unless it is asked for fewer. Half of
// the frames of an actor are those below its handler, always the same. So as many are
// asked for as were enough last time. Whether they are is seen by the floor: with it
// the stack ends. If there are more frames, and no floor among those, all are taken.

// maxFrames bounds how much of a panicking stack is kept. A stack overflow
// cannot be recovered anyway, so deeper stacks are rare and their top matters.
const maxFrames = 64

// floor is the function that hands an actor its messages: below it is nothing that
// one message does and another does not.
const floor = "github.com/coppice-go/coppice/mailbox.(*Receiver[...]).Serve"

// asks is how many are asked for first.
func asks() int {
	if known := frames.Asked(); known > 0 {
		return known
	}
	return usualFrames
}

// capture is where a deep stack is taken down: on the stack itself it would make the
// goroutines of most crashes grow theirs, which takes longer than all else here.
type capture struct{ room [maxFrames]uintptr }

var captures = sync.Pool{New: func() any { return new(capture) }}

// shorten keeps the frames down to the floor, and learns how many to ask for the next
// time: so many that this could be seen. It is false if there are more than those that
// were asked for, and the floor is not among them.
//
//go:noinline
func (p *Panic) shorten(asked int) bool {
	would := min(len(p.pcs)+1, maxFrames)
	switch found := upToFloor(p.pcs); {
	case found > 0:
		p.pcs, would = p.pcs[:found], found
	case len(p.pcs) == asked && asked < maxFrames:
		return false
	}
	switch known := int(frames.Usual.Load()); {
	case known == 0 || would > asks():
		frames.Usual.Store(int32(8 * would))
	case would < asks():
		frames.Usual.Store(int32(max(8*would, known-1)))
	}
	return true
}

// upToFloor is how many of the frames there are up to the innermost floor, 0 if there
// is none.
func upToFloor(pcs []uintptr) int {
	for i, pc := range pcs {
		if isFloor(pc) {
			return i + 1
		}
	}
	return 0
}

// seen are addresses that were asked for, each where its hash says, with a lowest bit
// that says whether it is in the floor: to look up a name takes longer than a frame.
var seen [256]atomic.Uint64

// place is where an address is kept.
func place(pc uintptr) *atomic.Uint64 { return &seen[uint64(pc)*0x9e3779b97f4a7c15>>56] }

func isFloor(pc uintptr) bool {
	at := place(pc)
	known := at.Load()
	if known>>1 != uint64(pc) {
		known = uint64(pc) << 1
		if isNamedFloor(pc) {
			known |= 1
		}
		at.Store(known)
	}
	return known&1 != 0
}

// isNamedFloor is apart because it is rare: Recovered has little stack left.
//
//go:noinline
func isNamedFloor(pc uintptr) bool {
	return strings.HasPrefix(runtime.FuncForPC(pc-1).Name(), floor)
}
