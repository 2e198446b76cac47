package mailbox_test

import (
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing/synctest"

	"github.com/coppice-go/coppice/internal/testhelp"
	"github.com/coppice-go/coppice/mailbox"
)

// rig is a real mailbox beside what the model knows of it.
type rig struct {
	box     *mailbox.Mailbox[int]
	retries int8 // of each message
	ends    []*owner
	calls   map[int8]caller // that have not come back
	last    int8
	story   []string // the calls so far
	sent    int8
	boxes   int
	opened  bool
	states  map[model]bool
	hangUp  map[int8]context.CancelFunc // of the senders that have not come back
	calling []func()                    // that are to begin together
	log     log

	mu      sync.Mutex
	results map[int8]result
	fates   [64]mailbox.Why
	woken   int8
	here    int8
}

// owner is a receiver and what its goroutine is about.
type owner struct {
	in      *mailbox.Receiver[int]
	inbox   *mailbox.Inbox[int]
	loop    bool // of the user's, with an inbox
	call    int8 // that has not come back; 0 for none
	hand    bool
	holding int8 // what it was given last
	told    bool // that it is to stop
	ending  bool // it crashes or ends, or is about to
	over    bool // it has crashed or ended
	frozen  bool
	asleep  bool

	taken    bool // it has an envelope that it has not opened yet
	envelope mailbox.Envelope[int]
}

