package supervisor

import (
	"context"
	"sync"
	"testing"

	"github.com/coppice-go/coppice/internal/incarnation"
)

// A Dynamic that was abandoned may be about to start a child when its successor does:
// no two children have the same number.
func TestNumbersBesideAnAbandonedIncarnation(t *testing.T) {
	const each = 2000
	pool := NewDynamic("pool", Policy{})
	tree := newTree(t.Context(), nil)
	var all sync.WaitGroup
	for number := range 2 {
		r := newRunner(&above{t.Context(), tree, nil, nil}, &member{child: pool}, incarnation.NewScope("root/pool"), 1+number, incarnation.Terms{})
		l := newLoop(&pool.node, &r.cell)
		l.asked.Store(true) // nothing is to run
		all.Go(func() {
			defer l.release()
			for range each {
				if err := l.startNumbered(&request{loop: l, name: "c", child: Func("c", func(context.Context) error { return nil })}); err == nil {
					t.Error("got a start, want it refused")
				}
			}
		})
	}
	all.Wait()
	if got := pool.started.Load(); got != 2*each {
		t.Errorf("got %d numbers given, want %d", got, 2*each)
	}
}
