package actortest_test

import (
	"testing"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/actortest"
	"github.com/coppice-go/coppice/supervisor"
)

func TestStressOfGoodChildren(t *testing.T) {
	t.Run("function", func(t *testing.T) {
		actortest.Stress(t, func() supervisor.Child { return supervisor.Func("f", waits) })
	})
	t.Run("server", func(t *testing.T) {
		actortest.Stress(t, newCounter, actortest.Options{Load: calls})
	})
	t.Run("parking actor", func(t *testing.T) {
		actortest.Stress(t, func() supervisor.Child { return newNumbers(actor.Options{ParkAfter: 1}) }, actortest.Options{Load: sends})
	})
	t.Run("supervisor", func(t *testing.T) {
		actortest.Stress(t, func() supervisor.Child {
			return supervisor.New("sup", supervisor.Policy{}, newCounter(), supervisor.Func("f", waits))
		})
	})
}
