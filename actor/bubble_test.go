package actor_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/supervisor"
)

// Calls that are used again have a channel, which belongs to the bubble that it was
// made in: none may be left when the tree is down. A program ends where one is used
// in another bubble.
func TestServerThatIsUsedInTwoBubbles(t *testing.T) {
	s := actor.NewServer("s", openState)
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			tree := supervisor.New("tree", supervisor.Policy{Tracing: quiet()}, s)
			if _, err := tree.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			for want := range 3 {
				n, err := actor.Call(t.Context(), s, next)
				if n != want+1 || err != nil {
					t.Errorf("got %s, want %d", answer(n, err), want+1)
				}
			}
			check(t, "stop", tree.Stop(context.Background()), nil)
		})
	}
}
