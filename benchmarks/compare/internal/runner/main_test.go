package runner_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "process" {
		process(os.Args[2], strings.Join(os.Args[3:], " "))
	}
	// With the race detector each process would wait for a second at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// process is a process that measures, as the tests want it.
func process(act, text string) {
	switch act {
	case "prints":
		fmt.Println(text)
	case "fails":
		fmt.Fprintln(os.Stderr, text)
		os.Exit(3)
	case "hangs":
		if err := os.WriteFile(text, []byte(fmt.Sprint(os.Getpid())), 0o600); err != nil {
			os.Exit(1)
		}
		<-time.After(time.Hour) // it is killed before
	}
	os.Exit(0)
}
