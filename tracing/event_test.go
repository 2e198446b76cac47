package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/tracing"
)

type deposit struct{ Cents int }

// A secret must not get out of a message into logs or spans.
var secret = deposit{4711}

func head() tracing.Head { return tracing.Head{Path: "bank/alice", Incarnation: 2} }

// every has at least one event of each type of the sealed set.
var every = []struct {
	event tracing.Event
	line  string // String
	log   string // at all levels, as text
}{
	{
		tracing.Started{Head: head(), Took: time.Millisecond},
		`bank/alice#2 started in 1ms`,
		`level=DEBUG msg="child started" coppice.path=bank/alice coppice.incarnation=2 coppice.took=1ms`,
	}, {
		tracing.Started{Head: tracing.Head{Path: "bank"}},
		`bank started in 0s`,
		`level=DEBUG msg="child started" coppice.path=bank coppice.took=0s`,
	}, {
		tracing.StartFailed{Head: head(), Reason: failed("no table"), Took: time.Millisecond},
		`bank/alice#2 failed to start after 1ms: no table`,
		`level=DEBUG msg="child failed to start" coppice.path=bank/alice coppice.incarnation=2 coppice.reason="no table" coppice.took=1ms`,
	}, {
		tracing.Exited{Head: head(), Reason: failed("lost connection"), Lived: time.Hour},
		`bank/alice#2 exited after 1h0m0s: lost connection`,
		`level=DEBUG msg="child exited" coppice.path=bank/alice coppice.incarnation=2 coppice.reason="lost connection" coppice.lived=1h0m0s`,
	}, {
		tracing.Exited{Head: head(), Reason: exit.Normal, Lived: time.Second},
		`bank/alice#2 exited after 1s: normal`,
		`level=DEBUG msg="child exited" coppice.path=bank/alice coppice.incarnation=2 coppice.reason=normal coppice.lived=1s`,
	}, {
		tracing.Terminated{Head: head(), Reason: exit.Shutdown, Took: time.Second},
		`bank/alice#2 stopped in 1s: shutdown`,
		`level=DEBUG msg="child stopped" coppice.path=bank/alice coppice.incarnation=2 coppice.reason=shutdown coppice.took=1s coppice.killed=false coppice.overdue=false`,
	}, {
		tracing.Terminated{Head: head(), Reason: exit.Killed, Took: time.Second, Killed: true},
		`bank/alice#2 stopped in 1s: killed`,
		`level=DEBUG msg="child stopped" coppice.path=bank/alice coppice.incarnation=2 coppice.reason=killed coppice.took=1s coppice.killed=true coppice.overdue=false`,
	}, {
		tracing.Terminated{Head: head(), Reason: exit.Killed, Took: time.Second, Killed: true, Overdue: true},
		`bank/alice#2 was overdue and stopped in 1s: killed`,
		`level=WARN msg="child stopped" coppice.path=bank/alice coppice.incarnation=2 coppice.reason=killed coppice.took=1s coppice.killed=true coppice.overdue=true`,
	}, {
		tracing.Terminated{Head: head(), Reason: failed("disk full"), Took: time.Second},
		`bank/alice#2 stopped in 1s: disk full`,
		`level=DEBUG msg="child stopped" coppice.path=bank/alice coppice.incarnation=2 coppice.reason="disk full" coppice.took=1s coppice.killed=false coppice.overdue=false`,
	}, {
		tracing.Terminated{Head: head(), Reason: exit.Killed, Took: time.Second},
		`bank/alice#2 stopped in 1s: killed`,
		`level=WARN msg="child stopped" coppice.path=bank/alice coppice.incarnation=2 coppice.reason=killed coppice.took=1s coppice.killed=false coppice.overdue=false`,
	}, {
		tracing.Crash{
			Head: tracing.Head{Time: time.Unix(3, 0).UTC(), Path: "bank/alice", Incarnation: 2}, Reason: failed("boom"), Lived: time.Hour, Message: secret, MessageType: "tracing_test.deposit", Waiting: 7,
			Restarts: []tracing.Restarting{{Head: tracing.Head{Time: time.Unix(0, 0).UTC(), Path: "bank/alice", Incarnation: 1}, Attempt: 1, Reason: failed("bang")}},
			Decision: tracing.Restart, Attempt: 2, Delay: time.Second,
		},
		`bank/alice#2 crashed after 1h0m0s with a tracing_test.deposit in hand, 7 waiting: boom; restarts in 1s, attempt 2`,
		`level=ERROR msg="child crashed" coppice.path=bank/alice coppice.incarnation=2 coppice.reason=boom coppice.in_start=false coppice.lived=1h0m0s ` +
			`coppice.message=tracing_test.deposit coppice.waiting=7 coppice.decision=restart coppice.attempt=2 coppice.delay=1s ` +
			`coppice.restarts=1 coppice.within=3s`,
	}, {
		tracing.Crash{Head: head(), Reason: failed("no table"), InStart: true, Decision: tracing.Refuse},
		`bank/alice#2 crashed in its start: no table; was not a restart`,
		`level=ERROR msg="child crashed" coppice.path=bank/alice coppice.incarnation=2 coppice.reason="no table" coppice.in_start=true coppice.lived=0s ` +
			`coppice.waiting=0 coppice.decision=refuse`,
	}, {
		tracing.Crash{Head: head(), Reason: exit.Goexit, Decision: tracing.StayDown},
		`bank/alice#2 crashed after 0s: goroutine left by runtime.Goexit; stays down`,
		`level=ERROR msg="child crashed" coppice.path=bank/alice coppice.incarnation=2 coppice.reason="goroutine left by runtime.Goexit" coppice.in_start=false ` +
			`coppice.lived=0s coppice.waiting=0 coppice.decision="stay down"`,
	}, {
		tracing.Crash{Head: head(), Reason: exit.Killed, Decision: tracing.Stop},
		`bank/alice#2 crashed after 0s: killed; was being stopped`,
		`level=ERROR msg="child crashed" coppice.path=bank/alice coppice.incarnation=2 coppice.reason=killed coppice.in_start=false ` +
			`coppice.lived=0s coppice.waiting=0 coppice.decision=stop`,
	}, {
		tracing.Crash{Head: head(), Reason: failed("boom"), Decision: tracing.GiveUp, Why: errors.New("no further restart")},
		`bank/alice#2 crashed after 0s: boom; the supervisor gives up (no further restart)`,
		`level=ERROR msg="child crashed" coppice.path=bank/alice coppice.incarnation=2 coppice.reason=boom coppice.in_start=false ` +
			`coppice.lived=0s coppice.waiting=0 coppice.decision="give up" coppice.why="no further restart"`,
	}, {
		tracing.Restarting{Head: head(), Attempt: 3, Delay: time.Second, Reason: failed("boom")},
		`bank/alice#2 restarts in 1s, attempt 3: boom`,
		`level=DEBUG msg="child restarting" coppice.path=bank/alice coppice.incarnation=2 coppice.reason=boom coppice.attempt=3 coppice.delay=1s`,
	}, {
		tracing.Restarting{Head: head(), Attempt: 1, Reason: exit.Normal}, // no Crash tells of it
		`bank/alice#2 restarts at once, attempt 1: normal`,
		`level=INFO msg="child restarting" coppice.path=bank/alice coppice.incarnation=2 coppice.reason=normal coppice.attempt=1 coppice.delay=0s`,
	}, {
		tracing.Restarted{Head: head(), Attempt: 3, Took: time.Second, Reason: failed("boom")},
		`bank/alice#2 restarted in 1s, attempt 3: boom`,
		`level=DEBUG msg="child restarted" coppice.path=bank/alice coppice.incarnation=2 coppice.reason=boom coppice.attempt=3 coppice.took=1s`,
	}, {
		tracing.GaveUp{Head: head(), Child: "bob", Reason: failed("boom")},
		`bank/alice#2 gave up on "bob" (too many restarts): boom`,
		`level=ERROR msg="supervisor gave up" coppice.path=bank/alice coppice.incarnation=2 coppice.child=bob coppice.reason=boom coppice.why="too many restarts"`,
	}, {
		tracing.GaveUp{Head: head(), Child: "bob", Reason: failed("boom"), Why: errors.New("no further restart")},
		`bank/alice#2 gave up on "bob" (no further restart): boom`,
		`level=ERROR msg="supervisor gave up" coppice.path=bank/alice coppice.incarnation=2 coppice.child=bob coppice.reason=boom coppice.why="no further restart"`,
	}, {
		tracing.AutoShutdown{Head: head(), Child: "bob", Reason: exit.Normal},
		`bank/alice#2 shuts itself down after the end of "bob": normal`,
		`level=INFO msg="supervisor shuts itself down" coppice.path=bank/alice coppice.incarnation=2 coppice.child=bob coppice.reason=normal`,
	}, {
		tracing.Abandoned{Head: head(), Waited: 5 * time.Second},
		`bank/alice#2 abandoned after 5s`,
		`level=ERROR msg="child abandoned" coppice.path=bank/alice coppice.incarnation=2 coppice.waited=5s`,
	}, {
		tracing.Returned{Head: head(), Reason: exit.Normal},
		`bank/alice#2 returned after it was abandoned: normal`,
		`level=INFO msg="abandoned child returned" coppice.path=bank/alice coppice.incarnation=2 coppice.reason=normal`,
	}, {
		tracing.Stuck{Head: head(), Doing: tracing.StuckWithMessage, For: 3 * time.Second, Waiting: 5, Stack: "main.work"},
		`bank/alice#2 stuck with a message in hand for at least 3s, 5 waiting`,
		`level=WARN msg="child stuck" coppice.path=bank/alice coppice.incarnation=2 coppice.doing="with a message in hand" coppice.for=3s coppice.waiting=5 coppice.stack=main.work`,
	}, {
		tracing.Stuck{Head: head(), Doing: tracing.StuckInStart, For: 3 * time.Second},
		`bank/alice#2 stuck in Start for at least 3s`,
		`level=WARN msg="child stuck" coppice.path=bank/alice coppice.incarnation=2 coppice.doing="in Start" coppice.for=3s coppice.waiting=0`,
	}, {
		tracing.Unstuck{Head: head(), Doing: tracing.StuckInQueue, For: 5 * time.Second},
		`bank/alice#2 no longer stuck with a message waiting, after at least 5s`,
		`level=INFO msg="child no longer stuck" coppice.path=bank/alice coppice.incarnation=2 coppice.doing="with a message waiting" coppice.for=5s`,
	}, {
		tracing.DeadLetter{Head: head(), Message: secret, Why: "overflow", Resend: func(context.Context) error { return nil }},
		`bank/alice#2 dead letter: tracing_test.deposit: overflow`,
		`level=DEBUG msg="dead letter" coppice.path=bank/alice coppice.incarnation=2 coppice.message=tracing_test.deposit coppice.why=overflow`,
	}, {
		tracing.CastFailed{Head: head(), Message: &secret, Err: errors.New("no account")},
		`bank/alice#2 cast failed: *tracing_test.deposit: no account`,
		`level=WARN msg="cast failed" coppice.path=bank/alice coppice.incarnation=2 coppice.message=*tracing_test.deposit coppice.error="no account"`,
	}, {
		tracing.Missed{Count: 1},
		`missed 1 event`,
		``, // never emitted
	}, {
		tracing.Missed{Count: 3},
		`missed 3 events`,
		``,
	},
}

