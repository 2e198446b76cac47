package calls_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// turn is a message that is in hand until the given time, whatever its ctx says,
// and then ends.
type turn struct {
	name  string
	until <-chan time.Time
	end   func() (int, error)
}

func (m turn) String() string { return m.name }

func (m turn) Handle(context.Context, *counter) (int, error) {
	<-m.until
	return m.end()
}

func seven() (int, error)   { return 7, nil }
func panicky() (int, error) { panic("boom") }
func goexit() (int, error)  { runtime.Goexit(); return 0, nil }
func failing() (int, error) { return 0, errRefused }
func ending() (int, error)  { return 0, exit.Normal }

// field is what a call of the server s meets.
type field struct {
	tree *supervisor.Supervisor
	dead map[string]string // why each message became a dead letter
}

func (f *field) terminate() { _ = f.tree.TerminateChild(context.Background(), "s") }
func (f *field) remove()    { f.terminate(); _ = f.tree.DeleteChild(context.Background(), "s") }
func (f *field) stop()      { _ = f.tree.Stop(context.Background()) }

const (
	noproc = "0, tree/s: no such process: not started, or gone for good"
	ended  = "0, tree/s: callee ended before it replied: "
	lost   = "0, tree/s: callee ended before it replied" // what waited in a Fresh mailbox
	never  = time.Hour
)

