package mailbox

import (
	"testing"
	"unsafe"
)

// A mailbox and a receiver are part of what each idle actor has. What moves messages
// is made with the first, and fills 64 bytes, so that what a sender reads for each
// message and what a receiver writes for each are never in one cache line.
func TestSizesThatEachActorPaysFor(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the limits are those of 64 bits")
	}
	for name, size := range map[string]struct{ got, want uintptr }{
		"Mailbox":  {unsafe.Sizeof(Mailbox[*int]{}), 64},
		"Receiver": {unsafe.Sizeof(Receiver[*int]{}), 80},
		"box":      {unsafe.Sizeof(box[*int]{}), 64},
		"hands":    {unsafe.Sizeof(hands[*int]{}), 64},
	} {
		if size.got != size.want {
			t.Errorf("%s: got %d bytes, want %d", name, size.got, size.want)
		}
	}
}
