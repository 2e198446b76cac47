package supervisor

import (
	"container/heap"
	"slices"
	"time"
)

// plan is something to be done with a member at some time: its restart, or what
// is due while it winds down. It is void if the member's pending number has moved
// on.
type plan struct {
	member  *member
	pending int32
	at      time.Time
}

// delays are the plans that wait for their time, the next one first. One timer
// serves them all: a child in backoff costs no goroutine.
type delays []plan

func (d *delays) add(p plan) { heap.Push((*delayHeap)(d), p) }

// compact forgets the void ones.
func (d *delays) compact() {
	*d = slices.DeleteFunc(*d, func(p plan) bool { return p.pending != p.member.pending })
	heap.Init((*delayHeap)(d))
}

// next is when the next plan is due, zero if none waits.
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

type delayHeap []plan

func (h delayHeap) Len() int           { return len(h) }
func (h delayHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h delayHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *delayHeap) Push(x any)        { *h = append(*h, x.(plan)) }
func (h *delayHeap) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = plan{} // so that the member can be collected
	*h = (*h)[:last]
	return p
}
