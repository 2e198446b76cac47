package incarnation

import "github.com/coppice-go/coppice/exit"

// Protect runs f and calls end once with the reason for its end: what it
// returned, the panic that left it, or Goexit. In the last case the goroutine
// ends when end has returned.
func (c *Cell) Protect(f func() error, end func(exit.Reason)) {
	reason := exit.Goexit
	defer c.Settle(&reason, end)
	reason = c.Reason(f())
}

// Parker is what a run function may return to give its goroutine back for a while:
// Park arms the waker, and says whether the goroutine may go; false means that work has
// arrived.
type Parker interface {
	error
	Park(w Waker) bool
}

// Waker starts run again. Who wakes says whether run may go on right there, because no
// code of the user's will run any more.
type Waker = interface{ Wake(here bool) }

// Live is Protect for a run function that may park: then end is not called, and
// Live will be again, on the goroutine that w starts. If run is nil it is the Run of
// the hooks.
//
// It stands on the stack of every idle child, which has two kilobytes unless it
// ever needs more: so it does by itself what it could leave to others.
func (c *Cell) Live(run func() error, w Waker, end func(exit.Reason)) {
	reason := exit.Goexit
	defer c.Settle(&reason, end)
	for {
		var err error
		if run == nil {
			err = c.hooks.Run() // attached, and not changed any more
		} else {
			err = run()
		}
		parker, ok := err.(Parker)
		if !ok {
			reason = c.Reason(err)
			return
		}
		if parker.Park(w) { // from now on the incarnation belongs to the next goroutine
			reason = nil
			return
		}
	}
}

// Settle tells the reason, if there is one, also after a panic. This is the one
// place where code of users is recovered from. It is to be deferred, as in Protect, by
// what stands on the stack of every idle child and can spare a frame there.
func (c *Cell) Settle(reason *exit.Reason, end func(exit.Reason)) {
	if value := recover(); value != nil {
		if c.terms.CrashOnPanic {
			panic(value) // who must crash, crashes here, with the stack below
		}
		*reason = exit.Recovered(value)
	}
	if *reason != nil {
		end(*reason)
	}
}
