package supervisor

import (
	"errors"
	"fmt"
	"sync"
)

// request is an administration call: the loop does it when its turn comes.
type request struct {
	loop     *loop // that is asked
	op, name string
	do       func(*loop, *request) error
	reply    chan error // has room for the one reply, and for errGone
	place    int        // among those that somebody waits for

	child Child  // that is to be started
	given string // the name that do has given it; to be read after a reply without an error
}

// requests are those to a loop that somebody waits for. Each hears through its own
// channel also if there will be no reply: so most wait for nothing else, which takes
// half the time of a select.
//
// One that was replied to is used again. Whoever asked has read the reply then, and
// the loop has nothing more to do with it; one that was given up is left to the
// collector, as its reply may still come.
type requests struct {
	mu    sync.Mutex
	asked []*request
	spare []*request
	over  bool // nobody replies any more
}

// errGone is heard instead of a reply if there may be none.
var errGone = errors.New("the supervisor has ended or was abandoned")

const mostSpare = 16

// begin gives a request that is to be filled in and pushed; nil if it would be in vain.
func (all *requests) begin(l *loop) (r *request) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.over {
		return nil
	}
	if last := len(all.spare) - 1; last >= 0 {
		r, all.spare = all.spare[last], all.spare[:last]
	} else {
		r = &request{loop: l, reply: make(chan error, 2)}
	}
	r.place = len(all.asked)
	all.asked = append(all.asked, r)
	return r
}

// end is for a request that nobody waits for any more, with again if its reply was
// read.
func (all *requests) end(r *request, again bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	last := len(all.asked) - 1
	all.asked[r.place], all.asked[last].place = all.asked[last], r.place
	all.asked[last] = nil
	all.asked = all.asked[:last]
	if again && !all.over && len(all.spare) < mostSpare {
		*r = request{loop: r.loop, reply: r.reply}
		all.spare = append(all.spare, r)
	}
}

// refuse tells all that wait, and all that come, that there will be no reply. It is
// called once.
func (all *requests) refuse() {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.over, all.spare = true, nil
	for _, r := range all.asked {
		r.reply <- errGone
	}
}

// serve does what was asked for and replies. If a sink leaves by Goexit meanwhile,
// the supervisor is no more, which ask hears.
func (r *request) serve() {
	if err := r.do(r.loop, r); err != errReplied { // else it may be used again by now
		r.reply <- err
	}
}

// heard is what comes of a reply.
func (r *request) heard(reply error) (given string, err error) {
	if reply == errGone {
		given, err = r.answer(ErrNotRunning)
		return given, r.loop.ended(err)
	}
	given = r.given
	r.loop.requests.end(r, true)
	return given, reply
}

// leave is for a request that is not waited for any more, although the loop has it and
// will come to it.
func (r *request) leave(why error) (given string, err error) {
	return r.answer(fmt.Errorf("no longer waited for, but carried out unless the supervisor ends first: %w", why))
}

// answer is the reply if there is one, else the refusal.
func (r *request) answer(refusal error) (given string, err error) {
	for {
		select {
		case reply := <-r.reply:
			if reply != errGone {
				return r.heard(reply)
			}
		default:
			r.loop.requests.end(r, false)
			return "", r.loop.node.refuse(r.op, r.name, refusal)
		}
	}
}
