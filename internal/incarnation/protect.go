package incarnation

import "github.com/coppice-go/coppice/exit"

// Protect runs f and calls end once with the reason for its end: what it
// returned, the panic that left it, or Goexit. In the last case the goroutine
// ends when end has returned.
func (c *Cell) Protect(f func() error, end func(exit.Reason)) {
	reason := exit.Goexit
	defer func() {
		if reason != nil {
			end(reason)
		}
	}()
	defer c.Catch(&reason)()
	reason = c.Reason(f())
}

// Parker is what a run function may return to give its goroutine back for a while:
// Park arms the waker, and says whether the goroutine may go; false means that work has
// arrived.
type Parker interface {
	error
	Park(w Waker) bool
}

// Waker starts run again. Who wakes says whether that may be right there, because no
// code of the user's will run any more: only for an incarnation for which [Cell.Runs].
type Waker = interface{ Wake(here bool) }

// Living is what lives, as Live knows it: the context that the cell descends from.
type Living interface {
	Waker

	// Ended is told the reason for the end, once.
	Ended(reason exit.Reason)

	// Works is told, on the goroutine of the incarnation, that code of the user's is
	// about to run there without a Wake before: right after Start, or because work has
	// come when it was to park.
	Works()
}

// Works is for the Run of the hooks to tell that it does not park before it works.
func (c *Cell) Works() { c.parent.(Living).Works() }

// Live is Protect for a run function that may park: then it has not ended, and Live
// will be called again, on the goroutine that Wake starts. If run is nil it is the Run
// of the hooks.
//
// It stands on the stack of every idle child, which has two kilobytes unless it
// ever needs more: so it does by itself what it could leave to others.
func (c *Cell) Live(run func() error) {
	reason := exit.Goexit
	defer func() {
		if reason != nil {
			c.parent.(Living).Ended(reason)
		}
	}()
	defer c.Catch(&reason)()
	for again := true; again; {
		var err error
		if run == nil {
			err = c.hooks.Run() // attached, and not changed any more
		} else {
			err = run()
		}
		reason, again = c.after(err)
	}
}

// after is what follows when run has returned: again if it has been told of work
// while it was about to park, and no reason if it has parked.
func (c *Cell) after(err error) (reason exit.Reason, again bool) {
	parker, ok := err.(Parker)
	switch {
	case !ok:
		return c.Reason(err), false
	case parker.Park(c.parent.(Living)): // from now on the incarnation belongs to the next goroutine
		return nil, false
	}
	c.Works()
	return exit.Goexit, true
}

// Catch gives what makes a reason of a panic. This is the one place where code of users
// is recovered from. What it gives is to be deferred, as in Protect, last and with what
// tells the reason before it: a panic takes much of a small stack, and is gone when that
// runs. Set *reason to Goexit before; the function sets it to nil if there is nothing to
// report.
//
// The function is made where it is deferred, and calls recover itself: the runtime walks
// over each one in between, twice, and has room to remember the frames of a few.
func (c *Cell) Catch(reason *exit.Reason) func() {
	return func() {
		if value := recover(); value != nil {
			if c.terms.CrashOnPanic {
				*reason = nil
				panic(value) // who must crash, crashes here, with the stack below
			}
			*reason = exit.Recovered(value)
		}
	}
}
