package incarnation_test

import (
	"testing"
	"unsafe"

	"github.com/coppice-go/coppice/internal/incarnation"
)

// Every idle actor has one of each for all its life, so their sizes are part of
// the price of an actor. The allocator rounds them up to 64, 80, 96, … 144, 160, 176
// bytes: what makes them grow beyond these limits costs 16 bytes an actor at
// least. What few incarnations need belongs into aside.
func TestSizesThatEachActorPaysFor(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the limits are those of 64 bits")
	}
	for name, size := range map[string]struct{ got, limit uintptr }{
		"Cell":  {unsafe.Sizeof(incarnation.Cell{}), 88},
		"Scope": {unsafe.Sizeof(incarnation.Scope{}), 64},
	} {
		if size.got > size.limit {
			t.Errorf("%s: got %d bytes, want at most %d", name, size.got, size.limit)
		}
	}
}
