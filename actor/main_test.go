package actor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errBad  = errors.New("bad")
	errQuit = errors.New("the caller quits")
)

// journal is what happened, a line for each event.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// take gives what has happened since it was asked last.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := strings.Join(j.lines, ", ")
	j.lines = nil
	return text
}

// recorder is a sink that keeps the events.
type recorder struct {
	mu     sync.Mutex
	events []tracing.Event
}

func (r *recorder) sink(e tracing.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// eventsOf are the events of one kind.
func eventsOf[E tracing.Event](r *recorder) (found []E) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e, ok := e.(E); ok {
			found = append(found, e)
		}
	}
	return found
}

// deadLetters are the dead letters as "message: why".
func (r *recorder) deadLetters() string {
	var all []string
	for _, e := range eventsOf[tracing.DeadLetter](r) {
		all = append(all, fmt.Sprintf("%v: %s", e.Message, e.Why))
	}
	return strings.Join(all, ", ")
}

// exits are the reasons of the ends that were nobody's wish.
func (r *recorder) exits() string {
	var all []string
	for _, e := range eventsOf[tracing.Exited](r) {
		all = append(all, e.Reason.Error())
	}
	return strings.Join(all, ", ")
}

// plant starts the tree "tree" of the children, which restarts them without
// limit, and fells it when the test is over.
func plant(t testing.TB, children ...supervisor.Child) (*supervisor.Supervisor, *recorder) {
	t.Helper()
	return plantWith(t, supervisor.Policy{Restarts: strategy.Unlimited}, children...)
}

func plantWith(t testing.TB, policy supervisor.Policy, children ...supervisor.Child) (*supervisor.Supervisor, *recorder) {
	t.Helper()
	kept := new(recorder)
	if policy.Tracing == nil {
		policy.Tracing = quiet(kept.sink)
	}
	tree := supervisor.New("tree", policy, children...)
	if _, err := tree.Start(t.Context()); err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() { _ = tree.Stop(context.Background()) })
	return tree, kept
}

func quiet(sinks ...tracing.Sink) *tracing.Tracing {
	return tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler), Sinks: sinks})
}

// within is a child that has so much time to stop.
func within(d time.Duration, child supervisor.Child) supervisor.Spec {
	return supervisor.Spec{Child: child, Shutdown: supervisor.Timeout(d)}
}

// crashing is a child that fails when something is sent to crash.
func crashing(crash <-chan struct{}) supervisor.Child {
	return supervisor.Func("other", func(ctx context.Context) error {
		select {
		case <-crash:
			return errBad
		case <-ctx.Done():
			return nil
		}
	})
}

// numbers makes an actor of ints. Each incarnation tells the journal that it has
// opened, what it gets, as "2:7" for the 7 in the second incarnation, and why it
// ends. What the script has for a number is done with it.
func numbers(j *journal, options actor.Options, script map[int]func(context.Context) error) *actor.Actor[int] {
	return actor.New("numbers", func(ctx context.Context) (actor.Behavior[int], error) {
		return openNumbers(ctx, j, script), nil
	}, options)
}

func openNumbers(ctx context.Context, j *journal, script map[int]func(context.Context) error) actor.Behavior[int] {
	life := incarnation.From(ctx).Number()
	j.add("open %d", life)
	return actor.Behavior[int]{
		Receive: func(ctx context.Context, n int) error {
			j.add("%d:%d", life, n)
			if f := script[n]; f != nil {
				return f(ctx)
			}
			return nil
		},
		Close: func(_ context.Context, reason exit.Reason) error {
			j.add("close %d: %v", life, reason)
			return nil
		},
	}
}

// What a handler may do.

func fails(context.Context) error   { return errBad }
func panics(context.Context) error  { panic("boom") }
func goexits(context.Context) error { runtime.Goexit(); return nil }

// checkGoroutines checks how many goroutines have the text in their labels or
// stack. One of an earlier test may still be on its very last steps.
func checkGoroutines(t testing.TB, what, text string, want int) {
	t.Helper()
	got := goroutinesWith(t, text)
	for range 1000 {
		if got == want {
			return
		}
		runtime.Gosched()
		got = goroutinesWith(t, text)
	}
	t.Errorf("goroutines %s: got %d, want %d", what, got, want)
}

// goroutinesWith counts the goroutines whose labels or stack contain the text.
func goroutinesWith(t testing.TB, text string) (count int) {
	t.Helper()
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	for group := range strings.SplitSeq(profile.String(), "\n\n") {
		if !strings.Contains(group, text) {
			continue
		}
		number, _, _ := strings.Cut(group, " @ ")
		n, err := strconv.Atoi(number[strings.LastIndexByte(number, '\n')+1:])
		if err != nil {
			t.Fatalf("a profile has changed its form: %v in\n%s", err, group)
		}
		count += n
	}
	return count
}

// until waits for the channel, whatever ctx says.
func until(c <-chan struct{}) func(context.Context) error {
	return func(context.Context) error { <-c; return nil }
}

// state is that of the servers; do is any message to them.
type state struct{ n int }

type do func(context.Context, *state) (int, error)

func (d do) Handle(ctx context.Context, s *state) (int, error) { return d(ctx, s) }

func openState(context.Context) (*state, error) { return new(state), nil }

var (
	next  = do(func(_ context.Context, s *state) (int, error) { s.n++; return s.n, nil })
	crash = do(func(context.Context, *state) (int, error) { panic("boom") })
)

// give is a message that is answered with these.
func give(n int, err error) do {
	return func(context.Context, *state) (int, error) { return n, err }
}

// busy is a message that is in hand until c says otherwise, whatever its ctx
// says, and is then answered with n.
func busy(c <-chan struct{}, n int) do {
	return func(context.Context, *state) (int, error) { <-c; return n, nil }
}

// sends counts the sends that were accepted: the test's own account.
type sends struct{ accepted uint64 }

func (s *sends) send(t testing.TB, a *actor.Actor[int], numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		if err := a.Send(t.Context(), n); err != nil {
			t.Errorf("Send(%d): got %v, want it accepted", n, err)
			continue
		}
		s.accepted++
	}
}

// conserved checks that every message that was accepted is somewhere.
func (s *sends) conserved(t testing.TB, got mailbox.Stats) {
	t.Helper()
	if sum := got.Handled + got.InHand + got.Waiting + got.Dead; sum != s.accepted {
		t.Errorf("Stats: got %+v, together %d, want the %d that were accepted", got, sum, s.accepted)
	}
}

func check[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// answer is an outcome of a call as text.
func answer[R any](value R, err error) string { return fmt.Sprintf("%v, %v", value, err) }
