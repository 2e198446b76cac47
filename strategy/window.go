package strategy

import "time"

// The intensity of a supervisor that sets none: 3 restarts within 5 seconds, as
// in Elixir; Erlang allows 1 (S205).
const (
	DefaultRestarts = 3
	DefaultWithin   = 5 * time.Second
)

// Values of the restarts of [NewWindow] that are not numbers. They are needed
// because 0 means the default.
const (
	NoRestarts = -1 // no restart is allowed: OTP's intensity 0 (S55)
	Unlimited  = -2 // any number of restarts is allowed; OTP has no such value (S21)
)

// Window is the restart intensity of one supervisor: at most so many restarts
// within any period of a given length (S49-S61). It slides with full resolution;
// there are no buckets, and success resets nothing (S50, S54).
//
// The zero value allows [DefaultRestarts] within [DefaultWithin]. A Window must
// not be copied after its first use, and is not safe for concurrent use. It
// holds no memory before the first restart, and afterwards 8 bytes for each
// restart within the period, of at most as many as are allowed (S60).
type Window struct {
	restarts int           // as given to NewWindow
	within   time.Duration // as given to NewWindow

	// ring holds the latest count times, the oldest at ring[oldest], as how long
	// they were after the first of all.
	ring   []time.Duration
	first  time.Time
	oldest int
	count  int
}

// NewWindow makes an empty window that allows restarts restarts within any
// period as long as within.
//
// restarts is a number of at least 1, or 0 for [DefaultRestarts], or
// [NoRestarts], or [Unlimited]; any other negative number counts as NoRestarts.
// within 0, or less, means [DefaultWithin]. Supervisors refuse such negative
// values before they make a window of them.
func NewWindow(restarts int, within time.Duration) Window {
	return Window{restarts: restarts, within: within}
}

// Add counts a restart that is wanted at now and reports whether it is one too
// many; then the supervisor gives up instead (S51-S53). A restart exactly as
// old as the period still counts.
//
// now must not be before the time of an earlier Add; times of [time.Now] in
// one process satisfy that, as they are monotonic. Add takes constant time and
// allocates only while the number of restarts within the period grows.
func (w *Window) Add(now time.Time) (exceeded bool) {
	limit, within := w.limits()
	if limit == 0 {
		return true
	}
	if limit == Unlimited {
		return false
	}
	if w.ring == nil {
		w.first = now
	}
	// One time comes, so it is enough to let one go: what has expired behind it
	// takes room, but only the oldest of a full ring decides.
	switch {
	case w.count > 0 && w.at(now)-w.ring[w.oldest] > within:
		w.forgetOldest()
	case w.count == limit:
		w.forgetOldest()
		exceeded = true
	}
	w.remember(now, limit)
	return exceeded
}

// limits resolves the defaults. Unlimited is the only negative limit.
func (w *Window) limits() (limit int, within time.Duration) {
	limit, within = w.restarts, w.within
	switch {
	case limit == 0:
		limit = DefaultRestarts
	case limit < 0 && limit != Unlimited:
		limit = 0
	}
	if within <= 0 {
		within = DefaultWithin
	}
	return limit, within
}

func (w *Window) forgetOldest() {
	w.oldest = (w.oldest + 1) % len(w.ring)
	w.count--
}

func (w *Window) remember(now time.Time, limit int) {
	if w.count == len(w.ring) {
		w.grow(limit)
	}
	w.ring[(w.oldest+w.count)%len(w.ring)] = w.at(now)
	w.count++
}

func (w *Window) at(now time.Time) time.Duration { return now.Sub(w.first) }

// grow doubles a full ring, so that a large limit costs memory only when so
// many restarts happen.
func (w *Window) grow(limit int) {
	larger := make([]time.Duration, min(limit, max(DefaultRestarts, 2*len(w.ring))))
	copied := copy(larger, w.ring[w.oldest:])
	copy(larger[copied:], w.ring[:w.oldest])
	w.ring, w.oldest = larger, 0
}