// What a call hears and when, and what becomes of its message. The call begins
// at 0; what happens to its server happens from 2 seconds on. The server has a
// second to stop.
var fires = []struct {
	name    string
	options mailbox.Options
	policy  supervisor.Policy
	before  func() (int, error) // end of another message, which is in hand when the call comes; nil if there is none
	until   time.Duration       // when the message that is in hand ends
	end     func() (int, error) // of the call's message
	act     func(*field)        // after 2 seconds
	sibling bool                // another child crashes after 2 seconds

	want string
	at   time.Duration
	dead string // why the message of the call is a dead letter; empty if it is handled
	left string // the same if the caller has left after a second; empty if it is as dead
}{
	{name: "answer", until: 2 * time.Second, end: seven, want: "7, <nil>", at: 2 * time.Second},
	{name: "error", until: 2 * time.Second, end: failing, want: "0, refused", at: 2 * time.Second},
	{name: "panic", until: 2 * time.Second, end: panicky, want: ended + "panic: boom", at: 2 * time.Second, dead: "in hand at a crash"},
	{name: "goexit", until: 2 * time.Second, end: goexit, want: ended + "goroutine left by runtime.Goexit", at: 2 * time.Second, dead: "in hand at a crash"},
	{name: "end on purpose", until: 2 * time.Second, end: ending, want: ended + "normal", at: 2 * time.Second},
	{name: "in hand at a stop", until: 2500 * time.Millisecond, end: seven, act: (*field).stop, want: "7, <nil>", at: 2500 * time.Millisecond},
	{name: "in hand at a group restart", until: 2500 * time.Millisecond, end: seven, sibling: true, want: "7, <nil>", at: 2500 * time.Millisecond},
	{name: "abandoned in hand", until: never, end: seven, act: (*field).terminate, want: ended + "killed", at: 3 * time.Second, dead: "in hand of an abandoned incarnation"},
	{name: "abandoned in hand at a group restart", until: never, end: seven, sibling: true, want: ended + "killed", at: 3 * time.Second, dead: "in hand of an abandoned incarnation"},

	{name: "behind a crash", before: panicky, until: 2 * time.Second, end: seven, want: "7, <nil>", at: 2 * time.Second, left: "caller gone"},
	{name: "behind a goexit", before: goexit, until: 2 * time.Second, end: seven, want: "7, <nil>", at: 2 * time.Second, left: "caller gone"},
	{name: "behind a crash, with a backoff", policy: supervisor.Policy{Backoff: strategy.Constant(time.Second)},
		before: panicky, until: 2 * time.Second, end: seven, want: "7, <nil>", at: 3 * time.Second, left: "caller gone"},
	{name: "behind a crash, and crashes", before: panicky, until: 2 * time.Second, end: panicky,
		want: ended + "panic: boom", at: 2 * time.Second, dead: "in hand at a crash", left: "caller gone"},
	{name: "in the backoff of a child that is terminated", policy: supervisor.Policy{Backoff: strategy.Constant(time.Hour)},
		before: panicky, until: 500 * time.Millisecond, end: seven, act: (*field).terminate, want: noproc, at: 2 * time.Second, dead: "discarded"},
	{name: "in the backoff of a child that is removed", policy: supervisor.Policy{Backoff: strategy.Constant(time.Hour)},
		before: panicky, until: 500 * time.Millisecond, end: seven, act: (*field).remove, want: noproc, at: 2 * time.Second, dead: "discarded"},
	{name: "behind the last crash", policy: supervisor.Policy{Restarts: strategy.NoRestarts},
		before: panicky, until: 2 * time.Second, end: seven, want: noproc, at: 2 * time.Second, dead: "discarded"},
	{name: "in a fresh mailbox, behind a crash", options: mailbox.Options{Fresh: true},
		before: panicky, until: 2 * time.Second, end: seven, want: lost, at: 2 * time.Second, dead: "waiting at a restart"},
	{name: "in a fresh mailbox, behind a crash, with a backoff", options: mailbox.Options{Fresh: true}, policy: supervisor.Policy{Backoff: strategy.Constant(time.Second)},
		before: panicky, until: 2 * time.Second, end: seven, want: lost, at: 3 * time.Second, dead: "waiting at a restart"},
	{name: "in a fresh mailbox, behind the last crash", options: mailbox.Options{Fresh: true}, policy: supervisor.Policy{Restarts: strategy.NoRestarts},
		before: panicky, until: 2 * time.Second, end: seven, want: noproc, at: 2 * time.Second, dead: "discarded"},
	{name: "in a fresh mailbox at a group restart", options: mailbox.Options{Fresh: true},
		before: seven, until: 2500 * time.Millisecond, end: seven, sibling: true, want: lost, at: 2500 * time.Millisecond, dead: "waiting at a restart"},
	{name: "in a fresh mailbox, behind what is abandoned at a group restart", options: mailbox.Options{Fresh: true},
		before: seven, until: never, end: seven, sibling: true, want: lost, at: 3 * time.Second, dead: "waiting at a restart"},
	{name: "in a fresh mailbox at a stop", options: mailbox.Options{Fresh: true},
		before: seven, until: 2500 * time.Millisecond, end: seven, act: (*field).stop, want: "7, <nil>", at: 2500 * time.Millisecond, left: "caller gone"},
	{name: "queued at a stop", before: seven, until: 2500 * time.Millisecond, end: seven, act: (*field).stop,
		want: "7, <nil>", at: 2500 * time.Millisecond, left: "caller gone"},
	{name: "queued at a stop that finishes what is in hand", options: mailbox.Options{Drain: mailbox.FinishInHand},
		before: seven, until: 2500 * time.Millisecond, end: seven, act: (*field).stop, want: noproc, at: 2500 * time.Millisecond, dead: "discarded"},
	{name: "queued at a stop that discards", options: mailbox.Options{Drain: mailbox.Discard},
		before: seven, until: 2500 * time.Millisecond, end: seven, act: (*field).stop, want: noproc, at: 2500 * time.Millisecond, dead: "discarded"},
	{name: "queued behind what is abandoned for good", before: seven, until: never, end: seven, act: (*field).terminate,
		want: noproc, at: 3 * time.Second, dead: "discarded"},
	{name: "queued behind what is abandoned at a group restart", before: seven, until: never, end: seven, sibling: true,
		want: "7, <nil>", at: 3 * time.Second, left: "caller gone"},
	{name: "queued at a group restart", before: seven, until: 2500 * time.Millisecond, end: seven, sibling: true,
		want: "7, <nil>", at: 2500 * time.Millisecond, left: "caller gone"},
}

