package chaos_test

import (
	"context"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/supervisor"
)

// watched is a child that notes when its incarnations begin and end.
type watched struct {
	supervisor.Child
	lives     *lives
	tree      *tree
	exclusive bool

	latest []*life // that are there, or have to be told of; guarded by lives
	up     bool    // a Start has succeeded; guarded by lives
}

// Check is that of the child around which this is.
func (w *watched) Check() error {
	if c, ok := w.Child.(interface{ Check() error }); ok {
		return c.Check()
	}
	return nil
}

type lifeKey struct{}

func lifeOf(ctx context.Context) *life {
	l, _ := ctx.Value(lifeKey{}).(*life)
	return l
}

func (w *watched) Start(ctx context.Context) (func() error, error) {
	l := w.lives.begin(ctx, w)
	var run func() error
	defer func() { // also after a panic or a Goexit
		if run == nil {
			l.leave()
		}
	}()
	run, err := w.Child.Start(context.WithValue(ctx, lifeKey{}, l))
	if err != nil || run == nil {
		run = nil
		return nil, err
	}
	w.lives.change(l, func() { l.up, w.up = true, true })
	return func() error { return l.run(run) }, nil
}

// run is the run function of the child. It may come back only to be parked.
func (l *life) run(run func() error) (err error) {
	parked := false
	defer func() {
		if !parked {
			l.leave()
		}
	}()
	err = run()
	_, parked = err.(interface {
		Park(interface{ Wake(bool) }) bool
	})
	if !parked {
		l.lives.change(l, func() { l.clean = exit.Of(err).Clean() })
	}
	return err
}

// leave notes that a goroutine of the incarnation returns.
func (l *life) leave() {
	l.lives.change(l, func() {
		l.present--
		if l.present == 0 {
			l.lives.trace(l.path, "is over", l)
		}
	})
}

// join notes that the incarnation starts a goroutine.
func (l *life) join() { l.lives.change(l, func() { l.present++; l.crew = true }) }

// isAbandoned says whether an event has told so, or where none does, a list.
func (l *life) isAbandoned() bool {
	if l.of.tree.unheard {
		return l.listed()
	}
	l.lives.mu.Lock()
	defer l.lives.mu.Unlock()
	return l.told == abandoned
}
