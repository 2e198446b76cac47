package mailbox

// What stop says.
const (
	stopAsked uint32 = 1 << iota // take nothing more
	stopDrain                    // take what is there
	stopSeen                     // the receiver comes to its end by itself
	dismissed                    // it does not: whoever has stopped it ends the incarnation
)

// Stop makes Next end: after what is waiting if drain is set, else at once. A
// later call without drain ends a drain; nothing begins one again. If it is true
// the receiver was parked, and who has called must call Wake.
func (in *Receiver[M]) Stop(drain bool) (parked bool) {
	parked, _ = in.tell(drain, false)
	return parked
}

// tell is Stop, or Dismiss.
func (in *Receiver[M]) tell(drain, dismiss bool) (parked, gone bool) {
	stop := stopAsked
	if drain {
		stop |= stopDrain
	}
	if !in.stop.CompareAndSwap(0, stop) {
		if !drain {
			in.stop.And(^stopDrain)
		}
		return false, false
	}
	if stopped := in.stopped(); stopped != nil {
		close(stopped)
	}
	if in.pokes && in.word.Load()&idle != 0 {
		in.mailbox.mu.Lock()
		defer in.mailbox.mu.Unlock()
		if in.claimLocked() {
			return true, false
		}
		if in.box != nil && in.box.putPoke() && dismiss { // without a box it looks for a stop before it waits
			gone = in.dismissLocked(stop)
		}
	}
	return false, gone
}

// Over says whether the receiver was stopped, with nothing in hand and nothing to be
// drained: all that Next could say is Stopped.
func (in *Receiver[M]) Over() bool {
	stop := in.stop.Load()
	return stop&dismissed != 0 || stop&^stopSeen == stopAsked && in.last&(idle|partial) == idle
}

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
