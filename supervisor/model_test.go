package supervisor_test

import (
	"slices"

	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// The model of a supervisor and of the lives of its children, as
// docs/lifecycle.md and docs/otp.md tell it: a state machine that makes one step
// at a time. Where the runtime may do one thing or another, because callers and
// children are concurrent, the model has several next states; so what is known of
// the runtime is a set of states, and a test checks that it does not become
// empty. Time is one more input: it passes until nothing waits for it.

// kids is how many children there are.
const kids = 2

// phase is what the goroutine of a child's incarnation does.
type phase uint8

const (
	absent  phase = iota // there is none that counts
	inStart              // it hangs in its Start
	up                   // it runs
	left                 // run has returned, a goroutine of it is left and hangs
	ended                // it has ended
)

// outcome is how a Start goes.
type outcome uint8

const (
	succeeds outcome = iota
	fails
	declines
	hangs // until it is released
)

// kid is a child and its address. The address outlives what the supervisor knows.
type kid struct {
	known  bool // to the supervisor
	fixed  bool // named by the constructor
	state  supervisor.State
	number int8 // of the latest incarnation
	latest int8 // that of the latest zombie
	serial int8 // counts the incarnations of all children of this name
	before int8 // what number was of the fixed child, while another of its name is there

	life    bool // its own life lasts
	sealed  bool // its mailbox is
	waiting int16
	handled int16
	dead    int16

	phase    phase
	clean    bool // how the incarnation has ended
	asked    bool // it has been asked to stop
	final    bool // and no other will follow
	byItself bool // it winds down
	backoff  bool // the restart waits for its time

	ripe bool // what waits for its time may happen, although no time passes now

	start    outcome // of its Start
	next     outcome // of the next Start; those after it succeed
	stubborn bool    // asked to stop, it hangs until it is released
	zombies  int8    // incarnations that were abandoned and are still there
	parting  bool    // and have been released
}

// model is the supervisor. It is a value that can be compared, so a map finds out
// whether a state is new.
type model struct {
	*setting
	kids  [kids]kid
	order few[int8] // the children that it knows

	loop    loopPhase
	asked   bool // to end
	final   bool // and not to come back
	killed  bool
	quit    bool // the tree is to end, also if only a restart has been asked of the supervisor
	again   bool // the one above has decided on a restart
	todo    few[task]
	queue   few[item]
	calls   few[call]
	ticking bool // time passes
	stuck   int8 // what the report of the stop counts
}

// setting is what does not change.
type setting struct {
	strategy strategy.Strategy
	delayed  bool // there is a backoff
	restart  [kids]strategy.Restart
	edges    map[[2]supervisor.State]bool // that were gone along
}

type loopPhase uint8

const (
	starting loopPhase = iota
	running
	leaving
	between // it has ended, and will be started again
	over
)

// task is something that the supervisor is about to do.
type task struct {
	do   verb
	kid  int8
	call int8 // for whom; of an attempt its origin
	flag bool
}

type verb uint8

const (
	doStop    verb = iota // flag: for good
	doEnd                 // stop a child because the supervisor ends
	doVictim              // stop a sibling of one that is to be restarted
	doWait                // for the backoff, if there is one
	doAttempt             // start a kid and its group
	doStart               // for a caller; flag: of a child that was there
	doRestart             // within an attempt; call is the origin
	doFirst               // when the supervisor starts
	doUp                  // the supervisor is
	doCallOff
	doForget // a temporary child
	doReply
	doLeave
)

// item is what the supervisor hears.
type item struct {
	what   news
	kid    int8
	serial int8
	call   int8
}

type news uint8

const (
	death news = iota
	winding
	retry
	request
)

// call is an input: a caller's, or a child's own doing.
type call struct {
	id     int8
	what   input
	kid    int8
	serial int8 // of the incarnation that is meant
	sent   bool
	result string // empty while it waits
}

type input uint8

const (
	onCrash input = iota // of the child
	onEnd
	onLeave  // and a goroutine of it is left
	onParent // the restart of the supervisor
	onStop
	onKill
	onStart
	onTerminate
	onRestart
	onDelete
)

func (in input) String() string {
	return [...]string{"crash", "end", "crash and leave", "restart of the parent by", "stop", "kill", "start", "terminate", "restart", "delete"}[in]
}

// results are those of administration calls.
const (
	ok             = "ok"
	failed         = "failed"
	notFound       = "not found"
	alreadyStarted = "already started"
	alreadyPresent = "already present"
	isRunning      = "running"
	isRestarting   = "restarting"
	notRunning     = "not running"
)

func newModel(s *setting) model {
	m := model{setting: s}
	for i := range int8(kids) {
		m.kids[i] = kid{fixed: true, state: supervisor.Stopped}
	}
	m.begin()
	return m
}

// few is a short list.
type few[T comparable] struct {
	n   int
	all [12]T
}

func fewOf[T comparable](all ...T) (f few[T]) {
	f.add(all...)
	return f
}

func (f *few[T]) list() []T { return f.all[:f.n] }

func (f *few[T]) add(all ...T) { f.n += copy(f.all[f.n:f.n+len(all)], all) }

func (f *few[T]) remove(where func(T) bool) {
	f.n = len(slices.DeleteFunc(f.list(), where))
}

func (f *few[T]) first() T {
	first := f.all[0]
	f.n = len(slices.Delete(f.list(), 0, 1))
	return first
}
