package mailbox_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"

	"github.com/coppice-go/coppice/mailbox"
)

// rig is a real mailbox beside what the model knows of it.
type rig struct {
	box    *mailbox.Mailbox[int]
	ends   []*owner
	calls  int8
	sent   int8
	boxes  int
	opened bool
	states map[model]bool
	hangUp map[int8]context.CancelFunc // of the senders that have not come back
	batch  []func()                    // that are to begin together

	mu      sync.Mutex
	results map[int8]result
	fates   [64]mailbox.Why
	woken   int8
}

// owner is a receiver and what its goroutine is about.
type owner struct {
	in      *mailbox.Receiver[int]
	call    int8 // that has not come back; 0 for none
	hand    bool
	crashed bool // or it is about to
	over    bool // it has crashed
	frozen  bool
	asleep  bool

	loops    bool // it receives from C, as a loop does, which does not park
	parks    bool
	taken    bool // it has an envelope that it has not opened yet
	envelope mailbox.Envelope[int]
}

func newRig(options mailbox.Options) *rig {
	r := &rig{results: make(map[int8]result), hangUp: make(map[int8]context.CancelFunc)}
	r.box = mailbox.New(options, mailbox.DeadLetters[int](func(message int, _ *mailbox.Note, why mailbox.Why) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.fates[message] != 0 {
			why = 100 // twice
		}
		r.fates[message] = why + 1
	}))
	r.states = map[model]bool{{Options: &options, current: -1}: true}
	return r
}

// live says whether somebody may receive, so that the mailbox is not to be closed
// or renewed.
func (r *rig) live() bool {
	return slices.ContainsFunc(r.ends, func(o *owner) bool { return !o.over && !o.frozen })
}

// control is one of the things that whoever looks after the mailbox may do now.
func (r *rig) control(choice int) act {
	may := []act{doOpen, doOpen, doCloseBox, doRenew}
	switch {
	case r.live():
		may = []act{doFreeze, doFreeze, doStop, doStop, doSeal}
	case r.opened:
		may = []act{doReceive, doReceive, doReceive, doCloseBox, doRenew}
	}
	what := may[choice%len(may)]
	switch what {
	case doOpen:
		r.opened = true
	case doSeal, doCloseBox:
		r.opened = false
	}
	return what
}

// do begins a call, unless its contract does not allow it now.
func (r *rig) do(c caller) {
	if len(r.ends) == 0 && c.what >= doNext && c.what <= doFreeze {
		return
	}
	if c.what == doControl {
		c.what = r.control(int(c.message))
	}
	c.end = int8(len(r.ends) - 1)
	var o *owner
	if c.what >= doNext && c.what <= doFreeze {
		if c.what == doNext && c.drain && c.end > 0 {
			c.end-- // one that was abandoned goes on
		}
		o = r.ends[c.end]
	}
	switch c.what {
	case doNext, doDone, doSkip, doCrash, doPark, doTake, doBegin:
		if o.call != 0 || o.over || o.asleep || c.what == doTake && o.taken || c.what == doBegin && !o.taken || c.what == doPark && (o.hand || o.frozen || o.loops) || c.what == doTake && o.parks {
			return
		}
	case doFreeze:
		if o.over {
			return
		}
	case doCloseBox, doOpen, doRenew, doReceive:
		if r.live() || r.boxes == 0 && c.what != doOpen || len(r.ends)+r.boxes > 9 && c.what != doCloseBox {
			return
		}
	case doHangUp:
		if len(r.hangUp) == 0 {
			return
		}
		c.message = slices.Min(slices.Collect(maps.Keys(r.hangUp)))
	case doSend:
		if r.sent++; r.sent >= 64 || len(r.hangUp) > 3 {
			return
		}
		c.message = r.sent
	}
	r.calls++
	c.id = r.calls
	r.states = change(r.states, func(m *model) { m.callers.add(c) })
	r.begin(c, o)
}

func (r *rig) begin(c caller, o *owner) {
	run := func(call func() result) {
		r.batch = append(r.batch, func() {
			result := call()
			r.mu.Lock()
			r.results[c.id] = result
			r.mu.Unlock()
		})
	}
	act := func(call func()) { run(func() result { call(); return result{text: "ok"} }) }
	switch c.what {
	case doSend:
		ctx, cancel := context.WithCancel(context.Background())
		r.hangUp[c.id] = cancel
		if c.ctxDead {
			cancel()
		}
		run(func() result { return result{text: r.send(ctx, int(c.message))} })
	case doHangUp:
		act(r.hangUp[c.message])
	case doNext:
		o.call = c.id
		run(func() result {
			message, got := o.in.Next(0)
			return result{[...]string{mailbox.Message: "message", mailbox.Stopped: "stopped", mailbox.Idle: "idle"}[got], int8(message)}
		})
	case doTake:
		o.call, o.taken, o.loops = c.id, true, true
		run(func() result {
			select {
			case o.envelope = <-o.in.C():
				return result{text: "taken"}
			default:
				return result{text: "none"}
			}
		})
	case doBegin:
		o.call, o.taken = c.id, false
		run(func() result {
			if message, ok := o.in.Open(o.envelope); ok {
				return result{"message", int8(message)}
			}
			return result{text: "none"}
		})
	case doDone:
		o.hand = false
		o.call = c.id
		act(o.in.Done)
	case doSkip:
		o.hand = false
		o.call = c.id
		act(func() { o.in.Skip(mailbox.CallerGone) })
	case doCrash:
		o.call, o.crashed = c.id, true
		run(func() result {
			message, _ := o.in.Crash(int(c.message))
			return result{"ok", int8(message)}
		})
	case doPark:
		o.call, o.asleep, o.parks = c.id, true, true
		run(func() result {
			if o.in.Park(mailbox.Woken(func(bool) { r.wake(o) })) {
				return result{text: "parked"}
			}
			r.mu.Lock()
			o.asleep = false
			r.mu.Unlock()
			return result{text: "busy"}
		})
	case doStop:
		act(func() { o.in.StopAndWake(c.drain) })
	case doFreeze:
		o.frozen = true
		run(func() result {
			message, _ := o.in.Freeze()
			return result{"ok", int8(message)}
		})
	case doSeal:
		act(r.box.Seal)
	case doCloseBox:
		act(r.box.Close)
	case doOpen:
		r.boxes++
		act(r.box.Open)
	case doRenew:
		r.boxes++
		act(r.box.Renew)
	case doReceive:
		o := new(owner)
		r.ends = append(r.ends, o)
		act(func() { o.in = r.box.Incarnate(true) })
	}
}

