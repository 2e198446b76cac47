package otp_test

import (
	"strings"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

// sink notes what OTP reports too.
func (st *stage) sink(e tracing.Event) {
	path := e.Where().Path
	parent, name := "", path
	if i := strings.LastIndex(path, "/"); i >= 0 {
		parent, name = path[:i], kind(path[i+1:])
	}
	if parent == "" { // the root has nobody above who would report
		if g, ok := e.(tracing.GaveUp); ok {
			st.gaveUp(path, name, g)
		}
		return
	}
	switch e := e.(type) {
	case tracing.Exited:
		if st.restartOf(name) == "permanent" || !e.Reason.Clean() {
			st.event("report exit %s %s", name, reason(e.Reason))
		}
	case tracing.Terminated:
		if strings.Contains(path, "#") {
			return // OTP reports one for each reason, not for each child
		}
		if e.Overdue || !e.Reason.Clean() && !(e.Reason == exit.Killed && e.Killed) {
			st.event("report shutdown %s %s", name, reason(e.Reason))
		}
	case tracing.Abandoned:
		if !strings.Contains(path, "#") {
			st.event("report shutdown %s killed", name)
		}
		st.mu.Lock()
		st.expired = append(st.expired, time.Now())
		if r := st.cast[name]; r != nil && r.life != nil && !r.life.over {
			r.life.over = true
			close(r.life.gone)
		}
		st.mu.Unlock()
	case tracing.Restarting:
		st.charge(parent)
	case tracing.GaveUp:
		st.gaveUp(path, name, e)
	}
}

func (st *stage) gaveUp(path, name string, e tracing.GaveUp) {
	st.charge(path)
	st.event("gave up %s on %s", name, kind(e.Child))
}

func (st *stage) restartOf(name string) string {
	st.mu.Lock()
	defer st.mu.Unlock()
	if r := st.cast[name]; r != nil {
		return r.restart
	}
	return st.restarts[name]
}

func (st *stage) charge(supervisor string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.charges[supervisor] = append(st.charges[supervisor], time.Now())
}

func reason(r exit.Reason) string {
	_, gaveUp := r.(*exit.GaveUp)
	switch {
	case r == exit.Normal:
		return "normal"
	case r == exit.Shutdown || gaveUp:
		return "shutdown"
	case r == exit.Killed:
		return "killed"
	case r.Clean():
		return "shutdown detail"
	}
	return "boom"
}
