package actor

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/mailbox"
)

// Message is a message to a server with state S, which is answered with an R:
// a value that carries the code which runs inside the server.
//
// Handle runs on the server's goroutine and may use the state freely. Its ctx
// ends when the server's shutdown time is over; its values are the server's. That of
// a [Call] also ends when the caller's does, whose deadline it has, and when the call
// is answered; a caller whose ctx cannot end, such as [context.Background], adds
// nothing. With [Options].HandlerTimeout it ends when that is over.
//
// A value and a nil error are the answer. An error is the answer as well: the
// caller of a [Call] gets it as it is, for a [Cast] it is reported as an event,
// and the server lives on either way. An [exit.Reason] as the error ends the
// server on purpose, without an answer; [AfterReply] gives the answer first.
// [Continue] gives the answer before the rest of the work. A panic is a crash.
type Message[S, R any] interface {
	Handle(ctx context.Context, state *S) (R, error)
}

// Target is what messages for a server with state S can be sent to. Only this
// package implements it; today that is *[Server], also if a type of yours embeds it.
type Target[S any] interface {
	// Path is where the target stands in its tree.
	Path() string

	server() *Server[S]
}

// ServerOptions describe a server. The zero value is the default of each field.
type ServerOptions[S any] struct {
	Options

	// Continue, if set, is the rest of the start, as [Behavior.Continue] is,
	// with the state that open has made: what takes its time, but must be done
	// before the first message (S145).
	Continue func(ctx context.Context, state *S) error

	// Close, if set, cleans up when an incarnation ends, as
	// [Behavior.Close] does, with the state it leaves behind. After a crash the
	// state is as the crash left it.
	Close func(ctx context.Context, state *S, reason exit.Reason) error
}

// Server is an actor with a state that messages carrying their own handlers
// work on, one after the other: OTP's gen_server, typed both ways. Use [Call]
// and [Cast] to talk to it. It is a child for a supervisor, and its own address.
//
// All methods may be called concurrently. One that was not made by [NewServer] cannot
// be started, as its Check says, and refuses messages with [mailbox.ErrClosed].
type Server[S any] struct {
	actor Actor[job[S]]
	calls atomic.Pointer[pools] // that are over; nil if there were none
}

// NewServer makes a server. open makes the state of each incarnation, fresh. It
// runs on a goroutine of the server's while the supervisor waits; an error means
// that the server could not start. The goroutine for the messages may be another, as
// with [New].
//
// At most one options value may be given. Nothing is checked here: the
// supervisor reports all faults before it starts anything.
func NewServer[S any](name string, open func(context.Context) (*S, error), options ...ServerOptions[S]) *Server[S] {
	var proceed func(context.Context, *S) error
	var close func(context.Context, *S, exit.Reason) error
	plain := make([]Options, len(options))
	for i, o := range options {
		plain[i], proceed, close = o.Options, o.Continue, o.Close
	}
	s := new(Server[S])
	s.actor.name, s.actor.server = name, s
	s.actor.init(plain)
	if open != nil {
		s.actor.open = func(ctx context.Context) (Behavior[job[S]], error) {
			state, err := open(ctx)
			if err == nil && state == nil {
				err = errors.New("open: neither a state nor an error")
			}
			if err != nil {
				return Behavior[job[S]]{}, err
			}
			return (&serving[S]{server: s, state: state}).behavior(proceed, close), nil
		}
	}
	return s
}

// Name is the name given to NewServer.
func (s *Server[S]) Name() string { return s.actor.name }

// Path is the server's path in its tree, such as bank/accounts/alice, or just
// its name while it is not part of one.
func (s *Server[S]) Path() string { return s.actor.Path() }

// String is the path.
func (s *Server[S]) String() string { return s.Path() }

// Check says what is wrong with the server's construction, all of it. It is nil
// if the server can be started. Supervisors call it.
func (s *Server[S]) Check() error { return s.actor.Check() }

// Start begins an incarnation. It is called by supervisors; with a context that
// does not come from one it fails with [ErrUnsupervised].
func (s *Server[S]) Start(ctx context.Context) (run func() error, err error) {
	return s.actor.Start(ctx)
}

// Stats is an account of the messages that the server has accepted since it was
// first started.
func (s *Server[S]) Stats() mailbox.Stats { return s.actor.Stats() }

func (s *Server[S]) server() *Server[S] { return s }

func (s *Server[S]) isServer() {}

// What follows is how its actor knows it.

func (s *Server[S]) asked(j job[S]) request { return j }

func (s *Server[S]) again(j job[S]) job[S] { return j.again() }

func (s *Server[S]) forget() { s.calls.Store(nil) }
