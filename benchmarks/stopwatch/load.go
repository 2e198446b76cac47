package stopwatch

import (
	"context"
	"sync/atomic"
	"time"
)

// MaxLoad is the greatest load, in messages per second.
const MaxLoad = 1e7

// maxClients is how many goroutines send the load. One that waits for room in the
// mailbox of its victim sends nothing to its others.
const maxClients = 64

// load sends messages at a steady rate: each at a time that was fixed before, or as
// soon after that as there is room.
type load struct {
	clock   clock
	rate    float64
	victims []*victim // that take messages

	latency                *recorder // that of all rounds
	sent, refused, handled atomic.Int64
}

// start starts the clients; they end with ctx.
func (l *load) start(ctx context.Context, begin func(func())) {
	clients := min(len(l.victims), maxClients)
	if l.rate == 0 {
		clients = 0
	}
	zero := l.clock.now()
	for i := range clients {
		begin(func() { l.client(ctx, zero, i, clients) })
	}
}

// client sends the messages number first, first+step, first+2*step and so on.
func (l *load) client(ctx context.Context, zero time.Duration, first, step int) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := first; ; i += step {
		due := zero + time.Duration(float64(i)/l.rate*float64(time.Second))
		if early := due - l.clock.now(); early > 0 {
			timer.Reset(early)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		} else if ctx.Err() != nil {
			return
		}
		l.send(ctx, l.victims[i%len(l.victims)], due)
	}
}

func (l *load) send(ctx context.Context, v *victim, due time.Duration) {
	l.sent.Add(1)
	err := v.ping(ctx, func() {
		l.handled.Add(1)
		l.latency.add(due, l.clock.now()-due)
	})
	if err != nil {
		l.refused.Add(1)
	}
}
