package supervisor

// deepen gives a goroutine that has just begun the stack that it will need. Each
// begins with two kilobytes, and the runtime copies them into a larger piece of
// memory when they are not enough, as for a panic with all its deferred calls. To
// copy an empty stack costs a fifth of copying a full one. Most children never crash,
// and in a storm each does once: so it is for those which have twice, and may go on.
// They get four kilobytes, because the room below does not fit into two.
func (r *runner) deepen() {
	if r.cell.Number() > 2 {
		grow(r.cell.Number() % 2)
	}
}

//go:noinline
func grow(at int) byte {
	var room [1536]byte
	return room[at] // which nobody but the compiler knows to be zero
}
