package exit

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// usualFrames are those of an actor with a few calls of its own, and of the recovery.
const usualFrames = 8

// Panic is the end of a child that panicked, whatever value it panicked with
// (S3). It is abnormal.
type Panic struct {
	Value any // what was passed to panic; a *runtime.PanicNilError for nil

	// pcs are symbolised only when somebody reads the stack: doing it at every
	// crash is the largest part of a restart in other runtimes.
	pcs []uintptr
}

// Recovered is the reason for a panic whose value recover has just returned.
// Call it in the deferred function that recovers, while the stack of the panic
// is still there.
func Recovered(value any) *Panic {
	// Each call in between is one more frame for the runtime to walk over, and there is
	// little stack left.
	asked := asks()
	if asked > usualFrames {
		return deepPanic(value, asked)
	}
	p := new(usualPanic)
	p.Value = value
	p.pcs = p.room[:runtime.Callers(2, p.room[:asked])]
	if p.shorten(asked) {
		return &p.Panic
	}
	return deepPanic(value, maxFrames)
}

// usualPanic is a panic in one piece with its frames, which are few.
type usualPanic struct {
	Panic
	room [usualFrames]uintptr
}

// deepPanic is Recovered for one that has more frames, or so had the panics before.
//
//go:noinline
func deepPanic(value any, asked int) *Panic {
	p := &Panic{Value: value}
	c := captures.Get().(*capture)
	defer captures.Put(c)
	p.pcs = c.room[:runtime.Callers(3, c.room[:asked])]
	if !p.shorten(asked) {
		p.pcs = c.room[:runtime.Callers(3, c.room[:])]
		p.shorten(maxFrames)
	}
	p.pcs = slices.Clone(p.pcs)
	return p
}

// Error is "panic: " and the value.
func (p *Panic) Error() string { return "panic: " + text(p.Value) }

// Clean is false.
func (p *Panic) Clean() bool { return false }

// Unwrap gives the value if it is an error. A Reason used as a panic value is
// not shown: a panic is a crash, whatever it says of itself.
func (p *Panic) Unwrap() error {
	if _, reason := p.Value.(Reason); reason {
		return nil
	}
	err, _ := p.Value.(error)
	return err
}

// Stack is the stack of the goroutine at the panic, innermost call first, in
// the layout of a Go traceback: a function's name, then its file and line. It
// begins with the function that panicked: the frames of the recovery, and those
// of the runtime that found a nil pointer or an index out of range, are left
// out. At most 64 frames are kept. That of a handler ends with the function of
// the innermost mailbox that has called it: for an actor what is below is the same for
// every message. It is empty for a Panic that does not come from [Recovered].
func (p *Panic) Stack() string {
	at := written(p.pcs)
	if last := at.Load(); last != nil && slices.Equal(last.pcs, p.pcs) {
		return last.text
	}
	var text strings.Builder
	for _, frame := range p.frames() {
		text.WriteString(frame.Function)
		text.WriteString("\n\t")
		text.WriteString(frame.File)
		text.WriteByte(':')
		text.WriteString(strconv.Itoa(frame.Line))
		text.WriteByte('\n')
	}
	at.Store(&stack{slices.Clone(p.pcs), text.String()}) // a clone, as they may stand in one piece with the value
	return text.String()
}

// stack is one that was read. Who crashes again mostly does so in the same place, and to
// look up the names takes a quarter of what the log line of a crash does: so the last
// few are kept, each where its hash says.
type stack struct {
	pcs  []uintptr
	text string
}

var stacks [16]atomic.Pointer[stack]

// written is where the text of a stack is kept.
func written(pcs []uintptr) *atomic.Pointer[stack] {
	hash := uint64(0)
	for _, pc := range pcs {
		hash = (hash ^ uint64(pc)) * 0x9e3779b97f4a7c15
	}
	return &stacks[hash>>60]
}

func (p *Panic) frames() []runtime.Frame {
	if len(p.pcs) == 0 {
		return nil
	}
	var all []runtime.Frame
	for frames, more := runtime.CallersFrames(p.pcs), true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		all = append(all, frame)
	}
	// The innermost gopanic is the panic that was recovered; an outer one is of
	// a panic during which it happened, and belongs to its story.
	at := slices.IndexFunc(all, func(f runtime.Frame) bool { return f.Function == "runtime.gopanic" })
	if at < 0 {
		return all
	}
	found := all[at+1:]
	own := slices.IndexFunc(found, func(f runtime.Frame) bool { return !ofRuntime(f) })
	return found[max(own, 0):]
}

func ofRuntime(f runtime.Frame) bool {
	return strings.HasPrefix(f.Function, "runtime.") || strings.HasPrefix(f.Function, "internal/runtime/")
}

func (*Panic) sealed() {}
