package incarnation

import (
	"context"
	"slices"
	"sync/atomic"
)

// The graph of who waits for whom. Its nodes are the scopes of servers; an edge
// is a call that the own goroutine of one of them waits for. A goroutine waits
// for one call at a time, so a node has one edge at most, in [Scope.wait].
//
// A call hangs its edge in first and walks along the edges after. Whoever comes
// back to itself that way waits for itself. Of those who close a round at the
// same time the last to hang its edge in sees all the others.
//
// A context does not tell whether the goroutine that has it is the server's own
// or one that a handler has started, and to look at the stack is too dear for
// every call. So an edge begins as anybody's. Only when a walk has come back does
// its goroutine look at its own stack, and asks the others of the round to look
// at theirs. Nobody asks before it has told, so nobody waits for ever.

// Call is what the graph wants to know of a call.
type Call interface {
	// Pending says whether the caller still waits for the own goroutine of the
	// callee: it has no answer, has not given up, and nobody else may answer.
	// What is false stays so.
	Pending() bool

	// Own says whether the goroutine on which it is called is the own one of an
	// incarnation that calls.
	Own() bool

	// Ask makes the goroutine that waits for the answer call Tell, once it does
	// wait. It is called once at most.
	Ask()
}

// Wait is a call that an incarnation waits for: an edge. It is used once.
type Wait struct {
	Cell *Cell // that waits; set before Begin

	to   *atomic.Pointer[Scope] // the callee, nil while it is part of no tree
	call Call

	whose atomic.Uint32
	known atomic.Pointer[chan struct{}] // made by who asks; closed when whose is known
}

const (
	anybodys uint32 = iota
	own             // of the incarnation's own goroutine
	others          // of another goroutine, or over
)

// Callable says that the child can be called: it is a node of the graph.
func (s *Scope) Callable() { s.callable.Store(true) }

// Waits says whether somebody may wait for the incarnation while it waits.
func (c *Cell) Waits() bool { return c.scope.callable.Load() && !c.Abandoned() }

// Begin begins to wait. If the incarnation would wait for itself it gives the
// paths on the way round, the first once more at the end. Then, and when ctx has
// ended, the call must not be made. End follows in each case.
func (w *Wait) Begin(ctx context.Context, to *atomic.Pointer[Scope], call Call) (cycle []string) {
	w.to, w.call = to, call
	if !w.hang() {
		return nil
	}
	var few [8]*Wait
	for {
		round := w.walk(few[:0])
		if round == nil || ctx.Err() != nil || !w.Tell() {
			return nil
		}
		if w.askAll(ctx, round) && slices.Equal(w.walk(nil), round) { // all of it at one moment
			for _, edge := range round {
				cycle = append(cycle, edge.Cell.scope.path)
			}
			return append(cycle, w.Cell.scope.path)
		}
	}
}

// End ends the wait. It may be called again.
func (w *Wait) End() {
	w.Cell.scope.wait.CompareAndSwap(w, nil)
	w.settle(others)
}

// hang puts the edge into its place. It is false if that is of no use: this is
// not the own goroutine of the latest incarnation.
func (w *Wait) hang() bool {
	place := &w.Cell.scope.wait
	for !place.CompareAndSwap(nil, w) {
		before := place.Load()
		switch {
		case before == nil:
		case !w.Tell() || before.Cell.number > w.Cell.number:
			return false
		case place.CompareAndSwap(before, w): // there is one own goroutine, and this is it
			before.settle(others)
			return true
		}
	}
	return true
}

// walk gives the edges from w round to where it began, nil if there is an end.
func (w *Wait) walk(round []*Wait) []*Wait {
	home := w.Cell.scope
	for at, mark := w, w; ; {
		round = append(round, at)
		next := at.to.Load()
		if next == home {
			return round
		}
		if next == nil {
			return nil
		}
		at = next.waits()
		if at == nil || at == mark { // or a round without us: somebody else's
			return nil
		}
		if n := len(round); n&(n-1) == 0 {
			mark = at
		}
	}
}

// waits is the edge of the scope, if it counts.
func (s *Scope) waits() *Wait {
	w := s.wait.Load()
	if w == nil || w.Cell.Abandoned() || !w.call.Pending() {
		return nil
	}
	return w
}

// askAll asks all of the round whose they are. It is false if one had to be
// asked: time has passed, and things may have changed.
func (w *Wait) askAll(ctx context.Context, round []*Wait) (knew bool) {
	knew = true
	for _, edge := range round {
		if edge.whose.Load() == anybodys {
			edge.ask(ctx)
			knew = false
		}
	}
	return knew
}

// ask waits until it is known whose the edge is, or it is over.
func (w *Wait) ask(ctx context.Context) {
	made := make(chan struct{})
	first := w.known.CompareAndSwap(nil, &made)
	known := w.known.Load()
	if w.whose.Load() != anybodys { // settle may not have seen the channel
		return
	}
	if first {
		w.call.Ask()
	}
	select {
	case <-*known:
	case <-ctx.Done():
	}
}

// Tell says whether it is the own goroutine of the incarnation that waits. It is
// for that goroutine only: when it was asked, and before it waits for something
// else than the answer.
func (w *Wait) Tell() bool {
	if w.whose.Load() == anybodys {
		if w.call.Own() {
			w.settle(own)
		} else {
			w.End()
		}
	}
	return w.whose.Load() == own
}

func (w *Wait) settle(whose uint32) {
	if !w.whose.CompareAndSwap(anybodys, whose) {
		return
	}
	if known := w.known.Load(); known != nil {
		close(*known)
	}
}
