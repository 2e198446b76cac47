package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/supervisor"
)

// crashVariable makes the test binary a program that crashes; see crash.
const crashVariable = "COPPICE_CRASH"

func crash() {
	inRun := supervisor.Func("inRun", func(context.Context) error { panic("boom in run") })
	inStart := named("inStart")
	inStart.onStart = func(context.Context, int) error { panic("boom in start") }
	inGo := with(named("inGo"), func(context.Context) error { panic("boom in Go") })
	children := map[string]supervisor.Child{"run": inRun, "start": inStart, "go": inGo}
	child := children[os.Getenv(crashVariable)]
	// The policy of the root counts for everything below it.
	root := supervisor.New("root", supervisor.Policy{CrashOnPanic: true, Tracing: quiet()},
		supervisor.New("sub", supervisor.Policy{}, child))
	fmt.Println("survived:", root.Run(context.Background()))
}

func TestCrashOnPanicEndsTheProgram(t *testing.T) {
	for _, test := range []struct{ where, panic, function string }{
		{"run", "panic: boom in run", "supervisor_test.crash.func1"},
		{"start", "panic: boom in start", "supervisor_test.crash.func2"},
		{"go", "panic: boom in Go", "supervisor_test.crash.func3"},
	} {
		t.Run(test.where, func(t *testing.T) {
			program := exec.CommandContext(t.Context(), os.Args[0])
			program.Env = append(os.Environ(), crashVariable+"="+test.where)
			output, err := program.CombinedOutput()
			text := string(output)
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
