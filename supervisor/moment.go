package supervisor

import "time"

// moment is a time that only this process needs to know, in nanoseconds since its
// start: a third of the size of a [time.Time], and of the price of asking the clock
// half. Zero means that it has not come yet.
type moment int64

var start = time.Now()

func now() moment { return moment(time.Since(start)) }

// since is how long ago it was.
func (m moment) since() time.Duration { return time.Duration(now() - m) }

// until is how long before the given time it was.
func (m moment) until(t time.Time) time.Duration { return t.Sub(start) - time.Duration(m) }

// time is the moment as others know it, the zero time if it has not come yet.
func (m moment) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return start.Add(time.Duration(m))
}
