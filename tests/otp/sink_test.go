package otp_test

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/coppice-go/coppice/tracing"
)

// reports is the log of the tree: what OTP's supervisors report, Coppice's log as
// warnings and errors. Like a sink it is called by the supervisor that acts, so
// the lines stand among its other events where they belong.
type reports struct{ *stage }

func (reports) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (r reports) WithAttrs([]slog.Attr) slog.Handler             { return r }
func (r reports) WithGroup(string) slog.Handler                  { return r }

func (r reports) Handle(_ context.Context, line slog.Record) error {
	attributes := make(map[string]string)
	line.Attrs(func(a slog.Attr) bool {
		if a.Key == "coppice" {
			for _, a := range a.Value.Resolve().Group() {
				attributes[a.Key] = a.Value.String()
			}
		}
		return true
	})
	path := attributes["path"]
	name := path[strings.LastIndex(path, "/")+1:]
	dynamic := kind(name) != name
	switch line.Message {
	case "child crashed":
		switch {
		case attributes["in_start"] == "true": // the child has said so
		case attributes["decision"] != "stop":
			r.event("report exit %s %s", kind(name), reason(attributes["reason"]))
		case !dynamic: // OTP reports one for each reason, not for each child
			r.event("report shutdown %s %s", name, reason(attributes["reason"]))
		}
	case "child stopped": // overdue, or killed by nobody
		if why := reason(attributes["reason"]); !dynamic && why != "boom" { // else it has crashed too
			r.event("report shutdown %s %s", name, why)
		}
	case "child abandoned":
		if !dynamic {
			r.event("report shutdown %s killed", name)
		}
	case "supervisor gave up": // see the sink
	default: // such as a panic of the sink
		r.event("log: %s", line.Message)
	}
	return nil
}

// reason is how a trace has it.
func reason(text string) string {
	switch {
	case text == "normal" || text == "shutdown" || text == "killed":
		return text
	case strings.HasPrefix(text, "shutdown: "):
		return "shutdown detail"
	}
	return "boom"
}

// sink notes what the log does not tell in OTP's words, and what plays a part in
// whether the scenario is fair.
func (st *stage) sink(e tracing.Event) {
	path := e.Where().Path
	parent, name := "", path
	if i := strings.LastIndex(path, "/"); i >= 0 {
		parent, name = path[:i], kind(path[i+1:])
	}
	switch e := e.(type) {
	case tracing.Abandoned:
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
		st.charge(path)
		st.event("gave up %s on %s", name, kind(e.Child))
	}
}

// charge notes that a restart was charged to the budget of a supervisor.
func (st *stage) charge(supervisor string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.charges[supervisor] = append(st.charges[supervisor], time.Now())
}