// sealed are the names of all types of the package that are events: those with
// the method that seals the set.
func sealed(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tree.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "stamped" {
				names[f.Recv.List[0].Type.(*ast.Ident).Name] = true
			}
		}
	}
	delete(names, "Head") // the part that events share
	return names
}

func TestEveryEventIsInTheTable(t *testing.T) {
	missing := sealed(t)
	check(t, "types of events", len(missing), 16)
	for _, c := range every {
		delete(missing, reflect.TypeOf(c.event).Name())
	}
	if len(missing) > 0 {
		t.Errorf("events that no test renders: %v", missing)
	}
}

func TestEveryEventRenders(t *testing.T) {
	for _, c := range every {
		name := reflect.TypeOf(c.event).Name()
		t.Run(name, func(t *testing.T) {
			check(t, "String", c.event.String(), c.line)

			var out bytes.Buffer
			options := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: noTime}
			life := tracing.New(tracing.Options{Logger: slog.New(slog.NewTextHandler(&out, options))}).Life("unused", "", nil)
			life.Emit(c.event)
			check(t, "log", strings.TrimSpace(out.String()), c.log)

			// A user's own sink may log the event as a whole.
			out.Reset()
			slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: noTime})).Info("", "event", c.event)
			if text := out.String(); strings.Contains(text, "ERROR") || strings.Contains(text, "4711") {
				t.Errorf("as JSON: got %s, want no error and no contents of a message", text)
			}
			check(t, "Where", c.event.Where().Path == "", name == "Missed")
		})
	}
}

func noTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func TestErrorMethodsThatPanicDoNotStopTheStory(t *testing.T) {
	var bad *badError
	var out bytes.Buffer
	life := tracing.New(tracing.Options{Logger: slog.New(slog.NewTextHandler(&out, nil))}).Life("a", "", nil)
	life.Emit(tracing.CastFailed{Message: 1, Err: bad})
	if got := out.String(); !strings.Contains(got, "cast failed") || strings.Contains(got, "panicked") {
		t.Errorf("log: got %q, want the event", got)
	}
	if got := (tracing.Exited{Reason: exit.Of(bad)}).String(); !strings.Contains(got, "exited after") {
		t.Errorf("String: got %q", got)
	}
}

type badError struct{ text string }

func (b *badError) Error() string { return b.text } // panics for nil

func TestEmitFillsInTimeAndPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		life := tracing.New(tracing.Options{Sinks: []tracing.Sink{seen.sink}}).Life("bank/alice", "", nil)
		time.Sleep(time.Hour)
		then := time.Now().Add(-time.Minute)

		life.Emit(tracing.Started{Head: tracing.Head{Incarnation: 1}})
		life.Emit(&tracing.Started{}) // a pointer is one too, by accident: it is taken as the value
		life.Emit(tracing.Started{Head: tracing.Head{Path: "other", Time: then}})

		check(t, "first", seen.events[0].Where(), tracing.Head{Time: time.Now(), Path: "bank/alice", Incarnation: 1})
		if _, ok := seen.events[1].(tracing.Started); !ok {
			t.Errorf("a pointer: got %T, want tracing.Started", seen.events[1])
		}
		check(t, "given", seen.events[2].Where(), tracing.Head{Time: then, Path: "other"})
	})
}

