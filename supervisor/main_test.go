package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

func TestMain(m *testing.M) {
	if os.Getenv(crashVariable) != "" {
		crash()
		return
	}
	goleak.VerifyTestMain(m)
}

var (
	errBoom     = errors.New("boom")
	errDeclines = errors.New("declines") // from onStart: decline to start
)

// child is a child that does what the test says.
type child struct {
	name    string
	onStart func(ctx context.Context, n int) error // in the n-th Start; nil means up at once
	onStop  func(ctx context.Context) error        // when ctx has ended; nil means return its error
	ends    chan func() error                      // taken by the running incarnation, which ends so
	starts  atomic.Int32
}

func named(name string) *child { return &child{name: name, ends: make(chan func() error)} }

func (c *child) Name() string { return c.name }

func (c *child) Start(ctx context.Context) (func() error, error) {
	n := int(c.starts.Add(1))
	if c.onStart != nil {
		switch err := c.onStart(ctx, n); err {
		case nil:
		case errDeclines:
			return nil, nil
		default:
			return nil, err
		}
	}
	return func() error {
		select {
		case end := <-c.ends:
			return end()
		case <-ctx.Done():
			if c.onStop != nil {
				return c.onStop(ctx)
			}
			return ctx.Err()
		}
	}, nil
}

// end makes the running incarnation end so, and waits until that was dealt with.
func (c *child) end(how func() error) {
	c.ends <- how
	synctest.Wait()
}

func (c *child) crash() { c.end(returns(errBoom)) }

// The ways in which an incarnation may end, or fail to start.

func returns(err error) func() error { return func() error { return err } }

func panics(value any) func() error { return func() error { panic(value) } }

func goexits() error {
	runtime.Goexit()
	return nil
}

// failingStarts is an onStart that fails the starts with these numbers.
func failingStarts(numbers ...int) func(context.Context, int) error {
	return func(_ context.Context, n int) error {
		if slices.Contains(numbers, n) {
			return fmt.Errorf("start %d failed", n)
		}
		return nil
	}
}

// failingFrom is an onStart that fails all starts from the n-th on.
func failingFrom(first int) func(context.Context, int) error {
	return func(_ context.Context, n int) error {
		if n >= first {
			return fmt.Errorf("start %d failed", n)
		}
		return nil
	}
}

// takes is an onStop that ends after some time, whatever becomes of ctx.
func takes(d time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		time.Sleep(d)
		return ctx.Err()
	}
}

// ignoresCtxUntil is an onStop that does not end before released is closed.
func ignoresCtxUntil(released chan struct{}) func(context.Context) error {
	return func(context.Context) error {
		<-released
		return nil
	}
}

// causes are what the contexts of children ended with, by name.
type causes struct{ sync.Map }

func (c *causes) of(name string) error {
	cause, _ := c.Load(name)
	err, _ := cause.(error)
	return err
}

// note makes a child note the cause when its ctx has ended.
func (c *causes) note(child *child) *child {
	child.onStop = func(ctx context.Context) error {
		c.Store(child.name, context.Cause(ctx))
		return ctx.Err()
	}
	return child
}

// recorder is a sink that keeps what it sees as short lines, but for the crashes,
// of which it only checks that there is one for each.
type recorder struct {
	mu    sync.Mutex
	root  string
	began time.Time
	lines []line
	owed  map[tracing.Head]int // crashes that are still to be told
	extra map[tracing.Head]int // crashes that may be told of what was abandoned
	wrong []string             // those that nothing was told of before
}

type line struct {
	at   time.Duration
	text string
}

func (r *recorder) sink(e tracing.Event) {
	r.pair(e)
	if _, crash := e.(tracing.Crash); !crash {
		r.add(r.describe(e))
	}
}

// pair matches each crash with the end that came before.
func (r *recorder) pair(e tracing.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owed == nil {
		r.owed, r.extra = make(map[tracing.Head]int), make(map[tracing.Head]int)
	}
	who := e.Where()
	who.Time = time.Time{}
	switch e := e.(type) {
	case tracing.StartFailed:
		r.owed[who]++
	case tracing.Exited:
		if !e.Reason.Clean() {
			r.owed[who]++
		}
	case tracing.Terminated:
		if !e.Reason.Clean() && e.Reason != exit.Killed {
			r.owed[who]++
		}
	case tracing.Abandoned:
		r.extra[who]++
	case tracing.Crash:
		switch {
		case r.owed[who] > 0:
			r.owed[who]--
		case r.extra[who] > 0:
			r.extra[who]--
		default:
			r.wrong = append(r.wrong, e.String())
		}
	}
}

