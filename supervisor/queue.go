package supervisor

import "sync"

// queue is where a supervisor's loop hears of everything that it has to deal
// with, in the order of arrival. It has no bound, so that neither an ending
// child nor a stop ever waits for the loop (S160).
type queue struct {
	wake chan struct{} // a token means: look again

	mu     sync.Mutex
	items  []any
	closed bool
	later  bool // the loop waits for something else, and comes back to the items by itself
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// push adds an item, which is forgotten if the loop has ended.
func (q *queue) push(item any) {
	q.mu.Lock()
	if !q.closed {
		q.items = append(q.items, item)
	}
	later := q.later
	q.mu.Unlock()
	if !later {
		q.nudge()
	}
}

// postpone(true) tells push not to wake the loop, which will look at the queue by
// itself: ten thousand children may die while it waits for the start of one.
func (q *queue) postpone(later bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.later = later
}

// resume is postpone(false) for others than the loop.
func (q *queue) resume() {
	q.mu.Lock()
	q.later = false
	waiting := len(q.items) > 0
	q.mu.Unlock()
	if waiting {
		q.nudge()
	}
}

// nudge makes the loop look again, at the queue and at what it is waiting for.
func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take gives everything that has come. spent is what an earlier take gave and has
// been dealt with: its room serves once more, unless a crowd has made it large.
func (q *queue) take(spent []any) []any {
	clear(spent)
	if cap(spent) > mostSpent {
		spent = nil
	}
	q.mu.Lock()
	items := q.items
	q.items = spent[:0]
	q.mu.Unlock()
	return items
}

const mostSpent = 64

// close refuses all further items and forgets those that were not dealt with.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.items = nil
}
