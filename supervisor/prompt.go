package supervisor

import (
	"errors"
	"log/slog"
	"sync/atomic"
)

// prompt lets a child answer the StartChild request itself once it is up, so that the
// supervisor need not wake: one switch of goroutines fewer for each of a million.
//
// It is for a start after which the loop has nothing to do but to wait for what comes.
// Loop and child both claim it when the Start is over, so one of them replies.
type prompt struct {
	runner  atomic.Pointer[runner]  // whose Start is awaited; nil if that was claimed, or if there is none
	request atomic.Pointer[request] // to reply to; another one only after the claim

	// These belong to the loop.
	offered, armed bool
	replied        bool // the child has claimed it
}

// errReplied is no error: the reply is not the loop's to send.
var errReplied = errors.New("the child has replied")

// offer is told the request that the next launch is for, if the loop has nothing else
// to come back to.
func (l *loop) offer(r *request) {
	p := &l.prompt
	if p.offered = len(l.held) == 0 && len(l.delays) == 0; p.offered {
		p.request.Store(r)
	}
}

// arm is told whose Start is awaited. Not for a watched child, whose start the loop
// must note, nor for a traced one, whose span the loop must end.
func (p *prompt) arm(r *runner) {
	if p.offered && r.member.watched == nil && !r.member.life.Traces() {
		p.armed = true
		p.runner.Store(r)
	}
}

// settle is told that its Start is awaited no more.
func (p *prompt) settle() { p.replied = p.armed && p.runner.Swap(nil) == nil }

// withdraw ends the offer, and says whether the child has replied, or does this moment.
func (p *prompt) withdraw() (replied bool) {
	replied = p.replied
	p.offered, p.armed, p.replied = false, false, false
	return replied
}

// reply is called by an incarnation that is up, which wakes the loop unless it can reply
// by itself: only the loop changes members, and a snapshot can tell from the phase that
// the child is up.
func (l *loop) reply(r *runner) {
	replied := false
	defer func() { // also if a log handler leaves by Goexit when it is asked what it hears
		if !replied {
			l.queue.nudge()
		}
	}()
	request := l.prompt.request.Load()
	if l.prompt.runner.Load() != r || r.member.life.Hears(slog.LevelDebug) || !l.prompt.runner.CompareAndSwap(r, nil) {
		return
	}
	l.queue.resume()
	replied = true
	request.reply <- nil
}
