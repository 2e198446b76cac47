package stopwatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// round is the measuring of one tree.
type round struct {
	*measuring
	tree    Tree
	watch   *watch
	victims []*victim
	load    load

	ctx        context.Context // ends with the user's, or when the tree has been stopped
	cancel     context.CancelFunc
	loading    context.Context // ends when the tree has been stopped
	unload     context.CancelFunc
	background sync.WaitGroup
	failures   chan error // has room for the first
	ended      chan error // has room for how the tree has ended
	over       bool       // it has
	failure    error      // of the crashes
}

func (m *measuring) newRound(ctx context.Context) *round {
	r := &round{measuring: m, failures: make(chan error, 1), ended: make(chan error, 1)}
	asking, cancel := context.WithCancel(ctx)
	r.loading, r.unload = context.WithCancel(context.WithoutCancel(ctx))
	r.ctx, r.cancel = asking, func() { r.unload(); cancel() }
	r.watch = newWatch(m.clock, r.fail)
	return r
}

// fail keeps the first thing that went wrong.
func (r *round) fail(err error) {
	select {
	case r.failures <- err:
	default:
	}
}

// start makes a tree, starts it, fills it, and begins with the load.
func (r *round) start() error {
	events := r.events
	events.Sinks = append(slices.Clone(events.Sinks), r.watch.see)
	r.tree = r.make(tracing.New(events))
	if err := r.tree.check(r.options.Burst); err != nil {
		return err
	}
	if err := r.startTree(); err != nil {
		return errors.Join(fmt.Errorf("the tree did not start: %w", err), r.leave())
	}
	err := r.fill()
	if err == nil {
		err = r.meet()
	}
	if err != nil {
		return errors.Join(err, r.stopTree(r.ctx, nil), r.leave())
	}
	r.load = load{clock: r.clock, rate: r.options.Load, latency: &r.message}
	for _, v := range r.victims {
		if v.Ping != nil {
			r.load.victims = append(r.load.victims, v)
		}
	}
	r.load.start(r.loading, r.background.Go)
	return nil
}

// startTree starts the tree. If that takes too long, or the user's ctx ends, the
// start is cut short.
func (r *round) startTree() error {
	started := make(chan error, 1)
	go func() {
		wait, err := r.tree.Root.Start(context.WithoutCancel(r.ctx))
		started <- err
		if err == nil {
			r.ended <- wait()
		}
	}()
	patience := time.NewTimer(r.options.Patience)
	defer patience.Stop()
	var why error
	select {
	case err := <-started:
		return err
	case <-patience.C:
		why = fmt.Errorf("it took longer than %v", r.options.Patience)
	case <-r.ctx.Done():
		why = context.Cause(r.ctx)
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	return errors.Join(why, r.tree.Root.Stop(now))
}

func (r *round) fill() error {
	if r.tree.Fill == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.options.Patience)
	defer cancel()
	if err := r.tree.Fill(ctx); err != nil {
		return fmt.Errorf("Tree.Fill: %w", err)
	}
	return nil
}

// meet looks who is where in the tree.
func (r *round) meet() error {
	if !r.watch.seen.Load() {
		return errors.New("no event of the tree was seen: the Policy.Tracing of its root must be the one that make was given for this tree")
	}
	all := make(map[string]*victim, len(r.tree.Victims))
	for _, v := range r.tree.Victims {
		path := v.Path()
		if all[path] != nil {
			return fmt.Errorf("two victims are at %s", path)
		}
		all[path] = &victim{Victim: v, path: path}
		r.victims = append(r.victims, all[path])
	}
	r.watch.victims.Store(&all)
	return nil
}

// endedEarly is the error of a tree that has ended before its stop.
func (r *round) endedEarly(err error) error {
	r.over = true
	switch {
	case gaveUp(err):
		return gaveUpError(err)
	case err == nil:
		return errors.New("the tree has ended by itself")
	}
	return fmt.Errorf("the tree has ended by itself: %w", err)
}

// stop stops the tree, measures that, and waits for all that is left of the round.
func (r *round) stop(ctx context.Context) error {
	r.watch.stopping.Store(true)
	asked := r.clock.now()
	err := r.stopTree(ctx, func(gone time.Duration) {
		r.stopped.Add(asked, gone-asked)
		r.counts.Trees++
	})
	r.slowStopped.merge(r.watch.stops.close())
	r.cancel()
	return errors.Join(err, r.leave())
}

// grace is how long a stop may take when the user wants to see the end.
const grace = 5 * time.Second

// stopTree stops the tree and tells when it was gone, if it was stopped in order.
func (r *round) stopTree(ctx context.Context, tell func(gone time.Duration)) error {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.options.Patience)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()

	err := r.tree.Root.Stop(limited)
	gone := r.clock.now()
	var stuck *supervisor.StopError
	if errors.As(err, &stuck) {
		r.counts.Stuck += len(stuck.Stuck)
		err = nil
	}
	switch {
	case err != nil:
		return fmt.Errorf("the tree cannot be stopped: %w", err)
	case limited.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("the stop took longer than %v, and was cut short", r.options.Patience)
	case limited.Err() != nil:
		return nil
	}
	if !r.over {
		select {
		case err := <-r.ended: // by the stop, or just before
			switch {
			case !gaveUp(err):
			case gaveUp(r.failure): // told already: its event comes before the end
				return nil
			default:
				return gaveUpError(err)
			}
		case <-limited.Done():
		}
		if tell != nil {
			tell(gone)
		}
	}
	return nil
}

// leave waits until nothing is left of the round, but for what is stuck for good.
func (r *round) leave() error {
	if r.tree.Release != nil {
		r.tree.Release()
	}
	patience := time.NewTimer(r.options.Patience)
	defer patience.Stop()
	r.cancel()
	if !r.allBack(patience.C) {
		return fmt.Errorf("functions of victims have not returned %v after the stop of the tree", r.options.Patience)
	}
	for r.tree.Release != nil && r.watch.returned.Load() < r.watch.abandoned.Load() {
		select {
		case <-r.watch.news:
			continue
		case <-patience.C:
		}
		break
	}
	r.count()
	return nil
}

// allBack waits for the goroutines of the round.
func (r *round) allBack(patience <-chan time.Time) bool {
	back := make(chan struct{})
	go func() {
		r.background.Wait()
		close(back)
	}()
	select {
	case <-back:
		return true
	case <-patience:
		return false
	}
}

// count adds up what was counted in the round.
func (r *round) count() {
	c := &r.counts
	c.Unasked += int(r.watch.unasked.Load())
	c.Abandoned += int(r.watch.abandoned.Load())
	c.Returned += int(r.watch.returned.Load())
	c.Sent += r.load.sent.Load()
	c.Refused += r.load.refused.Load()
	c.Handled += r.load.handled.Load()
}
