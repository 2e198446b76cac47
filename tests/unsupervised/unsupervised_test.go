// Package unsupervised shows what no supervisor can help with: each test runs the
// test binary as a program of its own, which is killed by what its child does, and
// beside it, where there is one, the way in which the same is supervised.
package unsupervised_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/actor"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/tracing"
)

// variable names the program that the test binary is to be.
const variable = "COPPICE_UNSUPERVISED"

// atOnce lets a program with the race detector end at once, not after a second.
const atOnce = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	if name := os.Getenv(variable); name != "" {
		ctx := context.Background()
		if strings.HasSuffix(name, inTime) {
			var end context.CancelFunc
			ctx, end = context.WithTimeout(ctx, 100*time.Millisecond)
			defer end()
		}
		if err := tree(ctx, programs[name]); err != nil {
			fmt.Println("the tree ended:", err)
		}
		fmt.Println("survived")
		return
	}
	goleak.VerifyTestMain(m)
}

// message is a message whose handler does something dangerous.
type message struct {
	act func(ctx context.Context) error
}

func (m message) Handle(ctx context.Context, _ *struct{}) (int, error) { return 0, m.act(ctx) }

// tree runs a tree in which a server has to do something dangerous, once, and to
// answer a question afterwards. It ends with what has become of that.
func tree(ctx context.Context, act func(ctx context.Context) error) error {
	server := actor.NewServer("server", func(context.Context) (*struct{}, error) { return new(struct{}), nil })
	root := supervisor.New("root", supervisor.Policy{AutoShutdown: strategy.AnySignificant},
		supervisor.Spec{Child: server, Shutdown: supervisor.Timeout(100 * time.Millisecond)},
		supervisor.Spec{
			Restart: strategy.Temporary, Significant: true,
			Child: supervisor.Func("client", func(ctx context.Context) error {
				if _, err := actor.Call(ctx, server, message{act}); err != nil {
					fmt.Println("the call:", err)
				}
				_, err := actor.Call(ctx, server, message{func(context.Context) error { return nil }})
				fmt.Println("the next call:", err)
				return nil
			}),
		})
	return root.Run(ctx)
}

// inTime ends the names of programs whose tree is asked to stop soon.
const inTime = ", in time"

// patience is how long a program may run.
const patience = time.Minute

// outcome is how a program has ended.
type outcome struct {
	status string // as by os.ProcessState
	output string
}

