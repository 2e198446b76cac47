package supervisor

import (
	"testing"
	"unsafe"
)

// Every child has one of each for all its life; see the test of the same name in
// internal/incarnation. What few children need is made when they need it.
func TestSizesThatEachChildPaysFor(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the limits are those of 64 bits")
	}
	for name, size := range map[string]struct{ got, limit uintptr }{
		"runner": {unsafe.Sizeof(runner{}), 192},
		"member": {unsafe.Sizeof(member{}), 192}, // with its life and its first scope
	} {
		if size.got > size.limit {
			t.Errorf("%s: got %d bytes, want at most %d", name, size.got, size.limit)
		}
	}
}