func newRig(options mailbox.Options, retries int) *rig {
	r := &rig{retries: int8(retries), results: make(map[int8]result), hangUp: make(map[int8]context.CancelFunc), calls: make(map[int8]caller), log: log{at: 1}}
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

// control is one of the things that whoever looks after the mailbox may do now. What
// comes first is drawn most.
func (r *rig) control(choice int) act {
	may := []act{doOpen, doOpen, doCloseBox, doRenew}
	switch {
	case r.live():
		may = []act{doControl, doControl, doControl, doControl, doControl, doControl, doControl, doControl, doControl, doControl, doFreeze, doStop, doSeal, doStop, doFreeze}
	case r.opened:
		may = []act{doReceive, doReceive, doReceive, doReceive, doReceive, doReceive, doCloseBox, doRenew}
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

// may is one of the things that the goroutine of a receiver may do now.
func (o *owner) may(choice int) act {
	var may []act
	switch {
	case o.taken:
		may = []act{doBegin, doBegin, doBegin, doDone, doBegin, doCrash}
	case o.told:
		may = []act{doEnd, doEnd, doDone, doCrash}
	case o.loop && o.hand:
		may = []act{doTake, doCrash, doTake, doRest, doDone, doTake, doCopy, doEnd}
	case o.loop:
		may = []act{doTake, doTake, doRest, doTake, doCopy, doEnd, doCrash}
	case o.hand:
		may = []act{doNext, doCrash, doServe, doDone, doSkip, doNext, doServe, doCrash, doEnd}
	default:
		may = []act{doNext, doServe, doPark, doNext, doServe, doEnd, doCrash}
	}
	return may[choice%len(may)]
}

// do begins a call, unless its contract does not allow it now.
func (r *rig) do(c caller) {
	if c.what == doControl {
		c.what = r.control(int(c.message))
	}
	c.end = int8(len(r.ends) - 1)
	var o *owner
	switch c.what {
	case doOwner, doStop, doFreeze:
		if c.end < 0 {
			return
		}
		if o = r.ends[c.end]; c.what == doOwner && o.frozen && c.end > 0 && c.drain {
			c.end--
			o = r.ends[c.end]
		}
	}
	switch c.what {
	case doControl:
		return
	case doOwner:
		if o.call != 0 || o.over || o.asleep {
			return
		}
		c.what, c.message = o.may(int(c.message)), r.retries
		if c.what == doPark && o.frozen {
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
		if r.sent+c.size >= 64 || len(r.hangUp) > 2 {
			return
		}
		c.message = r.sent + 1
		r.sent += c.size
		r.log.sent(c.message, c.size)
	}
	r.last++
	c.id = r.last
	r.calls[c.id] = c
	r.story = append(r.story, c.String())
	r.states = testhelp.Each(r.states, func(m *model) { m.callers.add(c) })
	r.begin(c, o)
}

func (r *rig) begin(c caller, o *owner) {
	if c.what >= doNext && c.what <= doBegin {
		o.call = c.id
	}
	run := func(call func() result) {
		r.calling = append(r.calling, func() {
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
		run(func() result { return result{text: r.send(ctx, int(c.message), int(c.size))} })
	case doHangUp:
		act(r.hangUp[c.message])
	case doNext:
		run(func() result {
			message, got := o.in.Next(0)
			return given(gots[got], message)
		})
	case doServe:
		run(func() result {
			var served []int
			got, _ := o.in.Serve(context.Background(), 0, func(_ context.Context, message int) error {
				if served = append(served, message); len(served) < int(c.size) {
					return nil
				}
				return io.EOF
			})
			return given(gots[got], served...)
		})
	case doRest:
		run(func() result {
			for message := range o.inbox.Rest() {
				return given("message", message)
			}
			return given("stopped")
		})
	case doTake, doCopy:
		o.taken = true
		run(func() result {
			from := o.inbox.C
			if c.what == doCopy {
				from = o.in.Channel()
			}
			select {
			case o.envelope = <-from:
				return given("taken")
			default:
				return given("none")
			}
		})
	case doBegin:
		o.taken = false
		run(func() result {
			if message, ok := o.inbox.Open(o.envelope); ok {
				return given("message", message)
			}
			return given("none")
		})
	case doDone:
		o.hand = false
		act(o.in.Done)
	case doSkip:
		o.hand = false
		act(func() { o.in.Skip(mailbox.CallerGone) })
	case doCrash:
		o.ending = true
		run(func() result {
			message, _ := o.in.Crash(int(c.message))
			return given("ok", message)
		})
	case doEnd:
		o.ending = true
		act(o.in.End)
	case doPark:
		o.asleep = true
		run(func() result {
			if o.in.Park(mailbox.Woken(func(here bool) { r.wake(o, here) })) {
				return result{text: "parked"}
			}
			r.mu.Lock()
			o.asleep = false
			r.mu.Unlock()
			return result{text: "busy"}
		})
	case doStop:
		act(func() {
			if o.in.Stop(c.drain) {
				o.in.Wake(c.here)
			}
		})
	case doFreeze:
		o.frozen = true
		run(func() result {
			message, _ := o.in.Freeze()
			return given("ok", message)
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
		o := &owner{loop: c.drain}
		r.ends = append(r.ends, o)
		act(func() {
			if !o.loop {
				o.in = r.box.Prepare()
				return
			}
			o.in = r.box.Incarnate(false)
			o.inbox = o.in.Inbox()
		})
	}
}

// together begins these calls at the same moment, or nearly so: each time
// they meet in other places.
func (r *rig) together() {
	var ready atomic.Int32
	for _, call := range r.calling {
		go func() {
			for ready.Add(1); int(ready.Load()) < len(r.calling); {
				runtime.Gosched()
			}
			for range rand.IntN(200) {
				ready.Load()
			}
			call()
		}()
	}
	synctest.Wait()
	r.calling = nil
}

func (r *rig) wake(o *owner, here bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.woken++
	if here {
		r.here++
	}
	o.asleep = false
}

// send sends so many messages that have numbers from this one on.
func (r *rig) send(ctx context.Context, message, size int) string {
	batch := make([]int, size)
	for at := range batch {
		batch[at] = message + at
	}
	switch err := r.box.SendAll(ctx, batch, nil); err {
	case nil:
		return "ok"
	case mailbox.ErrClosed:
		return "closed"
	case mailbox.ErrFull:
		return "full"
	}
	return "ctx"
}

var gots = [...]string{mailbox.Message: "message", mailbox.Stopped: "stopped", mailbox.Idle: "idle"}

// given is the result of a call that has given some messages.
func given(text string, messages ...int) result {
	r := result{text: text}
	for _, message := range messages {
		r.messages[0], r.messages[1], r.messages[2] = int8(message), r.messages[0], r.messages[1]
	}
	return r
}