func TestNothingComesOfNothing(t *testing.T) {
	var seen recorder
	life := tracing.New(tracing.Options{Sinks: []tracing.Sink{seen.sink}}).Life("a", "", nil)
	life.Emit(nil)
	life.Emit(tracing.Missed{Count: 3})
	life.Begin(t.Context(), tracing.ActStart).End(nil)

	var none *tracing.Life
	none.Emit(tracing.Started{})
	none.Begin(t.Context(), tracing.ActStop).End(tracing.Terminated{})
	tracing.Act{}.End(tracing.Started{})
	_, sent := none.Sending(t.Context(), tracing.Call, 1)
	sent.End(nil)
	_, processed := none.Processing(t.Context(), tracing.Call, sent.Carrier(), 1)
	processed.Crashed(exit.Killed)
	check(t, "context of nil", none.Context(t.Context()), t.Context())
	check(t, "tracing of nil", none.Tracing(), nil)
	check(t, "traces of nil", none.Traces(), false)

	checkList(t, "events", seen.lines(), nil)
}

func TestFromFindsTheNearestLife(t *testing.T) {
	tr := tracing.New(tracing.Options{})
	bank := tr.Life("bank", "", nil)
	alice := tr.Life("bank/alice", "", bank)
	check(t, "none", tracing.From(t.Context()), nil)
	check(t, "alice", tracing.From(alice.Context(bank.Context(t.Context()))), alice)
	check(t, "tracing", alice.Tracing(), tr)
}
