package supervisor

import (
	"container/heap"
	"slices"
	"time"
)

// attempt is a restart whose time has come. It is void if the member's pending
// number has moved on.
type attempt struct {
	member  *member
	pending int
	at      time.Time
}

// delays are the restarts that wait for their time, the next one first. One
// timer serves them all: a child in backoff costs no goroutine.
type delays []attempt

func (d *delays) add(a attempt) { heap.Push((*delayHeap)(d), a) }

// compact forgets the void ones.
func (d *delays) compact() {
	*d = slices.DeleteFunc(*d, func(a attempt) bool { return a.pending != a.member.pending })
	heap.Init((*delayHeap)(d))
}

// next is when the next restart is due, zero if none waits.
func (d delays) next() time.Time {
	if len(d) == 0 {
		return time.Time{}
	}
	return d[0].at
}

// due takes out what is due.
func (d *delays) due(now time.Time) (items []any) {
	for len(*d) > 0 && !(*d)[0].at.After(now) {
		items = append(items, heap.Pop((*delayHeap)(d)))
	}
	return items
}

type delayHeap []attempt

func (h delayHeap) Len() int           { return len(h) }
func (h delayHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h delayHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *delayHeap) Push(x any)        { *h = append(*h, x.(attempt)) }
func (h *delayHeap) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = attempt{} // so that the member can be collected
	*h = (*h)[:last]
	return a
}
