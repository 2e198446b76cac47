package actortest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// patience is how long the kit waits for anything, in virtual time.
const patience = time.Hour

// stage is a child in a small tree of its own, in a bubble: root, parent, child.
type stage struct {
	*watch
	given  supervisor.Child // as make gave it
	name   string
	spec   supervisor.Spec
	root   *supervisor.Supervisor
	parent *supervisor.Supervisor
	above  *watch // of the parent
	faults *Injector
	hangs  bool // a fault: it will be abandoned
	hasty  bool // it gets less time to stop than its spec says: it is killed

	load   func(context.Context, supervisor.Child)
	loaded <-chan error // nil while there is no load

	mu         sync.Mutex
	complaints complaints
	unload     context.CancelFunc // ends the load; nil before there is one
	moment     time.Time          // of the last message under a load
	messages   int                // at that moment
	rushed     bool               // the load was ended: it lets no time pass
}

// setting is how a stage is set up.
type setting struct {
	policy   supervisor.Policy // of the parent
	above    supervisor.Policy // of the root
	kill     bool              // the child gets no time to stop
	faults   *Injector         // around the child; nil means none
	siblings []supervisor.Child
}

// newStage builds the tree around a child. Nothing starts.
func newStage(child supervisor.Child, load func(context.Context, supervisor.Child), set setting) *stage {
	s := &stage{given: child, name: child.Name(), load: load, faults: set.faults}
	if set.faults != nil {
		child = set.faults.Child(child)
	}
	child, s.watch = watchChild(child, s.complain)
	if load != nil {
		s.intercept = s.pace
	}
	spec, ok := child.(supervisor.Spec)
	if !ok {
		spec.Child = child
	}
	// How it is restarted is up to the scenario.
	s.spec = supervisor.Spec{Child: spec.Child, Shutdown: spec.Shutdown, Restart: strategy.Transient}
	if set.kill {
		s.hasty = true
		s.spec.Shutdown = supervisor.BrutalKill
	}
	set.policy.Tracing = tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler), Sinks: []tracing.Sink{s.sink}})
	s.parent = supervisor.New("parent", set.policy, append([]supervisor.Child{s.spec}, set.siblings...)...)
	parent := rewrap(s.parent, func(inner supervisor.Child) supervisor.Child {
		s.above = &watch{Wrapper: incarnation.Wrap(inner), child: inner, complain: func(string, ...any) {}}
		return s.above
	})
	set.above.Tracing = set.policy.Tracing
	s.root = supervisor.New("actortest", set.above, supervisor.Spec{Child: parent, Restart: strategy.Transient})
	return s
}

// complain notes a fault of the child.
func (s *stage) complain(format string, args ...any) {
	text := fmt.Sprintf(format, args...) // may ask errors of the child: not under the lock
	s.mu.Lock()
	defer s.mu.Unlock()
	s.complaints.add(text, 1)
}

// follows notes what is a fault only of a child that runs when it is started: of
// one that does not, and was told so, it is the consequence.
func (s *stage) follows(format string, args ...any) {
	if !s.unfit() {
		s.complain(format, args...)
	}
}

// complained gives the complaints so far. What was abandoned may still add some.
func (s *stage) complained() complaints {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.complaints)
}

// sink sees what the watch cannot: what the supervisor had to do.
func (s *stage) sink(e tracing.Event) {
	if e.Where().Path != "actortest/parent/"+s.name && e.Where().Path != "actortest/parent" {
		return
	}
	switch e := e.(type) {
	case tracing.Terminated:
		if e.Overdue && !s.hangs {
			s.complain("it was asked to stop and took %v, until its contexts were ended: it must return when ctx ends, or its spec must give it more time (Shutdown)", e.Took)
		}
	case tracing.Abandoned:
		waited := e.Waited.Round(time.Millisecond)
		switch {
		case s.hangs:
		case s.hasty:
			s.complain("it was killed, and has not returned within %v: it must return at once when the ctx ends that it, its handler or its cleanup was given", waited)
		default:
			s.complain("it did not return within its shutdown time: abandoned %v after it was asked to stop; it must return when ctx ends, or its spec must give it more time (Shutdown)", waited)
		}
	case tracing.GaveUp:
		s.follows("its supervisor gave up on it: %v", e.Reason)
	}
}

// background calls f on a goroutine of its own and gives what it returns, nil if
// it leaves by Goexit.
func background(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		err = f()
	}()
	return done
}

// within waits for something for as long as patience lasts.
func within(done <-chan error) (err error, came bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err = <-done:
		return err, true
	case <-timer.C:
		return nil, false
	}
}

// starting starts the tree and does not wait; what is given back does.
func (s *stage) starting() (done <-chan error) {
	return background(func() error {
		_, err := s.root.Start(context.Background())
		return err
	})
}

// start starts the tree and waits until it is up. It is false if that did not
// succeed.
func (s *stage) start() bool {
	err, came := within(s.starting())
	if !came {
		s.complain("Start has not returned after %v", patience)
	}
	if !came || err != nil {
		return false
	}
	s.beginLoad()
	return true
}

// state is that of the child, stopped if it is not there.
func (s *stage) state() supervisor.State {
	synctest.Wait()
	for _, child := range s.parent.Snapshot().Children {
		if child.Name == s.name {
			return child.State
		}
	}
	return supervisor.Stopped
}

// settle waits until the child runs, or has ended by itself, for longer than any
// backoff of the scenarios.
func (s *stage) settle() {
	for range 100 {
		if state := s.state(); state == supervisor.Running || state == supervisor.Stopped {
			return
		}
		time.Sleep(patience / 100)
	}
	s.complain("it is still %v after %v", s.state(), patience)
}

// awaitFaults waits until so many faults have struck, or the load seems to bring
// no more.
func (s *stage) awaitFaults(count int) {
	for range 100 {
		if s.faults.Count() >= count {
			return
		}
		time.Sleep(patience / 1000)
	}
	if s.faults.Count() == 0 {
		s.complain("Load has sent no message that could be made to fail: it must send to the actor or server that is the child, or to one below it")
	}
}

// crashParent makes the supervisor of the child fail.
func (s *stage) crashParent() { s.above.crash() }

// ask has an administration call done within the patience.
func (s *stage) ask(call func(ctx context.Context, name string) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return call(ctx, s.name)
}

// stop stops the tree, after which nothing of it may be left.
func (s *stage) stop() { s.stopped(<-s.stopping()) }

// stopping stops the tree and does not wait; what is given back does, for the
// error to be given to stopped.
func (s *stage) stopping() (done <-chan error) {
	return background(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return s.root.Stop(ctx)
	})
}

// stopped judges what is left after a stop with this error.
func (s *stage) stopped(err error) {
	s.endLoad()
	var stuck *supervisor.StopError
	if errors.As(err, &stuck) {
		s.complain("it does not stop: %v", stuck)
		return
	}
	if leaks := Leaks(s.root); len(leaks) > 0 {
		s.complain("%d of its incarnations have started a goroutine that is still there after the stop; end it when ctx ends and wait for it, or start it with supervisor.Go: %v", len(leaks), leaks[0])
	}
	if name := s.given.Name(); name != s.name {
		s.complain("its name must stay as it is: %q has become %q", s.name, name)
	}
}

// crashingSibling fails when something is sent to crash.
func crashingSibling(name string, crash <-chan struct{}) supervisor.Child {
	return supervisor.Func(name, func(ctx context.Context) error {
		select {
		case <-crash:
			return errCrash
		case <-ctx.Done():
			return nil
		}
	})
}
