package otp_test

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"github.com/coppice-go/coppice/exit"
)

// role is what the stage knows of a child's name, over all its incarnations.
type role struct {
	attempts int
	held     map[string]bool // start and stop
	release  chan struct{}   // closed to release; renewed
	life     *life           // the last incarnation that came up
}

// life is one incarnation of a child.
type life struct {
	end  chan string   // the reason to end with
	gone chan struct{} // closed when it was abandoned
	over bool
}

// player is a child of the scenario.
type player struct {
	*stage
	node *node
}

func (p *player) Name() string { return p.node.name }

var errBoom = errors.New("boom")

func (p *player) Start(ctx context.Context) (func() error, error) {
	name := p.node.name
	p.mu.Lock()
	r := p.cast[name]
	r.attempts++
	attempt, held, release := r.attempts, r.held["start"], r.release
	p.mu.Unlock()
	p.event("start %s", name)
	if held {
		<-release
	}
	switch {
	case slices.Contains(p.node.fails, attempt):
		p.event("fail %s", name)
		return nil, []error{errBoom, exit.Normal, exit.Shutdown}[attempt%3]
	case slices.Contains(p.node.ignores, attempt):
		p.event("ignore %s", name)
		return nil, nil
	}
	p.event("up %s", name)
	l := &life{end: make(chan string), gone: make(chan struct{})}
	p.mu.Lock()
	r.life = l
	p.mu.Unlock()
	return func() error { return p.run(ctx, r, l) }, nil
}

func (p *player) run(ctx context.Context, r *role, l *life) error {
	select {
	case how := <-l.end:
		return p.end(l, how)
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	if cause == exit.Killed && p.node.shutdown == "brutal" {
		p.leave(l)
		return ctx.Err()
	}
	text := "stop " + p.node.name
	if cause == exit.Killed {
		text += " killed"
	}
	p.event("%s", text)
	p.mu.Lock()
	held, release := r.held["stop"], r.release
	p.mu.Unlock()
	switch {
	case p.node.stubborn:
		release = nil
	case !held:
		p.leave(l)
		return ctx.Err()
	}
	select {
	case <-release:
		p.leave(l)
		return ctx.Err()
	case how := <-l.end:
		return p.end(l, how)
	case <-l.gone:
	case <-p.over:
	}
	return ctx.Err()
}

func (p *player) leave(l *life) {
	p.mu.Lock()
	l.over = true
	p.mu.Unlock()
}

func (p *player) end(l *life, how string) error {
	p.leave(l)
	text := how
	if slices.Contains(abnormal, how) {
		text = "boom"
	} else if how == "detail" {
		text = "shutdown detail"
	}
	p.event("exit %s %s", p.node.name, text)
	switch how {
	case "normal":
		return nil
	case "shutdown":
		return exit.Shutdown
	case "detail":
		return exit.ShutdownFor(errors.New("detail"))
	case "killed":
		return exit.Killed
	case "panic":
		panic("boom")
	case "goexit":
		runtime.Goexit()
	}
	return errBoom
}

// waiting is a child whose start keeps its supervisor busy and then declines.
type waiting struct{ gate chan struct{} }

func (waiting) Name() string { return "gate" }

func (w waiting) Start(context.Context) (func() error, error) {
	<-w.gate
	return nil, nil
}
