package cancel_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/mailbox"
)

// With the race detector there are only a thousand.
func TestTenThousandWorkersUnderLoadLeaveNothing(t *testing.T) {
	for name, c := range map[string]contender{
		"actors, drained, by the end of ctx": actors(team{}, mailbox.DrainAll),
		"actors, in hand, by Stop":           actors(team{byStop: true}, mailbox.FinishInHand),
		"actors, discarded, by Stop":         actors(team{byStop: true}, mailbox.Discard),
		"servers, drained, by Stop":          servers(team{byStop: true}),
		"funcs, by the end of ctx":           funcs(team{}),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(loaded)
			o := r.cancelled(c)
			if o.left != 0 {
				t.Errorf("goroutines left: got %d, want 0", o.left)
			}
			if c.keeps && o.forgotten != 0 {
				t.Errorf("messages forgotten: got %d, want 0", o.forgotten)
			}
			for worker, took := range r.exits {
				if took <= 0 || took > o.last {
					t.Fatalf("worker %d: ended after %v, want after the cancellation and before its end at %v", worker, took, o.last)
				}
			}
		})
	}
}

// In virtual time the figures of the benchmark are known: what the slow workers
// still have to do. Here that is the rest of the first message, and for a drained
// channel all that waits behind it.
func TestSlowWorkersMoveTheFigures(t *testing.T) {
	small := size{workers: 20, share: 5, slow: 4, gap: 50 * time.Millisecond}
	for _, pause := range []time.Duration{time.Second, 3 * time.Second} {
		inHand := pause - 2*small.gap // the quick senders have had two gaps by then
		drained := inHand + mailbox.DefaultCapacity*pause
		ordered := inHand + time.Duration(small.share-1)*pause // the others may begin the next one meanwhile
		for _, test := range []struct {
			name string
			contender
			least, most time.Duration
		}{
			{"by hand", byHand(false), inHand, drained}, // select may prefer a message, once or more often
			{"by hand, drained", byHand(true), drained, drained + pause},
			{"funcs", funcs(team{}), inHand, drained},
			{"actors, in hand", actors(team{}, mailbox.FinishInHand), inHand, inHand},
			{"actors, in hand, Stop", actors(team{byStop: true}, mailbox.FinishInHand), inHand, inHand},
			{"actors, drained", actors(team{}, mailbox.DrainAll), drained, drained},
			{"servers, drained", servers(team{byStop: true}), drained, drained},
			{"actors one by one", actors(team{static: true}, mailbox.FinishInHand), inHand, ordered},
		} {
			t.Run(test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					small.pause = pause
					r := newRun(small)
					o := r.cancelled(test.contender)
					if o.last < test.least || o.last > test.most {
						t.Errorf("pause %v: the last worker ended after %v, want %v to %v", pause, o.last, test.least, test.most)
					}
					if got := percentile99(r.exits); got != o.last {
						t.Errorf("pause %v: p99 of the workers: got %v, want that of the last, %v", pause, got, o.last)
					}
				})
			})
		}
	}
}
