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
	id     string // tells the goroutines of two trees with the same names apart
	before *tree  // of the same root, if something of it was still there; nil otherwise

	mu        sync.Mutex
	abandoned map[*runner]overdue
}

// overdue is what is known of an incarnation when it is abandoned.
type overdue struct {
	waiting int           // messages
	busy    time.Duration // it has had the same thing in hand for at least this long
}

var treeIDs atomic.Uint64

// newTree makes the tree of a root whose last one was before, which may be nil.
func newTree(before *tree) *tree {
	return &tree{
		id:        strconv.FormatUint(treeIDs.Add(1), 10),
		before:    before.remains(),
		abandoned: make(map[*runner]overdue),
	}
}

// remains is the tree, or the latest before it, of which something is still
// there; nil if nothing is.
func (t *tree) remains() *tree {
	for t != nil && len(t.lost()) == 0 {
		t = t.before
	}
	return t
}

// occupied says whether an incarnation of the child at path is still there that
// was abandoned.
func (t *tree) occupied(path string) bool {
	for ; t != nil; t = t.before {
		for r := range t.lost() {
			if r.cell.Scope().Path() == path {
				return true
			}
		}
	}
	return false
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
	// It is listed first: its goroutine may come back at any moment.
	t.mu.Lock()
	t.abandoned[r] = known
	t.mu.Unlock()
	if r.cell.Abandon() {
		return true
	}
	if l, ok := r.cell.Handler().(*loop); ok && r.cell.Abandoned() {
		l.abandoned() // whoever was faster may not have come to what is below
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !r.cell.Abandoned() || r.abandonment.back != nil {
		delete(t.abandoned, r)
	}
	return false
}

// told is for whoever has told of an abandonment: now a return may be told too.
func (t *tree) told(r *runner) {
	t.mu.Lock()
	r.abandonment.told = true
	back := r.abandonment.back
	t.mu.Unlock()
	if back != nil {
		r.life.Emit(tracing.Returned{Head: r.head(), Reason: back})
	}
}

// returned is told by an abandoned incarnation that its goroutine has come back
// after all.
func (t *tree) returned(r *runner, reason exit.Reason) {
	t.mu.Lock()
	delete(t.abandoned, r)
	told := r.abandonment.told
	r.abandonment.back = reason
	t.mu.Unlock()
	if told { // else whoever tells of the abandonment tells of this as well
		r.life.Emit(tracing.Returned{Head: r.head(), Reason: reason})
	}
}

// lost are the incarnations that were abandoned and have not come back. One that
// is only listed, because it is being abandoned this moment, may have ended.
func (t *tree) lost() map[*runner]overdue {
	t.mu.Lock()
	defer t.mu.Unlock()
	lost := make(map[*runner]overdue, len(t.abandoned))
	for r, known := range t.abandoned {
		if r.cell.Abandoned() && r.abandonment.back == nil {
			lost[r] = known
		}
	}
	return lost
}

func (r *runner) head() tracing.Head {
	return tracing.Head{Time: time.Now(), Path: r.cell.Scope().Path(), Incarnation: r.cell.Number()}
}
