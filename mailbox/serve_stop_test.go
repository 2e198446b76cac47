package mailbox_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/mailbox"
)

// A receiver waits. It gets a message, and is stopped and killed, before it has come to
// look at either. That is no drain, and a restart may follow: the message is handled as
// if the kill had come a moment later, or waits for the next incarnation.
func TestAKillDiscardsNothingThatIsNotDrained(t *testing.T) {
	for range 200 { // who is faster is not certain
		synctest.Test(t, func(t *testing.T) {
			box, dead := opened(mailbox.Options{})
			in := box.Prepare()
			ctx, kill := context.WithCancel(t.Context())
			go func() {
				_, _ = in.Serve(ctx, 0, func(context.Context, int) error { return nil })
				in.End()
			}()
			synctest.Wait()
			send(t, box, 1)
			kill()
			in.StopAndWake(false)
			synctest.Wait()
			if s := box.Stats(); s.Handled+s.Waiting != 1 {
				t.Errorf("got %v, dead letters: %s; want it handled, or waiting", s, dead)
			}
		})
		if t.Failed() {
			break
		}
	}
}
