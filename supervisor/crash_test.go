package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/exit"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// crashVariable makes the test binary a program that crashes; see crash.
const crashVariable = "COPPICE_CRASH"

func crash() {
	if f := lateCrashes[os.Getenv(crashVariable)]; f != nil {
		f()
		return
	}
	inRun := supervisor.Func("inRun", func(context.Context) error { panic("boom in run") })
	inStart := named("inStart")
	inStart.onStart = func(context.Context, int) error { panic("boom in start") }
	inGo := with(named("inGo"), func(context.Context) error { panic("boom in Go") })
	inHandler := actor.New("inHandler", func(context.Context) (actor.Behavior[int], error) {
		return actor.Behavior[int]{
			Receive: func(context.Context, int) error { panic("boom in a handler") },
			Close:   func(context.Context, exit.Reason) error { fmt.Println("survived until Close"); return nil },
		}, nil
	})
	sends := with(named("sends"), func(ctx context.Context) error { return inHandler.Send(ctx, 1) })
	pair := supervisor.New("pair", supervisor.Policy{}, inHandler, sends)
	children := map[string]supervisor.Child{"run": inRun, "start": inStart, "go": inGo, "handler": pair}
	child := children[os.Getenv(crashVariable)]
	// The policy of the root counts for everything below it.
	root := supervisor.New("root", supervisor.Policy{CrashOnPanic: true, Tracing: quiet()},
		supervisor.New("sub", supervisor.Policy{}, child))
	fmt.Println("survived:", root.Run(context.Background()))
}

// lateCrashes are programs with an incarnation that is abandoned.
var lateCrashes = map[string]func(){
	"late":       func() { crashLate(false) },
	"late, hard": func() { crashLate(true) },
	"for good":   stuckForGood,
}

// crashLate panics where nobody waits for it any more.
func crashLate(hard bool) {
	released, returned := make(chan struct{}), make(chan struct{})
	root := supervisor.New("root", supervisor.Policy{CrashOnPanic: hard, Tracing: quiet(func(e tracing.Event) {
		if e, ok := e.(tracing.Returned); ok {
			fmt.Println("returned:", e.Reason)
			close(returned)
		}
	})}, supervisor.Spec{Shutdown: supervisor.BrutalKill, Child: supervisor.Func("late", func(context.Context) error {
		<-released
		panic("boom, late")
	})})
	if _, err := root.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println("stop:", root.Stop(context.Background()) != nil)
	close(released)
	<-returned
	fmt.Println("survived")
}

func stuckInSelect(there *sync.WaitGroup) {
	there.Done()
	select {}
}

// stuckForGood is a program with goroutines that cannot be released.
func stuckForGood() {
	var there sync.WaitGroup
	there.Add(3)
	waits := with(named("go"), func(context.Context) error { stuckInSelect(&there); return nil })
	starts := named("start")
	starts.onStart = func(context.Context, int) error { stuckInSelect(&there); return nil }
	brutal := func(child supervisor.Child) supervisor.Child {
		return supervisor.Spec{Child: child, Shutdown: supervisor.BrutalKill}
	}
	root := supervisor.New("root", supervisor.Policy{Tracing: quiet()},
		brutal(supervisor.Func("run", func(context.Context) error { stuckInSelect(&there); return nil })),
		brutal(waits), brutal(starts))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		there.Wait()
		cancel()
	}()
	fmt.Println(root.Run(ctx))
	fmt.Println("survived:", len(root.Abandoned()))
}

// program runs the test binary as one that crashes, or does not.
func program(t *testing.T, name string) (output string, err error) {
	t.Helper()
	program := exec.CommandContext(t.Context(), os.Args[0])
	// With the race detector a program ends a second late, unless it is told not to.
	program.Env = append(os.Environ(), crashVariable+"="+name, "GORACE=atexit_sleep_ms=0")
	text, err := program.CombinedOutput()
	return string(text), err
}

func TestS194_LatePanicDoesNotEndTheProgram(t *testing.T) {
	output, err := program(t, "late")
	if want := "stop: true\nreturned: panic: boom, late\nsurvived\n"; err != nil || output != want {
		t.Errorf("got error %v and output:\n%s\nwant:\n%s", err, output, want)
	}
}

// Who wants every panic to end the program, gets that of an abandoned goroutine too.
func TestLatePanicWithCrashOnPanicEndsTheProgram(t *testing.T) {
	output, err := program(t, "late, hard")
	if err == nil || strings.Contains(output, "survived") || !strings.Contains(output, "panic: boom, late") {
		t.Errorf("got error %v and output:\n%s\nwant a crash", err, output)
	}
}

func TestS193_StuckInASelectForGood(t *testing.T) {
	output, err := program(t, "for good")
	if err != nil {
		t.Errorf("got error %v, want nil", err)
	}
	for _, want := range []string{
		"3 did not stop:", "root/go (incarnation 1), stuck in a goroutine of supervisor.Go for at least", "root/run (incarnation 1), stuck in run for at least",
		"root/start (incarnation 1), stuck in Start for at least", "survived: 3",
	} {
		if !strings.Contains(output, want) {
			t.Errorf("got output:\n%s\nwant it to contain %q", output, want)
		}
	}
	if got := strings.Count(output, "supervisor_test.stuckInSelect\n"); got != 3 {
		t.Errorf("stacks: got %d with stuckInSelect, want 3, in\n%s", got, output)
	}
}

func TestCrashOnPanicEndsTheProgram(t *testing.T) {
	for _, test := range []struct{ where, panic, function string }{
		{"run", "panic: boom in run", "supervisor_test.crash.func1"},
		{"start", "panic: boom in start", "supervisor_test.crash.func2"},
		{"go", "panic: boom in Go", "supervisor_test.crash.func3"},
		{"handler", "panic: boom in a handler", "supervisor_test.crash.func4.1"},
	} {
		t.Run(test.where, func(t *testing.T) {
			text, err := program(t, test.where)
			if err == nil || strings.Contains(text, "survived") {
				t.Fatalf("got error %v and output:\n%s\nwant a crash", err, text)
			}
			for _, want := range []string{test.panic, test.function} {
				if !strings.Contains(text, want) {
					t.Errorf("got output:\n%s\nwant it to contain %q", text, want)
				}
			}
		})
	}
}
