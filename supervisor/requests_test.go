package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// Requests are used again, callers leave at the moment at which they are answered, and
// the supervisor ends while others wait: each that hears anything hears of its own.
func TestNobodyHearsTheReplyOfAnother(t *testing.T) {
	const rounds, callers, each = 20, 24, 30
	for round := range rounds {
		pool := supervisor.NewDynamic("pool", usual())
		run, err := pool.Start(context.Background())
		checkError(t, "start", err, "")
		var all sync.WaitGroup
		for c := range callers {
			kind := fmt.Sprintf("kind%d.", c)
			all.Go(func() {
				for i := range each {
					ctx := context.Background()
					if (c+i)%2 == 0 {
						leaves, leave := context.WithCancel(ctx)
						go leave()
						ctx = leaves
					}
					name, err := pool.StartChild(ctx, named(kind))
					ownReply(t, kind, name, err)
					if err == nil {
						err = pool.TerminateChild(context.Background(), name)
						ownReply(t, name, name, err)
					}
					wrong := pool.TerminateChild(ctx, kind+"?")
					ownReply(t, kind+"?", "", wrong)
					if wrong == nil {
						t.Errorf("%s? was terminated, and is none", kind)
					}
				}
			})
		}
		<-time.After(time.Duration(round) * 500 * time.Microsecond)
		checkError(t, "stop", pool.Stop(context.Background()), "")
		all.Wait()
		checkError(t, "run", run(), "")
	}
}

// ownReply checks that a reply to a request for a child is to that.
func ownReply(t *testing.T, child, name string, err error) {
	t.Helper()
	var refusal *supervisor.ChildError
	switch {
	case err == nil && !strings.HasPrefix(name, child):
		t.Errorf("%s: got the name %q", child, name)
	case err != nil && (!errors.As(err, &refusal) || !strings.HasPrefix(refusal.Path, "pool/"+child)):
		t.Errorf("%s: got %v", child, err)
	}
}
