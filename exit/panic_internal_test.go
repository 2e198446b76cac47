package exit

import (
	"runtime"
	"strings"
	"testing"
	"weak"
)

// caught is the panic of f.
func caught(f func()) (p *Panic) {
	defer func() { p = Recovered(recover()) }()
	f()
	return nil
}

func here(value any)  { panic(value) }
func there(value any) { panic(value) }

// What was read once is not looked up again, and what shares its place is not taken for
// it.
func TestTheTextOfAStackIsThatOfItsOwnCalls(t *testing.T) {
	var all []*Panic
	for range 2 {
		all = append(all, caught(func() { here(1) }), caught(func() { there(1) }))
	}
	first, second := all[0].Stack(), all[1].Stack()
	if first == second || !strings.HasPrefix(first, "github.com/coppice-go/coppice/exit.here\n\t") {
		t.Fatalf("got\n%s\nand\n%s\nwant that of here and that of there", first, second)
	}
	for name, p := range map[string]*stack{
		"itself":  {all[0].pcs, "as it was read\n"},
		"another": {all[1].pcs, "of another\n"},
		"shorter": {all[0].pcs[:1], "of a shorter one\n"},
		"nothing": nil,
	} {
		written(all[0].pcs).Store(p)
		want := first
		if name == "itself" {
			want = p.text
		}
		if got := all[2].Stack(); got != want {
			t.Errorf("with %s kept: got\n%s\nwant\n%s", name, got, want)
		}
	}
	written(all[0].pcs).Store(nil)
}

// The text stays, the value of the panic does not.
func TestWhatIsKeptOfAStackKeepsNoValue(t *testing.T) {
	value := new([64]int)
	seen := weak.Make(value)
	p := new(usualPanic) // in which the value stands beside the calls
	p.Value = value
	p.pcs = p.room[:runtime.Callers(1, p.room[:])]
	kept := written(p.pcs)
	if p.Stack(); kept.Load() == nil {
		t.Fatal("nothing is kept of a stack that was read")
	}
	p, value = nil, nil
	for range 3 {
		runtime.GC()
	}
	if seen.Value() != nil {
		t.Error("the value is kept with the stack")
	}
	kept.Store(nil)
}
