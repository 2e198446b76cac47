package supervisor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A supervisor looks, and has a timer, only as long as it has a child with limits.
func TestWithoutLimitsNobodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := func(ctx context.Context) error { <-ctx.Done(); return nil }
		crowd := NewDynamic("crowd", Policy{})
		if _, err := crowd.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		looks := func(what string, want time.Duration) {
			t.Helper()
			synctest.Wait()
			got := time.Duration(0)
			if next := crowd.loop.Load().lookout.next; !next.IsZero() {
				got = time.Until(next)
			}
			if got != want {
				t.Errorf("%s: got the next look in %v, want %v", what, got, want)
			}
		}
		add := func(w *Watch) string {
			t.Helper()
			name, err := crowd.StartChild(t.Context(), Spec{Child: Func("f", wait), Watch: w})
			if err != nil {
				t.Error(err)
			}
			return name
		}
		gone := func(name string) {
			t.Helper()
			if err := crowd.TerminateChild(t.Context(), name); err != nil {
				t.Error(err)
			}
		}
		add(nil)
		add(new(Watch))
		looks("without limits", 0)
		start := add(&Watch{Start: time.Second})
		looks("after a Start", 0)
		long := add(&Watch{Message: time.Hour})
		looks("one", 15*time.Minute)
		short, other := add(&Watch{Message: time.Hour, Queue: time.Minute}), add(&Watch{Queue: time.Nanosecond})
		looks("at the earliest", time.Millisecond)
		gone(other)
		looks("the earliest of those left", 15*time.Second)
		gone(long)
		gone(short)
		gone(start)
		looks("the last has gone", 0)
		if err := crowd.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