// paired checks that each crash was told once. It is for the end of the tree.
func (r *recorder) paired(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, crash := range r.wrong {
		t.Errorf("told of a crash that nobody has seen: %s", crash)
	}
	for who, n := range r.owed {
		if n > 0 {
			t.Errorf("%s, incarnation %d: %d crashes were not told", who.Path, who.Incarnation, n)
		}
	}
}

func (r *recorder) add(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line{time.Since(r.began), text})
}

func (r *recorder) describe(e tracing.Event) string {
	who := strings.TrimPrefix(e.Where().Path, r.root+"/")
	switch e := e.(type) {
	case tracing.Started:
		return "start " + who
	case tracing.StartFailed:
		return fmt.Sprintf("fail %s: %v", who, e.Reason)
	case tracing.Exited:
		return fmt.Sprintf("exit %s: %v", who, e.Reason)
	case tracing.Terminated:
		text := "stop " + who
		if e.Reason != exit.Shutdown && !strings.HasPrefix(e.Reason.Error(), "shutdown: sibling") {
			text += ": " + e.Reason.Error()
		}
		if e.Overdue {
			text += ", overdue"
		}
		return text
	case tracing.Restarting:
		text := "restarting " + who
		if e.Delay > 0 {
			text += " in " + e.Delay.String()
		}
		return text
	case tracing.Restarted:
		return "restart " + who
	case tracing.GaveUp:
		text := who + " gave up on " + e.Child
		if e.Why != nil {
			text += ": " + e.Why.Error()
		}
		return text
	case tracing.AutoShutdown:
		return fmt.Sprintf("%s shuts down after %s: %v", who, e.Child, e.Reason)
	case tracing.Abandoned:
		return "abandon " + who
	case tracing.Returned:
		return fmt.Sprintf("return %s: %v", who, e.Reason)
	}
	return e.String()
}

// take gives the lines since the last take.
func (r *recorder) take() []line {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

// want compares the lines since the last time.
func (r *recorder) want(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, l := range r.take() {
		got = append(got, l.text)
	}
	checkList(t, "events", got, want)
}

// wantAt is want for lines with the time since the test began in front.
func (r *recorder) wantAt(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, l := range r.take() {
		got = append(got, fmt.Sprintf("%v %s", l.at, l.text))
	}
	checkList(t, "events", got, want)
}

// bed is a tree that a test looks after.
type bed struct {
	*recorder
	t    *testing.T
	root *supervisor.Supervisor
	wait func() error // for the end of the tree
}

// quiet is a Tracing with nothing but sinks.
func quiet(sinks ...tracing.Sink) *tracing.Tracing {
	return tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler), Sinks: sinks})
}

// newBed makes a tree whose root is called root.
func newBed(t *testing.T, policy supervisor.Policy, children ...supervisor.Child) *bed {
	b := &bed{t: t, recorder: &recorder{root: "root", began: time.Now()}}
	t.Cleanup(func() { b.paired(t) })
	policy.Tracing = quiet(b.sink)
	b.root = supervisor.New("root", policy, children...)
	return b
}

// start makes a tree and starts it.
func start(t *testing.T, policy supervisor.Policy, children ...supervisor.Child) *bed {
	t.Helper()
	b := newBed(t, policy, children...)
	wait, err := b.root.Start(context.Background())
	if err != nil {
		t.Fatalf("start: got %v, want nil", err)
	}
	b.wait = wait
	b.take()
	return b
}

// stop stops the tree and gives what Stop says. What waits for the tree must
// hear the same, or nil after an end without a report.
func (b *bed) stop() error {
	b.t.Helper()
	err := b.root.Stop(context.Background())
	if waited := b.wait(); err != nil && !errors.Is(waited, err) || err == nil && waited != nil {
		b.t.Errorf("wait: got %v, want what Stop says: %v", waited, err)
	}
	return err
}

// stopInOrder stops the tree, which must leave nothing.
func (b *bed) stopInOrder() {
	b.t.Helper()
	if err := b.stop(); err != nil {
		b.t.Errorf("stop: got %v, want nil", err)
	}
}

// states are the members of the tree with their states, but for running ones
// just the names.
func (b *bed) states() string {
	var all []string
	for path, s := range b.root.Snapshot().All() {
		if path == "root" {
			continue
		}
		text := strings.TrimPrefix(path, "root/")
		if s.State != supervisor.Running {
			text += ":" + string(s.State)
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

func check[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func checkList(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// checkError wants an error with this text; "" means none.
func checkError(t *testing.T, what string, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("%s:\n got error %q\nwant error %q", what, got, want)
	}
}
