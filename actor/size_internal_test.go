package actor

import (
	"testing"
	"unsafe"
)

// Every idle actor has one of each; see the test of the same name in
// internal/incarnation. An idle server is an actor with a little more.
func TestSizesThatEachActorPaysFor(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the limits are those of 64 bits")
	}
	for name, size := range map[string]struct{ got, limit uintptr }{
		"Actor":   {unsafe.Sizeof(Actor[*int]{}), 128},
		"running": {unsafe.Sizeof(running[*int]{}), 128},
		"Server":  {unsafe.Sizeof(Server[int]{}), 144},
		"serving": {unsafe.Sizeof(serving[int]{}), 72},
	} {
		if size.got > size.limit {
			t.Errorf("%s: got %d bytes, want at most %d", name, size.got, size.limit)
		}
	}
}
