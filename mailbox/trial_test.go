package mailbox_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coppice-go/coppice/mailbox"
)

const (
	senders = 8
	each    = 4 // messages of each sender
	total   = senders * each
)

// trial is one mailbox with senders around it. It keeps its own books: what the
// senders were promised, what the lives have begun, what came as a dead letter.
// Message n is the (n%each)th of sender n/each.
type trial struct {
	t       *testing.T
	box     *mailbox.Mailbox[int]
	options mailbox.Options
	round   int

	sending  sync.WaitGroup
	hangUp   context.CancelFunc // ends the context of the last sender
	refused  [senders]error     // one of the errors of each
	sealing  atomic.Bool
	accepted [total]bool // each written by one sender
	early    [total]bool // accepted before the seal began

	dead  [total]atomic.Int32
	whys  [total]mailbox.Why
	lives []*life
	begun [total]int // less those that were taken back by a crash or a freeze
	over  chan struct{}
}

func newTrial(t *testing.T, options mailbox.Options, round int) *trial {
	tr := &trial{t: t, options: options, round: round, over: make(chan struct{})}
	tr.box = mailbox.New(options, mailbox.DeadLetters[int](func(message int, _ *mailbox.Note, why mailbox.Why) {
		if tr.dead[message].Add(1) == 1 {
			tr.whys[message] = why
		}
	}))
	tr.box.Open()
	last, cancel := context.WithCancel(t.Context())
	tr.hangUp = cancel
	for sender := range senders {
		ctx := t.Context()
		if sender == senders-1 {
			ctx = last
		}
		tr.sending.Go(func() { tr.send(ctx, sender) })
	}
	return tr
}

// send sends one by one, in batches, or now this and now that.
func (tr *trial) send(ctx context.Context, sender int) {
	for message := sender * each; message < (sender+1)*each; {
		batch := []int{message}
		for rand.IntN(3) < tr.round%3 && len(batch) < (sender+1)*each-message {
			batch = append(batch, message+len(batch))
		}
		message += len(batch)
		var err error
		if len(batch) == 1 {
			err = tr.box.Send(ctx, batch[0])
		} else {
			err = tr.box.SendAll(ctx, batch, nil)
		}
		if err != nil {
			tr.refused[sender] = err
			continue
		}
		early := !tr.sealing.Load()
		for at := message - len(batch); at < message; at++ {
			tr.accepted[at], tr.early[at] = true, early
		}
	}
}

// pause lets the others do something.
func (tr *trial) pause() {
	for range rand.IntN(8) {
		runtime.Gosched()
	}
	if rand.IntN(4) == 0 {
		tr.hangUp()
	}
}

func (tr *trial) seal() {
	tr.sealing.Store(true)
	tr.box.Seal()
}

// life is one incarnation.
type life struct {
	in      *mailbox.Receiver[int]
	begun   []int
	crashed bool
	done    chan struct{}
}

func (tr *trial) live(pokes bool, serve func(*life)) *life {
	l := &life{in: tr.box.Incarnate(pokes), done: make(chan struct{})}
	tr.lives = append(tr.lives, l)
	go func() {
		defer close(l.done)
		serve(l)
		l.in.End()
	}()
	return l
}

// nexts is a life that waits in Next.
func (tr *trial) nexts() *life {
	return tr.live(true, func(l *life) {
		for {
			message, got := l.in.Next(0)
			if got != mailbox.Message {
				return
			}
			l.begun = append(l.begun, message)
		}
	})
}

// serves is a life that is handed its messages.
func (tr *trial) serves() *life {
	return tr.live(true, func(l *life) {
		_, _ = l.in.Serve(context.Background(), 0, func(_ context.Context, message int) error {
			l.begun = append(l.begun, message)
			return nil
		})
	})
}

// parks is a life that gives its goroutine back whenever it can.
func (tr *trial) parks() *life {
	if tr.options.Capacity == mailbox.Unbuffered { // it never can
		return tr.serves()
	}
	l := &life{in: tr.box.Prepare(), done: make(chan struct{})}
	tr.lives = append(tr.lives, l)
	go l.park()
	return l
}

func (l *life) park() {
	for !l.in.Park(mailbox.Woken(func(bool) { go l.park() })) {
		got, _ := l.in.Serve(context.Background(), time.Nanosecond, func(_ context.Context, message int) error {
			l.begun = append(l.begun, message)
			return nil
		})
		if got == mailbox.Stopped {
			l.in.End()
			close(l.done)
			return
		}
	}
}