// together begins the calls of a batch at the same moment, or nearly so: each time
// they meet in other places.
func (r *rig) together() {
	var ready atomic.Int32
	for _, call := range r.batch {
		go func() {
			for ready.Add(1); int(ready.Load()) < len(r.batch); {
				runtime.Gosched()
			}
			for range rand.IntN(200) {
				ready.Load()
			}
			call()
		}()
	}
	synctest.Wait()
	r.batch = nil
}

func (r *rig) wake(o *owner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.woken++
	o.asleep = false
}

func (r *rig) send(ctx context.Context, message int) string {
	switch err := r.box.Send(ctx, message, nil); err {
	case nil:
		return "ok"
	case mailbox.ErrClosed:
		return "closed"
	case mailbox.ErrFull:
		return "full"
	}
	return "ctx"
}

func change(states map[model]bool, how func(*model)) map[model]bool {
	changed := make(map[model]bool)
	for m := range states {
		how(&m)
		changed[m] = true
	}
	return changed
}

// explore lets every state that is possible go on until all callers have come back
// or wait.
func explore(from map[model]bool) map[model]bool {
	seen, quiet := maps.Clone(from), make(map[model]bool)
	todo := slices.Collect(maps.Keys(from))
	for len(todo) > 0 {
		m := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		next := m.steps()
		if len(next) == 0 {
			quiet[m] = true
		}
		for _, n := range next {
			if !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		}
	}
	return quiet
}

// seen is what can be seen of a mailbox at a quiet moment.
type seen struct {
	stats mailbox.Stats
	fates [64]mailbox.Why
	woken int8
}

func (m *model) look() seen {
	s := seen{fates: m.fates, woken: m.woken}
	s.stats.Handled = uint64(m.handled)
	for _, why := range m.fates {
		if why != 0 {
			s.stats.Dead++
		}
	}
	var held uint64
	if m.held.message != 0 {
		held = 1
	}
	s.stats.Waiting = held
	if m.current >= 0 {
		for _, l := range m.boxes.all[m.current].letters.list() {
			if l.message != 0 {
				s.stats.Waiting++
			}
		}
	}
	for _, e := range m.ends.list() { // a poke counts as there until it is opened
		if e.poked && e.box == m.current && s.stats.Waiting > held {
			s.stats.Waiting--
		}
	}
	if m.ends.n > 0 && m.ends.all[m.ends.n-1].hand.message != 0 {
		s.stats.InHand = 1
	}
	return s
}

// check compares what is seen with what may be.
func (r *rig) check() (fault string) {
	r.together()
	possible := explore(r.states)
	r.mu.Lock()
	results := maps.Clone(r.results)
	got := seen{fates: r.fates, woken: r.woken}
	r.mu.Unlock()
	got.stats = r.box.Stats()
	r.states = make(map[model]bool)
	for m := range possible {
		agrees := m.look() == got
		for _, c := range m.callers.list() {
			agrees = agrees && results[c.id] == c.result
		}
		if agrees {
			m.callers.remove(func(c caller) bool { return c.result.text != "" })
			r.states[m] = true
		}
	}
	for id := range results {
		delete(r.hangUp, id)
	}
	for _, o := range r.ends {
		if result, ok := results[o.call]; ok {
			o.call, o.over = 0, o.crashed
			o.hand = o.hand || result.text == "message"
			o.taken = o.taken && result.text != "none"
		}
	}
	if len(r.states) > 0 {
		return ""
	}
	wants := make(map[string]bool)
	for m := range possible {
		want := "want " + m.look().String()
		for _, c := range m.callers.list() {
			want += fmt.Sprintf(" %d:%v", c.id, c.result)
		}
		wants[want] = true
	}
	return fmt.Sprintf(" got %v %v\n%s", got, results, strings.Join(slices.Sorted(maps.Keys(wants)), "\n"))
}

func (s seen) String() string {
	text := fmt.Sprintf("%+v woken %d, dead", s.stats, s.woken)
	for message, why := range s.fates {
		if why != 0 {
			text += fmt.Sprintf(" %d: %v", message, why-1)
		}
	}
	return text
}

func (c caller) String() string {
	return fmt.Sprintf("%s(%d %v)", [...]string{"send", "next", "done", "skip", "crash", "park", "take", "begin", "stop", "freeze", "seal", "close", "open", "renew", "receive", "hang up", "control"}[c.what], c.message, c.drain)
}
