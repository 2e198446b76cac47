package mailbox_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/mailbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func check[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// letters are the dead letters of a mailbox, in the order in which they came.
type letters struct {
	mu  sync.Mutex
	all []string
}

func (l *letters) add(message int, _ *mailbox.Note, why mailbox.Why) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf("%d %v", message, why))
}

func (l *letters) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, ", ")
}

// opened is an open mailbox whose dead letters are kept.
func opened(options mailbox.Options) (*mailbox.Mailbox[int], *letters) {
	dead := new(letters)
	box := mailbox.New(options, mailbox.DeadLetters[int](dead.add))
	box.Open()
	return box, dead
}

func capacity(n int) mailbox.Options { return mailbox.Options{Capacity: n} }

// send sends messages that must be accepted.
func send(t *testing.T, box *mailbox.Mailbox[int], messages ...int) {
	t.Helper()
	for _, message := range messages {
		if err := box.Send(context.Background(), message); err != nil {
			t.Fatalf("send %d: got %v, want nil", message, err)
		}
	}
}

// next takes one message in hand.
func next(t *testing.T, in *mailbox.Receiver[int]) int {
	t.Helper()
	e, got := in.Next(0)
	if got != mailbox.Message {
		t.Fatalf("Next: got %v, want a message", outcome(got))
	}
	return e
}

// drained is what is waiting, each taken in hand in turn.
func drained(in *mailbox.Receiver[int]) string {
	in.StopAndWake(true)
	var messages []int
	for {
		e, got := in.Next(0)
		if got != mailbox.Message {
			return list(messages)
		}
		messages = append(messages, e)
	}
}

// messages are what a zombie finds in its channel, without the 0 of a poke.
func messages(c <-chan mailbox.Envelope[int]) string {
	var found []int
	for {
		select {
		case e := <-c:
			if e.Message() != 0 {
				found = append(found, e.Message())
			}
		default:
			return list(found)
		}
	}
}

func list(messages []int) string { return strings.Trim(fmt.Sprint(messages), "[]") }

func outcome(got mailbox.Got) string {
	return [...]string{mailbox.Message: "a message", mailbox.Stopped: "stopped", mailbox.Idle: "idle"}[got]
}

// account is Stats as text.
func account(box *mailbox.Mailbox[int]) string {
	s := box.Stats()
	return fmt.Sprintf("handled %d, in hand %d, waiting %d, dead %d", s.Handled, s.InHand, s.Waiting, s.Dead)
}
