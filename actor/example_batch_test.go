package actor_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/actor"
)

// A batch takes one place in the mailbox and is handled message by message: the one
// that crashes the actor becomes a dead letter, and the next incarnation goes on with
// the others.
func ExampleActor_SendAll() {
	last := make(chan struct{})
	readings := actor.New("readings", func(context.Context) (actor.Behavior[float64], error) {
		sum := 0.0
		return actor.Behavior[float64]{Receive: func(_ context.Context, celsius float64) error {
			if celsius < -273.15 {
				return errors.New("colder than cold")
			}
			sum += celsius
			fmt.Println("sum", sum)
			if celsius == 21 {
				close(last)
			}
			return nil
		}}, nil
	})
	stop := up(readings)
	batch := []float64{20, 22, -300, 21} // the actor's, once it was accepted
	if err := readings.SendAll(context.Background(), batch); err != nil {
		fmt.Println(err)
	}
	<-last
	stop()
	s := readings.Stats()
	fmt.Println("handled", s.Handled, "dead", s.Dead)
	// Output:
	// sum 20
	// sum 42
	// sum 21
	// handled 3 dead 1
}
