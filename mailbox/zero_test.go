package mailbox_test

import (
	"errors"
	"testing"

	"github.com/coppice-go/coppice/mailbox"
)

func TestZeroValuesDoNothing(t *testing.T) {
	var box mailbox.Mailbox[int]
	if err := box.Send(t.Context(), 1); !errors.Is(err, mailbox.ErrClosed) {
		t.Errorf("send: got %v, want %v", err, mailbox.ErrClosed)
	}
	var in mailbox.Inbox[int]
	if in.C != nil {
		t.Error("channel: got one, want none")
	}
	in.Done()
	for range in.Rest() {
		t.Error("rest: got a message, want none")
	}
	check(t, "context", in.Context().Err(), nil)
}
