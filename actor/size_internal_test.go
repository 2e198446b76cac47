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

// What each call writes of a pool is in 64 bytes of its own, so that those who look
// which calls are there, which is what comes before, do not wait for it.
func TestWrittenWordsOfAPoolAreAlone(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the padding is for 64 bits")
	}
	const line = 64
	var p pool
	if begin := unsafe.Offsetof(p.busy); begin != line {
		t.Errorf("busy: got offset %d, want %d", begin, line)
	}
	if end := unsafe.Offsetof(p.resident) + unsafe.Sizeof(p.resident); end > 2*line {
		t.Errorf("resident: got an end at %d, want %d at most", end, 2*line)
	}
	if size := unsafe.Sizeof(p); size != 2*line {
		t.Errorf("pool: got %d bytes, want %d", size, 2*line)
	}
	var server Server[int]
	server.calls.Store(new(pools))
	for _, none := range []any{1, 2.5, "three", []int{}} { // to the allocator such a size is a number of lines
		p := server.poolOf(none)
		if begin := uintptr(unsafe.Pointer(&p.busy)); begin%line != 0 {
			t.Errorf("pool of %T: got busy %d bytes behind the beginning of a line, want 0", none, begin%line)
		}
	}
}
