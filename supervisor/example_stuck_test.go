package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// upload is a message whose handler does not look at its ctx.
type upload struct{ connection chan struct{} }

func (u upload) Handle(context.Context, *struct{}) (int, error) {
	<-u.connection
	return 0, nil
}

// A stop says who would not stop, and in what it is stuck. Who it was can be asked
// at any time, until its goroutine has returned after all.
func ExampleSupervisor_Abandoned() {
	returned := make(chan struct{})
	mirror := actor.NewServer("mirror", func(context.Context) (*struct{}, error) { return new(struct{}), nil })
	root := supervisor.New("app", supervisor.Policy{Tracing: quiet(func(e tracing.Event) {
		if _, ok := e.(tracing.Returned); ok {
			close(returned)
		}
	})}, supervisor.Spec{Child: mirror, Shutdown: supervisor.Timeout(50 * time.Millisecond)})
	if _, err := root.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	connection := make(chan struct{})
	_ = actor.Cast(context.Background(), mirror, upload{connection})

	var report *supervisor.StopError
	if errors.As(root.Stop(context.Background()), &report) {
		for _, stuck := range report.Stuck {
			fmt.Println(stuck.Path, "is stuck in a", stuck.Message)
			fmt.Println("its stack names the handler:", strings.Contains(stuck.Stack, "upload.Handle"))
		}
	}
	fmt.Println("still there:", len(root.Abandoned()))
	close(connection)
	<-returned
	fmt.Println("still there:", len(root.Abandoned()), "and stop says:", root.Stop(context.Background()))
	// Output:
	// app/mirror is stuck in a supervisor_test.upload
	// its stack names the handler: true
	// still there: 1
	// still there: 0 and stop says: <nil>
}
