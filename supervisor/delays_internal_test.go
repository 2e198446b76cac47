package supervisor

import (
	"testing"
	"time"
)

// A restart that was called off leaves the heap when most of it is void, and
// the others still come in order.
func TestS189_VoidRestartsAreForgotten(t *testing.T) {
	begin := time.Now()
	var waiting delays
	members := make([]*member, 100)
	for i := range members {
		members[i] = new(member)
		waiting.add(plan{member: members[i], at: begin.Add(time.Duration(100-i) * time.Second)})
		if i%10 != 0 {
			members[i].pending++ // called off
		}
	}
	waiting.compact()
	if got, want := len(waiting), 10; got != want {
		t.Fatalf("waiting: got %d, want %d", got, want)
	}
	if got, want := waiting.next(), begin.Add(10*time.Second); !got.Equal(want) {
		t.Errorf("next: got %v, want %v", got, want)
	}
	if due := waiting.due(begin.Add(9 * time.Second)); len(due) != 0 {
		t.Errorf("due too early: got %d, want none", len(due))
	}
	due := waiting.due(begin.Add(time.Hour))
	for i, item := range due {
		if got, want := item.(plan).member, members[90-10*i]; got != want {
			t.Errorf("due %d: got another member, want number %d", i, 90-10*i)
		}
	}
	if len(due) != 10 || !waiting.next().IsZero() {
		t.Errorf("due: got %d and next %v, want 10 and none", len(due), waiting.next())
	}
}
