package mailbox_test

import (
	"testing"

	"github.com/coppice-go/coppice/mailbox"
)

// A dead letter says which receiver has had it in hand, or has got hold of it too
// late.
func TestDeadLetterNotesTheIncarnation(t *testing.T) {
	var notes []mailbox.Note
	m := mailbox.New(mailbox.Options{}, mailbox.DeadLetters[int](func(_ int, note *mailbox.Note, _ mailbox.Why) { notes = append(notes, *note) }))
	m.Open()
	in := m.Incarnate(false)
	in.Incarnation = 7
	for n := range 2 {
		if err := m.SendNoted(t.Context(), n, &mailbox.Note{Trace: n}); err != nil {
			t.Fatal(err)
		}
	}
	first, second := <-in.C(), <-in.C()
	in.Open(first)
	in.Freeze()
	if _, ok := in.Open(second); ok {
		t.Error("an abandoned incarnation got a message")
	}
	want := []mailbox.Note{{Trace: 0, Incarnation: 7}, {Trace: 1, Incarnation: 7}}
	if len(notes) != 2 || notes[0] != want[0] || notes[1] != want[1] {
		t.Errorf("notes: got %v, want %v", notes, want)
	}
}
