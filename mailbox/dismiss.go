package mailbox

// A receiver that waits for its channel, with nothing in hand, has nothing left to do
// when it is stopped. So it is told to go, and whoever stops it sees to the end of the
// incarnation: the goroutine only has to leave, and nobody has to wait for that before
// the next one is stopped.
//
// That it waits is known when it has taken the poke. It takes in order: there was no
// message before, and it takes none after, as a poke makes it look at the stop first.
// There it sees that it was dismissed, or it marks the stop as seen: whoever comes first.

// Dismiss is Stop for who can end the incarnation. With gone the receiver will come back
// with Dismissed, and has done all that it does to the mailbox: the incarnation is to be
// ended at once. A message that comes even so will not be handled, but wait.
func (in *Receiver[M]) Dismiss(drain bool) (parked, gone bool) { return in.tell(drain, true) }

// dismissLocked is called after a poke. The channel is empty if the receiver has taken
// that. With DropOldest a sender may have done so.
func (in *Receiver[M]) dismissLocked(stop uint32) bool {
	return in.loop == nil && in.mailbox.overflow != DropOldest && len(in.box.channel) == 0 &&
		in.stop.CompareAndSwap(stop, stop|dismissed)
}

// see marks a stop as seen, unless the receiver was dismissed, and gives it.
func (in *Receiver[M]) see() (stop uint32) {
	for {
		stop = in.stop.Load()
		if stop&(stopSeen|dismissed) != 0 || in.stop.CompareAndSwap(stop, stop|stopSeen) {
			return stop
		}
	}
}
