package calls_test

import (
	"context"
	"errors"
	"testing"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
)

// outcome names what a caller has heard.
func outcome(err error) string {
	var send *actor.SendError
	switch {
	case err == nil:
		return "answered"
	case err == errRefused:
		return "answered with an error"
	case !errors.As(err, &send):
		return "unknown: " + err.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	case errors.Is(err, mailbox.ErrFull):
		return "full"
	case errors.Is(err, actor.ErrNoProc):
		return "no such process"
	case errors.Is(err, actor.ErrEnded) && send.Reason == exit.Killed:
		return "abandoned"
	case errors.Is(err, actor.ErrEnded) && send.Reason != nil:
		return "ended"
	case errors.Is(err, actor.ErrEnded):
		return "ended before it was its turn"
	}
	return "unknown: " + err.Error()
}

// possible says whether what a caller has heard agrees with what became of its
// request: how often it was begun, and became a dead letter.
func (r *request) possible(heard string) bool {
	begun, dead := r.begun.Load(), r.dead.Load()
	if begun > 1 || dead > 1 {
		return false
	}
	switch heard {
	case "answered", "answered with an error":
		return begun == 1 && dead == 0 && (r.fate == refuses) == (heard != "answered") && (r.fate <= defers)
	case "ended": // while it was in hand, or before the deferred answer
		crashed := r.fate == panics || r.fate == goexits
		return begun == 1 && (crashed || r.fate == exits || r.fate == defers) && (dead == 1) == crashed
	case "abandoned": // in hand, on the way to it, or before the deferred answer
		return dead == 1 && begun == 0 || begun == 1 && (r.fate == hangs && dead == 1 || r.fate == defers && dead == 0)
	case "ended before it was its turn": // it waited in a Fresh mailbox
		return begun == 0 && dead == 1
	case "full", "no such process":
		return begun == 0
	case "deadline": // in hand, in the queue, or before it had room
		return begun == 0 || r.fate == hangs || r.fate == works || r.fate == defers
	}
	return false
}

// reckon checks each request, and the accounts of the servers against all of
// them.
func reckon(t *testing.T, requests []request, servers []*actor.Server[counter]) {
	t.Helper()
	heard := make(map[string]int)
	var handled, dead uint64
	for i := range requests {
		r := &requests[i]
		what := outcome(r.err)
		heard[what]++
		if !r.possible(what) {
			t.Errorf("call %d of fate %d: heard %q, but was begun %d times and a dead letter %d times",
				i, r.fate, what, r.begun.Load(), r.dead.Load())
		}
		if r.after > r.allowed {
			t.Errorf("call %d: heard %q after %v, want it within %v", i, what, r.after, r.allowed)
		}
		if what == "deadline" && r.after != r.allowed {
			t.Errorf("call %d: deadline after %v, want %v", i, r.after, r.allowed)
		}
		dead += uint64(r.dead.Load())
		if r.dead.Load() == 0 {
			handled += uint64(r.begun.Load())
		}
		if t.Failed() && i > 20 {
			t.FailNow()
		}
	}
	var sum mailbox.Stats
	for _, s := range servers {
		stats := s.Stats()
		sum.Handled += stats.Handled
		sum.Dead += stats.Dead
		sum.Waiting += stats.Waiting
		sum.InHand += stats.InHand
	}
	if want := (mailbox.Stats{Handled: handled, Dead: dead}); sum != want {
		t.Errorf("accounts of the servers:\n got %+v\nwant %+v", sum, want)
	}
	for _, what := range []string{"answered", "answered with an error", "ended", "ended before it was its turn", "abandoned", "full", "deadline"} {
		if heard[what] == 0 {
			t.Errorf("%q: got none, want some", what)
		}
	}
	t.Logf("%d calls: %v", len(requests), heard)
}
