package actortest

import (
	"context"
	"fmt"
	"hash/fnv"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coppice-go/coppice/internal/incarnation"
	"github.com/coppice-go/coppice/supervisor"
)

// Injector makes things go wrong in children, at the occasions that its faults
// name.
//
// All methods may be called concurrently.
type Injector struct {
	seed    uint64
	faults  []Fault
	release chan struct{}
	once    sync.Once
	struck  atomic.Int64

	mu     sync.Mutex
	counts map[place]uint64
}

// place is where occasions are counted.
type place struct {
	path string
	what occasion
}

// NewInjector makes an injector of faults. If several strike the same occasion,
// the first in the list does. seed is for their rates: 0 means that of the
// environment variable ACTORTEST_SEED, or a new one. If t fails, the seed is
// logged.
//
// If at the end of t no fault has struck, t has proved nothing: it fails, and says
// why. That is only logged if it is a matter of chance: if a rate had occasions, and
// struck none of them. Ask for [Injector.Count] if that must not be.
//
// In a bubble t is the bubble's; its end calls [Injector.Release].
func NewInjector(t testing.TB, seed uint64, faults ...Fault) *Injector {
	t.Helper()
	for i, f := range faults {
		if err := f.check(); err != nil {
			t.Fatalf("fault %d: %v", i+1, err)
		}
	}
	in := newInjector(seedFor(t, seed), faults)
	t.Cleanup(in.Release)
	t.Cleanup(func() { in.tell(t) })
	return in
}

func newInjector(seed uint64, faults []Fault) *Injector {
	return &Injector{seed: seed, faults: faults, release: make(chan struct{}), counts: make(map[place]uint64)}
}

// Child puts the faults around a child. Those of messages strike an actor or
// server, or if the child is a supervisor every one below it, also those that
// come later; those of starts and stops the child itself.
//
// The root of a tree has nobody above to give the child to: put another supervisor
// there, supervisor.New("test", policy, in.Child(tree)). Paths then begin with
// test/.
//
// A supervisor looks after the child that is given back as after the one inside:
// names, checks, shutdown times and snapshots stay as they are. Of a [supervisor.Spec]
// all fields are kept. A nil child stays nil, which the supervisor refuses.
func (in *Injector) Child(child supervisor.Child) supervisor.Child {
	return rewrap(child, func(inner supervisor.Child) supervisor.Child {
		return &injected{incarnation.Wrap(inner), inner, in}
	})
}

// rewrap wraps the child inside of a spec.
func rewrap(child supervisor.Child, wrap func(supervisor.Child) supervisor.Child) supervisor.Child {
	switch c := child.(type) {
	case nil, *supervisor.Spec: // the supervisor tells what is wrong with it
		return child
	case supervisor.Spec:
		if c.Child != nil {
			c.Child = wrap(c.Child)
		}
		return c
	}
	return wrap(child)
}

// Release ends all that hangs or is slow, for good: what would hang later is an
// error at once. It may be called again.
func (in *Injector) Release() { in.once.Do(func() { close(in.release) }) }

// Count is how many faults have struck. A test in which none has proves nothing,
// which [NewInjector] tells.
func (in *Injector) Count() int { return int(in.struck.Load()) }

// tell tells t at its end if no fault has struck.
func (in *Injector) tell(t testing.TB) {
	t.Helper()
	if in.Count() > 0 || len(in.faults) == 0 || t.Skipped() {
		return
	}
	why, byChance := in.missed()
	tell := t.Errorf
	if byChance || t.Failed() {
		tell = t.Logf
	}
	tell("the injector never struck: %s", why)
}

// missed says of each fault what it would have needed, and whether one of them had
// just no luck.
func (in *Injector) missed() (text string, byChance bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	var lines []string
	for _, f := range in.faults {
		var all, most uint64 // occasions of all children, and of one
		for at, n := range in.counts {
			if at.what == f.Kind.occasion() {
				all, most = all+n, max(most, n)
			}
		}
		why := fmt.Sprintf("there was no %v", f.Kind.occasion())
		switch {
		case all > 0 && f.At > 0:
			why = fmt.Sprintf("no child had more than %d", most)
		case all > 0:
			why, byChance = fmt.Sprintf("there were only %d", all), true
		}
		lines = append(lines, fmt.Sprintf("%v (%s)", f, why))
	}
	return strings.Join(lines, ", "), byChance
}

// strike says which fault an occasion gets, if any, and names the occasion.
func (in *Injector) strike(c *incarnation.Cell, what occasion) (f Fault, at string) {
	path := c.Scope().Path()
	in.mu.Lock()
	in.counts[place{path, what}]++
	n := in.counts[place{path, what}]
	in.mu.Unlock()
	for i, f := range in.faults {
		if f.Kind.occasion() == what && (uint64(f.At) == n || f.At == 0 && in.chance(i, path, what, n) < f.Rate) {
			in.struck.Add(1)
			return f, fmt.Sprintf("%v %d of %s", what, n, path)
		}
	}
	return Fault{}, ""
}

// chance is a number from 0 to just below 1 that only depends on the arguments and
// the seed.
func (in *Injector) chance(fault int, path string, what occasion, n uint64) float64 {
	h := fnv.New64a()
	fmt.Fprint(h, in.seed, fault, path, what, n)
	// The last bytes have hardly reached the upper bits: mix once more, as
	// splitmix64 does.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}

// message strikes before the handler of a message.
func (in *Injector) message(c *incarnation.Cell, m any) error {
	f, at := in.strike(c, message)
	if f.Kind == 0 {
		return nil
	}
	err := &injectedError{f.Kind, fmt.Sprintf("%s (%T)", at, m)}
	switch f.Kind {
	case Panic:
		panic(err)
	case Goexit:
		runtime.Goexit()
	case Hang:
		<-in.release
	case SlowMessage:
		in.linger(f, c.Work().Done())
		return nil
	}
	return err
}

// linger is the time that something slow takes, unless it is cut short.
func (in *Injector) linger(f Fault, short <-chan struct{}) {
	d := f.For
	if d == 0 {
		d = time.Second
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-short:
	case <-in.release:
	}
}

// injected is a child in which things go wrong.
type injected struct {
	incarnation.Wrapper
	child supervisor.Child
	in    *Injector
}

// Name is the name of the child inside.
func (i *injected) Name() string { return i.child.Name() }

// Start is that of the child inside, with the faults around it.
func (i *injected) Start(ctx context.Context) (func() error, error) {
	cell := incarnation.From(ctx)
	if cell == nil {
		return i.child.Start(ctx) // by nobody who would look after a crash
	}
	around := cell.Interceptor()
	cell.Intercept(func(c *incarnation.Cell, m any) error {
		if around != nil {
			if err := around(c, m); err != nil {
				return err
			}
		}
		return i.in.message(c, m)
	})
	switch f, at := i.in.strike(cell, start); f.Kind {
	case FailStart:
		return nil, &injectedError{f.Kind, at}
	case SlowStart:
		i.in.linger(f, nil)
	}
	run, err := i.child.Start(ctx)
	if run == nil || err != nil {
		return run, err
	}
	return func() error {
		err := run()
		if cell.Err() != nil && !parks(err) {
			if f, _ := i.in.strike(cell, stop); f.Kind == SlowStop {
				i.in.linger(f, nil)
			}
		}
		return err
	}, nil
}

// parks says whether what a run function has returned only gives its goroutine
// back for a while.
func parks(err error) bool {
	_, ok := err.(incarnation.Parker)
	return ok
}
