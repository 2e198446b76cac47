// Package bench measures contenders: what each workload is, and how its figures
// come about, the same way for all of them.
package bench

import "context"

// Contender is what can be measured: a name, and what it can set up. A field is
// nil if it has no such thing; then there is no figure.
//
// What a field sets up is ready when it returns: nobody is about to start. Stop
// ends all of it, and returns when it is gone.
type Contender struct {
	Name  string
	About string // what stands for it, in a sentence or two

	// Foreign are the measurements that are made by a program that is not this one;
	// then the fields below are nil.
	Foreign []string

	// Send makes an actor for each tally, which counts the messages that it
	// handles. Burst sends so many to one of them, one after the other.
	Send func(tallies []*Tally) (burst Burst, stop Stop, err error)

	// Cast is Send to servers: actors whose messages carry their handlers.
	Cast func(tallies []*Tally) (burst Burst, stop Stop, err error)

	// Batch is Send of BatchSize messages at a time.
	Batch func(tallies []*Tally) (burst Burst, stop Stop, err error)

	// Paced makes an actor for each tally, which takes the time of the messages
	// that it handles.
	Paced func(tallies []*Tally) (send func(actor int, m *Message) error, stop Stop, err error)

	// Call makes a server and gives what calls it so many times, one call after
	// the other; each with a ctx of its own that has a deadline, or all with one
	// that can be cancelled.
	Call func(deadline bool) (calls func(ctx context.Context, n int) error, stop Stop, err error)

	// CallLooking is Call, with one ctx that can be cancelled, of a handler that looks
	// whether that has ended.
	CallLooking func() (calls func(ctx context.Context, n int) error, stop Stop, err error)

	// Ring makes a ring of actors and gives what sends a token into it: who gets
	// it with no hops left tells the tally, the others pass it on.
	Ring func(actors int, last *Tally) (start func(token *Token) error, stop Stop, err error)

	// Idle makes a parent that spawns actors which have nothing to do.
	Idle func() (spawn func(actors int) error, stop Stop, err error)

	// Warm is Idle, of actors that are sent a message each, and keep what they need
	// for the next.
	Warm func() (spawn func(actors int) error, stop Stop, err error)

	// Hibernated is Warm, of actors that give back what they can while they have
	// nothing to do.
	Hibernated func() (spawn func(actors int) error, stop Stop, err error)

	// Crashes makes supervisors with so many children each, numbered through, and
	// gives what sends one of them a message. Poison lets it panic; its supervisor
	// starts it again. Each tells lives.
	Crashes func(supervisors, children int, lives Lives) (send func(child int, m *Message) error, stop Stop, err error)

	// Tree makes a tree of supervisors, so many levels below its root, with
	// actors as its leaves; stop stops it in order.
	Tree func(depth, fanOut int) (stop Stop, err error)
}

// Burst sends n messages to one of the actors.
type Burst func(actor, n int) error

// Stop ends what was set up.
type Stop func() error

// Capacity is that of the mailboxes of all actors whose mailboxes have one.
const Capacity = 64

// BatchSize is how many messages there are in a batch.
const BatchSize = 64
