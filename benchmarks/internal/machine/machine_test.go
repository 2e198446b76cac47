package machine_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/benchmarks/internal/machine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDescribe(t *testing.T) {
	m := machine.Describe()
	if m.CPUs != runtime.GOMAXPROCS(0) || m.Go != runtime.Version() || time.Since(m.Time) > time.Minute {
		t.Errorf("got %+v, want this machine, now", m)
	}
}

func TestAMachineInALine(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		machine machine.Machine
		want    string
	}{
		{machine.Machine{CPU: "Fast", CPUs: 2, OS: "linux", Arch: "amd64", Go: "go1.26", Commit: "abc+", Time: at},
			"2 x Fast, linux/amd64, go1.26, commit abc+, 2026-01-02 03:04 UTC"},
		{machine.Machine{CPUs: 1, OS: "plan9", Arch: "arm", Go: "go1.26", Time: at},
			"1 x CPU of unknown model, plan9/arm, go1.26, commit unknown, 2026-01-02 03:04 UTC"},
	} {
		if got := test.machine.String(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
		if strings.ContainsRune(test.machine.String(), '\n') {
			t.Error("got several lines, want one")
		}
	}
}
