package actor

import (
	"context"
	"time"
)

// limited is the context of a server with the time limit of one message. It does
// not end with it.
type limited struct {
	context.Context
	limit time.Time
}

// within calls f with a ctx that has a time limit.
func within(ctx context.Context, limit time.Time, f func(context.Context) error) error {
	ctx, cancel := context.WithDeadlineCause(ctx, limit, ErrHandlerTimeout)
	defer cancel()
	return f(ctx)
}

// limit is when the time for the message is over; zero if it has no limit.
func (r *requestContext) limit() time.Time {
	if l, ok := r.server.(*limited); ok {
		return l.limit
	}
	return time.Time{}
}

// overdue says whether that time is over.
func (r *requestContext) overdue() bool {
	limit := r.limit()
	return !limit.IsZero() && !time.Now().Before(limit)
}
