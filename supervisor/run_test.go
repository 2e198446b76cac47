package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestRunIsNilAfterAnOrderlyStop(t *testing.T) {
	for _, test := range []struct {
		name string
		stop func(root *supervisor.Supervisor, cancel context.CancelCauseFunc)
	}{
		{"by ctx", func(_ *supervisor.Supervisor, cancel context.CancelCauseFunc) { cancel(nil) }},
		{"by ctx with a cause", func(_ *supervisor.Supervisor, cancel context.CancelCauseFunc) { cancel(errBoom) }},
		{"by Stop", func(root *supervisor.Supervisor, _ context.CancelCauseFunc) { _ = root.Stop(context.Background()) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, supervisor.Policy{}, named("a"))
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				time.AfterFunc(time.Second, func() { test.stop(b.root, cancel) })
				checkError(t, "run", b.root.Run(ctx), "")
				b.wantAt(t, "0s start a", "0s start root", "1s stop a", "1s stop root")
			})
		})
	}
}

func TestRunWithAnEndedCtxStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := named("a")
		b := newBed(t, supervisor.Policy{}, a, supervisor.New("sub", supervisor.Policy{}, named("b")))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		checkError(t, "run", b.root.Run(ctx), "")
		b.want(t, "stop root")
		check(t, "starts", a.starts.Load(), 0)
		_, err := b.root.Start(ctx)
		checkError(t, "start", err, "start root: shutdown")
		check(t, "is shutdown", errors.Is(err, exit.Shutdown), true)
	})
}

func TestRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, supervisor.Policy{}, named("a"))
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error)
		for range 2 {
			go func() { results <- b.root.Run(ctx) }()
		}
		err := <-results
		checkError(t, "one of two at the same time", err, "start root: already started")
		if !errors.Is(err, supervisor.ErrAlreadyStarted) {
			t.Errorf("errors.Is(%v, ErrAlreadyStarted): got false, want true", err)
		}
		_, err = b.root.Start(ctx)
		checkError(t, "start", err, "start root: already started")
		synctest.Wait()
		cancel()
		checkError(t, "the other", <-results, "")
		b.want(t, "start a", "start root", "stop a", "stop root")

		// When it has ended it can be run again, as often as one likes.
		for range 2 {
			checkError(t, "start", startOnce(b.root), "")
			b.want(t, "start a", "start root", "stop a", "stop root")
		}
	})
}

// startOnce starts and stops a tree.
func startOnce(root *supervisor.Supervisor) error {
	wait, err := root.Start(context.Background())
	if err != nil {
		return err
	}
	return errors.Join(root.Stop(context.Background()), wait())
}

func TestRunAgainAfterGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := named("a")
		b := newBed(t, supervisor.Policy{Restarts: strategy.NoRestarts}, a)
		for range 2 {
			wait, err := b.root.Start(t.Context())
			if err != nil {
				t.Fatalf("start: got %v, want nil", err)
			}
			a.crash()
			checkError(t, "wait", wait(), gaveUpText("root", "a"))
		}
	})
}

func TestStopsJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		a, stuck := named("a"), named("stuck")
		stuck.onStop = ignoresCtxUntil(released)
		b := start(t, supervisor.Policy{}, a, stuck)
		var wg sync.WaitGroup
		stop := func(after time.Duration) {
			time.Sleep(after)
			err := b.root.Stop(context.Background())
			checkError(t, "stop", err, reportText(b.wait()))
			check(t, "stopped after", time.Since(b.began), 5*time.Second)
		}
		for i := range 3 {
			wg.Go(func() { stop(time.Duration(i) * time.Second) })
		}
		wg.Wait()
		b.wantAt(t, "5s abandon stuck", "5s stop a", "5s stop root")

		time.Sleep(time.Minute)
		checkList(t, "late stop", summary(t, b.root.Stop(context.Background())),
			[]string{"root/stuck (incarnation 1), stuck in run for at least 1m5s"})
		report := reportText(b.wait())
		close(released)
		synctest.Wait()
		checkError(t, "stop after the return", b.root.Stop(context.Background()), "")
		check(t, "what Run says of that stop", reportText(b.wait()), report)
	})
}

func reportText(err error) string {
	var report *supervisor.StopError
	if !errors.As(err, &report) {
		return ""
	}
	return report.Error()
}

func TestStopOfTheCtxJoinsAnOrderlyStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := named("slow")
		slow.onStop = takes(3 * time.Second)
		b := newBed(t, supervisor.Policy{}, slow)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.AfterFunc(2*time.Second, func() { checkError(t, "stop", b.root.Stop(t.Context()), "") })
		checkError(t, "run", b.root.Run(ctx), "")
		b.wantAt(t, "0s start slow", "0s start root", "4s stop slow", "4s stop root")
	})
}

func TestStopOfWhatIsNotARunningRoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub := supervisor.New("sub", supervisor.Policy{}, named("a"))
		checkError(t, "never started", sub.Stop(t.Context()), "")
		b := start(t, supervisor.Policy{}, sub)
		err := sub.Stop(t.Context())
		checkError(t, "nested", err, "stop root/sub: a nested supervisor is stopped by the one above it")
		if !errors.Is(err, supervisor.ErrNested) {
			t.Errorf("errors.Is(%v, ErrNested): got false, want true", err)
		}
		check(t, "states", b.states(), "sub sub/a")
		b.stopInOrder()
		checkError(t, "after its tree", sub.Stop(t.Context()), "")
		checkError(t, "again", b.root.Stop(t.Context()), "")
	})
}

func TestStopBeforeTheTreeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := named("slow")
		slow.onStart = func(ctx context.Context, _ int) error { <-ctx.Done(); return context.Cause(ctx) }
		b := newBed(t, supervisor.Policy{}, named("a"), slow, named("never"))
		started := make(chan error)
		go func() {
			_, err := b.root.Start(context.Background())
			started <- err
		}()
		time.Sleep(time.Second)
		checkError(t, "stop", b.root.Stop(t.Context()), "")
		checkError(t, "start", <-started, "start root: shutdown")
		b.wantAt(t, "0s start a", "1s stop slow", "1s stop a", "1s stop root")
	})
}

// Start with a ctx that belongs to no supervisor makes a tree of its own, also
// inside of another tree.
func TestRunInsideOfAnotherTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newBed(t, supervisor.Policy{}, named("a"))
		outer := start(t, supervisor.Policy{}, supervisor.Func("runs", inner.root.Run))
		synctest.Wait()
		inner.want(t, "start a", "start root")
		check(t, "path", inner.root.Snapshot().Children[0].Path, "root/a")
		outer.stopInOrder()
		inner.want(t, "stop a", "stop root")
	})
}

// The user's own child may stand for a supervisor: what Start gets is passed on.
type decorated struct {
	*supervisor.Supervisor
	before func()
}

func (d decorated) Start(ctx context.Context) (func() error, error) {
	d.before()
	return d.Supervisor.Start(ctx)
}

func TestSupervisorInAChildOfTheUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, began := named("a"), 0
		sub := decorated{supervisor.New("sub", supervisor.Policy{Restarts: strategy.NoRestarts}, a), func() { began++ }}
		b := start(t, supervisor.Policy{}, sub)
		a.crash()
		b.want(t, "exit sub/a: boom", "sub gave up on a", "exit sub: "+gaveUpText("root/sub", "a"),
			"restarting sub", "start sub/a", "restart sub")
		check(t, "starts", began, 2)
		b.stopInOrder()
		b.want(t, "stop sub/a", "stop sub", "stop root")
	})
}

// both is a child that starts two supervisors with its ctx: the second when it is its
// turn, or while the first is looked at by its own Start.
type both struct {
	first, second *supervisor.Supervisor
	looked        *looked
	meanwhile     bool
}

func (b both) Name() string { return "both" }

func (b both) Start(ctx context.Context) (run func() error, err error) {
	start := func() { run, err = b.first.Start(ctx) }
	if b.meanwhile {
		b.looked.at = start
	} else {
		start()
	}
	if _, err := b.second.Start(ctx); err != nil {
		return nil, fmt.Errorf("second: %w", err)
	}
	return run, err
}

// looked is a child that does something when it is looked at, once.
type looked struct {
	*child
	at func()
}

func (l *looked) Check() error {
	if at := l.at; at != nil {
		l.at = nil
		at()
	}
	return nil
}

// Of two supervisors that are started with the same ctx one takes the place of the
// child. For the other it is any other ctx: it makes a tree of its own, also if it has
// begun before.
func TestTwoSupervisorsAreStartedWithOneContext(t *testing.T) {
	for _, meanwhile := range []bool{false, true} {
		t.Run(fmt.Sprint("meanwhile ", meanwhile), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, l := named("a"), &looked{child: named("l")}
				first := supervisor.New("first", supervisor.Policy{}, a)
				second := newBed(t, supervisor.Policy{}, l)
				b := start(t, supervisor.Policy{}, both{first, second.root, l, meanwhile})
				check(t, "first", first.String(), "root/both")
				check(t, "second", second.root.String(), "root")
				second.want(t, "start l", "start root")
				b.stopInOrder()
				synctest.Wait() // nobody waits for the other tree
				second.want(t, "stop l", "stop root")
			})
		})
	}
}

func TestAbnormalEndsAreLoggedToTheDefault(t *testing.T) {
	var text strings.Builder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&text, nil)))
	defer slog.SetDefault(before)
	synctest.Test(t, func(t *testing.T) {
		a, c := named("a"), named("c")
		root := supervisor.New("root", supervisor.Policy{Restarts: strategy.NoRestarts}, a, c)
		wait, err := root.Start(context.Background())
		checkError(t, "start", err, "")
		c.crash()
		checkError(t, "wait", wait(), gaveUpText("root", "c"))
	})
	var messages []string
	for l := range strings.Lines(text.String()) {
		_, l, _ = strings.Cut(l, " ")
		l, _, _ = strings.Cut(l, " coppice.reason")
		messages = append(messages, l)
	}
	checkList(t, "log", messages, []string{
		`level=ERROR msg="child crashed" coppice.path=root/c coppice.incarnation=1`,
		`level=ERROR msg="supervisor gave up" coppice.path=root coppice.incarnation=1 coppice.child=c`,
	})
}
