// Package frames remembers how deep panics are: package exit, which takes their stacks
// down, so as to ask for no more frames than it needs; supervisors, so as to give a
// goroutine the stack that its next panic will need.
package frames

import "sync/atomic"

// Usual is how many frames were enough, in eighths of one; 0 before anything is known.
// It grows at once, and shrinks by an eighth: so panics of two depths in turn do not
// miss every time.
var Usual atomic.Int32

// Asked is how many that is, rounded up.
func Asked() int { return int(Usual.Load()+7) / 8 }
