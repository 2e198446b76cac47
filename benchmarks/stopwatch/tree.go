package stopwatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/supervisor"
)

// Root is the root of a tree: a *supervisor.Supervisor, a *supervisor.Dynamic, or
// a type around one.
type Root interface {
	Start(ctx context.Context) (wait func() error, err error)
	Stop(ctx context.Context) error
}

// Tree is a tree to measure that was not started yet.
type Tree struct {
	// Root is started and stopped by Measure. Its Policy.Tracing must be the one
	// that was given for the tree: supervisors with another one are not seen.
	Root Root

	// Victims are the children that are made to crash. None means that only the
	// stop is measured.
	Victims []Victim

	// Fill is called when the tree is up, such as to start the children of a
	// Dynamic. Its ctx ends when that takes too long. It is called once for each
	// tree: a Dynamic that is restarted begins empty, and is not filled again. nil
	// means that there is nothing to add.
	Fill func(ctx context.Context) error

	// Release is called when the tree has been stopped. It lets go whatever is
	// stuck, and Measure waits for the return of what was abandoned. nil means that
	// nobody waits for that.
	Release func()
}

// Victim is a child that can be made to crash. Its functions are called
// concurrently. See [Server] and [Actor] for those of actors.
type Victim struct {
	// Path is where the child stands in its tree, once that is up.
	Path func() string

	// Crash makes the child call now, and end with what that returns: panic with
	// it, or fail with it as its error. now waits until everything is ready for
	// the crash, and then reads the clock; so nothing else is to be done between it
	// and the end. Crash may return before that or after it. Its error says that
	// the child could not be asked, and is ignored once now was called.
	//
	// A message that is retried (actor.Options.Retries) would be one crash more,
	// and is refused.
	Crash func(ctx context.Context, now func() error) error

	// Ping sends the child a message whose handling ends with a call of handled.
	// An error says that the message was not accepted. nil means that the child
	// takes no messages: then there is no load on it, and what a message would
	// tell is not measured.
	Ping func(ctx context.Context, handled func()) error
}

// Server makes a victim of a server. Nothing has to be changed in it: its messages
// carry their handlers.
func Server[S any](s *actor.Server[S]) Victim {
	return Victim{
		Path: s.Path,
		Crash: func(ctx context.Context, now func() error) error {
			_, err := actor.Call(ctx, s, poison[S]{now})
			if errors.Is(err, actor.ErrEnded) { // as it was to
				return nil
			}
			return err
		},
		Ping: func(ctx context.Context, handled func()) error {
			return actor.Cast(ctx, s, ping[S]{handled})
		},
	}
}

// poison is a message to panic at. It is called, not cast, since a call is never
// retried.
type poison[S any] struct{ now func() error }

func (p poison[S]) Handle(context.Context, *S) (struct{}, error) { panic(p.now()) }

// ping is a message that tells when it is handled.
type ping[S any] struct{ handled func() }

func (p ping[S]) Handle(context.Context, *S) (struct{}, error) {
	p.handled()
	return struct{}{}, nil
}

// Actor makes a victim of an actor. poison and ping make messages of the two
// functions of [Victim]: handling the first, Receive is to panic with what now
// returns, or to return it; handling the second, it is to call handled at the end.
// ping may be nil.
func Actor[M any](a *actor.Actor[M], poison func(now func() error) M, ping func(handled func()) M) Victim {
	v := Victim{
		Path:  a.Path,
		Crash: func(ctx context.Context, now func() error) error { return a.Send(ctx, poison(now)) },
	}
	if ping != nil {
		v.Ping = func(ctx context.Context, handled func()) error { return a.Send(ctx, ping(handled)) }
	}
	return v
}

// check says what is wrong with a tree, all of it.
func (t Tree) check(burst int) error {
	var faults []error
	if t.Root == nil {
		faults = append(faults, errors.New("Tree.Root: nil"))
	}
	for i, v := range t.Victims {
		if v.Path == nil {
			faults = append(faults, fmt.Errorf("Tree.Victims[%d].Path: nil", i))
		}
		if v.Crash == nil {
			faults = append(faults, fmt.Errorf("Tree.Victims[%d].Crash: nil", i))
		}
	}
	if n := len(t.Victims); n > 0 && burst > n {
		faults = append(faults, fmt.Errorf("Options.Burst: %d is more than the victims that there are (%d)", burst, n))
	}
	return errors.Join(faults...)
}

// The roots that there are.
var (
	_ Root = (*supervisor.Supervisor)(nil)
	_ Root = (*supervisor.Dynamic)(nil)
)