func TestEveryCallHearsWhatHappens(t *testing.T) {
	for i, fire := range fires {
		for name, limit := range map[string]time.Duration{
			"no deadline": 0, "deadline before": time.Second, "deadline at that moment": fire.at, "deadline after": time.Minute,
		} {
			t.Run(fire.name+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { meet(t, i, limit) })
			})
		}
	}
}

// meet makes one call of the table, with the given limit of time if there is one.
func meet(t *testing.T, row int, limit time.Duration) {
	fire := fires[row]
	s := actor.NewServer("s", func(context.Context) (*counter, error) { return new(counter), nil },
		actor.ServerOptions[counter]{Options: actor.Options{Mailbox: fire.options}})
	f := &field{dead: make(map[string]string)}
	f.plant(t, fire.policy, fire.sibling, s)
	start := time.Now()
	after := func(d time.Duration) <-chan time.Time { return time.After(time.Until(start.Add(d))) }
	message := turn{"call", after(fire.until), fire.end}
	if fire.before != nil {
		message.until = after(0)
		if err := actor.Cast(t.Context(), s, turn{"other", after(fire.until), fire.before}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	if fire.act != nil {
		time.AfterFunc(2*time.Second, func() { fire.act(f) })
	}
	ctx := context.Background()
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	value, err := actor.Call(ctx, s, message)
	got, took := fmt.Sprintf("%v, %v", value, err), time.Since(start)

	want, at, dead := fire.want, fire.at, fire.dead
	if limit == time.Second {
		want, at = "0, tree/s: context deadline exceeded", limit
		if fire.left != "" {
			dead = fire.left
		}
	}
	time.Sleep(2 * time.Hour) // whatever was stuck returns
	synctest.Wait()
	if took != at {
		t.Errorf("after: got %v, want %v", took, at)
	}
	if limit == fire.at && errors.Is(err, context.DeadlineExceeded) { // both at one moment: either is true
		if why := f.dead["call"]; why != fire.dead && why != fire.left {
			t.Errorf("dead letter: got %q, want %q or %q", why, fire.dead, fire.left)
		}
		return
	}
	if got != want {
		t.Errorf("outcome:\n got %s\nwant %s", got, want)
	}
	if why := f.dead["call"]; why != dead {
		t.Errorf("dead letter: got %q, want %q", why, dead)
	}
}

func (f *field) plant(t *testing.T, policy supervisor.Policy, sibling bool, s *actor.Server[counter]) {
	policy.Tracing = tracing.New(tracing.Options{
		Logger: slog.New(slog.DiscardHandler),
		Sinks: []tracing.Sink{func(e tracing.Event) {
			if letter, ok := e.(tracing.DeadLetter); ok {
				name := fmt.Sprint(letter.Message)
				if f.dead[name] != "" {
					t.Errorf("%s: a dead letter twice", name)
				}
				f.dead[name] = strings.TrimSpace(letter.Why)
			}
		}},
	})
	policy.Strategy = strategy.OneForAll
	children := []supervisor.Child{supervisor.Spec{Child: s, Shutdown: supervisor.Timeout(time.Second)}}
	if sibling {
		children = append(children, supervisor.Func("sibling", crashOnce()))
	}
	f.tree = supervisor.New("tree", policy, children...)
	if _, err := f.tree.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.tree.Stop(context.Background()) })
}

// crashOnce fails after 2 seconds, and never again.
func crashOnce() func(context.Context) error {
	crashed := false
	return func(ctx context.Context) error {
		if crashed {
			<-ctx.Done()
			return nil
		}
		crashed = true
		select {
		case <-time.After(2 * time.Second):
			return errors.New("as told")
		case <-ctx.Done():
			return nil
		}
	}
}