// selects is a life that selects on C and does not care whether it has been
// abandoned.
func (tr *trial) selects() *life {
	return tr.live(false, func(l *life) {
		for {
			select {
			case e := <-l.in.C():
				if message, ok := l.in.Open(e); ok {
					l.begun = append(l.begun, message)
				}
			case _, open := <-tr.over:
				if open { // it leaves what waits
					return
				}
				for message := range l.in.Rest() {
					l.begun = append(l.begun, message)
				}
				return
			}
		}
	})
}

// crashes is a life that crashes at every third message, and the first time at
// every fifth.
func (tr *trial) crashes(retries int) *life {
	return tr.live(true, func(l *life) {
		_, err := l.in.Serve(context.Background(), 0, func(_ context.Context, message int) error {
			l.begun = append(l.begun, message)
			note := l.in.Note()
			if again := note != nil && note.Crashes > 0; message%3 == 0 || message%5 == 0 && !again {
				return errors.New("as told")
			}
			return nil
		})
		if l.crashed = err != nil; l.crashed {
			message, _ := l.in.Crash(retries)
			tr.begun[message]--
		}
	})
}

// abandon gives a life up as an actor does.
func (tr *trial) abandon(l *life) {
	if message, inHand := l.in.Freeze(); inHand {
		tr.begun[message]--
	}
}

// restartByHand closes and opens the mailbox between lives that begin so, without a
// drain and with one.
func (tr *trial) restartByHand(begin func() *life) {
	for drain := range 2 {
		l := begin()
		tr.pause()
		tr.box.Seal()
		l.in.StopAndWake(drain == 1)
		<-l.done
		tr.box.Close()
		tr.box.Open()
	}
	tr.end(begin())
}

// abandonTwice abandons two lives that begin so, and ends with another.
func (tr *trial) abandonTwice(begin, last func() *life) {
	for range 2 {
		l := begin()
		tr.pause()
		tr.abandon(l)
	}
	tr.end(last())
}

// end waits for the senders, drains and closes.
func (tr *trial) end(l *life) {
	tr.sending.Wait()
	l.in.StopAndWake(true)
	close(tr.over)
	<-l.done
	tr.box.Close()
}

// reckon compares what the senders were promised with what has become of it.
func (tr *trial) reckon() {
	t := tr.t
	tr.hangUp()
	tr.sending.Wait()
	for _, l := range tr.lives {
		<-l.done
	}
	var last [senders]int
	for _, l := range tr.lives {
		for _, message := range l.begun {
			tr.begun[message]++
			sender, n := message/each, message%each+1
			if n < last[sender] {
				t.Errorf("order of sender %d: got message %d after %d", sender, n, last[sender])
			}
			last[sender] = n
		}
	}
	handled, buried := 0, 0
	for message := range total {
		dead := int(tr.dead[message].Load())
		handled += tr.begun[message]
		buried += dead
		want := 0
		if tr.accepted[message] {
			want = 1
		}
		if got := tr.begun[message] + dead; got != want || dead < 0 || tr.begun[message] < 0 {
			t.Errorf("message %d, accepted %v: got %d times handled and %d times dead", message, tr.accepted[message], tr.begun[message], dead)
		}
	}
	check(t, "account", tr.box.Stats(), mailbox.Stats{Handled: uint64(handled), Dead: uint64(buried)})
}

// checkRefused checks that nobody was refused but by the overflow policy, or
// because the mailbox was closed if it was.
func (tr *trial) checkRefused(closed bool) {
	for sender, err := range tr.refused {
		switch {
		case err == nil:
		case err == mailbox.ErrClosed && closed:
		case err == mailbox.ErrFull && tr.options.Overflow == mailbox.Reject:
		case sender == senders-1 && errors.Is(err, context.Canceled):
		default:
			tr.t.Errorf("sender %d: got %v", sender, err)
		}
	}
}

// checkDrained checks that everything which was accepted before the seal is handled,
// but for what the overflow policy says.
func (tr *trial) checkDrained() {
	for message, early := range tr.early {
		overflowed := tr.whys[message] == mailbox.Overflowed && slices.Contains(dropping, tr.options.Overflow)
		if early && tr.dead[message].Load() > 0 && !overflowed {
			tr.t.Errorf("message %d, accepted before the seal: got %v, want handled", message, tr.whys[message])
		}
	}
}

var dropping = []mailbox.Overflow{mailbox.DropNewest, mailbox.DropOldest}