// run runs the test binary as one of the programs.
func run(t *testing.T, name string, patience time.Duration) outcome {
	t.Helper()
	if programs[name] == nil {
		t.Fatalf("no program %q", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	program := exec.CommandContext(ctx, os.Args[0])
	program.Env = append(os.Environ(), variable+"="+name, "GOTRACEBACK=single", atOnce)
	var output bytes.Buffer
	program.Stdout, program.Stderr = &output, &output
	err := program.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return outcome{program.ProcessState.String(), output.String()}
}

// dies checks that a program has ended so, with all of this in its output.
func dies(t *testing.T, name, status string, wants ...string) {
	t.Helper()
	got := run(t, name, patience)
	if got.status != status {
		t.Errorf("%s: got %q, want %q", name, got.status, status)
	}
	if strings.Contains(got.output, "survived") {
		t.Errorf("%s: got\n%s\nwant it dead", name, got.output)
	}
	contains(t, name, got.output, wants...)
}

// survives checks that a program has lived on, with all of this in its output.
func survives(t *testing.T, name string, wants ...string) {
	t.Helper()
	got := run(t, name, patience)
	if got.status != "exit status 0" {
		t.Errorf("%s: got %q, want exit status 0", name, got.status)
	}
	contains(t, name, got.output, append(wants, "the next call: <nil>", "survived")...)
}

func contains(t *testing.T, name, output string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(output, want) {
			t.Errorf("%s: got\n%s\nwant %q in it", name, output, want)
		}
	}
}

const (
	fatal  = "exit status 2"
	onCall = "the call: root/server: callee ended before it replied: "
)

func TestConcurrentMapWrites(t *testing.T) {
	for _, name := range []string{"map", "map, supervised"} {
		dies(t, name, fatal, "fatal error: concurrent map writes")
	}
}

func TestUnlockOfAnUnlockedMutex(t *testing.T) {
	dies(t, "unlock", fatal, "fatal error: sync: unlock of unlocked mutex")
}

func TestStackOverflow(t *testing.T) {
	dies(t, "stack", fatal, "goroutine stack exceeds 1048576-byte limit", "fatal error: stack overflow")
}

func TestDeadlockOfTheWholeProgram(t *testing.T) {
	if usesCgo(t) { // the runtime does not look: threads of C may wake somebody
		got := run(t, "deadlock", time.Second)
		if got.status != "signal: killed" || got.output != "" {
			t.Errorf("deadlock: got %q and\n%s\nwant it to do nothing", got.status, got.output)
		}
	} else {
		dies(t, "deadlock", fatal, "fatal error: all goroutines are asleep - deadlock!")
	}
	got := run(t, "deadlock"+inTime, patience)
	contains(t, "deadlock"+inTime, got.output, "the tree ended: 1 did not stop:",
		"root/server (incarnation 1), stuck with a unsupervised_test.message in hand", "unsupervised_test.sleepForEver", "survived")
}

// usesCgo says whether the test binary, and so the programs, may call C, as those
// that import net usually do.
func usesCgo(t *testing.T) bool {
	t.Helper()
	info, ok := debug.ReadBuildInfo()
	if !ok {
		t.Skip("it is not known how the test was built")
	}
	for _, setting := range info.Settings {
		if setting.Key == "CGO_ENABLED" {
			return setting.Value == "1"
		}
	}
	return false
}

func TestOutOfMemory(t *testing.T) {
	if !canRunOutOfMemory() {
		t.Skip("no limit to run into")
	}
	dies(t, "memory", fatal, "fatal error:", "memory")
	survives(t, "memory, too much", onCall+"panic: runtime error: makeslice: len out of range")
}

func TestPanicOfAPlainGoroutine(t *testing.T) {
	// With this setting the runtime says whose goroutine it was.
	t.Setenv("GODEBUG", "tracebacklabels=1")
	dies(t, "go", fatal, "panic: boom", "unsupervised_test.boom", `"coppice.path": "root/server"`)
	survives(t, "go, supervised", "panic: boom", "root/server")
	survives(t, "go, recovered", "the call: recovered: boom")
}

func TestPanicInsideOfAWaitGroup(t *testing.T) {
	dies(t, "wait group", fatal, "panic: boom", "unsupervised_test.boom")
}

func TestPanicOfATimer(t *testing.T) {
	dies(t, "timer", fatal, "panic: boom", "unsupervised_test.boom")
	survives(t, "timer, in line", onCall+"panic: boom")
}

func TestPanicAfterTheEndOfAContext(t *testing.T) {
	dies(t, "after", fatal, "panic: boom", "unsupervised_test.boom")
	survives(t, "after, in line", onCall+"panic: boom")
}

func TestExit(t *testing.T) {
	dies(t, "os.Exit", "exit status 3")
	dies(t, "log.Fatal", "exit status 1", "good bye")
	survives(t, "log.Panic", onCall+"panic: good bye")
}

func TestKilledFromOutside(t *testing.T) {
	dies(t, "SIGKILL", "signal: killed")
}

// What is a panic of the handler's own goroutine is a crash and nothing else.
func TestPanicsAreSupervised(t *testing.T) {
	survives(t, "panic", onCall+"panic: boom")
	survives(t, "nil pointer", onCall+"panic: runtime error: invalid memory address or nil pointer dereference")
}

// What may end a program does so in one of its own, whose end is that of a child
// like any other.
func TestChildProcessUnderAFunc(t *testing.T) {
	var exits []string
	events := tracing.New(tracing.Options{Logger: slog.New(slog.DiscardHandler), Sinks: []tracing.Sink{func(e tracing.Event) {
		if e, ok := e.(tracing.Exited); ok {
			exits = append(exits, e.Reason.Error())
		}
	}}})
	done := make(chan struct{})
	lives := []string{"unlock", "os.Exit", "panic"} // the last one survives
	worker := supervisor.Func("worker", func(ctx context.Context) error {
		if len(lives) == 0 {
			close(done)
			<-ctx.Done()
			return nil
		}
		name := lives[0]
		lives = lives[1:]
		program := exec.CommandContext(ctx, os.Args[0])
		program.Env = append(os.Environ(), variable+"="+name, atOnce)
		return program.Run()
	})
	root := supervisor.New("root", supervisor.Policy{Tracing: events}, worker)
	if _, err := root.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-done
	if err := root.Stop(context.Background()); err != nil {
		t.Errorf("stop: got %v, want nil", err)
	}
	if want := []string{"exit status 2", "exit status 3", "normal"}; !slices.Equal(exits, want) {
		t.Errorf("exits: got %q, want %q", exits, want)
	}
}
