package actor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/mailbox"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// errand is what a handler does: it works for a while, goes on errands to other
// servers, one after the other, and ends in some way.
type errand struct {
	to     int
	beside string // the goroutine that calls: "" is the own one, else one of besides
	works  time.Duration
	then   []errand
	ends   string
}

func drawErrand(t *rapid.T, servers, depth int) errand {
	e := errand{
		to:     rapid.IntRange(0, servers-1).Draw(t, "to"),
		beside: rapid.SampledFrom([]string{"", "", "", "go", "supervisor.Go", "supervisor.Go with the handler's ctx"}).Draw(t, "beside"),
		works:  time.Duration(rapid.IntRange(0, 2).Draw(t, "works")) * time.Millisecond,
		ends:   rapid.SampledFrom([]string{"answers", "answers", "answers", "fails", "defers", "crashes"}).Draw(t, "ends"),
	}
	if depth > 0 {
		for range rapid.IntRange(0, 2).Draw(t, "errands") {
			e.then = append(e.then, drawErrand(t, servers, depth-1))
		}
	}
	return e
}

// waited is a call of a server's own goroutine, from before it began until after
// it could not close a cycle any more, by the clock of the town.
type waited struct {
	from, to   string
	begin, end int
}

// town is some servers that go on errands to each other, and what is known about
// that without looking at what Call says.
type town struct {
	servers []*actor.Server[state]

	mu     sync.Mutex
	clock  int
	waits  []*waited
	cycles []refusal
	faults []string
	open   int // calls that have no outcome yet
}

type refusal struct {
	wait *waited
	path []string
}

func (w *town) locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock++
	f()
}

func (w *town) fault(format string, args ...any) {
	w.locked(func() { w.faults = append(w.faults, fmt.Sprintf(format, args...)) })
}

// call goes on an errand. from is nil if it is not a server's own goroutine that
// does so.
func (w *town) call(ctx context.Context, from *actor.Server[state], e errand) {
	to := w.servers[e.to]
	wait := new(waited)
	w.locked(func() {
		w.open++
		if from != nil {
			*wait = waited{from: from.Path(), to: to.Path(), begin: w.clock}
			w.waits = append(w.waits, wait)
		}
	})
	_, err := actor.Call(ctx, to, w.do(e, wait))
	w.over(wait)
	var send *actor.SendError
	w.locked(func() {
		w.open--
		switch {
		case err == nil, err == errBad, errors.Is(err, actor.ErrEnded), errors.Is(err, context.Canceled): // with a goroutine that outlived its message
		case from != nil && errors.Is(err, actor.ErrCallCycle) && errors.As(err, &send):
			w.cycles = append(w.cycles, refusal{wait, send.Cycle})
		default:
			w.faults = append(w.faults, fmt.Sprintf("call of %v: got %v", to, err))
		}
	})
}

// over says that the call is answered, or will not be by its handler.
func (w *town) over(wait *waited) {
	w.locked(func() {
		if wait.end == 0 {
			wait.end = w.clock
		}
	})
}

func (w *town) do(e errand, wait *waited) do {
	return func(ctx context.Context, _ *state) (int, error) {
		self := w.servers[e.to]
		defer w.over(wait)
		time.Sleep(e.works)
		for _, next := range e.then {
			if next.beside == "" {
				w.call(ctx, self, next)
				continue
			}
			if err := besides[next.beside](ctx, func(ctx context.Context) { w.call(ctx, nil, next) }); err != nil {
				w.fault("%s: %v", next.beside, err)
			}
		}
		switch e.ends {
		case "fails":
			return 0, errBad
		case "crashes":
			panic("boom")
		case "defers":
			w.over(wait)
			reply, err := actor.Defer[int](ctx)
			time.AfterFunc(e.works, func() { reply.Give(1, err) })
		}
		return 1, nil
	}
}

// real says whether there was a moment in which each on the way waited for the
// next one.
func (w *town) real(r refusal) bool {
	steps := make([][]*waited, len(r.path)-1)
	var moments []int
	for i := range steps {
		for _, wait := range w.waits {
			if wait.from == r.path[i] && wait.to == r.path[i+1] {
				steps[i] = append(steps[i], wait)
				moments = append(moments, wait.begin)
			}
		}
	}
	steps[0] = []*waited{r.wait}
	for _, moment := range moments {
		all := true
		for _, step := range steps {
			one := false
			for _, wait := range step {
				one = one || wait.begin <= moment && moment <= wait.end
			}
			all = all && one
		}
		if all {
			return r.path[0] == r.wait.from && r.path[len(r.path)-1] == r.wait.from
		}
	}
	return false
}

// Whatever servers call each other, no call waits for ever, and none is refused
// unless there is a cycle.
func TestNoCallWaitsForItselfAndNoneIsRefusedWithoutNeed(t *testing.T) {
	refused, calls := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		servers := rapid.IntRange(1, 6).Draw(r, "servers")
		capacity := rapid.SampledFrom([]int{0, 1, mailbox.Unbuffered}).Draw(r, "capacity")
		errands := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) errand { return drawErrand(r, servers, 3) }), 1, 5).Draw(r, "errands")
		var w town
		synctest.Test(t, func(t *testing.T) { w.run(t, servers, capacity, errands) })
		for _, c := range w.cycles {
			if !w.real(c) {
				w.fault("refused without need: %v", c.path)
			}
		}
		if len(w.faults) > 0 {
			r.Fatal(strings.Join(w.faults, "\n"))
		}
		refused += len(w.cycles)
		calls += len(w.waits)
	})
	t.Logf("%d calls of servers, %d refused", calls, refused)
	if refused == 0 {
		t.Error("refused: got none, want some")
	}
}

func (w *town) run(t *testing.T, servers, capacity int, errands []errand) {
	var children []supervisor.Child
	for i := range servers {
		w.servers = append(w.servers, actor.NewServer(fmt.Sprint("s", i), openState, actor.ServerOptions[state]{
			Options: actor.Options{Mailbox: mailbox.Options{Capacity: capacity}},
		}))
		children = append(children, w.servers[i])
	}
	tree := supervisor.New("town", supervisor.Policy{Restarts: strategy.Unlimited, Tracing: quiet()}, children...)
	if _, err := tree.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, e := range errands {
		go w.call(context.Background(), nil, e)
	}
	time.Sleep(time.Hour)
	synctest.Wait()
	w.locked(func() {
		if w.open > 0 {
			w.faults = append(w.faults, fmt.Sprintf("calls without an outcome: %d", w.open))
		}
	})
	if err := tree.Stop(context.Background()); err != nil {
		w.fault("Stop: %v", err)
	}
}
