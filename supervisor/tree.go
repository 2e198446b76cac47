package supervisor

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// tree is what all supervisors below one root share.
type tree struct {
	number uint64 // later trees have higher ones
	id     string // the number, which tells the goroutines of two trees with the same names apart
	before *tree  // of the same root, if something of it was still there; nil otherwise

	outside context.Context // that the root was started with, for its pprof labels

	crashes crashes

	mu     sync.Mutex          // never held while code of the user runs
	listed map[*runner]overdue // were or are to be abandoned, and are not done
}

var treeIDs atomic.Uint64

// newTree makes the tree of a root whose last one was before, which may be nil.
func newTree(outside context.Context, before *tree) *tree {
	number := treeIDs.Add(1)
	return &tree{
		number:  number,
		id:      strconv.FormatUint(number, 10),
		before:  before.remains(),
		outside: outside,
		listed:  make(map[*runner]overdue),
	}
}

// remains is the tree, or the latest before it, of which something is still
// there; nil if nothing is.
func (t *tree) remains() *tree {
	for t != nil && len(t.stillThere(true)) == 0 {
		t = t.before
	}
	return t
}

// occupied says whether an incarnation of the child at path is still there that
// was abandoned.
func (t *tree) occupied(path string) bool {
	for ; t != nil; t = t.before {
		if t.lists(path) {
			return true
		}
	}
	return false
}

// lists is stillThere for one path: there may be thousands, and each start asks.
func (t *tree) lists(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for r := range t.listed {
		if r.cell.Scope().Path() == path && t.isThereLocked(r, false) {
			return true
		}
	}
	return false
}

// abandonments are how many incarnations at each path are still there, also of
// earlier trees; nil if there are none.
func (t *tree) abandonments() (count map[string]int) {
	for ; t != nil; t = t.before {
		for r := range t.stillThere(false) {
			if count == nil {
				count = make(map[string]int)
			}
			count[r.cell.Scope().Path()]++
		}
	}
	return count
}

// latest is the highest number of an incarnation at path that is listed, 0 if none
// is. The next one there has a higher one, although its child may be another:
// path and number name one incarnation.
func (t *tree) latest(path string) (number int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.listed) == 0 { // as for each of a million children
		return 0
	}
	for r := range t.listed {
		if r.cell.Scope().Path() == path {
			number = max(number, r.cell.Number())
		}
	}
	return number
}

// abandonment is how it went with an incarnation that was or is to be abandoned.
// The tree guards it.
type abandonment struct {
	told     bool          // an event has told of it
	back     exit.Reason   // what the goroutine came back with, nil while it has not
	gone     chan struct{} // made when it has come back, closed when it has told of that
	forsaken bool          // it is listed although it was not abandoned
}

// abandonmentLocked is that of an incarnation, begun if there is none yet.
func (r *runner) abandonmentLocked() *abandonment {
	if r.abandonment == nil {
		r.abandonment = new(abandonment)
	}
	return r.abandonment
}

type treeKey struct{}

func (t *tree) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, treeKey{}, t)
}

func treeOf(ctx context.Context) *tree {
	t, _ := ctx.Value(treeKey{}).(*tree)
	return t
}

// abandon gives up an incarnation whose time is over. It is false if that has
// ended just now, or was abandoned with the supervisor. Once the abandonment has
// been told, call [tree.told].
func (t *tree) abandon(r *runner, known overdue) bool {
	t.list(r, known) // first: its goroutine may come back at any moment
	if r.cell.Abandon() {
		return true
	}
	if l, ok := r.cell.Handler().(*loop); ok && r.cell.Abandoned() {
		l.abandoned() // whoever was faster may not have come to what is below
	}
	return false
}

// told is for whoever has told of an abandonment: now a return may be told too.
func (t *tree) told(r *runner) {
	t.mu.Lock()
	a := r.abandonmentLocked()
	a.told = true
	back := a.back
	t.mu.Unlock()
	if back != nil {
		r.member.life.Emit(tracing.Returned{Head: r.head(), Reason: back})
	}
}

// returned is told by an abandoned incarnation that its goroutine has come back
// after all.
func (t *tree) returned(r *runner, reason exit.Reason) {
	t.mu.Lock()
	a := r.abandonmentLocked()
	told := a.told
	a.back, a.gone = reason, make(chan struct{})
	t.mu.Unlock()
	if told { // else whoever tells of the abandonment tells of this as well
		r.member.life.Emit(tracing.Returned{Head: r.head(), Reason: reason})
	}
}

// list puts an incarnation on the list, unless it has come back, or knows better
// since when it is stuck.
func (t *tree) list(r *runner, known overdue) {
	r.listed.Store(true)
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.done.Load() || r.abandonmentLocked().back != nil {
		return
	}
	if before, ok := t.listed[r]; !ok || known.since.Before(before.since) {
		t.listed[r] = known
	}
}

// forsake lists an incarnation and all that is alive below it although nobody
// has abandoned them: there is nobody who could.
func (t *tree) forsake(r *runner) {
	t.list(r, overdueNow(r))
	t.mu.Lock()
	r.abandonmentLocked().forsaken = true
	t.mu.Unlock()
	if l, ok := r.cell.Handler().(*loop); ok {
		for _, below := range l.alive() {
			t.forsake(below)
		}
	}
}

// done takes off the list what has ended and told of it, which may take the time
// of a sink.
func (t *tree) done(r *runner) {
	r.done.Store(true)
	if !r.listed.Load() { // as most never are: whoever lists it from now on sees that it is done
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.listed, r)
	if a := r.abandonment; a != nil && a.gone != nil {
		close(a.gone)
	}
}

// awaitReturns waits for those that have come back and are about to tell of it: a
// moment, unless they are stuck in a sink.
func (t *tree) awaitReturns() {
	limit := time.NewTimer(killGrace)
	defer limit.Stop()
	for _, gone := range t.returning() {
		select {
		case <-gone:
		case <-limit.C:
			return
		}
	}
}

func (t *tree) returning() (gone []<-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for r := range t.listed {
		if r.abandonment.back != nil {
			gone = append(gone, r.abandonment.gone)
		}
	}
	return gone
}

// stillThere are the incarnations that are still there although they should not be;
// with telling also those that have come back and tell of it. One that is listed
// because it is being abandoned this moment may have ended, and is none.
func (t *tree) stillThere(telling bool) map[*runner]overdue {
	t.mu.Lock()
	defer t.mu.Unlock()
	lost := make(map[*runner]overdue, len(t.listed))
	for r, known := range t.listed {
		if t.isThereLocked(r, telling) {
			lost[r] = known
		}
	}
	return lost
}

func (t *tree) isThereLocked(r *runner, telling bool) bool {
	there := telling || r.abandonment.back == nil
	return there && (r.cell.Abandoned() || r.abandonment.forsaken)
}

func (r *runner) head() tracing.Head {
	return tracing.Head{Time: time.Now(), Path: r.cell.Scope().Path(), Incarnation: r.cell.Number()}
}
