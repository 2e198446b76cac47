package mailbox

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// idler is a mailbox and a receiver that has handled a message and parked.
func idler(t *testing.T) (m *Mailbox[int], in *Receiver[int], used *box[int], woken *int) {
	t.Helper()
	m, in, woken = new(Mailbox[int]), new(Receiver[int]), new(int)
	m.Init(Options{Capacity: 2}, DeadLetters[int](func(int, *Note, Why) {}))
	m.Open()
	m.Receive(in)
	if err := m.Send(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	in.Next(0)
	in.Done()
	used = m.current.Load()
	if !in.Park(Woken(func(bool) { *woken++ })) {
		t.Fatal("does not park")
	}
	return m, in, used, woken
}

func wants(t *testing.T, what string, ok bool) {
	t.Helper()
	if !ok {
		t.Errorf("%s: want so, is not", what)
	}
}

// found gives what the receiver finds.
func found(in *Receiver[int]) (all []int) {
	in.Stop(true)
	for {
		message, got := in.Next(0)
		if got != Message {
			return all
		}
		all = append(all, message)
	}
}

// Who parks only until its first message, as after a crash, has its channel again.
func TestAParkedReceiverThatKeepsItsChannel(t *testing.T) {
	m, in, used, woken := idler(t)
	if err := m.Send(t.Context(), 2); err != nil || *woken != 1 {
		t.Fatalf("got %v, woken %d times, want nil, once", err, *woken)
	}
	in.Next(0)
	in.Done()
	in.Keeps = true
	wants(t, "parks", in.Park(Woken(func(bool) { *woken++ })))
	wants(t, "the channel stays", m.current.Load() == used && m.shed == shed[int]{} && in.box == nil)
	if err := m.Send(t.Context(), 3); err != nil || *woken != 2 {
		t.Errorf("got %v, woken %d times, want nil, twice", err, *woken)
	}
	wants(t, "it is used", m.current.Load() == used)
	if got := found(in); !slices.Equal(got, []int{3}) {
		t.Errorf("got %v, want 3", got)
	}
}

func TestAParkedReceiverKeepsNoChannel(t *testing.T) {
	m, in, used, woken := idler(t)
	runtime.KeepAlive(used)
	used = nil
	for deadline := time.Now().Add(10 * time.Second); m.shed.Value() != nil && time.Now().Before(deadline); {
		runtime.GC()
	}
	wants(t, "the channel is collected", m.peekLocked() == nil && in.box == nil && in.hands == nil)
	if err := m.Send(t.Context(), 2); err != nil || *woken != 1 {
		t.Errorf("got %v, woken %d times, want nil, once", err, *woken)
	}
	if got := found(in); !slices.Equal(got, []int{2}) {
		t.Errorf("got %v, want 2", got)
	}
	if got, want := m.Stats(), (Stats{Handled: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A sender may have found the box before it was let go, and put its message there
// after. Until then nobody else uses another one.
func TestABoxThatSomebodyHasIsTheBoxAgain(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(*testing.T, *Mailbox[int])
		want []int
	}{
		{"the late sender is first", func(*testing.T, *Mailbox[int]) {}, []int{2}},
		{"another one is first", func(t *testing.T, m *Mailbox[int]) {
			if err := m.Send(t.Context(), 3); err != nil {
				t.Error(err)
			}
		}, []int{3, 2}},
		{"somebody looks", func(_ *testing.T, m *Mailbox[int]) { m.Depth() }, []int{2}},
		{"sealed", func(_ *testing.T, m *Mailbox[int]) { m.Seal() }, []int{2}},
		{"closed", func(_ *testing.T, m *Mailbox[int]) { m.Close() }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, in, used, woken := idler(t)
			runtime.GC()
			test.do(t, m)
			runtime.GC()
			used.channel <- Envelope[int]{message: 2} // what is left of its send
			used.delivered(0)
			want := 1
			if test.want == nil {
				want = 0
				wants(t, "a dead letter", m.Stats().Dead == 1)
			}
			if *woken != want {
				t.Errorf("woken: got %d, want %d", *woken, want)
			}
			if got := found(in); !slices.Equal(got, test.want) {
				t.Errorf("found: got %v, want %v", got, test.want)
			}
		})
	}
}

// crowd is a receiver that parks whenever it finds nothing, and what it has received.
type crowd struct {
	in    *Receiver[[2]int]
	all   sync.WaitGroup
	parks atomic.Int64
	last  [8]int // of each sender
	wrong [][2]int
	total int
}

func (c *crowd) run() {
	for {
		message, got := c.in.Next(time.Nanosecond)
		switch got {
		case Message:
			if c.total++; message[1] != c.last[message[0]]+1 {
				c.wrong = append(c.wrong, message)
			}
			c.last[message[0]] = message[1]
			continue
		case Stopped:
			return
		}
		if c.in.Park(Woken(func(bool) { c.all.Go(c.run) })) {
			c.parks.Add(1)
			return
		}
	}
}

// Senders come while boxes are let go and collected: each message arrives once, and
// those of one sender in order.
func TestNothingIsLostInABoxThatIsLetGo(t *testing.T) {
	const each = 3000
	for _, capacity := range []int{1, 64} {
		m := new(Mailbox[[2]int])
		m.Init(Options{Capacity: capacity}, DeadLetters[[2]int](func(message [2]int, _ *Note, why Why) { t.Errorf("dead letter: %v, %v", message, why) }))
		m.Open()
		c := &crowd{in: new(Receiver[[2]int])}
		m.Receive(c.in)
		c.all.Go(c.run)
		var sending, collecting sync.WaitGroup
		var over atomic.Bool
		collecting.Go(func() {
			for !over.Load() {
				runtime.GC()
			}
		})
		for s := range c.last {
			sending.Go(func() {
				for n := 1; n <= each; n++ {
					if err := m.Send(t.Context(), [2]int{s, n}); err != nil {
						t.Error(err)
					}
					if n%7 == s%7 {
						runtime.Gosched()
					}
				}
			})
		}
		sending.Wait()
		over.Store(true)
		collecting.Wait()
		if c.in.Stop(true) {
			c.in.Wake(false)
		}
		c.all.Wait()
		if c.total != each*len(c.last) || c.wrong != nil {
			t.Errorf("capacity %d: got %d messages, out of order %v, want %d in order", capacity, c.total, c.wrong, each*len(c.last))
		}
		if got, want := m.Stats(), (Stats{Handled: each * uint64(len(c.last))}); got != want {
			t.Errorf("capacity %d: got %+v, want %+v", capacity, got, want)
		}
		t.Logf("capacity %d: parked %d times", capacity, c.parks.Load())
	}
}
