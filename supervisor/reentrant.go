package supervisor

import (
	"fmt"

	"github.com/coppice-go/coppice/internal/incarnation"
)

// asker is where in the tree of a supervisor a request comes from: the
// incarnation whose ctx it has, the one around that, and so on up to a child of
// the asked supervisor, or to that itself. It is empty for a request from
// elsewhere.
type asker []*incarnation.Cell

// askerOf finds the asker of a request whose ctx comes from this incarnation, nil if it
// comes from none.
func (l *loop) askerOf(from *incarnation.Cell) asker {
	var up asker
	for cell := from; cell != nil; cell = cell.Parent() {
		up = append(up, cell)
		if cell == l.cell || cell.Parent() == l.cell {
			return up
		}
	}
	return nil
}

// awaited says whether the asked supervisor waits for the asker, so that the
// request would wait for itself (S110): it stops the child that the asker is or
// lives in, or all the way down each supervisor starts or stops what is below it.
func (a asker) awaited() bool {
	if len(a) == 0 {
		return false
	}
	if a[len(a)-1].Stopping() {
		return true
	}
	for _, cell := range a {
		if !cell.Starting() && !cell.Stopping() {
			return false
		}
	}
	return true
}

// stops tells when awaited may have become true: when the topmost is asked to
// stop, or the first that is neither starting nor stopping. Ask again after each
// of them. A channel is nil if nothing is to be heard from it: it would be that of
// an incarnation that has ended, which nobody starts or stops any more.
func (a asker) stops() (topmost, first <-chan struct{}) {
	if len(a) == 0 {
		return nil, nil
	}
	for _, cell := range a {
		if !cell.Starting() {
			if first = doneOf(cell); first == nil || !closed(first) {
				break // a closed one: it is stopping already
			}
		}
	}
	return doneOf(a[len(a)-1]), first
}

// doneOf is the channel of an incarnation's ctx, nil if it has ended altogether.
func doneOf(cell *incarnation.Cell) <-chan struct{} {
	if cell.Err() != nil && !cell.Stopping() {
		return nil
	}
	return cell.Done()
}

// overtaken is the refusal of a request that waited when a stop of the asker, or
// of something around it, began. Whether the request's own ctx has heard of that
// yet makes no difference.
func (a asker) overtaken() error {
	for i := len(a) - 1; i >= 0; i-- {
		if a[i].Err() != nil {
			return fmt.Errorf("%w: %w", ErrReentrant, incarnation.Ended(a[i]))
		}
	}
	return ErrReentrant
}
