// Package calls checks from outside that every call has exactly one outcome,
// the true one, and none later than its deadline, however many there are and
// whatever happens to the servers meanwhile.
package calls_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The default is small, for the race detector makes a goroutine dear. A million
// takes a minute and 4 GB:
//
//	go test ./tests/calls -v -calls=1000000
var (
	callers = flag.Int("calls", 6000, "how many goroutines call at once")
	seed    = flag.Uint64("seed", 1, "for what the calls do")
)

// fate is what a request makes its handler do.
type fate uint8

const (
	answers fate = iota
	refuses      // answers with an error
	works        // a millisecond
	defers       // and is answered a millisecond later
	panics
	exits // on purpose, without an answer
	goexits
	hangs // until the end of the test, so that the incarnation is abandoned
)

var errRefused = errors.New("refused")

// request is one call, and all that is known about it.
type request struct {
	fate  fate
	begun atomic.Int32 // by handlers
	dead  atomic.Int32 // dead letters

	err     error // the outcome
	after   time.Duration
	allowed time.Duration
}

// counter is the state of the servers.
type counter struct{}

// ask is the message: the request by pointer, and the end of the test.
type ask struct {
	*request
	release <-chan struct{}
}

func (a ask) Handle(ctx context.Context, _ *counter) (*request, error) {
	a.begun.Add(1)
	switch a.fate {
	case refuses:
		return a.request, errRefused
	case works:
		time.Sleep(time.Millisecond)
	case defers:
		reply, err := actor.Defer[*request](ctx)
		time.AfterFunc(time.Millisecond, func() { reply.Give(a.request, err) })
	case panics:
		panic("as told")
	case exits:
		return nil, exit.Shutdown
	case goexits:
		runtime.Goexit()
	case hangs:
		<-a.release
	}
	return a.request, nil
}

// boxes are the mailboxes of the servers.
func boxes() []mailbox.Options {
	some := max(*callers/200, 1)
	return []mailbox.Options{
		{},
		{Capacity: mailbox.Unbuffered},
		{Capacity: *callers},
		{Capacity: some, Overflow: mailbox.Reject},
		{Capacity: some, Overflow: mailbox.DropNewest},
		{Capacity: some, Overflow: mailbox.DropOldest},
		{Capacity: some, Overflow: mailbox.Reject, Fresh: true}, // if its senders waited, each restart would wake them all
		{Capacity: some, Drain: mailbox.Discard},
	}
}

// A million goroutines are in a call at once, to servers that crash, end, hang,
// are abandoned and taken along by their siblings all the time.
func TestCallsDuringACrashLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		span := max(time.Duration(*callers)*10*time.Microsecond, 50*time.Millisecond) // of the deadlines
		release := make(chan struct{})
		servers, tree := plant(t, span/25)
		start := time.Now()
		requests := make([]request, *callers)
		var all sync.WaitGroup
		for i := range requests {
			all.Go(func() {
				dice := rand.New(rand.NewPCG(*seed, uint64(i)))
				r := &requests[i]
				r.draw(dice)
				r.allowed = time.Duration(dice.Int64N(1000)) * (span / 1000) // more moments would only take longer
				ctx, cancel := context.WithDeadline(context.Background(), start.Add(r.allowed))
				defer cancel()
				got, err := actor.Call(ctx, servers[dice.IntN(len(servers))], ask{r, release})
				r.err, r.after = err, time.Since(start)
				if err == nil && got != r {
					t.Errorf("call %d: got the answer to another", i)
				}
			})
		}
		all.Wait()
		took := time.Since(start)
		memory(t)
		err := tree.Stop(context.Background())
		if stuck := new(supervisor.StopError); err != nil && !errors.As(err, &stuck) {
			t.Errorf("Stop: got %v", err)
		}
		close(release)
		synctest.Wait()
		reckon(t, requests, servers)
		t.Logf("%v of virtual time for deadlines within %v", took, span)
	})
}

// draw chooses what becomes of a request: one of 50 is the end of its server. Of
// those that hang there are 200 at most: each wakes all who wait for room.
func (r *request) draw(dice *rand.Rand) {
	if dice.IntN(max(500, *callers/200)) == 0 {
		r.fate = hangs
		return
	}
	switch n := dice.IntN(1000); {
	case n < 6:
		r.fate = panics
	case n < 12:
		r.fate = exits
	case n < 18:
		r.fate = goexits
	case n < 70:
		r.fate = works
	case n < 120:
		r.fate = defers
	case n < 220:
		r.fate = refuses
	}
}

// plant starts two groups of servers; in each a sibling crashes all the time and
// takes all others along.
func plant(t *testing.T, every time.Duration) (servers []*actor.Server[counter], tree *supervisor.Supervisor) {
	events := tracing.New(tracing.Options{
		Logger: slog.New(slog.DiscardHandler),
		Sinks: []tracing.Sink{func(e tracing.Event) {
			if letter, ok := e.(tracing.DeadLetter); ok {
				letter.Message.(ask).dead.Add(1)
			}
		}},
	})
	policy := supervisor.Policy{Restarts: strategy.Unlimited, Tracing: events, Strategy: strategy.OneForAll}
	var groups []supervisor.Child
	for g := range 2 {
		group := []supervisor.Child{supervisor.Func("poison", func(ctx context.Context) error {
			select {
			case <-time.After(every):
				return errors.New("as told")
			case <-ctx.Done():
				return nil
			}
		})}
		for b, box := range boxes() {
			s := actor.NewServer(fmt.Sprint("server", b), func(context.Context) (*counter, error) { return new(counter), nil },
				actor.ServerOptions[counter]{Options: actor.Options{Mailbox: box}})
			servers = append(servers, s)
			group = append(group, supervisor.Spec{Child: s, Shutdown: supervisor.Timeout(2 * time.Millisecond)})
		}
		groups = append(groups, supervisor.New(fmt.Sprint("group", g), policy, group...))
	}
	policy.Strategy = strategy.OneForOne
	tree = supervisor.New("tree", policy, groups...)
	if _, err := tree.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return servers, tree
}

// memory logs what is in use while all is there.
func memory(t *testing.T) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("memory from the system: %d MB, of it stacks %d MB", m.Sys>>20, m.StackSys>>20)
}
